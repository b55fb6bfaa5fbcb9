//! A dashboard as Timeplus' console takes it (`POST /default/api/v1beta2/dashboards`), and finding
//! it again by its name, because names are not unique there. Panels are in `panels`; asking the
//! console is for others.

use serde::Serialize;
use serde_json::Value;

use super::quote::StreamName;

/// Where dashboards are, at the console's address.
pub const PATH: &str = "/default/api/v1beta2/dashboards";

/// The name of our dashboard.
pub const NAME: &str = "vision-pipe";

/// The name of the replaced program's.
pub const RAW_NAME: &str = "Realtime Video Analytics";

/// A dashboard: the body of a request that makes or replaces it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dashboard {
    /// Its name, by which it is found again.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// Its parts.
    pub panels: Vec<Panel>,
}

/// A part of a dashboard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Panel {
    /// Unique in the dashboard, and the same each time.
    pub id: String,
    /// What stands above it.
    pub title: String,
    /// More about it.
    pub description: String,
    /// Where it is.
    pub position: Position,
    /// `chart`.
    pub viz_type: &'static str,
    /// The SQL of what it shows.
    pub viz_content: String,
    /// `chartType` and `config`.
    pub viz_config: Value,
}

/// A place on a grid that is 12 columns wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Columns from the left.
    pub x: u32,
    /// Rows from the top.
    pub y: u32,
    /// Width in columns.
    pub w: u32,
    /// Height in rows.
    pub h: u32,
    /// The column behind it.
    #[serde(rename = "nextX")]
    pub next_x: u32,
    /// The row below it.
    #[serde(rename = "nextY")]
    pub next_y: u32,
}

impl Position {
    /// A place of `w` by `h` at `x`, `y`.
    pub const fn new(x: u32, y: u32, w: u32, h: u32) -> Self {
        Self { x, y, w, h, next_x: x + w, next_y: y + h }
    }
}

/// The streams that are shown.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Of detections and of their frames.
    pub detections: Option<(StreamName, StreamName)>,
    /// Of events.
    pub events: Option<StreamName>,
}

/// What has to be done so that the console has a dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `POST` it to [`PATH`].
    Create,
    /// `PUT` it to this path.
    Update(String),
}

/// Looks for the dashboard called `name` in the console's list of all (`GET` of [`PATH`]). Where
/// there are several, the one that was made first is ours: somebody else's copy came later.
///
/// # Errors
/// Where the answer is no list of dashboards, in words that follow "the console's answer".
pub fn step(list: &str, name: &str) -> Result<Step, &'static str> {
    let list: Value = serde_json::from_str(list).map_err(|_| "is not JSON")?;
    // Some versions wrap lists.
    let all = list.as_array().or_else(|| list.get("data").and_then(Value::as_array));
    let all = all.ok_or("is not a list of dashboards")?;
    let ours = all.iter().filter(|known| known.get("name").and_then(Value::as_str) == Some(name));
    let made = |known: &&Value| known.get("created_at").and_then(Value::as_str).map(str::to_owned);
    let Some(first) = ours.min_by_key(made) else { return Ok(Step::Create) };
    let id = first.get("id").and_then(Value::as_str).ok_or("has a dashboard without an id")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.is_empty() || id.len() > 100 || !id.chars().all(is_plain) {
        return Err("has a dashboard with an id that is none");
    }
    Ok(Step::Update(format!("{PATH}/{id}")))
}
