//! When each track was there: a row a track, or many tracks in a row where there are many.

use super::part::Part;
use super::plot::{Plot, SIDE, at};
use super::span::{Span, Tick};
use super::text::{duration, escape};
use super::tracks::{MAX_TRACKS, Track};

/// Up to so many tracks have a row of their own.
const OWN_ROWS: usize = 60;
/// The most rows that tracks share.
const MAX_ROWS: usize = 120;

/// The chart, and how many tracks it shows.
pub(super) fn timeline(
    part: &Part,
    span: Span,
    paint: impl Fn(usize) -> String,
) -> (String, usize) {
    let mut tracks = part.tracks.longest(MAX_TRACKS);
    let own = tracks.len() <= OWN_ROWS;
    let rows: Vec<usize> = if own { (0..tracks.len()).collect() } else { shared_rows(&mut tracks) };
    let count = rows.iter().max().map_or(1, |last| last + 1);
    let height = SIDE / count as f64;
    let mut body = String::new();
    for (track, &row) in tracks.iter().zip(&rows) {
        let (left, right) = (span.at(track.first) * SIDE, span.at(track.last) * SIDE);
        body.push_str(&format!(
            "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>",
            paint(track.class),
            at(left),
            at(height * (row as f64 + 0.14)),
            at((right - left).max(2.0)),
            at(height * 0.72),
            describe(part, track, &span),
        ));
    }
    let name = |(row, track): (usize, &Track)| Tick {
        at: 1.0 - (row as f64 + 0.5) / count as f64,
        text: format!("#{}", track.id),
    };
    let plot = Plot {
        label: "When each track was seen".into(),
        height_px: count * if own { 16 } else { 9 },
        x: span.ticks(),
        x_title: span.title(),
        y: tracks.iter().enumerate().filter(|_| own).map(name).collect(),
        y_title: if own { "track" } else { "tracks, as many in a row as fit" }.into(),
    };
    (plot.html(&body), tracks.len())
}

fn describe(part: &Part, track: &Track, span: &Span) -> String {
    let mut text = format!(
        "#{} {}\n{} to {}",
        track.id,
        escape(part.class(track.class)),
        span.label(track.first),
        span.label(track.last),
    );
    if span.timed {
        let seconds = (track.last - track.first) as f64 / 1e6;
        text.push_str(&format!(" ({})", duration(seconds)));
    }
    text
}

/// The row of each track, the first in which it meets no other; tracks for which there is none are
/// taken out.
fn shared_rows(tracks: &mut Vec<Track>) -> Vec<usize> {
    let mut ends: Vec<u64> = Vec::new();
    let mut rows = Vec::with_capacity(tracks.len());
    tracks.retain(|track| {
        let free = ends.iter().position(|&end| end < track.first);
        let row = free.unwrap_or(ends.len());
        if row == MAX_ROWS {
            return false;
        }
        if row == ends.len() {
            ends.push(0);
        }
        ends[row] = track.last;
        rows.push(row);
        true
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_share_rows_without_meeting() {
        let track = |id, first, last| Track { id, first, last, class: 0 };
        let mut tracks = vec![track(1, 0, 5), track(2, 1, 3), track(3, 4, 9), track(4, 6, 7)];
        assert_eq!(shared_rows(&mut tracks), [0, 1, 1, 0]);
        let mut crowd: Vec<Track> = (0..500).map(|id| track(id, 0, 9)).collect();
        assert_eq!(shared_rows(&mut crowd).len(), MAX_ROWS);
        assert_eq!(crowd.len(), MAX_ROWS);
    }
}
