//! The heat map: where objects stood, over a frame of the video where there is one.

use super::base64;
use super::heat::Heat;
use super::plot::at;
use super::text::{count, number};

/// From few to many, as in matplotlib's "plasma", which keeps its order in grey and for the colour
/// blind.
pub(super) const RAMP: [&str; 10] = [
    "#3b0f8f", "#6300a7", "#8606a6", "#a62098", "#c03a83", "#d5546e", "#e76f5a", "#f68d45",
    "#fdae32", "#f6e626",
];

/// The map with its key; `id` tells the maps of a page apart.
pub(super) fn heat_map(heat: &Heat, frame: Option<&[u8]>, id: usize) -> String {
    let (width, height) = (heat.width, heat.height);
    let picture = frame.map_or_else(String::new, |jpeg| {
        format!(
            "<image width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
             href=\"data:image/jpeg;base64,{}\"/>",
            base64::encode(jpeg)
        )
    });
    let smooth = heat.smooth();
    let most = smooth.iter().copied().fold(0.0, f64::max);
    format!(
        "<figure class=\"heat\" role=\"img\" aria-label=\"Where objects stood in the picture\">\
         <svg class=\"{}\" viewBox=\"0 0 {width} {height}\"><defs>\
         <filter id=\"soft{id}\" x=\"0\" y=\"0\" width=\"1\" height=\"1\"><feGaussianBlur stdDeviation=\"{}\"/>\
         </filter></defs>{picture}<g filter=\"url(#soft{id})\">{}</g></svg>\
         <div class=\"key\"><span>seldom</span><i></i><span>often: up to {} detections in {} × {} px</span></div>\
         </figure>\n",
        if frame.is_some() { "over" } else { "bare" },
        at(heat.cell * 0.45),
        cells(heat, &smooth, most),
        count(heat.counts.iter().copied().max().unwrap_or(0)),
        number(heat.cell),
        number(heat.cell),
    )
}

/// A path for each colour, of runs of cells.
fn cells(heat: &Heat, smooth: &[f64], most: f64) -> String {
    // By the logarithm: a parked car must not hide the ways that others walk.
    let level = |value: f64| (value.ln_1p() / most.ln_1p() * RAMP.len() as f64).ceil() as usize;
    let mut paths = vec![String::new(); RAMP.len()];
    for (row, values) in smooth.chunks(heat.columns).enumerate() {
        let mut column = 0;
        while column < values.len() {
            let colour = if values[column] > 0.0 { level(values[column]) } else { 0 };
            let run =
                values[column..].iter().take_while(|v| **v > 0.0 && level(**v) == colour).count();
            if let Some(path) = colour.checked_sub(1).and_then(|colour| paths.get_mut(colour)) {
                let (x, y) = (column as f64 * heat.cell, row as f64 * heat.cell);
                let (right, down) = (run as f64 * heat.cell, heat.cell);
                path.push_str(&format!(
                    "M{} {}h{}v{}h-{}z",
                    at(x),
                    at(y),
                    at(right),
                    at(down),
                    at(right)
                ));
            }
            column += run.max(1);
        }
    }
    let painted = paths.iter().zip(RAMP).enumerate().filter(|(_, (path, _))| !path.is_empty());
    painted
        .map(|(level, (path, colour))| {
            let opacity = 0.3 + 0.06 * level as f64;
            format!("<path fill=\"{colour}\" fill-opacity=\"{opacity:.2}\" d=\"{path}\"/>")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_level_are_one_path() {
        let mut heat = Heat::new(960, 480);
        heat.add(100.0, 100.0);
        let html = heat_map(&heat, None, 1);
        // One point spreads to 1/4, four times 1/8 and four times 1/16.
        assert_eq!(html.matches("<path").count(), 3);
        assert!(html.contains("often: up to 1 detections in 10 × 10 px"), "{html}");
        assert!(
            heat_map(&Heat::new(4, 3), None, 1).contains("often: up to 0 "),
            "nothing is no trouble"
        );
        assert!(
            heat_map(&heat, Some(&[0xFF, 0xD8, 0xFF]), 1).contains("data:image/jpeg;base64,/9j/")
        );
    }
}
