//! One part of many: which inputs of many it has (a shard), and which frames of one (a segment).
//! Who says which part it is, is left to the configuration.

use std::fmt;
use std::ops::Range;
use std::path::{Component, Path};

use sha2::{Digest, Sha256};

/// Part `index` of `count`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    index: u64,
    count: u64,
}

impl Part {
    /// Most parts.
    pub const MOST: u64 = 1_000_000;

    /// Part `index` of `count`; `None` where there is no such part.
    pub fn new(index: u64, count: u64) -> Option<Self> {
        ((1..=Self::MOST).contains(&count) && (1..=count).contains(&index))
            .then_some(Self { index, count })
    }

    /// Reads `I/N`.
    pub fn parse(text: &str) -> Option<Self> {
        let (index, count) = text.split_once('/')?;
        let number =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok());
        Self::new(number(index)??, number(count)??)
    }

    /// Which part, from 1.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Of how many.
    pub fn count(self) -> u64 {
        self.count
    }

    /// Whether it has what goes by `key`: the first eight bytes of the SHA-256 of its UTF-8, as a
    /// number with the highest byte first, divided by the number of parts, leave `index - 1`. The
    /// same on every machine and in every version.
    pub fn has(self, key: &str) -> bool {
        let digest = Sha256::digest(key.as_bytes());
        let number =
            digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        number % self.count == self.index - 1
    }

    /// Its frames of `total`: as many as the others have, or one more or less.
    pub fn evenly(self, total: u64) -> Range<u64> {
        self.bound(self.index - 1, total)..self.bound(self.index, total)
    }

    /// Its frames of `total` where a part can only begin at one of `keys`, which are sorted: at the
    /// first that does not lie before its even share. May be none.
    pub fn at_keys(self, total: u64, keys: &[u64]) -> Range<u64> {
        let snapped = |part: u64| {
            let bound = self.bound(part, total);
            match part {
                0 => 0,
                _ => keys.get(keys.partition_point(|key| *key < bound)).map_or(total, |key| *key),
            }
        };
        let end = if self.index == self.count { total } else { snapped(self.index) };
        snapped(self.index - 1).min(end)..end
    }

    /// Where the even share of the first `parts` ends.
    fn bound(self, parts: u64, total: u64) -> u64 {
        // A product of two 64-bit numbers fits, and what is divided is no more than `total`.
        let bound = u128::from(total) * u128::from(parts) / u128::from(self.count);
        u64::try_from(bound).unwrap_or(total)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// A path as [`Part::has`] takes it: as given, but for what says "here".
pub fn path_key(path: &str) -> String {
    let parts = Path::new(path).components().filter(|part| *part != Component::CurDir);
    parts.collect::<std::path::PathBuf>().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_part_is_counted_from_one() {
        assert_eq!(Part::parse("3/7").map(|part| part.to_string()).as_deref(), Some("3/7"));
        for wrong in ["0/3", "4/3", "1/0", "1", "/", "1/", "+1/3", "-1/3", "1/1000001", "1/2/3", ""]
        {
            assert_eq!(Part::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_hash_is_that_of_sha256() {
        // sha256sum of "abc" begins with ba7816bf8f01cfea.
        let number = 0xba78_16bf_8f01_cfea_u64;
        for count in [1, 2, 3, 7, 50, 1000] {
            let part = Part::new(number % count + 1, count).unwrap();
            assert!(part.has("abc"), "{part}");
        }
    }

    #[test]
    fn here_is_no_part_of_a_path() {
        assert_eq!(path_key("./a/./b.mp4"), "a/b.mp4");
        assert_eq!(path_key("/a/b.mp4"), "/a/b.mp4");
    }

    proptest! {
        #[test]
        fn every_key_is_in_one_part(key in ".{0,20}", count in 1u64..60) {
            let parts = (1..=count).filter_map(|index| Part::new(index, count));
            prop_assert_eq!(parts.filter(|part| part.has(&key)).count(), 1);
        }

        #[test]
        fn ranges_cover_all_and_do_not_overlap(
            total in 0u64..5000, count in 1u64..80, keys in prop::collection::btree_set(0u64..5000, 0..50),
        ) {
            let keys: Vec<u64> = keys.into_iter().filter(|key| *key < total).collect();
            let (mut even, mut at_keys) = (0, 0);
            for index in 1..=count {
                let part = Part::new(index, count).unwrap();
                let (one, other) = (part.evenly(total), part.at_keys(total, &keys));
                prop_assert_eq!((one.start, other.start), (even, at_keys));
                prop_assert!(one.start <= one.end && other.start <= other.end);
                let begins = other.is_empty() || other.start == 0 || keys.contains(&other.start);
                prop_assert!(begins, "{:?}", other);
                prop_assert!((one.end - one.start).abs_diff(total / count) <= 1);
                (even, at_keys) = (one.end, other.end);
            }
            prop_assert_eq!((even, at_keys), (total, total));
        }

        #[test]
        fn the_largest_numbers_do_not_overflow(total: u64, count in 1u64..=Part::MOST) {
            prop_assert_eq!(Part::new(count, count).unwrap().evenly(total).end, total);
        }
    }
}
