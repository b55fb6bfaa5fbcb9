//! Charts over time: stacked areas of means with the most above them, and lines that only rise.

use super::bins::Bins;
use super::plot::{Plot, SIDE, at, scale};
use super::span::Span;
use super::tally::Bin;
use super::text::{count, escape, number};

/// One of the areas or lines.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// What it is of.
    pub(super) name: String,
    /// The class in the style sheet that paints it.
    pub(super) paint: String,
    /// Its value in each bin; none where there are no frames.
    pub(super) values: Vec<Option<f64>>,
}

/// Time as the bins divide it.
#[derive(Clone, Copy)]
pub(super) struct OverTime<'a> {
    /// From where to where.
    pub(super) span: Span,
    /// The bins.
    pub(super) bins: &'a Bins<Bin>,
}

impl OverTime<'_> {
    /// Stacked `layers` with a line of `most` a bin above them.
    pub(super) fn areas(
        &self,
        title: &str,
        layers: &[Layer],
        most: &[u64],
        y_title: &str,
        height: usize,
    ) -> String {
        let peak = most.iter().copied().max().unwrap_or(0) as f64;
        let (top, y) = scale(peak, true);
        let mut floor = vec![0.0; self.bins.cells.len()];
        let mut body = String::new();
        for layer in layers {
            let ceiling: Vec<Option<f64>> = layer
                .values
                .iter()
                .zip(&floor)
                .map(|(value, low)| value.map(|v| v + low))
                .collect();
            let path = self.area(&floor, &ceiling, top);
            body.push_str(&format!("<path class=\"{}\" d=\"{path}\"/>", layer.paint));
            for (low, high) in floor.iter_mut().zip(&ceiling) {
                *low = high.unwrap_or(*low);
            }
        }
        let filled = |index: usize| self.bins.cells[index].frames > 0;
        let line = most.iter().enumerate().map(|(i, &most)| filled(i).then_some(most as f64));
        let line = self.steps(&line.collect::<Vec<_>>(), top);
        body.push_str(&format!("<path class=\"most\" d=\"{line}\"/>"));
        body.push_str(&self.hits(|index| what_is_in(index, layers, most)));
        self.plot(title, y_title, y, height).html(&body)
    }

    /// A line for each of `layers`, whose values are counts.
    pub(super) fn lines(
        &self,
        title: &str,
        layers: &[Layer],
        y_title: &str,
        height: usize,
    ) -> String {
        let values = layers.iter().flat_map(|layer| layer.values.iter().flatten());
        let (top, y) = scale(values.copied().fold(0.0, f64::max), true);
        let mut body = String::new();
        for layer in layers {
            let path = self.steps(&layer.values, top);
            body.push_str(&format!("<path class=\"line {}\" d=\"{path}\"/>", layer.paint));
        }
        body.push_str(&self.hits(|index| {
            let said = layers.iter().filter_map(|layer| {
                let value = layer.values[index]?;
                Some(format!("{}: {}", escape(&layer.name), number(value)))
            });
            said.collect::<Vec<_>>().join("\n")
        }));
        self.plot(title, y_title, y, height).html(&body)
    }

    fn plot(
        &self,
        title: &str,
        y_title: &str,
        y: Vec<super::span::Tick>,
        height_px: usize,
    ) -> Plot {
        Plot {
            label: title.into(),
            height_px,
            x: self.span.ticks(),
            x_title: self.span.title(),
            y,
            y_title: y_title.into(),
        }
    }

    /// The left edge of a bin, 0 to [`SIDE`].
    fn edge(&self, index: usize) -> f64 {
        self.span.at(self.start_of(index)) * SIDE
    }

    fn start_of(&self, index: usize) -> u64 {
        self.bins.origin.saturating_add(self.bins.width.saturating_mul(index as u64))
    }

    /// The outline between two stairs, in pieces where there are bins without frames.
    fn area(&self, floor: &[f64], ceiling: &[Option<f64>], top: f64) -> String {
        let y = |value: f64| at((1.0 - value / top) * SIDE);
        let mut path = String::new();
        let mut index = 0;
        while index < ceiling.len() {
            let from = index;
            while let Some(value) = ceiling.get(index).copied().flatten() {
                let start = if index == from {
                    format!("M{} {}", at(self.edge(index)), y(value))
                } else {
                    format!("V{}", y(value))
                };
                index += 1;
                path.push_str(&format!("{start}H{}", at(self.edge(index))));
            }
            for back in (from..index).rev() {
                path.push_str(&format!("V{}H{}", y(floor[back]), at(self.edge(back))));
            }
            if index == from {
                index += 1;
            } else {
                path.push('Z');
            }
        }
        path
    }

    /// Stairs over the bins that have a value.
    fn steps(&self, values: &[Option<f64>], top: f64) -> String {
        let mut path = String::new();
        let mut drawing = false;
        for (index, value) in values.iter().enumerate() {
            if let Some(value) = value {
                let y = at((1.0 - value / top) * SIDE);
                match drawing {
                    true => path.push_str(&format!("V{y}")),
                    false => path.push_str(&format!("M{} {y}", at(self.edge(index)))),
                }
                path.push_str(&format!("H{}", at(self.edge(index + 1))));
            }
            drawing = value.is_some();
        }
        path
    }

    /// An invisible column over each bin with frames, which says on hovering what is in it. What
    /// `say` gives is escaped.
    fn hits(&self, say: impl Fn(usize) -> String) -> String {
        let mut columns = String::new();
        for (index, _) in self.bins.cells.iter().enumerate().filter(|(_, bin)| bin.frames > 0) {
            let (left, right) = (self.edge(index), self.edge(index + 1));
            let from = self.span.label(self.start_of(index));
            let to = self.span.label(self.start_of(index + 1).min(self.span.end));
            columns.push_str(&format!(
                "<rect class=\"hit\" x=\"{}\" width=\"{}\" height=\"1000\"><title>{from} to {to}\n{}\
                 </title></rect>",
                at(left),
                at(right - left),
                say(index),
            ));
        }
        columns
    }
}

/// What is in a bin, in lines: the most in a frame, then the mean of each layer.
fn what_is_in(index: usize, layers: &[Layer], most: &[u64]) -> String {
    let mut text = format!("most in a frame: {}", count(most[index]));
    for layer in layers {
        if let Some(value) = layer.values[index].filter(|value| *value > 0.0) {
            text.push_str(&format!("\n{}: {} a frame", escape(&layer.name), number(value)));
        }
    }
    text
}
