//! Reading entropy-coded data bit by bit, up to the next marker.

use super::Trouble;

/// Bits of a scan.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Where the next byte lies.
    at: usize,
    /// Bits that were read, the next one on top.
    held: u64,
    /// How many of them are real; below are zeroes.
    count: u32,
}

impl<'a> Bits<'a> {
    /// Reads `bytes` from `at` on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, held: 0, count: 0 }
    }

    /// Takes in what fits, never a marker.
    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            if byte == 0xff {
                // A byte of ones is followed by a zero; all else is a marker.
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next 16 bits, zeroes where there are no more, and how many of them are real.
    pub(super) fn peek(&mut self) -> (u16, u32) {
        if self.count < 16 {
            self.fill();
        }
        ((self.held >> 48) as u16, self.count.min(16))
    }

    /// Goes over at most 16 bits.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), Trouble> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count).ok_or(Trouble::Missing)?;
        self.held <<= count;
        Ok(())
    }

    /// The next bits as a number, at most 16.
    pub(super) fn number(&mut self, count: u32) -> Result<u32, Trouble> {
        if count == 0 {
            return Ok(0);
        }
        let (bits, _) = self.peek();
        self.skip(count)?;
        Ok(u32::from(bits) >> (16 - count))
    }

    /// Goes behind the restart marker that comes next.
    pub(super) fn restart(&mut self) -> Result<(), Trouble> {
        let at = self.place();
        match self.bytes.get(at..at + 2) {
            Some([0xff, 0xd0..=0xd7]) => {
                *self = Self::new(self.bytes, at + 2);
                Ok(())
            }
            _ => Err(Trouble::Missing),
        }
    }

    /// Where the next marker begins, or the end.
    pub(super) fn place(&self) -> usize {
        let is_marker = |at: usize| {
            self.bytes[at] == 0xff && !matches!(self.bytes.get(at + 1), Some(0 | 0xff) | None)
        };
        (self.at..self.bytes.len()).find(|&at| is_marker(at)).unwrap_or(self.bytes.len())
    }

    /// Bytes before the next marker that are no padding.
    pub(super) fn surplus(&self) -> usize {
        let rest = &self.bytes[self.at..self.place()];
        rest.iter().filter(|byte| !matches!(byte, 0 | 0xff)).count()
    }
}
