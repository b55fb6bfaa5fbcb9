//! Whether the coded data of a JPEG are all there.
//!
//! Decoders fill what is missing with grey or with what was there before, and say nothing. Here the
//! entropy-coded data are gone through, without a pixel being made, and every block that the header
//! promises must be in them (ITU-T T.81). What this does not know (arithmetic coding, lossless
//! JPEG, tables from elsewhere) it does not judge: the decoder refuses those.

mod bits;
mod scan;
mod table;

use crate::frame::Size;
use bits::Bits;
use scan::{Component, Scan};
use table::Table;

/// What is wrong with a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Data end before all blocks were in them.
    Cut,
    /// Data are not what an encoder writes.
    Damaged,
}

/// Why going through the data ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// There are no more data.
    Missing,
    /// A code or number that cannot be.
    Wrong,
    /// Something that is not judged here.
    Unknown,
}

/// Bytes between the last block of a scan and the next marker that may be there besides padding.
const MAX_SURPLUS: usize = 256;

/// What is wrong with the first picture in `bytes`; `None` where it is whole, and where that cannot
/// be told.
pub(super) fn flaw(bytes: &[u8]) -> Option<Flaw> {
    match Walk::new(bytes).go() {
        Ok(()) | Err(Trouble::Unknown) => None,
        Err(Trouble::Missing) => Some(Flaw::Cut),
        Err(Trouble::Wrong) => Some(Flaw::Damaged),
    }
}

/// A picture as its header describes it.
struct Frame {
    size: Size,
    progressive: bool,
    /// Largest sampling factors, across and down.
    most: (usize, usize),
    components: Vec<Component>,
}

/// A walk along the markers of a JPEG.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// Units between two restart markers; 0 for none.
    restart: usize,
    frame: Option<Frame>,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let (dc, ac) = (Default::default(), Default::default());
        Self { bytes, at: 0, dc, ac, restart: 0, frame: None }
    }

    fn go(&mut self) -> Result<(), Trouble> {
        if !self.bytes.starts_with(&[0xff, 0xd8]) {
            return Err(Trouble::Unknown);
        }
        self.at = 2;
        while let Some(marker) = self.marker() {
            match marker {
                // Markers without anything behind them.
                0x01 | 0xd0..=0xd8 => {}
                0xd9 if self.frame.is_some() => return Ok(()),
                0xd9 => return Err(Trouble::Missing),
                0xc4 => self.tables()?,
                0xc0..=0xc2 => self.header(marker == 0xc2)?,
                0xc3 | 0xc5..=0xcf => return Err(Trouble::Unknown),
                0xdd => {
                    let body = self.segment()?;
                    self.restart = usize::from(word(body, 0).ok_or(Trouble::Wrong)?);
                }
                0xda => self.scan()?,
                _ => {
                    self.segment()?;
                }
            }
        }
        // The end marker is missing; nothing else need be.
        match &self.frame {
            Some(frame) if frame.is_complete() => Ok(()),
            _ => Err(Trouble::Missing),
        }
    }

    /// Goes behind the next marker.
    fn marker(&mut self) -> Option<u8> {
        loop {
            let from = self.bytes.get(self.at..)?;
            self.at += from.iter().position(|byte| *byte == 0xff)? + 1;
            match self.bytes.get(self.at)? {
                0x00 => self.at += 1,
                0xff => {}
                marker => {
                    self.at += 1;
                    return Some(*marker);
                }
            }
        }
    }

    /// The bytes of a segment, of which the first two are its length; goes behind it.
    fn segment(&mut self) -> Result<&'a [u8], Trouble> {
        let length = usize::from(word(self.bytes, self.at).ok_or(Trouble::Missing)?);
        let start = self.at + 2;
        self.at += length;
        if length < 2 {
            return Err(Trouble::Wrong);
        }
        self.bytes.get(start..self.at).ok_or(Trouble::Missing)
    }

    fn tables(&mut self) -> Result<(), Trouble> {
        let mut body = self.segment()?;
        while let [kind, rest @ ..] = body {
            let (table, behind) = Table::read(rest).ok_or(Trouble::Wrong)?;
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(kind & 15)).ok_or(Trouble::Wrong)? = Some(table);
            body = behind;
        }
        Ok(())
    }

    fn header(&mut self, progressive: bool) -> Result<(), Trouble> {
        let body = self.segment()?;
        // A second header in one picture is of a hierarchy.
        if self.frame.is_some() {
            return Err(Trouble::Unknown);
        }
        let side = |at| word(body, at).map(u32::from).ok_or(Trouble::Wrong);
        let size = Size::new(side(3)?, side(1)?);
        let parts = body.get(6..).unwrap_or_default().chunks_exact(3);
        let factors: Vec<(u8, usize, usize)> = parts
            .map(|part| (part[0], usize::from(part[1] >> 4), usize::from(part[1] & 15)))
            .collect();
        let sound = |&(_, across, down): &(u8, usize, usize)| {
            (1..=4).contains(&across) && (1..=4).contains(&down)
        };
        // The limits come before memory is asked for.
        if !size.is_acceptable() || !(1..=4).contains(&factors.len()) || !factors.iter().all(sound)
        {
            return Err(Trouble::Unknown);
        }
        let most = (
            factors.iter().map(|part| part.1).max().unwrap_or(1),
            factors.iter().map(|part| part.2).max().unwrap_or(1),
        );
        let component = |&(id, across, down): &(u8, usize, usize)| {
            Component::new(id, (across, down), most, size, progressive)
        };
        let components = factors.iter().map(component).collect();
        self.frame = Some(Frame { size, progressive, most, components });
        Ok(())
    }

    fn scan(&mut self) -> Result<(), Trouble> {
        let body = self.segment()?;
        let frame = self.frame.as_mut().ok_or(Trouble::Unknown)?;
        let scan = Scan::read(body, frame, self.restart).ok_or(Trouble::Wrong)?;
        let mut bits = Bits::new(self.bytes, self.at);
        scan.walk(frame, &self.dc, &self.ac, &mut bits)?;
        if bits.surplus() > MAX_SURPLUS {
            return Err(Trouble::Wrong);
        }
        self.at = bits.place();
        Ok(())
    }
}

impl Frame {
    /// Whether everything that a decoder needs has come.
    fn is_complete(&self) -> bool {
        self.components.iter().all(|component| component.is_complete(self.progressive))
    }
}

/// A number of two bytes.
fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
    use proptest::prelude::*;

    /// A picture in which no two pixels near each other are alike, coded in one of many ways.
    fn coded(way: u8, width: u16, height: u16) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let grey = way & 16 != 0;
        let count = usize::from(width) * usize::from(height) * if grey { 1 } else { 3 };
        let pixels: Vec<u8> = (0..count).map(|_| next()).collect();
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 70);
        encoder.set_progressive(way & 1 != 0);
        encoder.set_optimized_huffman_tables(way & 2 != 0);
        if way & 4 != 0 {
            encoder.set_sampling_factor(SamplingFactor::F_2_2);
        }
        // The encoder gets its own tables wrong where it also restarts.
        if way & 10 == 8 {
            encoder.set_restart_interval(3);
        }
        let colours = if grey { ColorType::Luma } else { ColorType::Rgb };
        encoder.encode(&pixels, width, height, colours).unwrap();
        bytes
    }

    #[test]
    fn what_an_encoder_writes_is_whole() {
        for way in 0..32 {
            for (width, height) in [(1, 1), (33, 17), (64, 48)] {
                assert_eq!(flaw(&coded(way, width, height)), None, "{way}: {width}x{height}");
            }
        }
    }

    #[test]
    fn a_picture_is_cut_wherever_bytes_are_missing() {
        for way in 0..32 {
            let whole = coded(way, 40, 24);
            assert_eq!(flaw(&whole[..whole.len() - 2]), None, "{way}: only the end marker");
            for length in 2..whole.len() - 3 {
                assert_eq!(flaw(&whole[..length]), Some(Flaw::Cut), "{way}: {length}");
            }
        }
    }

    #[test]
    fn an_end_marker_in_the_middle_does_not_make_it_whole() {
        for way in [0, 4, 8, 16] {
            let whole = coded(way, 40, 24);
            let half = [&whole[..whole.len() * 3 / 4], &[0xff, 0xd9]].concat();
            assert_eq!(flaw(&half), Some(Flaw::Cut), "{way}");
        }
    }

    #[test]
    fn what_is_none_is_not_judged() {
        for bytes in [&b""[..], b"\xff", b"\x89PNG", b"BM"] {
            assert_eq!(flaw(bytes), None);
        }
        assert_eq!(flaw(b"\xff\xd8"), Some(Flaw::Cut));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(
            way in 0u8..32, at in 2usize..2000, with: u8, bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut damaged = coded(way, 40, 24);
            let at = at.min(damaged.len() - 1);
            damaged[at] = with;
            flaw(&damaged);
            flaw(&[b"\xff\xd8", &bytes[..]].concat());
        }
    }
}
