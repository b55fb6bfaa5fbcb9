//! The cards of the page: each a title, a chart and the numbers beside it.

use super::bars;
use super::bins::Bins;
use super::charts::{Layer, OverTime};
use super::part::Part;
use super::picture;
use super::span::Span;
use super::tally::{Bin, Tally};
use super::text::{count, duration, escape, of};
use super::timeline;

/// Classes with a colour of their own; the rest share one.
const COLOURS: usize = 6;
/// Rows of a table of classes.
const MAX_ROWS: usize = 12;

/// A part with the axis that all of its charts share.
pub(super) struct View<'a> {
    pub(super) part: &'a Part,
    pub(super) time: OverTime<'a>,
    /// Numbers of classes with their detections and the most in a frame, most first.
    ranked: Vec<(usize, Tally)>,
}

impl<'a> View<'a> {
    /// None where there are no frames.
    pub(super) fn new(part: &'a Part) -> Option<Self> {
        let (bins, (first, last)) = (part.bins.as_ref()?, part.reach?);
        // A frame lasts until the next one; the last as long as the mean.
        let fps =
            part.run.as_ref().and_then(|run| run.input.as_ref()?.fps).filter(|fps| *fps > 0.0);
        let lasts = match (part.frames, part.timed) {
            (_, false) => 1,
            (0..=1, true) => (1e6 / fps.unwrap_or(10.0)) as u64,
            (frames, true) => (last - first) / (frames - 1),
        };
        let end = last.saturating_add(lasts.max(1)).max(1);
        let span =
            Span { start: first.min(end - 1), end, timed: part.timed, epoch_s: part.epoch_s };
        let mut ranked: Vec<(usize, Tally)> = Vec::new();
        for tallies in bins.cells.iter().map(|bin| &bin.classes) {
            for (number, tally) in tallies.iter().enumerate() {
                if ranked.len() <= number {
                    ranked.push((number, Tally::default()));
                }
                ranked[number].1.merge(*tally);
            }
        }
        ranked.retain(|(_, tally)| tally.sum > 0);
        ranked.sort_by_key(|(number, tally)| (u64::MAX - tally.sum, *number));
        Some(Self { part, time: OverTime { span, bins }, ranked })
    }

    /// How long the video is, as `1:19.5` or `3 d 4 h`; none of pictures.
    pub(super) fn length(&self) -> Option<String> {
        let span = self.time.span;
        let length = Span { start: 0, end: span.end - span.start, epoch_s: None, ..span };
        let text = match length.end {
            0..3_600_000_000 => length.label(length.end),
            long => duration(long as f64 / 1e6),
        };
        span.timed.then_some(text)
    }

    /// The most detections in a frame.
    pub(super) fn peak(&self) -> u64 {
        self.cells().iter().map(|bin| bin.all.max).max().unwrap_or(0)
    }

    /// The bins.
    pub(super) fn cells(&self) -> &'a [Bin] {
        let bins: &'a Bins<Bin> = self.time.bins;
        &bins.cells
    }

    /// How the bins are named.
    fn bin_width(&self) -> String {
        let width = self.time.bins.width;
        if self.part.timed { duration(width as f64 / 1e6) } else { of(width, "frame") }
    }

    /// The paint of a class, the same in all charts.
    fn paint(&self, class: usize) -> String {
        let rank = self.ranked.iter().position(|(number, _)| *number == class);
        rank.filter(|rank| *rank < COLOURS).map_or_else(|| "px".into(), |rank| format!("p{rank}"))
    }

    /// Counts by class over time.
    pub(super) fn classes(&self) -> String {
        let mean = |bin: &Bin, classes: &[(usize, Tally)]| {
            let of = |number: usize| bin.classes.get(number).map_or(0.0, |tally| bin.mean(*tally));
            (bin.frames > 0).then(|| classes.iter().map(|(number, _)| of(*number)).sum())
        };
        let layer = |name: String, paint: String, classes: &[(usize, Tally)]| Layer {
            name,
            paint,
            values: self.cells().iter().map(|bin| mean(bin, classes)).collect(),
        };
        let (shown, rest) = self.ranked.split_at(self.ranked.len().min(COLOURS));
        let mut layers: Vec<Layer> = shown
            .iter()
            .map(|class| {
                let name = self.part.class(class.0).to_owned();
                layer(name, self.paint(class.0), std::slice::from_ref(class))
            })
            .collect();
        if !rest.is_empty() {
            layers.push(layer("all others".into(), "px".into(), rest));
        }
        let most: Vec<u64> = self.cells().iter().map(|bin| bin.all.max).collect();
        let chart = self.time.areas(
            "Detections in a frame over time, by class",
            &layers,
            &most,
            "detections in a frame",
            260,
        );
        card(
            "How many, over time",
            &format!(
                "The areas are the mean of the frames in {}, the line is the most in any one frame.",
                self.bin_width()
            ),
            &(chart + &self.class_table()),
        )
    }

    fn class_table(&self) -> String {
        let most = self.ranked.first().map_or(1, |(_, tally)| tally.sum.max(1));
        let row = |(class, tally): &(usize, Tally)| {
            let paint = self.paint(*class);
            let mean = tally.sum as f64 / self.part.frames.max(1) as f64;
            format!(
                "<tr><th><i class=\"{paint}\"></i>{}</th><td class=\"scale\">{}</td><td>{}</td>\
                 <td>{mean:.2}</td><td>{}</td></tr>",
                escape(self.part.class(*class)),
                meter(tally.sum as f64 / most as f64, &paint),
                count(tally.sum),
                count(tally.max),
            )
        };
        let rows: String = self.ranked.iter().take(MAX_ROWS).map(row).collect();
        let more = match self.ranked.len().saturating_sub(MAX_ROWS) {
            0 => String::new(),
            left => format!("<p class=\"hint\">and {} more classes</p>", left),
        };
        format!(
            "<table><thead><tr><th>class</th><th class=\"scale\"></th><th>detections</th>\
             <th>mean a frame</th><th>most in a frame</th></tr></thead><tbody>{rows}</tbody></table>{more}"
        )
    }

    /// The heat map.
    pub(super) fn heat(&self, frame: Option<&[u8]>, id: usize) -> String {
        let Some(heat) = self.part.heat.as_ref().filter(|heat| heat.total > 0) else {
            return String::new();
        };
        let hint = "The middle of each box's lower edge. Colours go by the logarithm of the count.";
        card("Where they stood", hint, &picture::heat_map(heat, frame, id))
    }

    /// When each track was there.
    pub(super) fn tracks(&self) -> String {
        if self.part.tracks.total == 0 {
            return String::new();
        }
        let (chart, shown) =
            timeline::timeline(self.part, self.time.span, |class| self.paint(class));
        let total = self.part.tracks.total;
        let hint = match total > shown as u64 {
            true => format!("The longest {} of {} tracks.", count(shown as u64), count(total)),
            false => "From when to when each was seen, in the colour of its class.".into(),
        };
        card("Tracks", &hint, &chart)
    }
}

/// How long each stage took, of a run that came to its end.
pub(super) fn stages(part: &Part) -> String {
    let Some(summary) = part.summary.as_ref().filter(|summary| !summary.stages.is_empty()) else {
        return String::new();
    };
    let hint = "Wall time of a frame: the dots are the median, 95 % and 99 %, on a scale of powers of ten.";
    card("Stages", hint, &bars::stages(summary))
}

/// A card; `title`, `hint` and `body` are HTML.
pub(super) fn card(title: &str, hint: &str, body: &str) -> String {
    let hint =
        if hint.is_empty() { String::new() } else { format!("<p class=\"hint\">{hint}</p>") };
    format!("<section class=\"card\"><h2>{title}</h2>{hint}\n{body}</section>\n")
}

/// A bar that is `share` of its cell, 0 to 1.
pub(super) fn meter(share: f64, paint: &str) -> String {
    let width = super::plot::at((share * 1000.0).clamp(2.0, 1000.0));
    format!(
        "<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\"><rect class=\"{paint}\" \
         width=\"{width}\" height=\"10\"/></svg>"
    )
}
