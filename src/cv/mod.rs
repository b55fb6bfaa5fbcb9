//! OpenCV: the only room that names `opencv`. It draws; reading and writing is `av`'s.

mod blend;

use opencv::boxed_ref::BoxedRefMut;
use opencv::core::{
    CV_8UC3, Mat, Mat_AUTO_STEP, Point as CvPoint, Rect, Scalar, Size as CvSize, Vector,
};
use opencv::imgproc::{self, FILLED, INTER_AREA, INTER_LINEAR, INTER_NEAREST, LINE_8, LINE_AA};
use opencv::prelude::*;

use crate::annotate::{AnnotateError, Bgr, DrawOp, Rasterizer};
use crate::frame::{Image, Size};
use crate::geometry::{BBox, Point};

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
        for op in ops {
            match op {
                DrawOp::Label { place, words, colour, ink } => {
                    blend::label(image, *place, words, *colour, *ink);
                }
                DrawOp::Heat(heat) => blend::heat(image, heat).map_err(refused)?,
                op => {
                    let mut canvas = canvas(image).map_err(refused)?;
                    draw(&mut canvas, size, op).map_err(refused)?;
                }
            }
        }
        Ok(())
    }
}

/// An image's own bytes as a matrix.
type Canvas<'a> = BoxedRefMut<'a, Mat>;

/// The image's own bytes as a matrix, without a copy.
fn canvas(image: &mut Image) -> opencv::Result<Canvas<'_>> {
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

fn draw(canvas: &mut Canvas<'_>, size: Size, op: &DrawOp) -> opencv::Result<()> {
    match op {
        DrawOp::Outline { bbox, colour, thickness } => {
            let rect = pixels(bbox, size);
            imgproc::rectangle(canvas, rect, scalar(*colour), *thickness, LINE_8, 0)
        }
        DrawOp::Path { points, closed, colour, thickness } => {
            let points: Vector<CvPoint> = points.iter().map(|p| pixel(*p)).collect();
            imgproc::polylines(canvas, &points, *closed, scalar(*colour), *thickness, LINE_AA, 0)
        }
        DrawOp::Area { points, colour, share } => area(canvas, size, points, *colour, *share),
        DrawOp::Dot { centre, colour, radius } => {
            imgproc::circle(canvas, pixel(*centre), *radius, scalar(*colour), FILLED, LINE_AA, 0)
        }
        DrawOp::Ring { centre, radii: [across, down], colour, thickness } => {
            let radii = CvSize::new(across.round().max(1.0) as i32, down.round().max(1.0) as i32);
            let (from, to, colour) = (-45.0, 235.0, scalar(*colour));
            let centre = pixel(*centre);
            imgproc::ellipse(canvas, centre, radii, 0.0, from, to, colour, *thickness, LINE_AA, 0)
        }
        DrawOp::Hide { bbox, squares } => hide(canvas, pixels(bbox, size), *squares),
        // These are blended pixel by pixel.
        DrawOp::Label { .. } | DrawOp::Heat(_) => Ok(()),
    }
}

/// Fills a polygon so that the picture shows through.
fn area(
    canvas: &mut Canvas<'_>,
    size: Size,
    points: &[Point],
    colour: Bgr,
    share: f64,
) -> opencv::Result<()> {
    let around = points.iter().fold(None, |around: Option<BBox>, p| {
        let here = BBox::new(p.x, p.y, p.x, p.y);
        Some(around.map_or(here, |a| {
            BBox::new(a.x1.min(p.x), a.y1.min(p.y), a.x2.max(p.x), a.y2.max(p.y))
        }))
    });
    let Some(around) = around else { return Ok(()) };
    let rect = pixels(&around, size);
    let mut part = Mat::roi_mut(canvas, rect)?;
    let mut filled = part.try_clone()?;
    let moved = points.iter().map(|p| pixel(*p) - CvPoint::new(rect.x, rect.y));
    let moved: Vector<CvPoint> = moved.collect();
    imgproc::fill_poly_def(&mut filled, &moved, scalar(colour))?;
    let before = part.try_clone()?;
    opencv::core::add_weighted_def(&filled, share, &before, 1.0 - share, 0.0, &mut part)
}

/// Shades across the longer side of what is hidden. Six across a face are past recognition, and a
/// face in the box of a person is one of them or less.
const SHADES: i32 = 6;

/// Least pixels across a shade: of a small object there are fewer.
const LEAST_SHADE: i32 = 8;

/// Leaves only a few shades of what is in `rect`.
fn hide(canvas: &mut Canvas<'_>, rect: Rect, squares: bool) -> opencv::Result<()> {
    let cell = (rect.width.max(rect.height) / SHADES).max(LEAST_SHADE);
    let few = CvSize::new((rect.width / cell).max(1), (rect.height / cell).max(1));
    let mut part = Mat::roi_mut(canvas, rect)?;
    let mut shades = Mat::default();
    imgproc::resize(&part, &mut shades, few, 0.0, 0.0, INTER_AREA)?;
    let whole = CvSize::new(rect.width, rect.height);
    let how = if squares { INTER_NEAREST } else { INTER_LINEAR };
    let mut large = Mat::default();
    imgproc::resize(&shades, &mut large, whole, 0.0, 0.0, how)?;
    large.copy_to(&mut part)
}

/// A point in whole pixels, near enough to the picture that OpenCV can count with it.
fn pixel(point: Point) -> CvPoint {
    let near = |v: f32| v.round().clamp(-65_536.0, 65_536.0) as i32;
    CvPoint::new(near(point.x), near(point.y))
}

/// A box in whole pixels of the picture.
fn pixels(bbox: &BBox, size: Size) -> Rect {
    let inside = |v: f32, limit: u32| (v.round() as i32).clamp(0, limit as i32 - 1);
    let (x1, y1) = (inside(bbox.x1, size.width), inside(bbox.y1, size.height));
    let (x2, y2) = (inside(bbox.x2, size.width), inside(bbox.y2, size.height));
    Rect::new(x1, y1, x2 - x1 + 1, y2 - y1 + 1)
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
    fn an_area_lets_the_picture_through() {
        let corner = |x: f32, y: f32| Point { x, y };
        let points = vec![corner(10.0, 10.0), corner(40.0, 10.0), corner(40.0, 40.0)];
        let op = DrawOp::Area { points, colour: [200, 100, 0], share: 0.5 };
        let image = draw_on(Size::new(50, 50), op);
        assert_eq!(pixel(&image, 35, 15), [100, 50, 0]);
        assert_eq!(pixel(&image, 12, 35), [0; 3], "outside of the triangle");
    }

    #[test]
    fn what_lies_outside_the_picture_is_cut_off() {
        let far = BBox::new(-500.0, -500.0, 1e9, 1e9);
        let point = |x: f32| Point { x, y: -x };
        let ops = [
            DrawOp::Outline { bbox: far, colour: [9; 3], thickness: 3 },
            DrawOp::Hide { bbox: far, squares: true },
            DrawOp::Hide { bbox: BBox::new(-9.0, -9.0, -8.0, -8.0), squares: false },
            DrawOp::Area {
                points: [-1e6, 1e6, 5.0].map(point).to_vec(),
                colour: [9; 3],
                share: 0.5,
            },
            DrawOp::Path { points: vec![], closed: true, colour: [9; 3], thickness: 1 },
            DrawOp::Dot { centre: point(1e9), colour: [9; 3], radius: 3 },
        ];
        for op in ops {
            draw_on(Size::new(20, 10), op);
        }
    }

    /// A picture in which no two pixels near each other are alike.
    fn noise(size: Size) -> Image {
        let mut image = Image::filled(size, [0; 3]);
        let mut state = 1_u32;
        for byte in image.bytes_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        image
    }

    #[test]
    fn a_small_object_is_one_shade() {
        for squares in [true, false] {
            let mut image = noise(Size::new(32, 32));
            let bbox = BBox::new(8.0, 8.0, 16.0, 16.0);
            CvRasterizer::new()
                .unwrap()
                .draw(&mut image, &[DrawOp::Hide { bbox, squares }])
                .unwrap();
            let first = pixel(&image, 8, 8);
            for (x, y) in (8..=16).flat_map(|y| (8..=16).map(move |x| (x, y))) {
                assert_eq!(pixel(&image, x, y), first, "{x},{y}");
            }
        }
    }

    #[test]
    fn what_is_hidden_has_only_a_few_shades_left() {
        for squares in [true, false] {
            let mut image = noise(Size::new(120, 120));
            let before = image.clone();
            let bbox = BBox::new(30.0, 30.0, 89.0, 89.0);
            CvRasterizer::new()
                .unwrap()
                .draw(&mut image, &[DrawOp::Hide { bbox, squares }])
                .unwrap();
            let mut largest = 0;
            for (x, y) in (31..89).flat_map(|y| (31..89).map(move |x| (x, y))) {
                let (here, left) = (pixel(&image, x, y)[0], pixel(&image, x - 1, y)[0]);
                // 30 % of the range lies between two shades of noise at the most.
                if !squares || (x - 30) % 10 != 0 {
                    largest = largest.max(here.abs_diff(left));
                }
            }
            assert!(largest <= 12, "{largest} between neighbours, squares: {squares}");
            assert_eq!(pixel(&image, 20, 20), pixel(&before, 20, 20), "only there");
        }
    }
}
