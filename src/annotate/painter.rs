//! From a frame's record to what is drawn, as the user's style says.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::labels::Places;
use super::trails::Trails;
use super::veil::Veil;
use super::{
    AnnotateError, Annotator, Bgr, ColourBy, DrawOp, Fonts, Heat, Mark, Rasterizer, Shape, Style,
    palette,
};
use crate::frame::{Image, Size};
use crate::geometry::{BBox, Point};
use crate::record::{FrameRecord, KeypointRecord, PointRecord, Prediction};

/// Draws in a style, readable at any size of picture.
pub struct Painter<R: Rasterizer> {
    rasterizer: R,
    fonts: Fonts,
    style: Style,
    veil: Option<Veil>,
    trails: Trails,
    heat: Option<Arc<Heat>>,
    /// Zones and lines of the picture.
    shapes: Vec<Shape>,
}

impl<R: Rasterizer> Painter<R> {
    /// Draws with `rasterizer` and `fonts`. `hidden` are the classes that [`Mark::Blur`] and
    /// [`Mark::Pixelate`] are for; all where `None`.
    pub fn new(rasterizer: R, fonts: Fonts, style: Style, hidden: Option<Vec<u32>>) -> Self {
        let veil = Veil::of(&style, hidden);
        Self {
            rasterizer,
            fonts,
            style,
            veil,
            trails: Trails::default(),
            heat: None,
            shapes: Vec::new(),
        }
    }

    /// The same with zones and lines; their counts are in the records.
    #[must_use]
    pub fn over(self, shapes: Vec<Shape>) -> Self {
        Self { shapes, ..self }
    }
}

impl<R: Rasterizer> Annotator for Painter<R> {
    fn redact(&mut self, image: &mut Image, record: &FrameRecord) -> Result<(), AnnotateError> {
        let Some(veil) = &mut self.veil else { return Ok(()) };
        self.rasterizer.draw(image, &veil.plan(record))
    }

    fn annotate(&mut self, image: &mut Image, record: &FrameRecord) -> Result<(), AnnotateError> {
        let ops = self.plan(record, image.size());
        self.rasterizer.draw(image, &ops)
    }

    fn unseen(&mut self, record: &FrameRecord) {
        if let Some(veil) = &mut self.veil {
            veil.plan(record);
        }
    }

    fn undrawn(&mut self, record: &FrameRecord) {
        self.remember(record, record.image);
    }
}

/// Line and text sizes for a picture.
struct Scale {
    /// Width of lines.
    line: i32,
    /// Height of a capital letter.
    capital: u32,
}

impl Scale {
    /// A line is 1 px at 240 rows and 8 px at 2160; a capital is a 58th of the picture's smaller
    /// side, and never less than the 9 px that can just be read.
    fn of(size: Size, style: &Style) -> Self {
        let side = f64::from(size.width.min(size.height));
        let line = (side / 270.0).round().max(1.0) as i32;
        let capital = (side / 58.0).round().max(9.0) * style.font_scale;
        Self {
            line: style.line_width.map_or(line, |width| width as i32),
            capital: capital.round().clamp(4.0, (side / 3.0).max(4.0)) as u32,
        }
    }
}

/// Keypoints below this confidence are guesses and not drawn.
const MIN_KEYPOINT: f64 = 0.25;

/// How much of a mask's colour is seen.
const MASK_SHARE: f64 = 0.4;

/// Height of a ring on the ground, as a part of its width.
const RING_SLANT: f32 = 0.35;

/// Bones between COCO's 17 keypoints, by their places.
const BONES: [(usize, usize); 16] = [
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (5, 6),
    (5, 7),
    (7, 9),
    (6, 8),
    (8, 10),
    (5, 11),
    (6, 12),
    (11, 12),
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
];

impl<R: Rasterizer> Painter<R> {
    /// The operations for a frame: what covers the ground, then all shapes, the most confident on
    /// top, then all labels, so that no outline crosses a label.
    fn plan(&mut self, record: &FrameRecord, size: Size) -> Vec<DrawOp> {
        let scale = Scale::of(size, &self.style);
        let mut ops = Vec::new();
        self.remember(record, size);
        ops.extend(self.heat.iter().map(|heat| DrawOp::Heat(heat.clone())));
        if self.style.has(Mark::Zones) {
            for (number, shape) in self.shapes.iter().enumerate() {
                place(shape, place_colour(number), scale.line, &mut ops);
            }
        }
        for found in record.predictions.iter().rev() {
            self.shapes(found, &scale, &mut ops);
        }
        ops.extend(self.labels(record, size, &scale));
        ops
    }

    /// Takes in what outlives a frame.
    fn remember(&mut self, record: &FrameRecord, size: Size) {
        if self.style.has(Mark::Heatmap) {
            let heat = self.heat.get_or_insert_with(|| Arc::new(Heat::new(size)));
            Arc::make_mut(heat).add(record);
        }
        if self.style.has(Mark::Trace) {
            self.trails.add(record);
        }
    }

    fn colour(&self, found: &Prediction) -> Bgr {
        match (self.style.colour, found.tracker_id) {
            (ColourBy::Fixed(colour), _) => colour,
            (ColourBy::Track, Some(track)) => palette::colour((track % 360) as u32),
            _ => palette::colour(found.class_id),
        }
    }

    /// Everything of a detection but its label.
    fn shapes(&self, found: &Prediction, scale: &Scale, ops: &mut Vec<DrawOp>) {
        let Some(place) = found.place else { return };
        let (colour, thickness) = (self.colour(found), scale.line);
        let bbox = place.bbox.bbox();
        let has = |mark: Mark| self.style.has(mark);
        let point = |p: &PointRecord| Point { x: p.x as f32, y: p.y as f32 };
        let outline = || found.points.iter().map(point).collect::<Vec<_>>();
        let oriented = found.rotation_deg.map(|_| outline());
        if has(Mark::Masks) && found.points.len() > 2 && oriented.is_none() {
            let points = outline();
            ops.push(DrawOp::Area { points: points.clone(), colour, share: MASK_SHARE });
            ops.push(DrawOp::Path { points, closed: true, colour, thickness });
        }
        if has(Mark::Trace)
            && let Some(track) = found.tracker_id
        {
            let points = self.trails.of(track);
            ops.push(DrawOp::Path { points, closed: false, colour, thickness });
        }
        if has(Mark::Boxes) {
            ops.push(match oriented.clone() {
                Some(points) => DrawOp::Path { points, closed: true, colour, thickness },
                None => DrawOp::Outline { bbox, colour, thickness },
            });
        }
        if has(Mark::Corners) {
            let ends = oriented.unwrap_or_else(|| upright(&bbox));
            ops.extend(corners(&ends).map(|points| DrawOp::Path {
                points,
                closed: false,
                colour,
                thickness: thickness + 1,
            }));
        }
        if has(Mark::Ellipse) {
            let centre = Point { x: place.x as f32, y: bbox.y2 };
            let radii = [bbox.width() / 2.0, bbox.width() / 2.0 * RING_SLANT];
            ops.push(DrawOp::Ring { centre, radii, colour, thickness });
        }
        if has(Mark::Dot) {
            let centre = Point { x: place.x as f32, y: place.y as f32 };
            ops.push(DrawOp::Dot { centre, colour, radius: 2 * thickness + 1 });
        }
        if has(Mark::Keypoints) {
            keypoints(found, colour, thickness, ops);
        }
    }

    /// The labels, the most confident last and so on top, though it had the first choice of a
    /// place.
    fn labels(&mut self, record: &FrameRecord, size: Size, scale: &Scale) -> Vec<DrawOp> {
        let mut places = Places::new(size);
        let mut ops = Vec::new();
        // `row` counts labels that stand at one place of their own, one below the other.
        let mut add = |fonts: &mut Fonts, bbox: &BBox, row: usize, text: &str, colour: Bgr| {
            let words = fonts.draw(text, scale.capital, size.width);
            let down = (row * words.height as usize) as f32;
            let bbox = BBox::new(bbox.x1, bbox.y1 + down, bbox.x2, bbox.y2 + down);
            let place = places.take(&bbox, (words.width, words.height));
            let ink = palette::readable_on(colour);
            ops.push(DrawOp::Label { place, words, colour, ink });
        };
        if self.style.has(Mark::Counts) {
            let corner = BBox::new(size.width as f32, 0.0, size.width as f32, 1.0);
            for (row, ((class_id, class), count)) in counts(record).into_iter().enumerate() {
                let colour = match self.style.colour {
                    ColourBy::Fixed(colour) => colour,
                    _ => palette::colour(class_id),
                };
                add(&mut self.fonts, &corner, row, &format!("{class} {count}"), colour);
            }
        }
        if self.style.has(Mark::Zones) {
            for (number, shape) in self.shapes.iter().enumerate() {
                let Some(first) = shape.points.first() else { continue };
                let corner = BBox::new(first.x, first.y, first.x + 1.0, first.y + 1.0);
                let text = place_words(record, &shape.name);
                add(&mut self.fonts, &corner, 0, &text, place_colour(number));
            }
        }
        for (row, found) in record.predictions.iter().enumerate() {
            let Some(text) = words(found, &self.style) else { continue };
            let colour = self.colour(found);
            // Classes of the whole picture stand at the top left.
            let whole = BBox::new(0.0, 0.0, 1.0, 1.0);
            match found.place {
                Some(place) => add(&mut self.fonts, &place.bbox.bbox(), 0, &text, colour),
                None => add(&mut self.fonts, &whole, row, &text, colour),
            }
        }
        ops.reverse();
        ops
    }
}

/// What a label says; nothing where no part of it is asked for.
fn words(found: &Prediction, style: &Style) -> Option<String> {
    let mut parts = Vec::new();
    if style.has(Mark::Ids) {
        parts.extend(found.tracker_id.map(|id| format!("#{id}")));
    }
    if style.has(Mark::Labels) {
        // A label is one line.
        parts.push(found.class.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if style.has(Mark::Confidence) {
        parts.push(format!("{:.2}", found.confidence));
    }
    if style.has(Mark::Labels) {
        parts.extend(found.attributes.iter().map(|attribute| attribute.class.to_string()));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The colour of a zone or line by its number: none of people, cars and their like.
fn place_colour(number: usize) -> Bgr {
    const FIRST_HUE: f64 = 45.0;
    const STEP: f64 = 77.0;
    palette::from_hue((FIRST_HUE + STEP * number as f64) % 360.0)
}

/// How much of a zone's colour is seen.
const ZONE_SHARE: f64 = 0.15;

/// A zone or line on the ground.
fn place(shape: &Shape, colour: Bgr, thickness: i32, ops: &mut Vec<DrawOp>) {
    let (points, closed) = (shape.points.clone(), shape.closed);
    if closed {
        ops.push(DrawOp::Area { points: points.clone(), colour, share: ZONE_SHARE });
    }
    ops.push(DrawOp::Path { points, closed, colour, thickness });
}

/// What the label of a zone or line says: its name and counts.
fn place_words(record: &FrameRecord, name: &str) -> String {
    let zone = record.zones.iter().find(|zone| &*zone.name == name);
    let line = record.lines.iter().find(|line| &*line.name == name);
    match (zone, line) {
        (Some(zone), _) => format!("{name} {}", zone.count),
        (_, Some(line)) => format!("{name} in {} out {}", line.count_in, line.count_out),
        _ => name.to_owned(),
    }
}

/// How many objects of each class there are.
fn counts(record: &FrameRecord) -> BTreeMap<(u32, Arc<str>), usize> {
    let mut counts = BTreeMap::new();
    for found in &record.predictions {
        *counts.entry((found.class_id, found.class.clone())).or_default() += 1;
    }
    counts
}

/// The corners of a box.
fn upright(bbox: &BBox) -> Vec<Point> {
    let BBox { x1, y1, x2, y2 } = *bbox;
    [(x1, y1), (x2, y1), (x2, y2), (x1, y2)].map(|(x, y)| Point { x, y }).to_vec()
}

/// A quarter of the shorter side along both edges from each corner.
fn corners(ends: &[Point]) -> impl Iterator<Item = Vec<Point>> {
    let count = ends.len();
    let length = |a: Point, b: Point| (b.x - a.x).hypot(b.y - a.y);
    let sides = (0..count).map(|i| length(ends[i], ends[(i + 1) % count]));
    let arm = sides.fold(f32::INFINITY, f32::min) / 4.0;
    let along = move |from: Point, to: Point| {
        let share = arm / length(from, to).max(f32::MIN_POSITIVE);
        Point { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share }
    };
    (0..count).map(move |i| {
        let (before, at, after) = (ends[(i + count - 1) % count], ends[i], ends[(i + 1) % count]);
        vec![along(at, before), at, along(at, after)]
    })
}

/// The keypoints that were seen, and the bones between them.
fn keypoints(found: &Prediction, colour: Bgr, thickness: i32, ops: &mut Vec<DrawOp>) {
    let seen = |k: &&KeypointRecord| k.confidence.is_none_or(|sure| sure >= MIN_KEYPOINT);
    let at = |k: &KeypointRecord| Point { x: k.x as f32, y: k.y as f32 };
    if found.keypoints.len() == 17 {
        let end = |i: usize| found.keypoints.get(i).filter(seen).map(at);
        let bones = BONES.iter().filter_map(|&(a, b)| Some(vec![end(a)?, end(b)?]));
        ops.extend(bones.map(|points| DrawOp::Path { points, closed: false, colour, thickness }));
    }
    let dots = found.keypoints.iter().filter(seen);
    ops.extend(dots.map(|k| DrawOp::Dot { centre: at(k), colour, radius: thickness + 1 }));
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
