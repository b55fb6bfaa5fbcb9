//! Outputs: one trait, one file for each kind.

pub mod alert_pictures;
pub mod csv;
pub mod disk;
pub mod file;
pub mod images;
pub mod mot;
pub mod ndjson;
#[cfg(feature = "preview")]
pub mod preview;
pub mod rows;
pub mod segments;
pub mod shared;
pub mod snapshots;
#[cfg(feature = "timeplus")]
pub mod timeplus;

use std::sync::Arc;

use crate::frame::Image;
use crate::policy::{Need, WhenFull};
use crate::reason::io_reason;
use crate::record::{EventRecord, FrameRecord, GapRecord, RunRecord, SummaryRecord, TotalRecord};
use crate::shown;

/// What an output is given, in order: one `Run`, the frames, each with its events behind it, one
/// `Summary`.
#[derive(Clone, Debug)]
pub enum Item {
    /// What is run.
    Run(Arc<RunRecord>),
    /// A processed frame.
    Frame {
        /// Its record.
        record: Arc<FrameRecord>,
        /// Its annotated pixels, where any output wants them.
        image: Option<Arc<Image>>,
        /// Its pixels with nothing drawn on them, where any output wants them. What nobody may see
        /// is hidden here too.
        clean: Option<Arc<Image>>,
    },
    /// Something that happened in the frame before it.
    Event(Arc<EventRecord>),
    /// The source gave nothing for a while before the next frame.
    Gap(Arc<GapRecord>),
    /// How it ended; only for outputs that take it.
    Summary(Arc<SummaryRecord>),
    /// How several runs ended together; only for outputs that they share.
    Total(Arc<TotalRecord>),
}

/// Whether an output wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Nobody reads it any more: leave it out without an error.
    Done,
}

/// How the run ended for an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All that was read is written: finish the file and give it its name.
    Whole,
    /// The program failed on the way: close the file, but leave it as a part.
    Broken,
}

/// What an output wants now, asked before each frame by the thread that draws, while the output
/// itself is on a thread of its own.
pub trait Appetite: Send + Sync {
    /// Whether the next frame must come with annotated pixels.
    fn wants_pixels(&self) -> bool;

    /// Whether the next frame must come with pixels on which nothing is drawn.
    fn wants_clean_pixels(&self) -> bool;
}

/// An output. It runs on a thread of its own.
pub trait Sink: Send {
    /// What kind of output it is: its key among the summary's stages, which holds no path.
    fn kind(&self) -> &'static str;

    /// Where it writes to, for messages.
    fn target(&self) -> String;

    /// What it is called in messages, such as `csv 'out.csv'`.
    fn name(&self) -> String {
        format!("{} '{}'", self.kind(), self.target())
    }

    /// Whether frames must come with annotated pixels.
    fn wants_pixels(&self) -> bool {
        false
    }

    /// Whether frames must come with pixels on which nothing is drawn.
    fn wants_clean_pixels(&self) -> bool {
        false
    }

    /// Of an output whose wish for pixels comes and goes, whom to ask before each frame.
    fn appetite(&self) -> Option<Arc<dyn Appetite>> {
        None
    }

    /// Of an output that goes on with what a run before wrote: what it has of all frames before this
    /// index is there already, and it does not look at their pixels.
    fn has_before(&self) -> u64 {
        0
    }

    /// Of an output that delivers rows to a server, who counts them.
    fn rows(&self) -> Option<Arc<dyn rows::CountsRows>> {
        None
    }

    /// Whether it takes the summary, which is made when all other outputs are finished.
    fn wants_summary(&self) -> bool {
        false
    }

    /// Takes one item.
    ///
    /// # Errors
    /// When it cannot be written; the output is not used again.
    fn write(&mut self, item: &Item) -> Result<Flow, SinkError>;

    /// Ends it.
    ///
    /// # Errors
    /// When what was written cannot be completed.
    fn finish(self: Box<Self>, ending: Ending) -> Result<(), SinkError>;
}

/// An output with its place in the pipeline.
pub struct SinkSpec {
    /// The output.
    pub sink: Box<dyn Sink>,
    /// What happens when it is slower than the rest.
    pub when_full: WhenFull,
    /// Items that may wait for it.
    pub capacity: usize,
    /// Whether the run can go on without it.
    pub need: Need,
}

impl SinkSpec {
    /// An output that loses nothing and that the run cannot do without.
    pub fn required(sink: Box<dyn Sink>) -> Self {
        Self { sink, when_full: WhenFull::Block, capacity: 4, need: Need::Required }
    }

    /// An output that loses nothing while it works, and without which the run goes on.
    pub fn optional(sink: Box<dyn Sink>) -> Self {
        Self { need: Need::Optional, ..Self::required(sink) }
    }
}

/// Why an output failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// It cannot be opened.
    #[error("cannot write '{target}': {reason}")]
    Open {
        /// The file.
        target: String,
        /// Why.
        reason: String,
    },
    /// `--no-clobber` and the file is there.
    #[error("'{target}' is there already")]
    Exists {
        /// The file.
        target: String,
    },
    /// Writing failed.
    #[error("cannot write '{target}': {reason}{}", part.as_ref().map(|p| format!("; what was written is in '{p}'")).unwrap_or_default())]
    Write {
        /// The file.
        target: String,
        /// Why.
        reason: String,
        /// Where what was written lies.
        part: Option<String>,
    },
    /// The disk has no room for the finished copy of a video.
    #[error("no room for '{target}', a copy of '{part}' with its index in front")]
    NoRoomForCopy {
        /// The file.
        target: String,
        /// The part, which is whole but for that.
        part: String,
    },
    /// A frame does not fit the output.
    #[error("cannot write '{target}': {reason}")]
    Frame {
        /// The file.
        target: String,
        /// Why.
        reason: String,
    },
    /// Alerts were fired that nobody took.
    #[error("{lost} of {fired} alerts did not get to {name}: {reason}")]
    Undelivered {
        /// [`Sink::name`] of the output.
        name: String,
        /// How many were lost.
        lost: u64,
        /// How many there were.
        fired: u64,
        /// Why the last one was.
        reason: String,
    },
    /// The disk was nearly full, and something was left out so that the rest could go on.
    #[error("{lost} {what} are missing in {name}: its disk was nearly full")]
    LeftOut {
        /// [`Sink::name`] of the output.
        name: String,
        /// How many are missing.
        lost: u64,
        /// What they are: "frames".
        what: &'static str,
    },
    /// A receiver of rows took nothing for too long.
    #[error("{name} took nothing for {waited_s} s: {reason}")]
    Away {
        /// [`Sink::name`] of the output.
        name: String,
        /// How long was waited.
        waited_s: u64,
        /// Why.
        reason: String,
    },
    /// Rows did not arrive.
    #[error("{}", left_behind(.name, [*.kept, *.lost, *.refused], .spool.as_deref(), .reason))]
    LeftBehind {
        /// [`Sink::name`] of the output.
        name: String,
        /// Rows that are safe in the spool.
        kept: u64,
        /// Rows that are lost.
        lost: u64,
        /// Rows that the receiver refused for good.
        refused: u64,
        /// The folder of the spool.
        spool: Option<String>,
        /// Why.
        reason: String,
    },
    /// Another run uses it.
    #[error("another run uses '{target}'")]
    Locked {
        /// What.
        target: String,
    },
    /// No encoder for it.
    #[error("cannot encode '{target}': {reason}")]
    Encoder {
        /// The file.
        target: String,
        /// Why.
        reason: String,
    },
}

impl SinkError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists { .. } => "remove it, or leave --no-clobber out".into(),
            Self::Encoder { .. } => {
                "install an FFmpeg with libx264 (Debian: apt-get install libavcodec-extra)".into()
            }
            Self::NoRoomForCopy { part, .. } => {
                format!("the part plays; make room, then: vision-pipe repair '{part}'")
            }
            Self::Write { reason, .. } if reason.contains("no space") => {
                "make room on the disk and run again".into()
            }
            Self::Open { target, .. } => {
                let folder = std::path::Path::new(target).parent();
                let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.map_or_else(|| ".".into(), |f| f.display().to_string());
                format!("is there a folder that this user may write to? ls -ld '{folder}'")
            }
            Self::Undelivered { .. } => {
                "the records have them too: add --ndjson and look for \"alert\"".into()
            }
            Self::LeftOut { .. } => {
                "make room, or let the oldest go: --segment 10m --keep-bytes 50GB".into()
            }
            Self::LeftBehind { kept: 1.., spool: Some(folder), .. } => {
                format!("send them: vision-pipe timeplus drain --spool '{folder}'")
            }
            Self::LeftBehind { lost: 1.., spool: None, .. } => {
                "with --spool DIR rows wait on the disk until the server is back".into()
            }
            Self::LeftBehind { refused: 1.., .. } => {
                "they are in the dead-letter file with the reason, or in the log".into()
            }
            Self::Away { .. } => "run the same command again when it is back".into(),
            Self::Locked { .. } => "wait for its end, or give this run a folder of its own".into(),
            Self::LeftBehind { .. } => return None,
            Self::Write { .. } | Self::Frame { .. } => return None,
        })
    }

    /// Whether it is the disk that has no room.
    pub fn is_lack_of_room(&self) -> bool {
        match self {
            Self::Write { reason, .. } | Self::Open { reason, .. } => reason.contains("no space"),
            Self::NoRoomForCopy { .. } => true,
            _ => false,
        }
    }

    /// A failure to open `target`.
    pub fn open(target: &str, error: &std::io::Error) -> Self {
        Self::Open { target: shown::input(target), reason: io_reason(error) }
    }
}

/// What became of rows that did not arrive, in words.
fn left_behind(name: &str, rows: [u64; 3], spool: Option<&str>, reason: &str) -> String {
    let [kept, lost, refused] = rows;
    let mut parts = Vec::new();
    if kept > 0 {
        parts.push(format!("{kept} wait in the spool '{}'", spool.unwrap_or_default()));
    }
    if lost > 0 {
        parts.push(format!("{lost} are lost"));
    }
    if refused > 0 {
        parts.push(format!("{refused} were refused for good"));
    }
    let total = kept + lost + refused;
    format!("{total} rows did not get to {name}: {}: {reason}", parts.join(", "))
}
