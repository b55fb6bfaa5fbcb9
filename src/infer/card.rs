//! Recognises a model's family from the shapes of its input and outputs.

use super::ModelError;
use super::head::{Head, NanoDet, Yolox, nanodet};
use super::preprocess::Preprocess;
use super::tensor::TensorSpec;
use crate::frame::Size;

/// What is known of a model: how to feed it and how to read it.
pub struct Card {
    /// Name of the family.
    pub family: &'static str,
    /// Number of classes.
    pub classes: usize,
    /// Overlap above which the family's reference suppresses a box.
    pub max_iou: f32,
    /// How it wants its pictures.
    pub preprocess: Preprocess,
    /// How its outputs are read.
    pub head: Box<dyn Head>,
}

/// Finds the family of a model named `name`.
///
/// # Errors
/// [`ModelError::Unrecognised`] where none fits: nothing is guessed.
pub fn recognise(
    name: &str,
    input: &TensorSpec,
    outputs: &[TensorSpec],
) -> Result<Card, ModelError> {
    let unrecognised = || ModelError::Unrecognised {
        name: name.into(),
        input: input.to_string(),
        outputs: outputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let size = picture_size(input).ok_or_else(unrecognised)?;
    let shapes: Option<Vec<_>> = outputs.iter().map(TensorSpec::fixed).collect();
    let shapes = shapes.ok_or_else(unrecognised)?;
    nanodet(size, &shapes).or_else(|| yolox(size, &shapes)).ok_or_else(unrecognised)
}

/// Width and height of an input `[1, 3, height, width]`.
fn picture_size(input: &TensorSpec) -> Option<Size> {
    match input.fixed()?.as_slice() {
        &[1, 3, height, width] => {
            let size = Size::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?);
            size.is_acceptable().then_some(size)
        }
        _ => None,
    }
}

/// NanoDet: for each of the strides 8, 16 and 32 one output of scores and one of boxes.
fn nanodet(input: Size, shapes: &[Vec<usize>]) -> Option<Card> {
    if shapes.len() != 6 {
        return None;
    }
    let mut levels = Vec::new();
    let mut widths = None;
    for stride in [8, 16, 32] {
        let columns = (input.width as usize).div_ceil(stride);
        let rows = (input.height as usize).div_ceil(stride);
        let of_level: Vec<usize> = (0..shapes.len())
            .filter(|&i| matches!(shapes[i][..], [1, cells, _] if cells == columns * rows))
            .collect();
        let &[a, b] = of_level.as_slice() else { return None };
        let (scores, boxes) = scores_and_boxes((a, shapes[a][2]), (b, shapes[b][2]))?;
        let found = (shapes[scores][2], shapes[boxes][2]);
        if *widths.get_or_insert(found) != found {
            return None;
        }
        levels.push(nanodet::Level { stride, columns, rows, scores, boxes });
    }
    let (classes, box_width) = widths?;
    Some(Card {
        family: "nanodet",
        classes,
        max_iou: 0.5,
        preprocess: Preprocess {
            size: input,
            rgb: false,
            mean: [103.53, 116.28, 123.675],
            std: [57.375, 57.12, 58.395],
            pad: 114,
        },
        head: Box::new(NanoDet { levels, classes, bins: box_width / 4 }),
    })
}

/// Which of two outputs (place, width) is which: boxes are 4 x 8 (NanoDet) or 4 x 11 (NanoDet-g)
/// wide, anything else is scores.
fn scores_and_boxes(a: (usize, usize), b: (usize, usize)) -> Option<(usize, usize)> {
    let is_boxes = |width: usize| matches!(width, 32 | 44);
    match (is_boxes(a.1), is_boxes(b.1)) {
        (true, false) => Some((b.0, a.0)),
        (false, true) => Some((a.0, b.0)),
        _ => None,
    }
}

/// YOLOX: one output with a row for each cell of the strides 8, 16 and 32.
fn yolox(input: Size, shapes: &[Vec<usize>]) -> Option<Card> {
    let [shape] = shapes else { return None };
    let &[1, cells, values] = shape.as_slice() else { return None };
    if cells != Yolox::cells(input) || values < 6 {
        return None;
    }
    let classes = values - 5;
    Some(Card {
        family: "yolox",
        classes,
        max_iou: 0.45,
        preprocess: Preprocess { size: input, rgb: false, mean: [0.0; 3], std: [1.0; 3], pad: 114 },
        head: Box::new(Yolox { input, classes }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(shape: &[usize]) -> TensorSpec {
        TensorSpec { name: "x".into(), shape: shape.iter().copied().map(Some).collect() }
    }

    fn family(input: &[usize], outputs: &[&[usize]]) -> Option<(&'static str, usize)> {
        let outputs: Vec<_> = outputs.iter().map(|shape| spec(shape)).collect();
        recognise("m", &spec(input), &outputs).ok().map(|card| (card.family, card.classes))
    }

    #[test]
    fn families_are_told_by_shape_in_any_order() {
        let nanodet: [&[usize]; 6] = [
            &[1, 169, 44],
            &[1, 2704, 80],
            &[1, 676, 80],
            &[1, 169, 80],
            &[1, 2704, 44],
            &[1, 676, 44],
        ];
        assert_eq!(family(&[1, 3, 416, 416], &nanodet), Some(("nanodet", 80)));
        assert_eq!(family(&[1, 3, 416, 416], &[&[1, 3549, 85]]), Some(("yolox", 80)));
        assert_eq!(family(&[1, 3, 320, 640], &[&[1, 4200, 6]]), Some(("yolox", 1)));
    }

    #[test]
    fn nothing_is_guessed() {
        assert_eq!(family(&[1, 3, 416, 416], &[&[1, 84, 3549]]), None, "YOLOv8");
        assert_eq!(family(&[1, 3, 416, 416], &[&[1, 10647, 85]]), None, "YOLOv5");
        assert_eq!(family(&[1, 416, 416, 3], &[&[1, 3549, 85]]), None, "channels last");
        assert_eq!(family(&[1, 3, 224, 224], &[&[1, 1000]]), None, "classification");
        let mixed: [&[usize]; 6] = [
            &[1, 2704, 80],
            &[1, 2704, 44],
            &[1, 676, 80],
            &[1, 676, 44],
            &[1, 169, 80],
            &[1, 169, 32],
        ];
        assert_eq!(family(&[1, 3, 416, 416], &mixed), None);
    }
}
