//! The one integration binary: it drives the real program, scrubbed of the environment.

#![allow(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test that meets the unexpected should panic"
)]

#[cfg(all(feature = "libav", feature = "opencv"))]
mod analytics;
mod architecture;
mod batch;
#[cfg(all(feature = "libav", feature = "opencv"))]
mod browser;
mod cli;
#[cfg(all(feature = "libav", feature = "opencv"))]
mod clips;
mod common;
#[cfg(all(feature = "libav", feature = "parquet", feature = "tract"))]
mod convert;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract"))]
mod detect;
#[cfg(feature = "opencv")]
mod drawing;
#[cfg(all(feature = "libav", feature = "preview", feature = "roboflow", feature = "timeplus"))]
mod dropin;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract", feature = "onnxruntime"))]
mod engines;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract", feature = "onnxruntime"))]
mod feeding;
mod inputs;
#[cfg(feature = "libav")]
mod live;
#[cfg(all(feature = "libav", feature = "opencv"))]
mod media;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract", feature = "onnxruntime"))]
mod models;
#[cfg(all(feature = "libav", feature = "opencv", feature = "preview"))]
mod page;
#[cfg(feature = "preview")]
mod page_browser;
#[cfg(all(feature = "libav", feature = "opencv"))]
mod pictures;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract"))]
mod recipes;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract"))]
mod replay;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract"))]
mod report;
#[cfg(feature = "libav")]
mod resume;
#[cfg(feature = "roboflow")]
mod roboflow;
#[cfg(all(feature = "alerts", feature = "libav", feature = "opencv", feature = "tract"))]
mod rules;
mod run;
#[cfg(all(
    feature = "alerts",
    feature = "libav",
    feature = "opencv",
    feature = "preview",
    feature = "timeplus"
))]
mod secrets;
#[cfg(all(feature = "libav", feature = "opencv"))]
mod segments;
#[cfg(all(feature = "roboflow", feature = "serve"))]
mod serve;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract"))]
mod shards;
mod signals;
#[cfg(all(feature = "libav", feature = "opencv"))]
mod sound;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract"))]
mod thrift;
#[cfg(feature = "timeplus")]
mod timeplus;
#[cfg(feature = "timeplus")]
mod timeplus_ends;
#[cfg(feature = "timeplus")]
mod timeplus_today;
#[cfg(all(feature = "libav", feature = "opencv"))]
mod times;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract", feature = "onnxruntime"))]
mod tools;
#[cfg(all(feature = "libav", feature = "opencv", feature = "tract"))]
mod tracking;
#[cfg(all(feature = "libav", feature = "opencv"))]
mod written;
