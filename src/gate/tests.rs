//! Which frames are looked at, by pictures and times made here.

use proptest::prelude::*;

use super::*;
use crate::analyze::Polygon;
use crate::frame::Size;
use crate::geometry::Point;

const SIZE: Size = Size::new(200, 120);

fn meta(index: u64) -> FrameMeta {
    FrameMeta { index, pts_s: Some(index as f64 / 10.0), file: None }
}

/// A grey picture with a white square of 24 pixels at `x`, and a little noise.
fn picture(x: u32, noise: u8) -> Image {
    let mut image = Image::filled(SIZE, [90; 3]);
    let bytes = image.bytes_mut();
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte += (i * 7919 % 13) as u8 % (noise + 1);
    }
    for y in 40..64usize {
        let start = (y * SIZE.width as usize + x as usize) * 3;
        bytes[start..start + 24 * 3].fill(250);
    }
    image
}

fn of(every: Every, motion: Option<Motion>) -> Thrift {
    Thrift::new(Rhythm::new(every), motion)
}

/// Frames at which the model looks, of those that `pictures` gives.
fn looks(gate: &mut Thrift, pictures: &[Image]) -> Vec<Basis> {
    let look = |(i, image): (usize, &Image)| gate.look(&meta(i as u64), image, None);
    pictures.iter().enumerate().map(look).collect()
}

#[test]
fn every_third_frame_is_looked_at() {
    use Basis::{Model, Skipped};
    let mut gate = of(Every::Frames(3), None);
    let pictures = vec![picture(0, 0); 7];
    assert_eq!(
        looks(&mut gate, &pictures),
        [Model, Skipped, Skipped, Model, Skipped, Skipped, Model]
    );
}

#[test]
fn a_still_picture_is_looked_at_once_and_again_after_ten_seconds() {
    let mut gate = of(Every::Frames(1), Some(Motion::new(SIZE, 6.0, &[])));
    let pictures: Vec<_> = (0..202).map(|i| picture(30, (i % 4) as u8)).collect();
    let found = looks(&mut gate, &pictures);
    let looked: Vec<_> = (0..202).filter(|i| found[*i] == Basis::Model).collect();
    assert_eq!(looked, [0, 100, 200]);
}

#[test]
fn slow_motion_adds_up_until_it_counts() {
    let mut gate = of(Every::Frames(1), Some(Motion::new(SIZE, 60.0, &[])));
    let pictures: Vec<_> = (0..20).map(|x| picture(30 + x, 0)).collect();
    let found = looks(&mut gate, &pictures);
    let looked = found.iter().filter(|basis| **basis == Basis::Model).count();
    assert!((3..12).contains(&looked), "{found:?}");
}

#[test]
fn what_moves_below_a_mask_does_not_count() {
    let corner = |x: f32, y: f32| Point { x, y };
    let band = vec![corner(0.0, 32.0), corner(200.0, 32.0), corner(200.0, 72.0), corner(0.0, 72.0)];
    let mask = Polygon::new(band).unwrap();
    let pictures: Vec<_> = (0..10).map(|x| picture(10 * x, 0)).collect();
    let masked = looks(&mut of(Every::Frames(1), Some(Motion::new(SIZE, 6.0, &[mask]))), &pictures);
    assert_eq!(masked.iter().filter(|basis| **basis == Basis::Model).count(), 1);
    let open = looks(&mut of(Every::Frames(1), Some(Motion::new(SIZE, 6.0, &[]))), &pictures);
    assert!(open.iter().all(|basis| *basis == Basis::Model));
}

#[test]
fn the_automatic_rhythm_follows_what_the_model_takes() {
    let every = Every::Affordable { fps: 25.0, workers: 2 };
    for (took_ms, pause) in [(20, 1), (60, 1), (80, 2), (200, 3), (10_000, 30)] {
        let mut gate = of(every, None);
        let took = Some(Duration::from_millis(took_ms));
        let found: Vec<_> = (0..61).map(|i| gate.look(&meta(i), &picture(0, 0), took)).collect();
        let looked: Vec<_> = (0..61).filter(|i| found[*i] == Basis::Model).collect();
        assert!(looked.windows(2).all(|pair| pair[1] - pair[0] == pause), "{took_ms}: {looked:?}");
        assert!(looked.len() > 1);
    }
}

proptest! {
    #[test]
    fn pictures_of_any_size_are_compared(width in 1u32..400, height in 1u32..60, level: u8) {
        let size = Size::new(width, height);
        let mut gate = of(Every::Frames(1), Some(Motion::new(size, 6.0, &[])));
        let image = Image::filled(size, [level; 3]);
        prop_assert_eq!(gate.look(&meta(0), &image, None), Basis::Model);
        prop_assert_eq!(gate.look(&meta(1), &image, None), Basis::Unchanged);
    }
}
