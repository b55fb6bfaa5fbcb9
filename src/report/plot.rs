//! The frame of a chart: axes, marks and titles around a drawing.
//!
//! The drawing is an SVG that is stretched to the width there is; words stand beside it in HTML, so
//! that they are as large on a phone as on a wall.

use super::span::Tick;
use super::text::{escape, number};

/// Side of the square in which drawings are made, whatever shape they are shown in.
pub(super) const SIDE: f64 = 1000.0;

/// A chart but for its drawing.
#[derive(Debug)]
pub(super) struct Plot {
    /// What it shows, for who can't see it.
    pub(super) label: String,
    /// Height of the drawing, CSS pixels.
    pub(super) height_px: usize,
    /// Marks below.
    pub(super) x: Vec<Tick>,
    /// What is counted below.
    pub(super) x_title: String,
    /// Marks at the left.
    pub(super) y: Vec<Tick>,
    /// What is counted at the left.
    pub(super) y_title: String,
}

impl Plot {
    /// The chart with `body`, SVG elements in a square of [`SIDE`], whose names are escaped.
    pub(super) fn html(&self, body: &str) -> String {
        let widest = self.y.iter().map(|tick| tick.text.chars().count()).max().unwrap_or(0);
        let height = self.height_px;
        let mut grid = String::new();
        for tick in &self.y {
            grid.push_str(&format!("M0 {}h1000", at((1.0 - tick.at) * SIDE)));
        }
        for tick in &self.x {
            grid.push_str(&format!("M{} 0v1000", at(tick.at * SIDE)));
        }
        format!(
            "<figure class=\"plot\" style=\"--y:{}ch\" role=\"img\" aria-label=\"{}\">\
             <div class=\"yt\">{}</div><div class=\"y\" style=\"height:{height}px\">{}</div>\
             <svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" style=\"height:{height}px\">\
             <path class=\"grid\" d=\"{grid}\"/>{body}</svg>\
             <div class=\"x\">{}</div><div class=\"xt\">{}</div></figure>\n",
            widest.min(16),
            escape(&self.label),
            escape(&self.y_title),
            marks(&self.y, "bottom"),
            marks(&self.x, "left"),
            escape(&self.x_title),
        )
    }
}

/// Marks as HTML that is placed by `side`.
pub(super) fn marks(ticks: &[Tick], side: &str) -> String {
    ticks
        .iter()
        .map(|tick| {
            let percent = at(tick.at * 100.0);
            format!("<span style=\"{side}:{percent}%\">{}</span>", escape(&tick.text))
        })
        .collect()
}

/// A coordinate, to a tenth.
pub(super) fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `least`.
pub(super) fn nice_step(least: f64) -> f64 {
    let decade = 10f64.powf(least.max(1e-9).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= least * (1.0 - 1e-9));
    decade * factor.unwrap_or(10.0)
}

/// A scale from 0 to at least `max`: where it ends and its marks, some four.
pub(super) fn scale(max: f64, whole: bool) -> (f64, Vec<Tick>) {
    let max = if max > 0.0 { max } else { 1.0 };
    let step = nice_step(max / 4.5).max(if whole { 1.0 } else { 0.0 });
    let steps = (max / step - 1e-9).ceil().max(1.0);
    let top = step * steps;
    // At most five of them.
    let ticks = (0..=steps as u32)
        .map(|index| Tick { at: f64::from(index) / steps, text: number(step * f64::from(index)) })
        .collect();
    (top, ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round() {
        let texts = |max, whole| {
            let (top, ticks) = scale(max, whole);
            (top, ticks.into_iter().map(|tick| tick.text).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(texts(21.0, true), (25.0, "0 5 10 15 20 25".into()));
        assert_eq!(texts(0.0, true), (1.0, "0 1".into()));
        assert_eq!(texts(1.0, true), (1.0, "0 1".into()));
        assert_eq!(texts(13_480.0, true), (15_000.0, "0 5,000 10,000 15,000".into()));
        assert_eq!(texts(0.7, false), (0.8, "0 0.2 0.4 0.6 0.8".into()));
        assert_eq!([0.9, 1.0, 3.0, 51.0].map(nice_step), [1.0, 1.0, 5.0, 100.0]);
        assert_eq!((at(12.04), at(0.25), at(-0.0)), ("12".into(), "0.2".into(), "-0".into()));
    }
}
