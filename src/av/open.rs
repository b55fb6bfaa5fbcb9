//! Opening what may block: with options, a time limit on every call, and a stop that is heard.
//!
//! The wrapper crate opens with options or with an interrupt, not with both, and never frees the
//! interrupt's state. What the options are is left to [`super::connect`].

use std::ffi::{CString, c_int, c_void};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use ffmpeg_the_third as ffmpeg;

use ffmpeg::ffi;
use ffmpeg::format::context::Input;

use crate::cancel::Cancel;

/// How long a parting word to a server may take.
const FAREWELL: Duration = Duration::from_millis(300);

/// Decides whether FFmpeg goes on waiting.
pub(super) struct Watch {
    cancel: Cancel,
    /// How long a call may take; `None` for as long as it likes.
    limit: Option<Duration>,
    start: Instant,
    /// Milliseconds after `start` at which the call under way has taken too long.
    deadline_ms: AtomicU64,
    /// Whether a deadline has cut a call short.
    timed_out: AtomicBool,
    /// Whether only the deadline counts, because a stop is what it is closed for.
    closing: AtomicBool,
}

impl Watch {
    /// Watches with `limit` for each call that [`Watch::arm`] precedes.
    pub(super) fn new(limit: Option<Duration>, cancel: &Cancel) -> Arc<Self> {
        Arc::new(Self {
            cancel: cancel.clone(),
            limit,
            start: Instant::now(),
            deadline_ms: AtomicU64::new(u64::MAX),
            timed_out: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        })
    }

    /// Starts the time of the next call.
    pub(super) fn arm(&self) {
        if let Some(limit) = self.limit {
            self.arm_for(limit);
        }
    }

    fn arm_for(&self, limit: Duration) {
        let at = self.start.elapsed().saturating_add(limit).as_millis();
        self.deadline_ms.store(u64::try_from(at).unwrap_or(u64::MAX), SeqCst);
    }

    /// Whether a call took too long.
    pub(super) fn timed_out(&self) -> bool {
        self.timed_out.load(SeqCst)
    }

    /// Whether a stop was asked for.
    pub(super) fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Whether the call under way is to give up.
    pub(super) fn is_over(&self) -> bool {
        if self.cancel.is_cancelled() && !self.closing.load(SeqCst) {
            return true;
        }
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let late = now > self.deadline_ms.load(SeqCst);
        if late {
            self.timed_out.store(true, SeqCst);
        }
        late
    }
}

/// FFmpeg's question whether to give up: `opaque` is the [`Watch`] of the input.
#[expect(unsafe_code, reason = "called by FFmpeg with a C pointer")]
unsafe extern "C" fn interrupted(opaque: *mut c_void) -> c_int {
    // SAFETY: `opaque` comes from the `Arc<Watch>` that `Guarded` keeps until the input is closed;
    // a `Watch` is only read through shared references, from whatever thread FFmpeg asks.
    let watch = unsafe { opaque.cast::<Watch>().as_ref() };
    c_int::from(watch.is_some_and(Watch::is_over))
}

/// An input and who watches over it.
pub(super) struct Guarded {
    /// Closed first: closing may still ask the watch.
    input: Input,
    watch: Option<Arc<Watch>>,
    /// Whatever else must stay open as long as the input.
    kept: Option<std::fs::File>,
}

impl Guarded {
    /// Whoever watches over it; nobody over a local file.
    pub(super) fn watch(&self) -> Option<&Watch> {
        self.watch.as_deref()
    }

    /// Starts the time of the next call.
    pub(super) fn arm(&self) {
        if let Some(watch) = &self.watch {
            watch.arm();
        }
    }

    /// Keeps `file` open as long as the input.
    pub(super) fn keeping(mut self, file: Option<std::fs::File>) -> Self {
        self.kept = file;
        self
    }
}

/// Bytes of what is read, where the server or system states it.
#[expect(unsafe_code, reason = "the crate has no accessor for this member")]
pub(super) fn stated_bytes(input: &mut Input) -> Option<u64> {
    // SAFETY: the context is open as long as the input is borrowed; its `pb` is null for demuxers
    // that read by themselves, and else valid.
    let bytes = unsafe {
        let pb = (*input.as_mut_ptr()).pb;
        if pb.is_null() { -1 } else { ffi::avio_size(pb) }
    };
    u64::try_from(bytes).ok().filter(|&bytes| bytes > 0)
}

impl From<Input> for Guarded {
    fn from(input: Input) -> Self {
        Self { input, watch: None, kept: None }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            // RTSP servers are told, or they would hold the session for a minute; after a stop
            // too, but not for long.
            watch.closing.store(true, SeqCst);
            watch.arm_for(FAREWELL);
        }
    }
}

impl Deref for Guarded {
    type Target = Input;

    fn deref(&self) -> &Input {
        &self.input
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut Input {
        &mut self.input
    }
}

/// Opens `url` and learns about its streams. `format` names the demuxer where it is not to be
/// guessed.
///
/// # Errors
/// The libraries' own; [`ffmpeg::Error::Exit`] where `watch` cut it short, and
/// [`ffmpeg::Error::DemuxerNotFound`] where there is no such demuxer.
#[expect(unsafe_code, reason = "the crate opens with options or an interrupt, not with both")]
pub(super) fn open(
    url: &str,
    format: Option<&str>,
    options: ffmpeg::Dictionary,
    watch: Arc<Watch>,
) -> Result<Guarded, ffmpeg::Error> {
    let url = CString::new(url).map_err(|_| ffmpeg::Error::InvalidData)?;
    let format = format.map(demuxer).transpose()?.unwrap_or(std::ptr::null());
    let mut options = options.into_raw();
    watch.arm();
    // SAFETY: allocates, or returns null, which is looked for.
    let mut context = unsafe { ffi::avformat_alloc_context() };
    if context.is_null() {
        return Err(ffmpeg::Error::Unknown);
    }
    // SAFETY: the context was made above and nobody else knows it; the `Arc` in `watch` outlives it,
    // as `Guarded` drops it after the input.
    unsafe {
        (*context).interrupt_callback.callback = Some(interrupted);
        (*context).interrupt_callback.opaque = Arc::as_ptr(&watch).cast_mut().cast();
    }
    // SAFETY: all pointers are valid or null where null is allowed; on failure the context is freed
    // and set to null. What is left of the options is freed below in every case.
    let opened = unsafe {
        let opened = ffi::avformat_open_input(&mut context, url.as_ptr(), format, &mut options);
        drop(ffmpeg::Dictionary::from_raw(options));
        opened
    };
    if opened < 0 {
        return Err(opened.into());
    }
    // SAFETY: an open input that nobody else owns; closed when it is dropped.
    let input = unsafe { Input::wrap(context) };
    let guarded = Guarded { input, watch: Some(watch), kept: None };
    guarded.arm();
    // SAFETY: the context is open, and owned by `guarded`.
    match unsafe { ffi::avformat_find_stream_info(context, std::ptr::null_mut()) } {
        found if found >= 0 => Ok(guarded),
        error => Err(error.into()),
    }
}

/// A demuxer by its name.
#[expect(unsafe_code, reason = "the crate's own search is part of its device feature")]
fn demuxer(name: &str) -> Result<*const ffi::AVInputFormat, ffmpeg::Error> {
    let name = CString::new(name).map_err(|_| ffmpeg::Error::DemuxerNotFound)?;
    // SAFETY: the name is a C string; what is found is static.
    let found = unsafe { ffi::av_find_input_format(name.as_ptr()) };
    if found.is_null() { Err(ffmpeg::Error::DemuxerNotFound) } else { Ok(found) }
}
