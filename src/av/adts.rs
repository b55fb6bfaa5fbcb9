//! AAC as transport streams have it, each packet behind a header (ADTS, ISO 13818-7 6.2), for
//! containers that state the header's content once. FFmpeg's own filter for it fails where the index
//! of an MP4 file is written late.

/// The codec's description for a container (AudioSpecificConfig, ISO 14496-3 1.6.2.1), and where the
/// packet's own data start; `None` where a packet has no such header, or one that says too little.
pub(super) fn split(packet: &[u8]) -> Option<([u8; 2], usize)> {
    let &[sync, flags, format, channels, ..] = packet else { return None };
    if sync != 0xff || flags & 0xf6 != 0xf0 {
        return None;
    }
    let object_type = u16::from(format >> 6) + 1;
    let rate_index = u16::from(format >> 2 & 0xf);
    let channels = u16::from(format & 1) << 2 | u16::from(channels >> 6);
    // Without a number of channels they are described in the data, where they would be lost.
    if rate_index > 12 || channels == 0 {
        return None;
    }
    let description = object_type << 11 | rate_index << 7 | channels << 3;
    let has_checksum = flags & 1 == 0;
    let start = if has_checksum { 9 } else { 7 };
    (packet.len() > start).then(|| (description.to_be_bytes(), start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_becomes_a_description() {
        // 48 kHz, mono, LC, from FFmpeg's encoder.
        let packet = [0xff, 0xf1, 0x4c, 0x40, 0x03, 0x9f, 0xfc, 0xde, 0x02];
        assert_eq!(split(&packet), Some(([0x11, 0x88], 7)));
        let stereo_44_1 = [0xff, 0xf0, 0x50, 0x80, 0x03, 0x9f, 0xfc, 0, 0, 1];
        assert_eq!(split(&stereo_44_1), Some(([0x12, 0x10], 9)));
    }

    #[test]
    fn what_has_no_header_stays() {
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[0xde, 0x02, 0x00, 0x4c, 0x61, 0x76, 0x63, 0x35]), None);
        assert_eq!(split(&[0xff, 0xf1, 0x4c, 0x00, 0x03, 0x9f, 0xfc, 0xde]), None, "no channels");
        assert_eq!(split(&[0xff, 0xf1, 0x4c, 0x40, 0x03, 0x9f, 0xfc]), None, "no data");
    }
}
