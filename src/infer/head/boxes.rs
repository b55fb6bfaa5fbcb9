//! How families store a box.

use super::layout::{Columns, Grid};
use super::matrix::Matrix;
use crate::geometry::BBox;

/// Largest number of bins of a side's distribution.
const MAX_BINS: usize = 64;

/// How the values of a box are stored. What they are multiplied with is the layout's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BoxCode {
    /// Centre x, y, width, height: YOLOv5 to v12, DETR.
    Centre,
    /// Left, upper, right, lower edge: end-to-end models, torchvision.
    Corners,
    /// Upper, left, lower, right edge: TensorFlow.
    CornersYx,
    /// Centre from the cell's corner, in cells; logarithms of width and height in cells: YOLOX
    /// (`yolox/utils/demo_utils.py`, `demo_postprocess`).
    Cell,
    /// Centre from the cell's centre, width, height: BlazeFace
    /// (google/mediapipe, `tensors_to_detections_calculator.cc`, fixed anchors).
    Anchor,
    /// Distances to the four sides from a point of the cell, each the mean of a distribution over
    /// `bins` whole cells: NanoDet (RangiLyu/nanodet, `gfl_head.py`, `nanodet_plus_head.py`;
    /// Generalized Focal Loss, Li et al. 2020).
    Distribution {
        /// Number of bins (`reg_max + 1`).
        bins: usize,
        /// Where in the cell the point lies: 0.5 is its middle.
        point: f32,
    },
    /// Logarithms of height and width in cells; the centre's offset from the cell's centre, y
    /// first, in cells, lies elsewhere: CenterFace (Star-Clouds/CenterFace,
    /// `prj-python/centerface.py`).
    CentreMap {
        /// Where the offsets lie.
        offsets: Columns,
    },
    /// Width and height in cells; the centre from the cell's corner, in cells, lies elsewhere:
    /// CenterNet (xingyizhou/CenterNet, `src/lib/models/decode.py`, `ctdet_decode`).
    Peak {
        /// Where the centre lies.
        centre: Columns,
    },
    /// Offset of the centre from the cell's centre in sides of [`Grid::anchor`], logarithms of
    /// height and width in the same, y first: EfficientDet (google/automl, `anchors.py`).
    Anchored,
}

impl BoxCode {
    /// Number of columns a box takes.
    pub fn width(self) -> usize {
        match self {
            Self::Distribution { bins, .. } => 4 * bins,
            Self::CentreMap { .. } | Self::Peak { .. } => 2,
            _ => 4,
        }
    }

    /// The box of `row`, candidate number `candidate` of its grid.
    pub fn decode(
        self,
        tables: &[Matrix<'_>],
        at: Columns,
        row: usize,
        (grid, candidate): (Grid, usize),
    ) -> BBox {
        let table = &tables[at.table];
        let value = |i: usize| table.at(row, at.first + i);
        let (column, line) = grid.cell(candidate);
        let stride = grid.stride;
        match self {
            Self::Centre => BBox::from_centre(value(0), value(1), value(2), value(3)),
            Self::Corners => BBox::new(value(0), value(1), value(2), value(3)),
            Self::CornersYx => BBox::new(value(1), value(0), value(3), value(2)),
            Self::Cell => BBox::from_centre(
                (value(0) + column) * stride,
                (value(1) + line) * stride,
                value(2).exp() * stride,
                value(3).exp() * stride,
            ),
            Self::Anchor => BBox::from_centre(
                value(0) + (column + 0.5) * stride,
                value(1) + (line + 0.5) * stride,
                value(2),
                value(3),
            ),
            Self::Distribution { bins, point } => {
                let (x, y) = ((column + point) * stride, (line + point) * stride);
                let distance = |side: usize| {
                    let mut logits = [0.0; MAX_BINS];
                    let logits = &mut logits[..bins.min(MAX_BINS)];
                    let values = table.values(row, at.first + side * bins, bins);
                    logits.iter_mut().zip(values).for_each(|(logit, value)| *logit = value);
                    expectation(logits) * stride
                };
                BBox::new(x - distance(0), y - distance(1), x + distance(2), y + distance(3))
            }
            Self::Peak { centre } => {
                let offset = |i: usize| tables[centre.table].at(row, centre.first + i);
                BBox::from_centre(
                    (column + offset(0)) * stride,
                    (line + offset(1)) * stride,
                    value(0) * stride,
                    value(1) * stride,
                )
            }
            Self::Anchored => {
                let [width, height] = grid.anchor;
                BBox::from_centre(
                    value(1) * width + (column + 0.5) * stride,
                    value(0) * height + (line + 0.5) * stride,
                    value(3).exp() * width,
                    value(2).exp() * height,
                )
            }
            Self::CentreMap { offsets } => {
                let offset = |i: usize| tables[offsets.table].at(row, offsets.first + i);
                BBox::from_centre(
                    (column + offset(1) + 0.5) * stride,
                    (line + offset(0) + 0.5) * stride,
                    value(1).exp() * stride,
                    value(0).exp() * stride,
                )
            }
        }
    }
}

/// Softmax over the bins, then the mean bin.
fn expectation(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let weight = (logit - top).exp();
        sum += weight;
        weighted += weight * bin as f32;
    }
    weighted / sum
}
