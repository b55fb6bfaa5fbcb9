//! The synthetic picture that a model is run on when it is loaded. Its outputs show how scores and
//! boxes are stored, and the run warms the engine up.

use super::feed::Feed;
use super::tensor::{Element, Input, Values};

/// Waves in both directions with noise on top, from 0 to 1, or to 255 in whole numbers: levels
/// that any normalisation brings near to those of a picture. `None` where the input is too large.
pub fn inputs(feed: &Feed) -> Option<Vec<Input>> {
    drawn(feed, |x, y, plane, i| {
        let waves = (x / 23.0 + plane).sin() * 0.22 + (y / 17.0 - plane).cos() * 0.18;
        0.5 + waves + (noise(i) - 0.5) * 0.18
    })
}

/// Plain squares of any colour, dark to bright, another picture for each `seed`.
pub fn squares(feed: &Feed, seed: u32) -> Option<Vec<Input>> {
    const SIDE: f32 = 24.0;
    drawn(feed, |x, y, plane, _| {
        let square = (y / SIDE).floor() * 512.0 + (x / SIDE).floor() * 8.0 + plane;
        noise(square as u32 ^ seed.wrapping_mul(0x5bd1_e995))
    })
}

/// The inputs for a picture whose levels follow from column, row, plane and place.
fn drawn(feed: &Feed, level: impl Fn(f32, f32, f32, u32) -> f32) -> Option<Vec<Input>> {
    let picture = feed.picture();
    let mut input = Input::zeros(picture.fixed()?, picture.element)?;
    let (columns, channels) = if feed.channels_last {
        (feed.size.width as usize, picture.shape.last().copied().flatten()?)
    } else {
        (feed.size.width as usize, 1)
    };
    let rows = feed.size.height as usize;
    let level = |i: usize| -> f32 {
        let (pixel, channel) = (i / channels, i % channels);
        let (x, y) = ((pixel % columns) as f32, (pixel / columns % rows) as f32);
        let plane = (pixel / columns / rows + channel) as f32;
        level(x, y, plane, i as u32)
    };
    match &mut input.values {
        Values::F32(values) => fill(values, level),
        Values::I32(values) => fill(values, |i| (level(i) * 255.0) as i32),
        Values::I64(values) => fill(values, |i| (level(i) * 255.0) as i64),
        Values::F64(values) => fill(values, |i| f64::from(level(i))),
        Values::U8(values) => fill(values, |i| (level(i) * 255.0) as u8),
    }
    // No picture is fed as a type that the engines cannot be given.
    (picture.element != Element::Other).then(|| feed.inputs_with(input))
}

fn fill<T>(values: &mut [T], value: impl Fn(usize) -> T) {
    values.iter_mut().enumerate().for_each(|(i, slot)| *slot = value(i));
}

/// A number of 0 to 1 that depends on `i` as if by chance: the finaliser of `MurmurHash3`.
fn noise(i: u32) -> f32 {
    let mut hash = i.wrapping_mul(0x9e37_79b9);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) as f32 / u32::MAX as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::onnx::Description;
    use crate::infer::tensor::TensorSpec;

    fn values(element: Element, shape: &[usize]) -> Values {
        let shape = shape.iter().copied().map(Some).collect();
        let input = TensorSpec { name: "x".into(), element, shape };
        let model = Description { inputs: vec![input], ..Description::default() };
        inputs(&Feed::plan("m", &model, None).unwrap()).unwrap().remove(0).values
    }

    #[test]
    fn levels_are_those_of_a_picture_and_vary() {
        let Values::F32(levels) = values(Element::F32, &[1, 3, 256, 320]) else { panic!() };
        assert!(levels.iter().all(|level| (0.0..=1.0).contains(level)));
        let mean = levels.iter().sum::<f32>() / levels.len() as f32;
        assert!((mean - 0.5).abs() < 0.1, "{mean}");
        assert!(levels.iter().any(|level| *level < 0.3) && levels.iter().any(|l| *l > 0.7));
        let Values::U8(bytes) = values(Element::U8, &[1, 256, 320, 3]) else { panic!() };
        assert!(bytes.iter().any(|level| *level > 150) && bytes.iter().any(|l| *l < 100));
    }
}
