//! A scan of a JPEG: some components, or some of their coefficients, block by block.

use super::bits::Bits;
use super::table::Table;
use super::{Frame, Trouble};
use crate::frame::Size;

/// What no scan has sent yet.
const NEVER: u8 = u8::MAX;

/// A colour of a picture.
pub(super) struct Component {
    id: u8,
    /// Blocks of a unit, across and down, where a scan has several components.
    factors: (usize, usize),
    /// Blocks across and down where a scan has this one only.
    blocks: (usize, usize),
    /// Blocks of a row with those that only fill its last unit.
    row: usize,
    /// For each coefficient, how many of its lowest bits were not sent yet.
    unsent: [u8; 64],
    /// Of each block, the coefficients that are not zero; of progressive pictures only.
    nonzero: Vec<u64>,
}

impl Component {
    pub(super) fn new(
        id: u8,
        factors: (usize, usize),
        most: (usize, usize),
        size: Size,
        progressive: bool,
    ) -> Self {
        let (width, height) = (size.width as usize, size.height as usize);
        let blocks = (
            (width * factors.0).div_ceil(most.0).div_ceil(8),
            (height * factors.1).div_ceil(most.1).div_ceil(8),
        );
        let row = width.div_ceil(8 * most.0) * factors.0;
        let rows = height.div_ceil(8 * most.1) * factors.1;
        let nonzero = if progressive { vec![0; row * rows] } else { Vec::new() };
        Self { id, factors, blocks, row, unsent: [NEVER; 64], nonzero }
    }

    /// Whether all of it has come.
    pub(super) fn is_complete(&self, progressive: bool) -> bool {
        let sent = |unsent: &u8| *unsent == if progressive { 0 } else { *unsent };
        self.unsent[0] != NEVER && self.unsent.iter().all(sent)
    }
}

/// What a scan says of itself.
pub(super) struct Scan {
    /// Its components by their index, each with the numbers of its tables.
    parts: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    band: (usize, usize),
    /// Whether it sends one more bit of what was sent before.
    refines: bool,
    /// Lowest bits that it does not send.
    unsent: u8,
    restart: usize,
    progressive: bool,
}

/// The tables of a part of a scan, as far as they are known.
#[derive(Clone, Copy)]
struct Tables<'a> {
    dc: Option<&'a Table>,
    ac: Option<&'a Table>,
}

impl Scan {
    /// Reads the header of a scan; `None` where it does not fit the picture.
    pub(super) fn read(body: &[u8], frame: &Frame, restart: usize) -> Option<Self> {
        let count = usize::from(*body.first()?);
        let pairs = body.get(1..1 + count * 2)?;
        let part = |pair: &[u8]| {
            let index = frame.components.iter().position(|component| component.id == pair[0])?;
            Some((index, usize::from(pair[1] >> 4), usize::from(pair[1] & 15)))
        };
        let parts = pairs.chunks_exact(2).map(part).collect::<Option<Vec<_>>>()?;
        let [first, last, bits] = *body.get(1 + count * 2..4 + count * 2)? else { return None };
        let progressive = frame.progressive;
        let band = if progressive { (usize::from(first), usize::from(last)) } else { (0, 63) };
        let fits = band.0 <= band.1 && band.1 < 64 && (1..=4).contains(&count);
        let of_one = band.0 == 0 || count == 1;
        let unsent = if progressive { bits & 15 } else { 0 };
        let refines = progressive && bits >> 4 != 0;
        (fits && of_one).then_some(Self { parts, band, refines, unsent, restart, progressive })
    }

    /// Goes through its data.
    pub(super) fn walk(
        &self,
        frame: &mut Frame,
        dc: &[Option<Table>; 4],
        ac: &[Option<Table>; 4],
        bits: &mut Bits<'_>,
    ) -> Result<(), Trouble> {
        let tables = |&(_, of_dc, of_ac): &(usize, usize, usize)| Tables {
            dc: dc.get(of_dc).and_then(Option::as_ref),
            ac: ac.get(of_ac).and_then(Option::as_ref),
        };
        let tables: Vec<Tables<'_>> = self.parts.iter().map(tables).collect();
        let units = match self.parts.as_slice() {
            [(only, ..)] => frame.components[*only].blocks,
            _ => (
                (frame.size.width as usize).div_ceil(8 * frame.most.0),
                (frame.size.height as usize).div_ceil(8 * frame.most.1),
            ),
        };
        // Blocks without a coefficient that are still to come.
        let mut empty = 0;
        for number in 0..units.0 * units.1 {
            if self.restart > 0 && number > 0 && number % self.restart == 0 {
                bits.restart()?;
                empty = 0;
            }
            let (x, y) = (number % units.0, number / units.0);
            for (&(index, ..), tables) in self.parts.iter().zip(&tables) {
                let component = &mut frame.components[index];
                let (across, down) = match self.parts.len() {
                    1 => (1, 1),
                    _ => component.factors,
                };
                for (down_by, across_by) in
                    (0..down).flat_map(|down| (0..across).map(move |across| (down, across)))
                {
                    let at = (y * down + down_by) * component.row + x * across + across_by;
                    self.block(*tables, component.nonzero.get_mut(at), &mut empty, bits)?;
                }
            }
        }
        for (index, ..) in &self.parts {
            frame.components[*index].unsent[self.band.0..=self.band.1].fill(self.unsent);
        }
        Ok(())
    }

    /// Goes over one block.
    fn block(
        &self,
        tables: Tables<'_>,
        nonzero: Option<&mut u64>,
        empty: &mut u32,
        bits: &mut Bits<'_>,
    ) -> Result<(), Trouble> {
        let dc = || tables.dc.ok_or(Trouble::Unknown);
        let ac = || tables.ac.ok_or(Trouble::Unknown);
        if !self.progressive {
            difference(dc()?, bits)?;
            return sequential(ac()?, bits);
        }
        let nonzero = nonzero.ok_or(Trouble::Wrong)?;
        match (self.band.0, self.refines) {
            (0, false) => difference(dc()?, bits),
            (0, true) => bits.skip(1),
            (_, false) => first(ac()?, self.band, nonzero, empty, bits),
            (_, true) => refining(ac()?, self.band, nonzero, empty, bits),
        }
    }
}

/// The mean of a block, as its difference from the one before.
fn difference(table: &Table, bits: &mut Bits<'_>) -> Result<(), Trouble> {
    match table.symbol(bits)? {
        size @ 0..=16 => bits.skip(u32::from(size)),
        _ => Err(Trouble::Wrong),
    }
}

/// The other coefficients of a block, all at once.
fn sequential(table: &Table, bits: &mut Bits<'_>) -> Result<(), Trouble> {
    let mut at = 1;
    while at < 64 {
        let symbol = table.symbol(bits)?;
        let (zeroes, size) = (usize::from(symbol >> 4), symbol & 15);
        match (zeroes, size) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ => {
                at += zeroes + 1;
                if at > 64 {
                    return Err(Trouble::Wrong);
                }
                bits.skip(u32::from(size))?;
            }
        }
    }
    Ok(())
}

/// How many blocks end here, this one among them.
fn run(zeroes: usize, bits: &mut Bits<'_>) -> Result<u32, Trouble> {
    Ok((1 << zeroes) + bits.number(zeroes as u32)?)
}

/// Some coefficients of a block for the first time.
fn first(
    table: &Table,
    band: (usize, usize),
    nonzero: &mut u64,
    empty: &mut u32,
    bits: &mut Bits<'_>,
) -> Result<(), Trouble> {
    if *empty > 0 {
        *empty -= 1;
        return Ok(());
    }
    let mut at = band.0;
    while at <= band.1 {
        let symbol = table.symbol(bits)?;
        let (zeroes, size) = (usize::from(symbol >> 4), symbol & 15);
        match (zeroes, size) {
            (15, 0) => at += 16,
            (_, 0) => {
                *empty = run(zeroes, bits)? - 1;
                break;
            }
            _ => {
                at += zeroes;
                if at > band.1 {
                    return Err(Trouble::Wrong);
                }
                bits.skip(u32::from(size))?;
                *nonzero |= 1 << at;
                at += 1;
            }
        }
    }
    Ok(())
}

/// One more bit of some coefficients of a block, and those that become more than zero by it.
fn refining(
    table: &Table,
    band: (usize, usize),
    nonzero: &mut u64,
    empty: &mut u32,
    bits: &mut Bits<'_>,
) -> Result<(), Trouble> {
    let mut at = band.0;
    while *empty == 0 && at <= band.1 {
        let symbol = table.symbol(bits)?;
        let (mut zeroes, size) = (usize::from(symbol >> 4), symbol & 15);
        match (zeroes, size) {
            (15, 0) => {}
            (_, 0) => {
                *empty = run(zeroes, bits)?;
                break;
            }
            (_, 1) => bits.skip(1)?,
            _ => return Err(Trouble::Wrong),
        }
        while at <= band.1 {
            if *nonzero >> at & 1 == 1 {
                bits.skip(1)?;
            } else if zeroes == 0 {
                break;
            } else {
                zeroes -= 1;
            }
            at += 1;
        }
        if size == 1 && at <= band.1 {
            *nonzero |= 1 << at;
        }
        at += 1;
    }
    if *empty > 0 {
        for at in at..=band.1 {
            bits.skip((*nonzero >> at & 1) as u32)?;
        }
        *empty -= 1;
    }
    Ok(())
}
