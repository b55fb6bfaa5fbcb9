//! Turns video into detections: NDJSON, CSV, annotated video and pictures.
//!
//! Four layers; a file uses only those below it and the traits of its own: words ([`frame`],
//! [`geometry`], [`detection`], [`record`], [`policy`], [`cancel`], [`reason`], [`shown`], [`backoff`]),
//! parts ([`source`], [`infer`], [`annotate`], [`sink`] and the libraries' rooms), the engine
//! ([`pipeline`]) and the assembly ([`app`], [`cli`], [`config`], [`exit`]).

pub mod backoff;
pub mod cancel;
pub mod detection;
pub mod frame;
pub mod geometry;
pub mod policy;
pub mod reason;
pub mod record;
pub mod shown;

#[cfg(feature = "alerts")]
pub mod alert;
pub mod analyze;
pub mod annotate;
#[cfg(feature = "libav")]
pub mod av;
pub mod convert;
#[cfg(feature = "opencv")]
pub mod cv;
pub mod gate;
pub mod infer;
pub mod journal;
#[cfg(feature = "http")]
pub mod net;
pub mod pipeline;
pub mod recorder;
pub mod replay;
pub mod report;
#[cfg(feature = "roboflow")]
pub mod roboflow;
#[cfg(feature = "serve")]
pub mod serve;
pub mod sink;
pub mod source;
pub mod track;

pub mod app;
pub mod cli;
pub mod config;
pub mod exit;
pub mod lock;
pub mod logging;
pub mod progress;
pub mod stdio;
pub mod usage;
