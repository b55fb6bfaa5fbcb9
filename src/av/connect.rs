//! How each kind of stream is reached: its address for FFmpeg, what it may open besides, its
//! options, and what its errors mean. Opening itself is [`super::open`]'s.

use std::net::ToSocketAddrs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_the_third as ffmpeg;

use super::open::{Guarded, Watch, open};
use super::{io_error, pipe, reason};
use crate::cancel::Cancel;
use crate::source::SourceError;
use crate::source::stream::{Access, RtspTransport, Stream};

/// How long the streams of a live source are looked at before its first frame is decoded, in
/// microseconds. FFmpeg's own five seconds make for a slow start; what is not known by then (the
/// size, in H.264 without parameter sets up front) comes with the first frame.
const ANALYSIS_US: &str = "1000000";

/// How much later than our time-out the library's own one is.
const OWN_TIMEOUT_LATER: Duration = Duration::from_secs(1);

/// Bytes of kernel buffer for datagrams: a key frame comes in one burst.
const DATAGRAM_BUFFER: &str = "2097152";

/// Opens `stream`, waiting no longer than `access` allows.
///
/// # Errors
/// When it cannot be reached, is no video, stays silent, or a stop was asked for.
pub(super) fn connect(
    stream: &Stream,
    access: &Access,
    cancel: &Cancel,
) -> Result<Guarded, SourceError> {
    let uri: Arc<str> = stream.shown().into();
    let endless = stream.is_live() == Some(false) && access.live != Some(true);
    let watch = Watch::new((!endless).then_some(access.read_timeout), cancel);
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::Interrupted => SourceError::Stopped { uri: uri.clone() },
        _ => SourceError::from_io(&uri, &error),
    };
    let (url, kept) = match stream {
        Stream::Rtsp(url) | Stream::Http(url) | Stream::Other(url) => (url.clone(), None),
        Stream::Webcam(path) => (readable(path).map_err(io)?, None),
        Stream::Stdin => from_pipe(pipe::standard_input().map_err(io)?),
        Stream::Fifo(path) => from_pipe(pipe::named(path, cancel).map_err(io)?),
    };
    let format = matches!(stream, Stream::Webcam(_)).then_some("v4l2");
    open(&url, format, options(stream, access), watch.clone())
        .map(|input| input.keeping(kept))
        .map_err(|error| match opening(stream, error) {
            Some(known) => SourceError::Unreadable { uri: uri.clone(), reason: known, hint: None },
            None => failed(&uri, error, &watch, access.read_timeout, &|| never_opened(&url)),
        })
}

fn from_pipe(file: std::fs::File) -> (String, Option<std::fs::File>) {
    (format!("pipe:{}", file.as_raw_fd()), Some(file))
}

/// A device that may be read; the demuxer's own errors do not tell permission from absence.
fn readable(path: &Path) -> std::io::Result<String> {
    std::fs::File::open(path).map(|_| path.to_string_lossy().into_owned())
}

fn options(stream: &Stream, access: &Access) -> ffmpeg::Dictionary {
    let mut options = ffmpeg::Dictionary::new();
    options.set("protocol_whitelist", allowed(stream));
    match stream {
        Stream::Rtsp(_) => {
            let transport = match access.rtsp_transport {
                RtspTransport::Tcp => "tcp",
                RtspTransport::Udp => "udp",
            };
            options.set("rtsp_transport", transport);
            // Ours comes first: after its own the library says that it is no video.
            let own = access.read_timeout + OWN_TIMEOUT_LATER;
            options.set("timeout", own.as_micros().to_string());
            options.set("buffer_size", DATAGRAM_BUFFER);
            options.set("analyzeduration", ANALYSIS_US);
        }
        Stream::Other(url) => {
            if url.starts_with("udp:") {
                options.set("buffer_size", DATAGRAM_BUFFER);
            }
            options.set("analyzeduration", ANALYSIS_US);
        }
        Stream::Http(_) => {
            options.set("user_agent", concat!("vision-pipe/", env!("CARGO_PKG_VERSION")));
        }
        Stream::Webcam(_) | Stream::Stdin | Stream::Fifo(_) => {}
    }
    options
}

/// The protocols that a stream may use for itself and whatever it names. Never `file`: a playlist
/// from the network must not read what lies here.
fn allowed(stream: &Stream) -> &'static str {
    match stream {
        Stream::Rtsp(_) => "rtsp,rtsps,rtp,srtp,udp,tcp,tls",
        Stream::Http(_) => "http,https,httpproxy,tcp,tls,hls,crypto",
        Stream::Stdin | Stream::Fifo(_) => "pipe",
        // The demuxer opens its device without a protocol.
        Stream::Webcam(_) => "none",
        Stream::Other(url) => match url.split(':').next().unwrap_or_default() {
            "udp" => "udp",
            "rtp" => "rtp,udp",
            "srt" => "srt",
            "rtmp" => "rtmp,tcp",
            "rtmps" => "rtmps,rtmp,tls,tcp",
            _ => "tcp",
        },
    }
}

/// What went wrong at opening, where the library's own words would mislead.
fn opening(stream: &Stream, error: ffmpeg::Error) -> Option<String> {
    match (error, stream) {
        (ffmpeg::Error::DemuxerNotFound, Stream::Webcam(_)) => Some(
            "this build reads no webcams, it lacks libavdevice (feature 'webcam'); pipe it in: \
             ffmpeg -f v4l2 -i DEVICE -c:v mjpeg -f matroska - | vision-pipe run -"
                .into(),
        ),
        (ffmpeg::Error::ProtocolNotFound, _) => {
            Some("FFmpeg's libraries on this machine lack its protocol".into())
        }
        _ => None,
    }
}

/// Why a connection was not opened, where the library gives the same error for an unknown host.
fn never_opened(url: &str) -> &'static str {
    let host = host(url);
    // The number of the port does not matter to the name.
    match host.is_empty() || (host, 80).to_socket_addrs().is_ok() {
        true => "the connection was closed before a picture came",
        false => "the host is unknown",
    }
}

/// The host that an address names; nothing where it names none.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = place.rsplit('@').next().unwrap_or_default();
    match place.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => place.split(':').next().unwrap_or_default(),
    }
}

/// Meaning of a failed call for a stream; `broken` is the cause where the library does not know it.
pub(super) fn failed(
    uri: &Arc<str>,
    error: ffmpeg::Error,
    watch: &Watch,
    read_timeout: Duration,
    broken: &dyn Fn() -> &'static str,
) -> SourceError {
    let uri = uri.clone();
    let system = io_error(error);
    if watch.is_stopped() {
        return SourceError::Stopped { uri };
    }
    if watch.timed_out() || system.kind() == std::io::ErrorKind::TimedOut {
        return SourceError::Silent { uri, waited: read_timeout };
    }
    /// Linux's EIO, which the libraries also give for an unknown host.
    const EIO: i32 = 5;
    match error {
        ffmpeg::Error::InvalidData => {
            SourceError::Unreadable { uri, reason: reason(error), hint: None }
        }
        _ if system.raw_os_error() == Some(EIO) => {
            SourceError::Unreachable { uri, reason: broken().into() }
        }
        _ => SourceError::Unreachable { uri, reason: reason(error) },
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
