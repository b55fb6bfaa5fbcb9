//! Weighs the evidence of all families that a model's shapes fit, and takes one only where that
//! excludes the others.

use super::ModelError;
use super::evidence::{Evidence, Weight};
use super::family::{Card, FAMILIES, Facts, Sure};
use super::head::{Finding, Strictness};
use crate::reason::nearest;

/// The card of a model named `name`: of the family `asked` for, or of the only one that evidence
/// leaves.
///
/// # Errors
/// Where none is left, several are, or the only one must be asked for: nothing is guessed.
pub fn recognise(name: &str, facts: &Facts<'_>, asked: Option<&str>) -> Result<Card, ModelError> {
    if let Some(asked) = asked {
        return as_asked(name, facts, asked);
    }
    let fits = FAMILIES.iter().filter_map(|family| (family.card)(facts));
    let mut fits: Vec<Card> = fits.map(|card| surveyed(card, facts)).collect();
    let left: Vec<usize> = (0..fits.len()).filter(|&i| !fits[i].is_excluded()).collect();
    let noted = |&i: &usize| fits[i].of_weight(Weight::Decides).next().is_some();
    let decided: Vec<usize> = left.iter().copied().filter(noted).collect();
    let (sure, chosen) = match (decided.as_slice(), left.as_slice()) {
        (&[one], _) => (Sure::Noted, Some(one)),
        ([], &[one]) if fits[one].asks.is_none() => (Sure::Alone, Some(one)),
        _ => (Sure::Asked, None),
    };
    let Some(chosen) = chosen else {
        let left: Vec<&Card> = left.iter().map(|&i| &fits[i]).collect();
        return Err(ModelError::Unrecognised {
            name: name.into(),
            shapes: shapes(facts),
            hint: hint(&left, &fits),
        });
    };
    let card = fits.swap_remove(chosen);
    let others = fits.iter().map(|other| (other.family, reason(other)));
    Ok(Card { sure, others: others.collect(), ..card })
}

/// The family that the user names: what no picture can lead to excludes it all the same.
fn as_asked(name: &str, facts: &Facts<'_>, asked: &str) -> Result<Card, ModelError> {
    let Some(family) = FAMILIES.iter().find(|family| family.name == asked) else {
        let hint = match nearest(asked, FAMILIES.iter().map(|family| family.name)) {
            Some(name) => format!("did you mean '{name}'?"),
            None => format!("known are {}", known()),
        };
        return Err(ModelError::UnknownHead { asked: asked.into(), hint });
    };
    let card = (family.card)(facts).ok_or_else(|| ModelError::OtherHead {
        name: name.into(),
        asked: asked.into(),
        shapes: shapes(facts),
    })?;
    let found = findings(&card, facts, Strictness::Known);
    if let Some(finding) = found.iter().find(|finding| finding.is_hard()) {
        return Err(ModelError::Impossible {
            name: name.into(),
            asked: asked.into(),
            reason: finding.to_string(),
        });
    }
    for finding in &found {
        log::warn!("the model '{name}' looks odd as '{asked}': {finding}");
    }
    Ok(card)
}

/// Contradictions between a card and the values of one run.
fn findings(card: &Card, facts: &Facts<'_>, strictness: Strictness) -> Vec<Finding> {
    if facts.probe.is_empty() {
        return Vec::new();
    }
    match card.head.survey(facts.probe, facts.feed.size, strictness) {
        Ok(findings) => findings,
        Err(_) => vec![Finding::Shapes],
    }
}

/// The card with the evidence of one run.
fn surveyed(mut card: Card, facts: &Facts<'_>) -> Card {
    let noted = card.of_weight(Weight::Decides).next().is_some();
    let strictness = if noted { Strictness::Known } else { Strictness::Weighing };
    let found = findings(&card, facts, strictness);
    // An author's word outweighs a slope, and so does what the operators show; neither outweighs
    // what cannot be.
    let shown = card.of_weight(Weight::Shows).next().is_some();
    let counts = found.iter().filter(|finding| !(noted || shown) || !finding.is_slope());
    card.evidence.extend(counts.map(|finding| Evidence::excludes(finding.to_string())));
    if found.is_empty() && !facts.probe.is_empty() {
        card.evidence.push(Evidence::supports("the values of one run fit"));
    }
    card
}

/// Reason why a family is not taken.
fn reason(card: &Card) -> String {
    let excluded = card.of_weight(Weight::Excludes).next();
    excluded.or(card.asks).unwrap_or("nothing decides for it").into()
}

/// The evidence, and the options that would settle the family.
fn hint(left: &[&Card], fits: &[Card]) -> String {
    if fits.is_empty() {
        let known = known();
        return format!(
            "if you know its kind, say --head with one of {known}; 'vision-pipe inspect' shows \
             what it has"
        );
    }
    let excluded = fits.iter().filter(|card| card.is_excluded());
    let excluded: Vec<_> =
        excluded.map(|card| format!("not {}: {}", card.family, reason(card))).collect();
    let excluded = match excluded.as_slice() {
        [] => String::new(),
        all => format!(" ({})", all.join("; ")),
    };
    let heads: Vec<_> = left.iter().map(|card| format!("--head {}", card.family)).collect();
    let pictures = "with --mean, --std, --colour and --resize how it wants its pictures if not as \
                    usual";
    match left {
        [] => format!("nothing is left that its shapes fit{excluded}"),
        &[Card { family, asks: Some(why), .. }] => {
            format!("it may be {family}, but {why}: say --head {family}, and {pictures}{excluded}")
        }
        _ => format!(
            "its shapes fit {}, but others look the same: say so, and {pictures}{excluded}",
            heads.join(" or ")
        ),
    }
}

/// All names for `--head`.
fn known() -> String {
    let names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
    names.join(", ")
}

/// Inputs and outputs, for messages.
fn shapes(facts: &Facts<'_>) -> String {
    let list = |specs: &[super::tensor::TensorSpec]| {
        specs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    format!("input {}, outputs {}", list(&facts.feed.inputs), list(facts.outputs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::feed::Feed;
    use crate::infer::onnx::Description;
    use crate::infer::tensor::{Element, TensorSpec};

    fn spec(name: &str, shape: &[usize]) -> TensorSpec {
        let shape = shape.iter().copied().map(Some).collect();
        TensorSpec { name: name.into(), element: Element::F32, shape }
    }

    fn recognised(
        input: &[usize],
        outputs: &[&[usize]],
        notes: &[(&str, &str)],
        asked: Option<&str>,
    ) -> Result<(&'static str, Option<usize>), String> {
        let outputs: Vec<_> =
            outputs.iter().enumerate().map(|(i, s)| spec(&format!("out{i}"), s)).collect();
        let notes = notes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let model = Description {
            inputs: vec![spec("x", input)],
            outputs: outputs.clone(),
            metadata: notes.collect(),
            ..Description::default()
        };
        let feed = Feed::plan("m", &model, None).unwrap();
        let facts = Facts { feed: &feed, outputs: &outputs, model: &model, probe: &[] };
        recognise("m", &facts, asked)
            .map(|card| (card.family, card.classes))
            .map_err(|error| error.hint().unwrap_or_default())
    }

    const AUTHOR: (&str, &str) = ("author", "Ultralytics");

    fn family(input: &[usize], outputs: &[&[usize]]) -> Option<(&'static str, Option<usize>)> {
        recognised(input, outputs, &[], None).ok()
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
        let square = [1, 3, 416, 416];
        assert_eq!(family(&square, &nanodet), Some(("nanodet", Some(80))));
        assert_eq!(family(&square, &[&[1, 10647, 85]]), Some(("yolov5", Some(80))));
    }

    /// Shapes that several families share are never enough: the graph, the values of a run or a
    /// note must exclude the others.
    #[test]
    fn a_shape_that_families_share_is_refused_and_read_as_the_user_says() {
        for (shape, heads) in [
            (
                &[1, 3549, 85][..],
                &[("yolox", Some(80)), ("yolov6", Some(80)), ("yolov8", Some(81))][..],
            ),
            (&[1, 84, 3549], &[("yolov8", Some(80)), ("yolov8-corners", Some(80))]),
            (
                &[1, 300, 6],
                &[
                    ("yolov10", None),
                    ("rtdetr-ultralytics", None),
                    ("rtdetr-ultralytics-8.3", Some(2)),
                ],
            ),
            (&[1, 3598, 112], &[("nanodet-plus", Some(80)), ("yolox", Some(107))]),
        ] {
            let square = [1, 3, 416, 416];
            let hint = recognised(&square, &[shape], &[], None).unwrap_err();
            for (head, classes) in heads {
                assert!(hint.contains(&format!("--head {head}")), "{hint}");
                assert_eq!(recognised(&square, &[shape], &[], Some(head)), Ok((*head, *classes)));
            }
        }
    }

    #[test]
    fn what_looks_like_others_must_be_asked_for() {
        let pose: &[&[usize]] = &[&[1, 56, 8400]];
        let square = [1, 3, 640, 640];
        let hint = recognised(&square, pose, &[], None).unwrap_err();
        for head in ["--head yolov8 ", "--head yolov8-pose "] {
            assert!(hint.contains(head), "{hint}");
        }
        let asked = |head| recognised(&square, pose, &[], Some(head));
        assert_eq!(asked("yolov8-pose"), Ok(("yolov8-pose", Some(1))));
        assert_eq!(asked("yolov8"), Ok(("yolov8", Some(52))));
        assert_eq!(
            recognised(&square, pose, &[AUTHOR, ("task", "pose"), ("kpt_shape", "[17, 3]")], None),
            Ok(("yolov8-pose", Some(1)))
        );
        let unsigned = recognised(&square, pose, &[("task", "pose")], None);
        assert!(unsigned.is_err(), "a note counts only with its author");
        let hint = recognised(&[1, 3, 224, 224], &[&[1, 1000]], &[], None).unwrap_err();
        assert!(hint.contains("--head classify"), "{hint}");
    }

    #[test]
    fn notes_decide_and_must_agree_with_the_shapes() {
        let square = [1, 3, 640, 640];
        let two = ("names", "{0: 'a', 1: 'b'}");
        let about = ("description", "Ultralytics rtdetr-l model");
        let task = ("task", "detect");
        let rows: &[&[usize]] = &[&[1, 300, 6]];
        assert!(recognised(&square, rows, &[task, two], None).is_err(), "no author");
        let head = ("head", "v10Detect");
        let noted = &[AUTHOR, task, two, head];
        assert_eq!(recognised(&square, rows, noted, None), Ok(("yolov10", Some(2))));
        let noted = &[AUTHOR, task, two, ("head", "RTDETRDecoder")];
        let hint = recognised(&square, rows, noted, None).unwrap_err();
        assert!(
            hint.contains("--head rtdetr-ultralytics or --head rtdetr-ultralytics-8.3"),
            "{hint}"
        );
        assert!(recognised(&square, rows, &[AUTHOR, task, two, about], None).is_err());
        let four: &[(&str, &str)] =
            &[AUTHOR, task, ("names", "['a', 'b', 'c', 'd']"), ("head", "RTDETRDecoder")];
        assert_eq!(recognised(&square, rows, four, None), Ok(("rtdetr-ultralytics", Some(4))));
        let wide: &[&[usize]] = &[&[1, 300, 8]];
        assert_eq!(recognised(&square, wide, four, None), Ok(("rtdetr-ultralytics-8.3", Some(4))));
        assert!(recognised(&square, &[&[1, 84, 8400]], &[AUTHOR, task, two], None).is_err());
        let obb = ("task", "obb");
        let oriented = |shape: &[usize], notes: &[(&str, &str)]| {
            let notes = [notes, &[AUTHOR]].concat();
            recognised(&square, &[shape], &notes, None).ok()
        };
        assert_eq!(oriented(&[1, 20, 8400], &[obb]), Some(("yolov8-obb", Some(15))));
        assert_eq!(oriented(&[1, 7, 8400], &[obb, two]), Some(("yolov8-obb", Some(2))));
        assert_eq!(oriented(&[1, 6, 8400], &[obb, two]), None);
        assert_eq!(oriented(&[1, 300, 7], &[obb, two]), Some(("yolov10-obb", Some(2))));
        assert_eq!(oriented(&[1, 300, 6], &[obb, two]), None);
    }

    #[test]
    fn nothing_is_guessed() {
        assert_eq!(family(&[1, 416, 416, 3], &[&[1, 3549, 85]]), None, "channels last");
        let mixed: [&[usize]; 6] = [
            &[1, 2704, 80],
            &[1, 2704, 44],
            &[1, 676, 80],
            &[1, 676, 44],
            &[1, 169, 80],
            &[1, 169, 32],
        ];
        assert_eq!(family(&[1, 3, 416, 416], &mixed), None);
        let unknown = recognised(&[1, 3, 64, 64], &[&[1, 7, 7, 7]], &[], Some("yolo8"));
        assert_eq!(unknown.unwrap_err(), "did you mean 'yolov8'?");
    }
}
