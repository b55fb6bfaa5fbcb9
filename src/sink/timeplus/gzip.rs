//! Packing and unpacking rows. gzip, because it is the one encoding that every server takes.

use std::io::{Error, ErrorKind, Read, Result, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Packs `plain`, quickly rather than well: rows shrink to a thirtieth either way.
///
/// # Errors
/// Only where there is no memory.
pub(super) fn pack(plain: &[u8]) -> Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(plain)?;
    packer.finish()
}

/// Unpacks what must be no larger than `max` bytes.
///
/// # Errors
/// When it is larger or not what [`pack`] made.
pub(super) fn unpack(packed: &[u8], max: usize) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).take(max as u64 + 1).read_to_end(&mut plain)?;
    if plain.len() > max {
        return Err(Error::new(ErrorKind::InvalidData, "it is larger than it says"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_and_no_more_than_that() {
        let plain = b"{\"a\":1}\n".repeat(1000);
        let packed = pack(&plain).unwrap();
        assert!(packed.len() < plain.len() / 10);
        assert_eq!(unpack(&packed, plain.len()).unwrap(), plain);
        assert!(unpack(&packed, plain.len() - 1).is_err());
        assert!(unpack(&plain, plain.len()).is_err());
    }
}
