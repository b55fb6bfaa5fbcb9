//! Counts the errors that demuxers and decoders only print, and prints them without the passwords
//! in them.
//!
//! A demuxer that finds its way again behind a damaged stretch says so in the log and nowhere
//! else: the packets in between are missing without an error. Demuxers print on the thread that
//! reads a packet, so a counter of that thread tells whose they are. A decoder that makes up what is
//! missing of a picture does the same.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use ffmpeg_the_third::ffi;

use crate::shown;

thread_local! {
    static ERRORS: Cell<u64> = const { Cell::new(0) };
    static OF_DECODERS: Cell<u64> = const { Cell::new(0) };
}

/// How many errors demuxers have printed on this thread.
pub(super) fn errors_on_this_thread() -> u64 {
    ERRORS.get()
}

/// How many errors decoders have printed on this thread, about pictures.
pub(super) fn decoder_errors_on_this_thread() -> u64 {
    OF_DECODERS.get()
}

/// What an error is about that costs no pixel.
const BESIDES: [&[u8]; 3] = [b"APP fields", b"EXIF", b"ICC"];

/// A `va_list` as a parameter: a pointer on x86-64 and AArch64 alike.
type VaList = *mut c_void;

/// Longest line that is printed, in bytes; the rest is left out.
const MAX_LINE: usize = 1024;

/// Whether the next text begins a line, which then says whose it is: FFmpeg's own flag.
static BEGINS_LINE: AtomicI32 = AtomicI32::new(1);

/// FFmpeg's function that makes a text of a message, with the `va_list` under one type.
type Format = unsafe extern "C" fn(
    *mut c_void,
    c_int,
    *const c_char,
    VaList,
    *mut c_char,
    c_int,
    *mut c_int,
) -> c_int;

/// A log callback, with the `va_list` under one type.
type Callback = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, VaList);

/// Takes the place of FFmpeg's own logging: its messages are the program's, with `-v` alone.
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
    // SAFETY: names of classes and formats are C strings; they are looked at where they are none.
    let text =
        |at: *const c_char| (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_bytes());
    if level <= ffi::AV_LOG_ERROR
        && class.is_some_and(|class| text(class.class_name) == Some(b"AVCodecContext"))
    {
        let format = text(format).unwrap_or_default();
        let has = |word: &&[u8]| format.windows(word.len()).any(|part| part == *word);
        OF_DECODERS.set(OF_DECODERS.get() + u64::from(!BESIDES.iter().any(has)));
    }
    // SAFETY: reads a number.
    if level > unsafe { ffi::av_log_get_level() } {
        return;
    }
    let mut text: [c_char; MAX_LINE] = [0; MAX_LINE];
    let mut has_prefix = BEGINS_LINE.load(Relaxed);
    // SAFETY: the arguments are those that FFmpeg gave, see `install` for the type; the text is as
    // long as is said, and what is written ends with a zero byte.
    let line = unsafe {
        let print = ffi::av_log_format_line2 as *const c_void;
        let print = std::mem::transmute::<*const c_void, Format>(print);
        print(
            context,
            level,
            format,
            values,
            text.as_mut_ptr(),
            MAX_LINE as c_int,
            &mut has_prefix,
        );
        CStr::from_ptr(text.as_ptr()).to_string_lossy()
    };
    BEGINS_LINE.store(has_prefix, Relaxed);
    let line = line.trim_end();
    if !line.is_empty() {
        log::debug!("FFmpeg: {}", shown::line(line));
    }
}
