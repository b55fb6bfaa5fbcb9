//! Non-maximum suppression.

use crate::geometry::BBox;

/// Candidates beyond this many, the least confident ones, are not looked at: a hostile model
/// must not buy quadratic time. The figure is Ultralytics' `max_nms`.
const MAX_CANDIDATES: usize = 30_000;

/// A box in model input coordinates with its best class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Where, in pixels of the model's input.
    pub bbox: BBox,
    /// 0 to 1.
    pub score: f32,
    /// Index of the class.
    pub class_id: u32,
    /// The level of the layout that it comes from.
    pub level: usize,
    /// Its row in the tables of the layout.
    pub row: usize,
}

/// The `max_kept` most confident candidates, most confident first, of a model whose boxes do not
/// repeat. Candidates with a non-finite number or without area are dropped.
pub fn most_confident(found: Vec<Candidate>, max_kept: usize) -> Vec<Candidate> {
    let mut found = sorted(found);
    found.truncate(max_kept);
    found
}

/// Sound candidates, most confident first, no more than [`MAX_CANDIDATES`].
pub(super) fn sorted(mut found: Vec<Candidate>) -> Vec<Candidate> {
    found.retain(|c| c.score.is_finite() && c.bbox.is_sound());
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MAX_CANDIDATES);
    found
}

/// Greedy NMS: goes through the candidates from the most confident down and drops each that
/// overlaps a kept one of its class (of any class where `agnostic`) by more than `max_iou`.
///
/// Equal scores keep the order they came in. At most `max_kept` are returned, most confident
/// first. Candidates with a non-finite number or without area are dropped.
pub fn nms(found: Vec<Candidate>, max_iou: f32, agnostic: bool, max_kept: usize) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in sorted(found) {
        if kept.len() == max_kept {
            break;
        }
        let covered = kept.iter().any(|k| {
            (agnostic || k.class_id == candidate.class_id) && k.bbox.iou(&candidate.bbox) > max_iou
        });
        if !covered {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(x: f32, score: f32, class_id: u32) -> Candidate {
        Candidate { bbox: BBox::new(x, 0.0, x + 10.0, 10.0), score, class_id, level: 0, row: 0 }
    }

    #[test]
    fn the_most_confident_of_an_overlapping_class_stays() {
        // IoU of boxes 10 wide and 1 apart: 9 / 11.
        let found = vec![candidate(0.0, 0.5, 1), candidate(1.0, 0.9, 1), candidate(1.0, 0.4, 2)];
        let kept = nms(found.clone(), 0.5, false, 10);
        assert_eq!(kept, [candidate(1.0, 0.9, 1), candidate(1.0, 0.4, 2)]);
        assert_eq!(nms(found.clone(), 0.5, true, 10), [candidate(1.0, 0.9, 1)]);
        assert_eq!(nms(found, 0.82, false, 10).len(), 3, "9 / 11 does not exceed 0.82");
    }

    #[test]
    fn numbers_that_are_none_are_dropped() {
        let found = vec![
            candidate(f32::NAN, 0.9, 0),
            candidate(0.0, f32::NAN, 0),
            candidate(f32::INFINITY, 0.9, 0),
            candidate(0.0, 0.3, 0),
        ];
        assert_eq!(nms(found, 0.5, false, 10), [candidate(0.0, 0.3, 0)]);
    }

    #[test]
    fn equal_scores_keep_their_order() {
        let found: Vec<_> = (0..5).map(|i| candidate(i as f32 * 20.0, 0.5, 0)).collect();
        assert_eq!(nms(found.clone(), 0.5, false, 10), found);
        assert_eq!(nms(found.clone(), 0.5, false, 2), found[..2]);
    }

    fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
        prop::collection::vec(
            (0f32..200.0, 0f32..200.0, 1f32..60.0, 1f32..60.0, 0u32..100_000, 0u32..3),
            0..80,
        )
        .prop_map(|raw| {
            raw.into_iter()
                .map(|(x, y, w, h, score, class_id)| Candidate {
                    bbox: BBox::new(x, y, x + w, y + h),
                    score: score as f32 / 100_000.0,
                    class_id,
                    level: 0,
                    row: 0,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn kept_boxes_are_a_subset_that_does_not_overlap(found in any_candidates(), agnostic: bool) {
            let kept = nms(found.clone(), 0.45, agnostic, 1000);
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(found.contains(a));
                for b in &kept[..i] {
                    prop_assert!(b.score >= a.score);
                    if agnostic || a.class_id == b.class_id {
                        prop_assert!(a.bbox.iou(&b.bbox) <= 0.45);
                    }
                }
            }
            prop_assert_eq!(nms(kept.clone(), 0.45, agnostic, 1000), kept.clone(), "idempotent");
            for lost in found.iter().filter(|c| !kept.contains(c)) {
                prop_assert!(kept.iter().any(|k| k.score >= lost.score
                    && (agnostic || k.class_id == lost.class_id)
                    && k.bbox.iou(&lost.bbox) > 0.45), "each dropped box has a cause");
            }
        }

        #[test]
        fn the_order_of_candidates_does_not_matter(found in any_candidates(), turn in 0usize..80) {
            let mut scores: Vec<u32> = found.iter().map(|c| c.score.to_bits()).collect();
            scores.sort_unstable();
            scores.dedup();
            prop_assume!(scores.len() == found.len());
            let mut turned = found.clone();
            if !turned.is_empty() {
                let by = turn % turned.len();
                turned.rotate_left(by);
            }
            prop_assert_eq!(nms(found, 0.45, false, 1000), nms(turned, 0.45, false, 1000));
        }
    }
}
