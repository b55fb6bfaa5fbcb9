//! OpenCV: the only room that names `opencv`. It draws; reading and writing is `av`'s.

use opencv::core::{CV_8UC3, Mat, Mat_AUTO_STEP, Point as CvPoint, Rect, Scalar, Vector};
use opencv::imgproc::{self, FILLED, FONT_HERSHEY_SIMPLEX, LINE_8, LINE_AA};

use crate::annotate::{AnnotateError, Bgr, DrawOp, Rasterizer};
use crate::frame::{Image, Size};
use crate::geometry::{BBox, Point};

/// Room between a label's text and its edge, as a part of the text's height.
const PADDING: f64 = 0.35;

/// Draws with OpenCV.
#[derive(Debug, Default)]
pub struct CvRasterizer(());

impl CvRasterizer {
    /// A rasterizer; keeps OpenCV to the thread that calls it, because its own thread pool would
    /// fight the workers for the cores.
    ///
    /// # Errors
    /// When OpenCV refuses.
    pub fn new() -> Result<Self, AnnotateError> {
        opencv::core::set_num_threads(1).map_err(refused)?;
        Ok(Self(()))
    }
}

fn refused(error: opencv::Error) -> AnnotateError {
    AnnotateError(error.message)
}

impl Rasterizer for CvRasterizer {
    fn draw(&mut self, image: &mut Image, ops: &[DrawOp]) -> Result<(), AnnotateError> {
        let size = image.size();
        let mut canvas = canvas(image).map_err(refused)?;
        ops.iter().try_for_each(|op| draw(&mut canvas, size, op)).map_err(refused)
    }
}

/// The image's own bytes as a matrix, without a copy.
fn canvas(image: &mut Image) -> opencv::Result<opencv::boxed_ref::BoxedRefMut<'_, Mat>> {
    let Size { width, height } = image.size();
    let bytes = image.bytes_mut();
    debug_assert_eq!(bytes.len(), width as usize * height as usize * 3);
    let data = bytes.as_mut_ptr().cast();
    // SAFETY: an `Image` holds exactly `height` rows of `width` pixels of three bytes without
    // padding, and the returned matrix keeps its bytes borrowed.
    #[expect(unsafe_code, reason = "OpenCV takes foreign pixels by pointer")]
    let matrix = unsafe {
        Mat::new_rows_cols_with_data_unsafe(
            height as i32,
            width as i32,
            CV_8UC3,
            data,
            Mat_AUTO_STEP,
        )?
    };
    Ok(matrix.into())
}

fn scalar([blue, green, red]: Bgr) -> Scalar {
    Scalar::new(f64::from(blue), f64::from(green), f64::from(red), 0.0)
}

fn draw(
    canvas: &mut opencv::boxed_ref::BoxedRefMut<'_, Mat>,
    size: Size,
    op: &DrawOp,
) -> opencv::Result<()> {
    match op {
        DrawOp::Outline { bbox, colour, thickness } => {
            let rect = pixels(bbox, size);
            imgproc::rectangle(canvas, rect, scalar(*colour), *thickness, LINE_8, 0)
        }
        DrawOp::Polygon { points, colour, thickness } => {
            let points: Vector<CvPoint> = points.iter().map(|p| pixel(*p)).collect();
            imgproc::polylines(canvas, &points, true, scalar(*colour), *thickness, LINE_AA, 0)
        }
        DrawOp::Line { ends: [from, to], colour, thickness } => {
            let (from, to) = (pixel(*from), pixel(*to));
            imgproc::line(canvas, from, to, scalar(*colour), *thickness, LINE_AA, 0)
        }
        DrawOp::Dot { centre, colour, radius } => {
            imgproc::circle(canvas, pixel(*centre), *radius, scalar(*colour), FILLED, LINE_AA, 0)
        }
        DrawOp::Label { bbox, text, colour, text_colour, height, thickness } => {
            let scale =
                imgproc::get_font_scale_from_height(FONT_HERSHEY_SIMPLEX, *height, *thickness)?;
            let text = drawable(text);
            let mut base = 0;
            let font = FONT_HERSHEY_SIMPLEX;
            let words = imgproc::get_text_size(&text, font, scale, *thickness, &mut base)?;
            let padding = (f64::from(*height) * PADDING).round() as i32;
            let (label, at) = place(bbox, size, (words.width, words.height), padding);
            imgproc::rectangle(canvas, label, scalar(*colour), FILLED, LINE_8, 0)?;
            let ink = scalar(*text_colour);
            imgproc::put_text(canvas, &text, at, font, scale, ink, *thickness, LINE_AA, false)
        }
    }
}

/// A point in whole pixels.
fn pixel(point: Point) -> CvPoint {
    CvPoint::new(point.x.round() as i32, point.y.round() as i32)
}

/// A box in whole pixels of the picture.
fn pixels(bbox: &BBox, size: Size) -> Rect {
    let inside = |v: f32, limit: u32| (v.round() as i32).clamp(0, limit as i32 - 1);
    let (x1, y1) = (inside(bbox.x1, size.width), inside(bbox.y1, size.height));
    let (x2, y2) = (inside(bbox.x2, size.width), inside(bbox.y2, size.height));
    Rect::new(x1, y1, x2 - x1 + 1, y2 - y1 + 1)
}

/// Where a label of `words` pixels stands: above its box where there is room, else inside, and
/// never over the right edge. Returns its background and the start of the text's base line.
fn place(bbox: &BBox, size: Size, words: (i32, i32), padding: i32) -> (Rect, CvPoint) {
    let (width, height) = (words.0 + 2 * padding, words.1 + 2 * padding);
    let corner = pixels(bbox, size);
    let x = corner.x.min(size.width as i32 - width).max(0);
    let y = if corner.y >= height { corner.y - height } else { corner.y };
    (Rect::new(x, y, width, height), CvPoint::new(x + padding, y + padding + words.1))
}

/// The font has ASCII only: what it lacks becomes a question mark.
fn drawable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw_on(size: Size, op: DrawOp) -> Image {
        let mut image = Image::filled(size, [0; 3]);
        CvRasterizer::new().unwrap().draw(&mut image, &[op]).unwrap();
        image
    }

    fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
        image.row(y)[x * 3..][..3].try_into().unwrap()
    }

    #[test]
    fn an_outline_is_drawn_on_its_corners_and_not_inside() {
        let bbox = BBox::new(10.0, 5.0, 30.0, 20.0);
        let colour = [1, 2, 250];
        let image = draw_on(Size::new(64, 48), DrawOp::Outline { bbox, colour, thickness: 1 });
        for (x, y) in [(10, 5), (30, 5), (10, 20), (30, 20), (20, 5)] {
            assert_eq!(pixel(&image, x, y), colour, "{x},{y}");
        }
        assert_eq!(pixel(&image, 20, 12), [0; 3]);
        assert_eq!(pixel(&image, 32, 5), [0; 3]);
    }

    #[test]
    fn a_label_stays_in_the_picture() {
        let size = Size::new(200, 100);
        for (x, y) in [(0.0, 0.0), (190.0, 0.0), (190.0, 90.0), (0.0, 90.0), (50.0, 50.0)] {
            let bbox = BBox::new(x, y, x + 9.0, y + 9.0);
            let (label, _) = place(&bbox, size, (60, 9), 3);
            assert!(label.x >= 0 && label.x + label.width <= 200, "{x},{y}: {label:?}");
            assert!(label.y >= 0, "{x},{y}: {label:?}");
        }
    }

    #[test]
    fn text_is_drawn_on_its_background() {
        let colour = [10, 200, 10];
        let image = draw_on(
            Size::new(200, 100),
            DrawOp::Label {
                bbox: BBox::new(20.0, 50.0, 60.0, 90.0),
                text: "person 0.88".into(),
                colour,
                text_colour: [0; 3],
                height: 12,
                thickness: 1,
            },
        );
        let of = |wanted: [u8; 3]| image.bytes().chunks(3).filter(|p| **p == wanted).count();
        assert!(of(colour) > 300, "background");
        let dark = (20..40).flat_map(|x| (36..49).map(move |y| (x, y)));
        assert!(dark.filter(|&(x, y)| pixel(&image, x, y)[1] < 100).count() > 20, "letters");
    }

    #[test]
    fn letters_the_font_lacks_do_not_break_the_label() {
        assert_eq!(drawable("caf\u{e9} 0.5\n"), "caf? 0.5?");
    }
}
