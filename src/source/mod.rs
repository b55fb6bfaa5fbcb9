//! Where frames come from: one trait, and the sources that need no video library.

pub mod animation;
mod jpeg;
pub mod kind;
pub mod left_out;
pub mod list;
pub mod listing;
pub mod live;
pub mod pace;
pub mod part;
pub mod pictures;
mod reader;
pub mod repeat;
pub mod segment;
pub mod select;
mod several;
pub mod stream;
pub mod synthetic;
mod wait;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::frame::{FrameMeta, Image, Size};
use crate::reason::{io_reason, nearest};
use crate::record::{PtsSource, SegmentRecord};
use crate::shown::{self, ESCAPES};

/// A source of frames. Grabbing and retrieving are apart so that a frame nobody wants costs no
/// pixels.
pub trait Source: Send {
    /// What is known before the first frame.
    fn info(&self) -> &SourceInfo;

    /// Goes to the next frame; `None` at the end, and again whenever asked after the end.
    ///
    /// # Errors
    /// When the source cannot be read on; what was grabbed before stays good.
    fn grab(&mut self) -> Result<Option<FrameMeta>, SourceError>;

    /// The pixels of the frame grabbed last.
    ///
    /// # Errors
    /// When it has no acceptable pixels.
    fn retrieve(&mut self) -> Result<Image, SourceError>;

    /// What was wrong with the input, asked at its end.
    ///
    /// # Errors
    /// [`SourceError::Damaged`] or [`SourceError::Cut`], though every frame that could be decoded
    /// was given.
    fn verdict(&self) -> Result<(), SourceError> {
        Ok(())
    }

    /// The break before the frame grabbed last, asked after each grab until there is none; told
    /// once.
    fn take_gap(&mut self) -> Option<Gap> {
        None
    }
}

/// A time for which a source gave nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// What ended the flow: `timeout`, `end_of_stream` or `error`; `reconnect` where no cause is
    /// known.
    pub reason: &'static str,
    /// Time of the last frame before it, in seconds on the time line of the source.
    pub from_pts_s: Option<f64>,
    /// From that frame to the next, in seconds.
    pub seconds: f64,
    /// Frames that the nominal rate would have given: an estimate.
    pub frames_lost: Option<u64>,
}

/// How colours are coded in a video, by the numbers of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Which red, green and blue: 1 is BT.709, 9 BT.2020.
    pub primaries: u8,
    /// The transfer characteristics: 1 is BT.709.
    pub transfer: u8,
    /// The matrix that makes brightness and colour of them: 1 is BT.709, 5 and 6 are BT.601.
    pub matrix: u8,
}

impl Colour {
    /// H.273's number for what is not said.
    pub const UNSPECIFIED: u8 = 2;

    /// What players take pictures of `size` for that do not say.
    pub fn usual(size: Size) -> Self {
        let matrix = if size.height >= 720 { 1 } else { 6 };
        Self { primaries: Self::UNSPECIFIED, transfer: Self::UNSPECIFIED, matrix }
    }
}

/// What is known of a source before its first frame.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceInfo {
    /// What was opened, credentials masked.
    pub uri: String,
    /// Size of its frames, rotation applied.
    pub size: Size,
    /// Width to height of a pixel as it is shown, where it is no square.
    pub pixel_aspect: Option<(u32, u32)>,
    /// How its colours are coded; of pictures that have none such, the usual for their size.
    pub colour: Colour,
    /// Nominal frames a second.
    pub fps: Option<f64>,
    /// Frames by the container's count.
    pub frames: Option<u64>,
    /// Length by the container, in seconds.
    pub duration_s: Option<f64>,
    /// Whether it has no end of its own.
    pub live: bool,
    /// Where times come from; `None` for pictures.
    pub pts_source: Option<PtsSource>,
    /// When it was recorded, by the container: RFC 3339.
    pub created: Option<String>,
    /// Which of its frames it gives, where not all.
    pub segment: Option<SegmentRecord>,
    /// Its video streams, where it has several.
    pub video_streams: Vec<VideoStream>,
}

/// A video stream among several of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoStream {
    /// Its number among them, from 0 on.
    pub number: usize,
    /// Size of its frames as shown, where that is known.
    pub size: Option<Size>,
    /// Nominal frames a second.
    pub fps: Option<f64>,
    /// FFmpeg's name of what it is coded with.
    pub codec: &'static str,
    /// Whether it is the one that is read.
    pub is_read: bool,
}

/// What a source counted so far; shared, because the reader's thread may be left behind.
#[derive(Debug, Default)]
pub struct SourceCounts {
    /// Frames decoded.
    pub read: AtomicU64,
    /// Left out by `--stride`.
    pub stride: AtomicU64,
    /// Left out by `--max-fps`.
    pub max_fps: AtomicU64,
    /// Left out because they lie before `--start`.
    pub start: AtomicU64,
    /// 1 when a limit such as `--max-frames` ended the source.
    pub limited: AtomicU64,
}

/// Why a source gives no frames, or no more.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such file.
    #[error("cannot open '{uri}': {reason}")]
    Missing {
        /// The input.
        uri: Arc<str>,
        /// Why.
        reason: String,
        /// What may have been meant.
        hint: String,
    },
    /// The system refused to read it.
    #[error("cannot read '{uri}': {reason}")]
    Denied {
        /// The input.
        uri: Arc<str>,
        /// Why.
        reason: String,
    },
    /// It is not a video or picture, or none that can be decoded.
    #[error("cannot open '{uri}': {reason}")]
    Unreadable {
        /// The input.
        uri: Arc<str>,
        /// Why.
        reason: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// A folder, pattern or list that names nothing.
    #[error("cannot open '{uri}': {what}")]
    Nothing {
        /// The input.
        uri: Arc<str>,
        /// What is not there.
        what: &'static str,
        /// What to do instead.
        hint: String,
    },
    /// A folder, pattern or list that names too much.
    #[error("'{uri}' stands for more than {most} inputs")]
    TooMany {
        /// The input.
        uri: Arc<str>,
        /// The most that is accepted.
        most: usize,
    },
    /// A frame has another size than the first.
    #[error("'{uri}': frame {frame} is {found}, the frames before it are {expected}")]
    SizeChanged {
        /// The input.
        uri: Arc<str>,
        /// Index of the frame.
        frame: u64,
        /// Its size.
        found: Size,
        /// The size before.
        expected: Size,
    },
    /// Parts could not be decoded.
    #[error(
        "'{uri}' is damaged in {faults}, the first after frame {after}; {frames} frames were decoded"
    )]
    Damaged {
        /// The input.
        uri: Arc<str>,
        /// In how many places.
        faults: Places,
        /// Frames decoded before the first.
        after: u64,
        /// Frames decoded in all.
        frames: u64,
    },
    /// Decoding gives other frames than its packets promise.
    #[error("'{uri}' cannot be cut into segments: frame {frame} is not what its packets promise")]
    Uncuttable {
        /// The input.
        uri: Arc<str>,
        /// Index of the frame by the packets.
        frame: u64,
    },
    /// It ends before its own stated end.
    #[error(
        "'{uri}' is cut: its last frame is at {last_s:.2} s of {duration_s:.2} s; {frames} frames were decoded"
    )]
    Cut {
        /// The input.
        uri: Arc<str>,
        /// Time at which the last frame ends, in seconds.
        last_s: f64,
        /// Length of its picture by the container, in seconds.
        duration_s: f64,
        /// Frames decoded.
        frames: u64,
    },
    /// A stream cannot be opened, or broke off.
    #[error("cannot read '{uri}': {reason}")]
    Unreachable {
        /// The input, credentials masked.
        uri: Arc<str>,
        /// Why.
        reason: String,
    },
    /// A stream broke off while it was read.
    #[error("'{uri}' broke off: {reason}")]
    BrokenOff {
        /// The input, credentials masked.
        uri: Arc<str>,
        /// Why.
        reason: String,
    },
    /// A stream gave nothing for as long as was waited.
    #[error("nothing came from '{uri}' for {} s", .waited.as_secs_f64())]
    Silent {
        /// The input, credentials masked.
        uri: Arc<str>,
        /// How long was waited.
        waited: Duration,
    },
    /// A stream broke off for good: no further attempt is made.
    #[error("'{uri}' is lost after {tries} {}: {reason}", if *.tries == 1 { "try" } else { "tries" })]
    Lost {
        /// The input, credentials masked.
        uri: Arc<str>,
        /// Why the last attempt failed.
        reason: String,
        /// Attempts since the last frame.
        tries: u32,
    },
    /// It has no video stream of the number that is wanted.
    #[error("'{uri}' has no video stream {wanted}: it has {there}, counted from 0")]
    NoStream {
        /// The input.
        uri: Arc<str>,
        /// The number that is wanted.
        wanted: usize,
        /// How many there are.
        there: usize,
    },
    /// One picture of several cannot be read; those behind it can be.
    #[error(transparent)]
    Picture(Box<SourceError>),
    /// A stop was asked for while it was opened.
    #[error("'{uri}' was not opened: a stop was asked for")]
    Stopped {
        /// The input, credentials masked.
        uri: Arc<str>,
    },
}

/// A number of damaged places; its words follow from the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places(pub u64);

impl std::fmt::Display for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(number) = self;
        write!(f, "{number} {}", if *number == 1 { "place" } else { "places" })
    }
}

impl SourceError {
    /// Way out, for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { hint, .. } => hint.clone(),
            Self::Missing { hint, .. } | Self::Nothing { hint, .. } => Some(hint.clone()),
            Self::TooMany { .. } => Some("give parts of it, a run each".into()),
            Self::Denied { uri, .. } => Some(format!("may this user read it? ls -l '{uri}'")),
            Self::SizeChanged { .. } => {
                Some("convert it to one size: ffmpeg -i IN -vf scale=W:H OUT.mp4".into())
            }
            Self::Damaged { .. } | Self::Cut { .. } => {
                Some("all frames that could be decoded are in the outputs".into())
            }
            // Its host may be a piece of a password.
            Self::Unreachable { uri, .. } if uri.ends_with("://***") => {
                Some(format!("an @ stands behind its host, which may be a login: {ESCAPES}"))
            }
            Self::Unreachable { .. } => {
                Some("is the address right, and does it open elsewhere? ffplay ADDRESS".into())
            }
            Self::BrokenOff { .. } => {
                Some("with --reconnect once-open a live stream is opened again".into())
            }
            Self::Silent { .. } => {
                Some("a slow start needs a longer --read-timeout; see if it sends at all".into())
            }
            Self::Lost { .. } => Some("start it again once the source is back".into()),
            Self::Picture(error) => error.hint(),
            Self::NoStream { uri, .. } => {
                Some(format!("they are listed by: vision-pipe plan '{uri}'"))
            }
            Self::Uncuttable { .. } => Some("run it whole, without --segment-of".into()),
            Self::Stopped { .. } => None,
        }
    }

    /// A failure of the file system on `uri`, by whether the file is there.
    pub fn from_io(uri: &str, error: &std::io::Error) -> Self {
        let reason = io_reason(error);
        let shown = shown::input(uri);
        match error.kind() {
            std::io::ErrorKind::NotFound if shown != uri => {
                let hint = format!("addresses are of the form rtsp://HOST/PATH; {ESCAPES}");
                Self::Missing { uri: shown.into(), reason, hint }
            }
            std::io::ErrorKind::NotFound => {
                let hint = match uri.contains(char::REPLACEMENT_CHARACTER) {
                    true => "names that are not UTF-8 cannot be read: rename it".into(),
                    false => what_is_there(Path::new(uri)),
                };
                Self::Missing { uri: uri.into(), reason, hint }
            }
            _ => Self::Denied { uri: shown.into(), reason },
        }
    }
}

/// What the user may have meant by a path that leads nowhere.
fn what_is_there(path: &Path) -> String {
    /// Entries of a folder that are looked at.
    const MAX_ENTRIES: usize = 1_000;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("there is no folder '{}'", folder.display());
    };
    let names: Vec<String> = entries
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean '{}'?", folder.join(name).display()),
        None => format!("see what is there: ls '{}'", folder.display()),
    }
}
