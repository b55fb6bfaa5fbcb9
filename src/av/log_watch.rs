//! Counts the errors that demuxers only print.
//!
//! A demuxer that finds its way again behind a damaged stretch says so in the log and nowhere
//! else: the packets in between are missing without an error. Demuxers print on the thread that
//! reads a packet, so a counter of that thread tells whose they are.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};

use ffmpeg_the_third::ffi;

thread_local! {
    static ERRORS: Cell<u64> = const { Cell::new(0) };
}

/// How many errors demuxers have printed on this thread.
pub(super) fn errors_on_this_thread() -> u64 {
    ERRORS.get()
}

/// A `va_list` as a parameter: a pointer on x86-64 and AArch64 alike.
type VaList = *mut c_void;

/// A log callback, with the `va_list` under one type.
type Callback = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, VaList);

/// Puts the counter in front of FFmpeg's own logging.
#[expect(unsafe_code, reason = "the callback is set through FFmpeg's C interface")]
pub(super) fn install() {
    #[expect(
        clippy::missing_transmute_annotations,
        reason = "the name of the `va_list` pointer differs from target to target"
    )]
    // SAFETY: both types differ only in the name of the `va_list` pointer, which `count` passes on
    // untouched; FFmpeg allows its callback to be set at any time.
    unsafe {
        ffi::av_log_set_callback(Some(std::mem::transmute::<Callback, _>(count)));
    }
}

#[expect(unsafe_code, reason = "called by FFmpeg with C pointers")]
unsafe extern "C" fn count(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    values: VaList,
) {
    // SAFETY: FFmpeg passes null or a struct whose first member points to its `AVClass`.
    let class = unsafe { context.cast::<*const ffi::AVClass>().as_ref() };
    // SAFETY: that pointer is null or points to a static `AVClass`.
    let class = class.and_then(|class| unsafe { class.as_ref() });
    let demuxer = ffi::AVClassCategory::DEMUXER;
    if level <= ffi::AV_LOG_ERROR && class.is_some_and(|class| class.category == demuxer) {
        ERRORS.set(ERRORS.get() + 1);
    }
    // SAFETY: the arguments are those that FFmpeg gave, see `install` for the type.
    unsafe {
        let print = ffi::av_log_default_callback as *const c_void;
        let print = std::mem::transmute::<*const c_void, Callback>(print);
        print(context, level, format, values);
    }
}
