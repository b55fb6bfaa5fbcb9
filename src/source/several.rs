//! How many pictures a file of pictures holds, and what else its parts say, without decoding one:
//! animated PNG, WebP and GIF, and the pages of a TIFF.

/// What lies in a file of pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Held {
    /// How many pictures; 1 where it is not known.
    pub(super) pictures: u64,
    /// How long they are shown all together, in seconds; `None` for pages.
    pub(super) seconds: Option<f64>,
    /// Whether the file ends before its own parts do.
    pub(super) is_cut: bool,
    /// Whether a TIFF says that its first page is to be turned or mirrored.
    pub(super) is_turned: bool,
    /// The EXIF of a PNG, which may come behind its pixels.
    pub(super) exif: Option<Vec<u8>>,
}

/// Most pages of a TIFF that are counted: more is a circle.
const MAX_PAGES: u64 = 1_000_000;

/// Looks at the bytes of a file.
pub(super) fn held(bytes: &[u8]) -> Held {
    let mut held = Held { pictures: 0, ..Held::default() };
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => png(bytes, &mut held),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp(bytes, &mut held),
        [b'G', b'I', b'F', b'8', ..] => {
            held.is_cut = gif(bytes, &mut held).is_none();
        }
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => {
            // A chain that leads nowhere ends there.
            tiff(bytes, &mut held).unwrap_or_default();
        }
        _ => {}
    }
    held.pictures = held.pictures.max(1);
    held
}

impl Held {
    /// Adds a picture that is shown for so long.
    fn shown_for(&mut self, seconds: f64) {
        self.pictures += 1;
        self.seconds = Some(self.seconds.unwrap_or_default() + seconds);
    }
}

fn png(bytes: &[u8], held: &mut Held) {
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut is_animated = false;
    while let Some((head, behind)) = rest.split_at_checked(8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((body, behind)) = behind.split_at_checked(length) else { break };
        match (&head[4..], body) {
            (b"acTL", _) => is_animated = true,
            (b"fcTL", &[.., a, b, c, d, _, _]) if is_animated => {
                let (over, under) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                // By the specification 0 stands for hundredths.
                let under = if under == 0 { 100 } else { under };
                held.shown_for(f64::from(over) / f64::from(under));
            }
            (b"eXIf", body) => held.exif = Some(body.to_vec()),
            (b"IEND", _) => break,
            _ => {}
        }
        rest = behind.get(4..).unwrap_or_default();
    }
}

fn webp(bytes: &[u8], held: &mut Held) {
    let stated = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
    held.is_cut = stated.saturating_add(8) > bytes.len();
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((head, behind)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let body = behind.get(..length).unwrap_or(behind);
        if let (b"ANMF", Some(&[a, b, c])) = (&head[..4], body.get(12..15)) {
            held.shown_for(f64::from(u32::from_le_bytes([a, b, c, 0])) / 1e3);
        }
        // Chunks are padded to an even length.
        rest = behind.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
}

/// Walks along the blocks of a GIF; `None` where they end in the middle of one.
fn gif(bytes: &[u8], held: &mut Held) -> Option<()> {
    /// Bytes of the table of colours that such flags announce.
    fn colours(flags: u8) -> usize {
        if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
    }
    let mut at = 13 + colours(*bytes.get(10)?);
    let mut seconds = 0.0;
    loop {
        // The end mark is missing in many a file, and is missed by nobody.
        let Some(&kind) = bytes.get(at) else { return (at == bytes.len()).then_some(()) };
        at += 1;
        match kind {
            0x21 => {
                if let (Some(0xf9), Some(&[low, high])) = (bytes.get(at), bytes.get(at + 3..at + 5))
                {
                    seconds = f64::from(u16::from_le_bytes([low, high])) / 100.0;
                }
                at += 1;
            }
            0x2c => {
                at += 10 + colours(*bytes.get(at + 8)?);
                held.shown_for(std::mem::take(&mut seconds));
            }
            _ => return Some(()),
        }
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// Numbers of a TIFF in its own order of bytes.
struct Numbers<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl Numbers<'_> {
    fn at(&self, at: u64, length: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match self.is_little {
            true => bytes.iter().rev().fold(0, add),
            false => bytes.iter().fold(0, add),
        })
    }
}

/// Counts the pages of a TIFF: smaller copies of one and its mask are none.
fn tiff(bytes: &[u8], held: &mut Held) -> Option<()> {
    /// Says what a page is for: 1 for a smaller copy, 4 for a mask.
    const NEW_SUBFILE_TYPE: u64 = 254;
    const NO_PAGE: u64 = 1 | 4;
    const ORIENTATION: u64 = 274;
    let numbers = Numbers { bytes, is_little: bytes[0] == b'I' };
    let is_big = numbers.at(2, 2)? == 43;
    // Bytes of an offset, of the number of entries, and of an entry.
    let (offset, count, entry) = if is_big { (8, 8, 20) } else { (4, 2, 12) };
    let mut at = numbers.at(if is_big { 8 } else { 4 }, offset)?;
    for _ in 0..MAX_PAGES {
        if at == 0 {
            break;
        }
        let entries = numbers.at(at, count)?;
        let first = at.checked_add(count as u64)?;
        let value = |tag: u64, length: usize| {
            let number = (0..entries.min(u64::from(u16::MAX)))
                .find(|number| numbers.at(first.saturating_add(number * entry), 2) == Some(tag))?;
            let end = first.saturating_add((number + 1) * entry);
            numbers.at(end.checked_sub(offset as u64)?, length)
        };
        if held.pictures == 0 {
            held.is_turned = value(ORIENTATION, 2).is_some_and(|how| how > 1);
        }
        let is_extra = value(NEW_SUBFILE_TYPE, 4).is_some_and(|kind| kind & NO_PAGE != 0);
        held.pictures += u64::from(!is_extra);
        at = numbers.at(first.checked_add(entries.checked_mul(entry)?)?, offset)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A TIFF whose pages have nothing but the kind of each.
    fn pages(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
        for (number, kind) in kinds.iter().enumerate() {
            bytes.extend([1, 0, 254, 0, 4, 0, 1, 0, 0, 0]);
            bytes.extend(kind.to_le_bytes());
            let next = if number + 1 < kinds.len() { bytes.len() as u32 + 4 } else { 0 };
            bytes.extend(next.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn pages_are_counted_without_copies_and_masks() {
        assert_eq!(held(&pages(&[0])).pictures, 1);
        assert_eq!(held(&pages(&[0, 2, 2])).pictures, 3);
        assert_eq!(held(&pages(&[0, 1, 4, 0])).pictures, 2);
        let mut circle = pages(&[0]);
        circle.truncate(22);
        circle.extend(8_u32.to_le_bytes());
        assert_eq!(held(&circle).pictures, MAX_PAGES);
    }

    #[test]
    fn frames_of_a_gif_are_counted_with_their_times() {
        let mut bytes = b"GIF89a\x01\0\x01\0\0\0\0".to_vec();
        for _ in 0..3 {
            bytes.extend(b"\x21\xf9\x04\0\x0a\0\0\0");
            bytes.extend(b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
        }
        for end in [&b""[..], b"\x3b"] {
            let found = held(&[&bytes, end].concat());
            assert_eq!((found.pictures, found.is_cut), (3, false));
            assert!((found.seconds.unwrap() - 0.3).abs() < 1e-9);
        }
        assert!(held(&bytes[..bytes.len() - 2]).is_cut);
    }

    #[test]
    fn exif_behind_the_pixels_of_a_png_is_found() {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, body) in [(b"IDAT", &b"xxxx"[..]), (b"eXIf", b"MM"), (b"IEND", b"")] {
            bytes.extend((body.len() as u32).to_be_bytes());
            bytes.extend(kind);
            bytes.extend(body);
            bytes.extend([0; 4]);
        }
        assert_eq!(held(&bytes).exif.as_deref(), Some(&b"MM"[..]));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(
            kind in 0usize..5, bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let heads: [&[u8]; 5] = [
                b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP", b"GIF89a", b"II\x2a\0", b"MM\0\x2b",
            ];
            prop_assert!(held(&[heads[kind], &bytes].concat()).pictures >= 1);
        }
    }
}
