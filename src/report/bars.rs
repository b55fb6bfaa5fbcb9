//! Bars: how long objects stayed, and how long each stage took.

use super::about::Summary;
use super::dwell::{Dwell, EDGES_S};
use super::lines::StageMs;
use super::plot::{Plot, SIDE, at, marks, scale};
use super::span::Tick;
use super::text::{duration, escape, number, of};

/// The histogram of stays in a zone.
pub(super) fn dwell(dwell: &Dwell, zone: &str) -> String {
    let last = dwell.bars.iter().rposition(|&count| count > 0).unwrap_or(0);
    let first = dwell.bars.iter().position(|&count| count > 0).unwrap_or(0);
    let bars = &dwell.bars[first..=last];
    let (top, y) = scale(bars.iter().copied().max().unwrap_or(0) as f64, true);
    let width = SIDE / bars.len() as f64;
    let mut body = String::new();
    for (index, &count) in bars.iter().enumerate() {
        let height = count as f64 / top * SIDE;
        let (from, to) = (EDGES_S[first + index], EDGES_S.get(first + index + 1));
        let range = match to {
            Some(to) => format!("{} to {}", duration(from), duration(*to)),
            None => format!("{} and longer", duration(from)),
        };
        body.push_str(&format!(
            "<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{range}: {}\
             </title></rect>",
            at(width * (index as f64 + 0.06)),
            at(SIDE - height),
            at(width * 0.88),
            at(height),
            of(count, "stay"),
        ));
    }
    let edge = |index: usize| {
        let seconds = EDGES_S.get(first + index)?;
        let text = if *seconds < 60.0 { number(*seconds) + " s" } else { duration(*seconds) };
        Some(Tick { at: index as f64 / bars.len() as f64, text })
    };
    let plot = Plot {
        label: format!("Stays in {zone} by how long they were"),
        height_px: 180,
        // Every other edge where all of them would touch.
        x: (0..=bars.len()).step_by(1 + bars.len() / 8).filter_map(edge).collect(),
        x_title: "time in the zone (the steps grow)".into(),
        y,
        y_title: "stays".into(),
    };
    plot.html(&body)
}

/// The stages in the order in which a frame meets them; others follow by name.
const ORDER: [&str; 5] = ["decode", "preprocess", "infer", "postprocess", "collect"];

/// A row for each stage: from its median to its 99th percentile, on a scale of powers of ten.
pub(super) fn stages(summary: &Summary) -> String {
    let mut stages: Vec<(&str, StageMs)> =
        summary.stages.iter().map(|(name, ms)| (name.as_str(), *ms)).collect();
    stages.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(9));
    let times = || stages.iter().flat_map(|(_, ms)| [ms.p50_ms, ms.p99_ms]).filter(|ms| *ms > 0.0);
    let low = times().fold(f64::INFINITY, f64::min).clamp(1e-4, 1.0).log10().floor();
    let high = times().fold(1.0, f64::max).min(1e8).log10().ceil().max(low + 1.0);
    let place = |ms: f64| ((ms.max(1e-4).log10() - low) / (high - low)).clamp(0.0, 1.0);
    // Twelve powers at most, by the limits above.
    let ticks: Vec<Tick> = (low as i32..=high as i32)
        .map(|power| Tick { at: place(10f64.powi(power)), text: milliseconds(10f64.powi(power)) })
        .collect();
    let grid: String = ticks.iter().map(|tick| format!("M{} 0v1000", at(tick.at * SIDE))).collect();
    let mut rows = String::new();
    for (name, ms) in &stages {
        rows.push_str(&stage_row(name, *ms, &grid, place));
    }
    format!(
        "<table class=\"stages\"><thead><tr><th>stage</th><th class=\"scale\"><div class=\"x\">{}</div>\
         </th><th>median</th><th>95 %</th><th>99 %</th></tr></thead><tbody>{rows}</tbody></table>\n",
        marks(&ticks, "left"),
    )
}

fn stage_row(name: &str, ms: StageMs, grid: &str, place: impl Fn(f64) -> f64) -> String {
    let [median, p95, p99] = [ms.p50_ms, ms.p95_ms, ms.p99_ms].map(|ms| at(place(ms) * SIDE));
    // A line of no length with a round end is a dot, which stretching doesn't turn into an egg.
    format!(
        "<tr><th>{}</th><td class=\"scale\"><svg viewBox=\"0 0 1000 1000\" \
         preserveAspectRatio=\"none\"><path class=\"grid\" d=\"{grid}\"/>\
         <path class=\"range\" d=\"M{median} 500H{p99}\"/><path class=\"dot far\" d=\"M{p99} 500h0\"/>\
         <path class=\"dot far\" d=\"M{p95} 500h0\"/><path class=\"dot\" d=\"M{median} 500h0\"/></svg></td>\
         <td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(name),
        milliseconds(ms.p50_ms),
        milliseconds(ms.p95_ms),
        milliseconds(ms.p99_ms),
    )
}

fn milliseconds(ms: f64) -> String {
    if ms >= 1000.0 { format!("{} s", number(ms / 1000.0)) } else { format!("{} ms", number(ms)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_where_stays_are() {
        let mut stays = Dwell::default();
        for seconds in [6.0, 7.0, 25.0] {
            stays.add(seconds);
        }
        let html = dwell(&stays, "a").replace('\u{a0}', " ");
        assert_eq!(html.matches("class=\"bar\"").count(), 3, "5, 10 and 20 s: none around them");
        assert!(html.contains("<title>5 s to 10 s: 2 stays</title>"), "{html}");
        assert!(html.contains("<title>20 s to 30 s: 1 stay</title>"));
        assert!(html.contains("left:100%\">30 s</span>"));
        stays.add(1e9);
        assert!(dwell(&stays, "a").contains("8\u{a0}h and longer: 1 stay"));
    }
}
