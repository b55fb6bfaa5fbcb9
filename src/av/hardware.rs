//! Decoding on a graphics processor, where there is one that can; in software otherwise. Which device
//! is tried is the user's choice.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ffmpeg_the_third as ffmpeg;

use ffmpeg::ffi::{self, AVHWDeviceType};
use ffmpeg::frame;

use super::reason;
use crate::source::stream::Hardware;

/// Set when the fallback has been told: a stream is opened again and again, and a file with --loop.
static TOLD: AtomicBool = AtomicBool::new(false);

/// What decodes, and what the user is to be told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acceleration {
    wanted: Hardware,
    /// Whether the decoder has a device of which nobody knows yet whether it decodes.
    is_open_question: bool,
}

/// The devices to try, each with its name.
fn candidates(wanted: Hardware) -> &'static [(&'static str, AVHWDeviceType)] {
    const ALL: [(&str, AVHWDeviceType); 2] =
        [("vaapi", AVHWDeviceType::VAAPI), ("cuda", AVHWDeviceType::CUDA)];
    match wanted {
        Hardware::None => &[],
        Hardware::Auto => &ALL,
        Hardware::Vaapi => &ALL[..1],
        Hardware::Cuda => &ALL[1..],
    }
}

impl Acceleration {
    /// Gives a decoder that is not open yet the first device that is there and that it can use.
    pub(super) fn prepare(context: &mut ffmpeg::codec::Context, wanted: Hardware) -> Self {
        let mut found = false;
        let mut why = Vec::new();
        for &(name, device) in candidates(wanted) {
            match attach(context, device) {
                Ok(()) => {
                    log::info!("pictures are decoded with {name}, where it can");
                    found = true;
                    break;
                }
                Err(reason) => why.push(format!("{name}: {reason}")),
            }
        }
        let this = Self { wanted, is_open_question: found };
        if !found && wanted != Hardware::None {
            this.fall_back(&why.join("; "));
        }
        this
    }

    /// Looks at the first picture: the library goes back to software by itself where a device refuses
    /// a profile or a size.
    pub(super) fn see(&mut self, frame: &frame::Video) {
        if std::mem::take(&mut self.is_open_question) && !is_elsewhere(frame) {
            self.fall_back("the device does not decode this kind of video");
        }
    }

    /// Says once why software decodes; who leaves the choice to us need not know.
    fn fall_back(self, why: &str) {
        if self.wanted == Hardware::Auto {
            log::info!("pictures are decoded in software: {why}");
        } else if !TOLD.swap(true, Relaxed) {
            log::warn!("--hwaccel: pictures are decoded in software: {why}");
        }
    }
}

/// Opens a device and gives it to a decoder.
fn attach(context: &mut ffmpeg::codec::Context, device: AVHWDeviceType) -> Result<(), String> {
    let codec = ffmpeg::decoder::find(context.id()).ok_or("there is no decoder")?;
    if !can_use(&codec, device) {
        return Err(format!("the decoder {} cannot use it", codec.name()));
    }
    let mut opened = std::ptr::null_mut();
    // SAFETY: without a name the first device of its kind is opened; on failure nothing is.
    #[expect(unsafe_code, reason = "the wrapper knows no devices")]
    let result = unsafe {
        ffi::av_hwdevice_ctx_create(&mut opened, device, std::ptr::null(), std::ptr::null_mut(), 0)
    };
    if result < 0 || opened.is_null() {
        return Err(reason(ffmpeg::Error::from(result)));
    }
    // SAFETY: the decoder is not open yet and has no device; it takes over the reference and gives it
    // back when it is freed. Its own choice of a pixel format prefers the device's from then on.
    #[expect(unsafe_code, reason = "the wrapper has no way to set this member")]
    unsafe {
        (*context.as_mut_ptr()).hw_device_ctx = opened;
    }
    Ok(())
}

/// Whether a decoder takes devices of a kind.
fn can_use(codec: &ffmpeg::Codec, device: AVHWDeviceType) -> bool {
    let by_device = ffi::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX.0;
    (0..)
        .map_while(|index| {
            // SAFETY: codecs and their configurations are static; the list ends with a null.
            #[expect(unsafe_code, reason = "the wrapper does not have this question")]
            unsafe {
                ffi::avcodec_get_hw_config(codec.as_ptr(), index).as_ref()
            }
        })
        .any(|config| {
            config.device_type == device && config.methods.cast_unsigned() & by_device != 0
        })
}

/// Whether the pixels of a frame are in a device's memory.
fn is_elsewhere(frame: &frame::Video) -> bool {
    // SAFETY: the frame is valid as long as it is borrowed.
    #[expect(unsafe_code, reason = "the wrapper has no accessor for this member")]
    unsafe {
        !(*frame.as_ptr()).hw_frames_ctx.is_null()
    }
}

/// Brings the pixels of a frame into our own memory, where they are not.
///
/// # Errors
/// When the device refuses.
pub(super) fn fetch(frame: &mut frame::Video) -> Result<(), ffmpeg::Error> {
    if !is_elsewhere(frame) {
        return Ok(());
    }
    let mut here = frame::Video::empty();
    // SAFETY: both frames are valid, and the empty one is given memory of the format that the device
    // prefers; the properties are times, flags and colours, which do not come with the pixels.
    #[expect(unsafe_code, reason = "the wrapper does not have these calls")]
    let result = unsafe {
        match ffi::av_hwframe_transfer_data(here.as_mut_ptr(), frame.as_ptr(), 0) {
            moved if moved >= 0 => ffi::av_frame_copy_props(here.as_mut_ptr(), frame.as_ptr()),
            error => error,
        }
    };
    if result < 0 {
        return Err(result.into());
    }
    *frame = here;
    Ok(())
}
