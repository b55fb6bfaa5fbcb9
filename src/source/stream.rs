//! Inputs that are no files: cameras, addresses, pipes. What each is called, whether it is live,
//! and how it may be reached; opening them is left to the video library's room.

use std::io::IsTerminal;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SourceError;
use crate::shown::{self, ESCAPES};

/// Highest number of a webcam.
const MAX_WEBCAM: u8 = 99;

/// A stream by its kind.
#[derive(Clone, PartialEq)]
pub enum Stream {
    /// A camera or server that speaks RTSP: `rtsp://` or `rtsps://`.
    Rtsp(String),
    /// `http://` or `https://`: MJPEG, HLS, or a film.
    Http(String),
    /// What is sent without being asked for, or by another protocol: `udp`, `rtp`, `srt`, `rtmp`,
    /// `rtmps`, `tcp`.
    Other(String),
    /// A webcam by its device.
    Webcam(PathBuf),
    /// Standard input.
    Stdin,
    /// A named pipe.
    Fifo(PathBuf),
}

// Without passwords.
impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({})", self.shown())
    }
}

impl Stream {
    /// Tells whether `input` is a stream, and which.
    ///
    /// # Errors
    /// Where it is one that cannot be read: another protocol, a terminal, a missing device.
    pub fn of(input: &str) -> Result<Option<Self>, SourceError> {
        if input == "-" {
            return stdin(std::io::stdin().is_terminal()).map(Some);
        }
        if let Ok(number @ 0..=MAX_WEBCAM) = input.parse::<u8>()
            && !Path::new(input).exists()
        {
            return webcam(format!("/dev/video{number}").into()).map(Some);
        }
        match input.split_once("://") {
            Some((scheme, _)) => address(input, &scheme.to_lowercase()).map(Some),
            None if input.starts_with("/dev/video") => webcam(input.into()).map(Some),
            None => Ok(std::fs::metadata(input)
                .is_ok_and(|about| about.file_type().is_fifo())
                .then(|| Self::Fifo(input.into()))),
        }
    }

    /// The input as messages and records show it: without name, password and keys.
    pub fn shown(&self) -> String {
        match self {
            Self::Rtsp(url) | Self::Http(url) | Self::Other(url) => shown::address(url),
            Self::Webcam(path) | Self::Fifo(path) => path.to_string_lossy().into_owned(),
            Self::Stdin => "-".into(),
        }
    }

    /// Whether it is live; `None` where only what is found there tells: over HTTP a film has a
    /// length, a camera has none.
    pub fn is_live(&self) -> Option<bool> {
        match self {
            Self::Rtsp(_) | Self::Other(_) | Self::Webcam(_) => Some(true),
            Self::Stdin | Self::Fifo(_) => Some(false),
            Self::Http(_) => None,
        }
    }

    /// Whether it can be opened again: a pipe is gone once it was read.
    pub fn can_reconnect(&self) -> bool {
        !matches!(self, Self::Stdin | Self::Fifo(_))
    }
}

/// How RTSP carries the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RtspTransport {
    /// In the connection itself: nothing is lost, and firewalls let it through.
    #[default]
    Tcp,
    /// In datagrams of their own: what is late is lost.
    Udp,
}

/// What decodes video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hardware {
    /// Software.
    #[default]
    None,
    /// The first device that is there, software otherwise.
    Auto,
    /// A device of VA-API, as Intel's and AMD's are.
    Vaapi,
    /// A device of NVIDIA's.
    Cuda,
}

/// How a stream is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// How long a read may take; opening may take twice as long. Pipes that are not live are waited
    /// for without end.
    pub read_timeout: Duration,
    /// How RTSP carries the picture.
    pub rtsp_transport: RtspTransport,
    /// Whether it is live, where the user says so.
    pub live: Option<bool>,
    /// How it is decoded; files too.
    pub decoding: Decoding,
}

/// How a file or stream is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoding {
    /// What decodes it.
    pub hardware: Hardware,
    /// Which of its video streams, from 0 on; the best where nobody says.
    pub video_stream: Option<usize>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            read_timeout: Duration::from_secs(10),
            rtsp_transport: RtspTransport::default(),
            live: None,
            decoding: Decoding::default(),
        }
    }
}

fn unreadable(uri: &str, reason: &str, hint: &str) -> SourceError {
    let hint = Some(hint.into());
    SourceError::Unreadable { uri: uri.into(), reason: reason.into(), hint }
}

fn address(input: &str, scheme: &str) -> Result<Stream, SourceError> {
    let shown = shown::address(input);
    let stream = match scheme {
        "rtsp" | "rtsps" => Stream::Rtsp(input.into()),
        "http" | "https" => Stream::Http(input.into()),
        "udp" | "rtp" | "srt" | "rtmp" | "rtmps" | "tcp" => Stream::Other(input.into()),
        // Else the text in front of :// may be anything, a password too.
        _ if shown::scheme(input).is_some() => {
            let reason = format!("{scheme} inputs are not supported by this version");
            let hint = "download it first, or give a file";
            return Err(unreadable(&shown, &reason, hint));
        }
        _ => return Err(unreadable(&shown, shown::Fault::Scheme.reason(), ESCAPES)),
    };
    let form = format!("addresses are of the form {scheme}://HOST/PATH; {ESCAPES}");
    match shown::fault(input) {
        Some(fault) => Err(unreadable(&shown, fault.reason(), &form)),
        None if input.contains(['\0', '\r', '\n']) => {
            Err(unreadable(&shown, "it has a line break or zero byte in it", &form))
        }
        None => Ok(stream),
    }
}

fn stdin(is_terminal: bool) -> Result<Stream, SourceError> {
    if is_terminal {
        let hint = "pipe a video in: ffmpeg -i IN -c copy -f matroska - | vision-pipe run -";
        return Err(unreadable("-", "standard input is a terminal", hint));
    }
    Ok(Stream::Stdin)
}

fn webcam(path: PathBuf) -> Result<Stream, SourceError> {
    match std::fs::metadata(&path) {
        Ok(_) => Ok(Stream::Webcam(path)),
        Err(error) => Err(SourceError::from_io(&path.to_string_lossy(), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(input: &str) -> Option<Stream> {
        Stream::of(input).unwrap()
    }

    #[test]
    fn addresses_are_told_by_their_scheme() {
        for (input, live) in [
            ("rtsp://cam/1", Some(true)),
            ("RTSPS://cam/1", Some(true)),
            ("http://host/a.m3u8", None),
            ("https://host/a.mp4", None),
            ("udp://239.0.0.1:1234", Some(true)),
            ("udp://@239.0.0.1:1234", Some(true)),
            ("srt://host:9000?mode=caller", Some(true)),
        ] {
            let stream = of(input).unwrap();
            assert_eq!(stream.is_live(), live, "{input}");
            assert!(stream.can_reconnect());
        }
        assert_eq!(of("video.mp4"), None);
        assert_eq!(of("100"), None);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (input, says) in [
            ("ftp://me:secret@host/x", "cannot open 'ftp://***@host/x': ftp inputs"),
            ("file:///etc/passwd", "file inputs"),
            ("concat://a|b", "concat inputs"),
            ("rtsp://", "names no host"),
            ("http:///x", "names no host"),
            ("rtsp://me:secr/et@cam/1", "cannot open 'rtsp://***@cam': its port is no number"),
            ("me:secret@rtsp://cam/1", "cannot open '***': it has no scheme"),
            ("rtsp://cam/\n1", "a line break"),
        ] {
            let error = Stream::of(input).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("secr"), "{error}");
            assert!(error.hint().is_some());
        }
        let cut = Stream::of("rtsp://me:se/cr@cam/1").unwrap_err().hint().unwrap();
        assert!(cut.contains("/ as %2F"), "{cut}");
        assert!(stdin(true).unwrap_err().to_string().ends_with("is a terminal"));
        assert_eq!(stdin(false).unwrap(), Stream::Stdin);
        let missing = Stream::of("/dev/video97").unwrap_err();
        assert!(matches!(missing, SourceError::Missing { .. }));
        assert!(Stream::of("98").unwrap_err().to_string().contains("'/dev/video98'"));
    }

    #[test]
    fn a_named_pipe_is_a_stream() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe.ts");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let stream = of(path.to_str().unwrap()).unwrap();
        assert_eq!(stream, Stream::Fifo(path));
        assert_eq!((stream.is_live(), stream.can_reconnect()), (Some(false), false));
    }
}
