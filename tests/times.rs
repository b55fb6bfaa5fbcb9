//! Times of frames whose stamps are partly wrong: one wrong stamp moves no other frame.

use crate::common::{Place, of_type};
use crate::media::ffmpeg;

/// The times of all frames, in seconds.
fn times(place: &Place, file: &str, more: &str) -> Vec<f64> {
    let arguments = format!("run {file} --engine fake:boxes=1 {more}");
    let records = place.output(&arguments).ended(0).records();
    of_type(&records, "frame").iter().map(|frame| frame["pts_s"].as_f64().unwrap()).collect()
}

/// Bytes of a packet of a transport stream.
const PACKET: usize = 188;

/// Moves the stamp of one picture of a transport stream whose pictures are in the packets of
/// identifier 0x100 (ISO/IEC 13818-1, 2.4.3.6): its presentation time, and its decoding time where
/// it has one.
fn move_stamp(place: &Place, file: &str, to: &str, picture: usize, seconds: i64) {
    let mut bytes = std::fs::read(place.path(file)).unwrap();
    let mut pictures = 0;
    for packet in bytes.chunks_exact_mut(PACKET) {
        let identifier = (usize::from(packet[1] & 0x1f) << 8) | usize::from(packet[2]);
        if identifier != 0x100 || packet[1] & 0x40 == 0 {
            continue;
        }
        let adaptation = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
        let header = 4 + adaptation;
        if pictures == picture {
            let both = packet[header + 7] >> 6 == 3;
            for at in [Some(header + 9), both.then_some(header + 14)].into_iter().flatten() {
                let of = |i: usize| i64::from(packet[at + i]);
                let stamp = (of(0) >> 1 & 7) << 30 | of(1) << 22 | (of(2) >> 1) << 15;
                let stamp = (stamp | of(3) << 7 | of(4) >> 1) + seconds * 90_000;
                packet[at] = (packet[at] & 0xf0) | (((stamp >> 30 & 7) as u8) << 1) | 1;
                packet[at + 1] = (stamp >> 22 & 255) as u8;
                packet[at + 2] = (((stamp >> 15 & 127) as u8) << 1) | 1;
                packet[at + 3] = (stamp >> 7 & 255) as u8;
                packet[at + 4] = (((stamp & 127) as u8) << 1) | 1;
            }
        }
        pictures += 1;
    }
    std::fs::write(place.path(to), bytes).unwrap();
}

#[test]
fn one_wrong_stamp_of_a_stream_moves_no_other_frame() {
    let place = Place::new();
    ffmpeg(&place, "-f lavfi -i testsrc=s=64x48:r=25:d=2.4 -c:v mpeg2video -g 1 right.ts");
    for (picture, seconds) in [(20, 100), (20, -1), (1, 3600), (57, 30)] {
        move_stamp(&place, "right.ts", "wrong.ts", picture, seconds);
        let found = times(&place, "wrong.ts", "");
        assert_eq!(found.len(), 60);
        for (i, time) in found.iter().enumerate() {
            let off = (time - i as f64 / 25.0).abs();
            assert!(off < 0.001, "{seconds} s in {picture}: frame {i} is at {time}");
        }
    }
}

#[test]
fn frames_of_one_stamp_after_a_pause_are_spread_and_the_rest_keeps_its_times() {
    let place = Place::new();
    // Every 30th frame after a pause of a second, and the one after it less than a tick later.
    let stamps = "N*40000+floor(N/30)*1000000-if(eq(mod(N,30),1),39700,0)";
    ffmpeg(
        &place,
        &format!(
            "-f lavfi -i testsrc=s=64x48:r=25:d=4 -vf settb=1/1000000,setpts='{stamps}' \
             -vsync passthrough -enc_time_base 1/1000000 -c:v mjpeg pause.mkv"
        ),
    );
    let stay = r#"--track --zone {name="z",polygon=[[0,0],[1,0],[1,1],[0,1]],min-stay="30s"}"#;
    let found = times(&place, "pause.mkv", stay);
    assert_eq!(found.len(), 100);
    for (i, time) in found.iter().enumerate() {
        let own = i as f64 * 0.04 + (i / 30) as f64;
        // Without the repeated stamp it would lie midway all the same.
        assert!((time - own).abs() < 0.001, "frame {i} is at {time} and not at {own}");
    }
    let arguments = format!("run pause.mkv --engine fake:boxes=1 {stay}");
    let records = place.output(&arguments).ended(0).records();
    let events = of_type(&records, "event");
    assert!(events.iter().all(|event| event["event"] != "loitering"), "7 s are no 30 s");
}
