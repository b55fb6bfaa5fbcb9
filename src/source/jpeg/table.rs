//! Huffman tables of a JPEG.

use super::Trouble;
use super::bits::Bits;

/// Bits of the codes that are looked up at once.
const QUICK: u32 = 9;

/// A Huffman table.
pub(super) struct Table {
    /// Symbol and length of the code that begins with these bits; length 0 for longer codes.
    quick: Vec<(u8, u8)>,
    symbols: Vec<u8>,
    /// For each length from 1 on: the code behind its last, and what makes an index of a code.
    lengths: [(u32, i32); 16],
}

impl Table {
    /// Reads a table, and gives the bytes behind it too; `None` where it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (counts, rest) = bytes.split_at_checked(16)?;
        let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(total).filter(|_| total <= 256)?;
        let mut table = Self {
            quick: vec![(0, 0); 1 << QUICK],
            symbols: symbols.to_vec(),
            lengths: [(0, 0); 16],
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (bits, count) in (1_u32..).zip(counts) {
            table.lengths[bits as usize - 1].1 = index as i32 - code as i32;
            for _ in 0..*count {
                if bits <= QUICK {
                    let (from, step) = (code << (QUICK - bits), 1 << (QUICK - bits));
                    let places = table.quick.get_mut(from as usize..(from + step) as usize)?;
                    places.fill((symbols[index], bits as u8));
                }
                code += 1;
                index += 1;
            }
            if code > 1 << bits {
                return None;
            }
            table.lengths[bits as usize - 1].0 = code;
            code <<= 1;
        }
        Some((table, rest))
    }

    /// The next symbol.
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, Trouble> {
        let (next, real) = bits.peek();
        let (symbol, length) = self.quick[usize::from(next >> (16 - QUICK))];
        if length > 0 {
            bits.skip(u32::from(length))?;
            return Ok(symbol);
        }
        for length in QUICK + 1..=16 {
            let code = u32::from(next) >> (16 - length);
            let (behind, offset) = self.lengths[length as usize - 1];
            if code < behind {
                bits.skip(length)?;
                let index = usize::try_from(code as i32 + offset).unwrap_or(usize::MAX);
                return self.symbols.get(index).copied().ok_or(Trouble::Wrong);
            }
        }
        // With more bits it might have been one.
        Err(if real < 16 { Trouble::Missing } else { Trouble::Wrong })
    }
}
