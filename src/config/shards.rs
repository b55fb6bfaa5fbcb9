//! Which part of the work a run has among several runs, and how a run in a job array finds out.

use crate::source::part::Part;

/// Which part of the work this run has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shards {
    /// Which of the inputs.
    pub shard: Option<Part>,
    /// What the inputs are told apart by.
    pub by: ShardBy,
    /// Which frames of each input.
    pub segment: Option<Part>,
}

/// What decides in which shard an input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShardBy {
    /// Its path as given: nothing is read.
    #[default]
    Path,
    /// Its content: the same wherever it lies and whatever it is called.
    Source,
}

/// What a job array tells each of its jobs, in variables.
struct Array {
    /// Which one it is.
    index: &'static str,
    /// How many there are.
    count: Option<&'static str>,
}

const KUBERNETES: Array = Array { index: "JOB_COMPLETION_INDEX", count: None };
const SLURM: Array = Array { index: "SLURM_ARRAY_TASK_ID", count: Some("SLURM_ARRAY_TASK_COUNT") };
const AWS: Array =
    Array { index: "AWS_BATCH_JOB_ARRAY_INDEX", count: Some("AWS_BATCH_JOB_ARRAY_SIZE") };

/// Reads `I/N`, or `auto` or `auto/N` with what the `variable`s of job arrays say.
///
/// # Errors
/// In words that follow the name of the setting.
pub(super) fn shard(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Part, String> {
    let expected = || "must be I/N with I from 1 to N, such as 3/7, or auto or auto/N".to_owned();
    let Some(rest) = text.strip_prefix("auto") else {
        return Part::parse(text).ok_or_else(expected);
    };
    let said = match rest.strip_prefix('/').map(str::parse::<u64>) {
        None if rest.is_empty() => None,
        Some(Ok(count)) if (1..=Part::MOST).contains(&count) => Some(count),
        _ => return Err(expected()),
    };
    let arrays = [KUBERNETES, SLURM, AWS];
    let mut told = arrays.into_iter().filter(|array| variable(array.index).is_some());
    let Some(array) = told.next() else {
        let names = "JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID or AWS_BATCH_JOB_ARRAY_INDEX";
        return Err(format!("needs {names}, and none of them is set"));
    };
    if let Some(other) = told.next() {
        let (one, other) = (array.index, other.index);
        return Err(format!("finds both {one} and {other} set: say I/N"));
    }
    let number = |name: &str| -> Result<Option<u64>, String> {
        let Some(text) = variable(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("needs a number in {name}, which is '{text}'"))
    };
    let needed =
        |name: &str| number(name)?.ok_or_else(|| format!("needs {name}, which is not set"));
    let index = needed(array.index)?;
    let counted = array.count.map(needed).transpose()?;
    let count = match (said, counted) {
        (Some(said), Some(counted)) if said != counted => {
            let name = array.count.unwrap_or_default();
            return Err(format!("is for {said} shards, and {name} is {counted}: say I/N"));
        }
        (Some(count), _) | (None, Some(count)) => count,
        (None, None) => {
            let name = array.index;
            return Err(format!("must be auto/N: {name} does not say of how many"));
        }
    };
    if said.is_none() && count == 1 && index > 1 {
        // A task of an array that is done again alone: all inputs are not its part.
        let name = array.index;
        return Err(format!(
            "cannot tell of how many shards it is: {name} is {index}, alone; say I/N"
        ));
    }
    let from_zero = if array.index == SLURM.index { slurm(index, count, number)? } else { index };
    Part::new(from_zero.saturating_add(1), count)
        .ok_or_else(|| format!("has {count} shards from 0 on, and {} is {index}", array.index))
}

/// The place of a task of Slurm among the others. Its numbers may begin anywhere, and go by steps.
fn slurm(
    id: u64,
    count: u64,
    number: impl Fn(&str) -> Result<Option<u64>, String>,
) -> Result<u64, String> {
    let least = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or_default();
    let most = number("SLURM_ARRAY_TASK_MAX")?;
    let step = number("SLURM_ARRAY_TASK_STEP")?.filter(|step| *step > 0).unwrap_or(1);
    let spread = (count - 1).saturating_mul(step);
    let regular = most.is_none_or(|most| most.checked_sub(least) == Some(spread));
    let place = id.checked_sub(least).filter(|offset| offset.is_multiple_of(step) && regular);
    let place = place.ok_or("cannot tell the place of a task in an array with gaps: say I/N")?;
    Ok(place / step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        shard(text, value).map(|part| part.to_string())
    }

    #[test]
    fn a_shard_is_said_or_found() {
        assert_eq!(with("3/7", &[]).as_deref(), Ok("3/7"));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0")];
        assert_eq!(with("auto/4", &kubernetes).as_deref(), Ok("1/4"));
        assert!(with("auto", &kubernetes).unwrap_err().starts_with("must be auto/N"));
        let aws = [("AWS_BATCH_JOB_ARRAY_INDEX", "9"), ("AWS_BATCH_JOB_ARRAY_SIZE", "10")];
        assert_eq!(with("auto", &aws).as_deref(), Ok("10/10"));
        assert!(with("auto/9", &aws).unwrap_err().contains("AWS_BATCH_JOB_ARRAY_SIZE is 10"));
        assert!(with("auto/9", &[("JOB_COMPLETION_INDEX", "9")]).is_err());
    }

    #[test]
    fn an_array_of_slurm_may_begin_anywhere() {
        let array = |id, least, most, step, count| {
            let variables = [
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", least),
                ("SLURM_ARRAY_TASK_MAX", most),
                ("SLURM_ARRAY_TASK_STEP", step),
                ("SLURM_ARRAY_TASK_COUNT", count),
            ];
            with("auto", &variables)
        };
        assert_eq!(array("0", "0", "3", "1", "4").as_deref(), Ok("1/4"));
        assert_eq!(array("4", "1", "4", "1", "4").as_deref(), Ok("4/4"));
        assert_eq!(array("12", "0", "12", "4", "4").as_deref(), Ok("4/4"));
        assert_eq!(array("1", "1", "1", "1", "1").as_deref(), Ok("1/1"));
        assert!(array("7", "7", "7", "1", "1").unwrap_err().contains("say I/N"));
        assert!(array("7", "1", "7", "1", "3").unwrap_err().contains("gaps"));
        assert!(array("0", "1", "3", "1", "3").is_err());
    }

    #[test]
    fn what_was_looked_for_is_named() {
        let none = with("auto", &[]).unwrap_err();
        for array in [KUBERNETES, SLURM, AWS] {
            assert!(none.contains(array.index), "{none}");
        }
        let both = [("JOB_COMPLETION_INDEX", "0"), ("SLURM_ARRAY_TASK_ID", "1")];
        assert!(with("auto/3", &both).unwrap_err().contains("both"));
        assert!(with("auto/3", &[("JOB_COMPLETION_INDEX", "x")]).unwrap_err().contains("'x'"));
        for wrong in ["", "0/3", "4/3", "auto/", "auto/0", "automatic", "3"] {
            assert!(with(wrong, &[]).unwrap_err().starts_with("must be I/N"), "{wrong}");
        }
    }
}
