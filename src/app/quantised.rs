//! Models with 8-bit operators in tract: held once against ONNX Runtime, where both are there,
//! because an engine may compute them otherwise without a word.

use std::path::PathBuf;

use super::models::{self, Opened};
use crate::config::ModelConfig;
use crate::exit::Error;
use crate::infer::tensor::Tensor;
use crate::infer::{Engine, ModelError, engine_tract, probe};

/// Difference of two values, as a part of the range of their output, from which they differ.
const MAX_STEP: f32 = 0.02;

/// Part of the values of a column that may differ.
const MAX_SHARE: f64 = 0.01;

/// Holds tract's outputs of a model with quantised operators against ONNX Runtime's on a few
/// synthetic pictures; the verdict is remembered by the model's hash.
///
/// # Errors
/// The engines differ: the answers of one of them are wrong.
pub(super) fn check(
    opened: &Opened,
    config: &ModelConfig,
    tract: &dyn Engine,
) -> Result<(), Error> {
    let name = &opened.file.name;
    if !opened.about.is_quantised() {
        return Ok(());
    }
    let place = place(&opened.file.sha256);
    let remembered = place.as_ref().and_then(|place| std::fs::read_to_string(place).ok());
    let share = match remembered.and_then(|text| text.trim().parse().ok()) {
        Some(share) => share,
        None if models::may_have_onnxruntime(config) => {
            let compared = models::onnxruntime(opened, config, 1)
                .ok()
                .and_then(|(theirs, _)| largest(opened, tract, theirs.as_ref()));
            let Some(share) = compared else {
                unproven(name);
                return Ok(());
            };
            if let Some(place) = place {
                remember(&place, share);
            }
            share
        }
        None => {
            unproven(name);
            return Ok(());
        }
    };
    if share <= MAX_SHARE {
        return Ok(());
    }
    let percent = share * 100.0;
    Err(ModelError::EnginesDiffer { name: name.clone(), percent }.into())
}

/// Pictures on which the engines are compared.
const PICTURES: u32 = 3;

/// The largest difference of both engines over some pictures; `None` where one of them fails.
fn largest(opened: &Opened, ours: &dyn Engine, theirs: &dyn Engine) -> Option<f64> {
    (0..PICTURES).try_fold(0.0, |worst: f64, seed| {
        let inputs = probe::squares(&opened.feed, seed)?;
        let (ours, theirs) = (ours.run(&inputs).ok()?, theirs.run(&inputs).ok()?);
        Some(worst.max(differing(&ours, &theirs)))
    })
}

fn unproven(name: &str) {
    log::warn!(
        "'{name}' has 8-bit operators, and tract's are unproven for it: 'vision-pipe verify' \
         compares it with ONNX Runtime ('make onnxruntime' installs that)"
    );
}

/// Largest part of the values of a column of an output that differ.
fn differing(ours: &[Tensor], theirs: &[Tensor]) -> f64 {
    if ours.len() != theirs.len() {
        return 1.0;
    }
    let share = |(a, b): (&Tensor, &Tensor)| {
        if a.data().len() != b.data().len() || a.data().is_empty() {
            return 1.0;
        }
        // Boxes and scores have ranges of their own: the shorter of the last two sides is that of
        // the columns.
        let (columns, step) = match *b.shape() {
            [.., rows, columns] if columns <= rows => (columns, 1),
            [.., columns, rows] => (columns, rows),
            _ => (1, 1),
        };
        let column = |i: usize| if step == 1 { i % columns } else { i / step % columns };
        let mut ranges = vec![(f32::INFINITY, f32::NEG_INFINITY); columns];
        for (i, value) in b.data().iter().enumerate() {
            let (low, high) = ranges[column(i)];
            ranges[column(i)] = (low.min(*value), high.max(*value));
        }
        let mut counts = vec![0usize; columns];
        for (i, (a, b)) in a.data().iter().zip(b.data()).enumerate() {
            let (low, high) = ranges[column(i)];
            let differs = (a - b).abs() > MAX_STEP * (high - low) || a.is_nan() != b.is_nan();
            counts[column(i)] += usize::from(differs);
        }
        let rows = a.data().len() / columns;
        counts.into_iter().max().unwrap_or(0) as f64 / rows.max(1) as f64
    };
    ours.iter().zip(theirs).map(share).fold(0.0, f64::max)
}

/// File of the verdict in the user's cache folder.
fn place(sha256: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))?;
    // The judge counts: ONNX Runtime's sums were cut off on some processors before.
    let file = format!("{sha256}-exact-tract-{}", engine_tract::VERSION);
    Some(cache.join("vision-pipe/quantised").join(file))
}

/// Keeps a verdict; without it the comparison is made again.
fn remember(place: &std::path::Path, share: f64) {
    let written = place
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(place, format!("{share}\n")));
    if let Err(error) = written {
        log::debug!("the comparison of the engines is not kept: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_a_quantiser_are_no_difference_and_other_answers_are() {
        let tensor = |values: Vec<f32>| vec![Tensor::new(vec![values.len()], values).unwrap()];
        let ours: Vec<f32> = (0..256).map(|i| i as f32).collect();
        let near = ours.iter().map(|v| v + 1.0).collect();
        assert_eq!(differing(&tensor(ours.clone()), &tensor(near)), 0.0);
        let half = ours.iter().map(|v| if *v < 128.0 { 255.0 } else { *v }).collect();
        let share = differing(&tensor(ours.clone()), &tensor(half));
        assert!((share - 0.48).abs() < 0.03, "{share}");
        assert_eq!(differing(&tensor(ours), &[]), 1.0);
    }
}
