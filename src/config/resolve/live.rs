//! Cameras and streams, from text to checked values.

use super::super::{ConfigError, LiveConfig, units};
use super::Resolver;
use crate::policy::LivePolicy;
use crate::source::live::{LiveSettings, Reconnect};
use crate::source::stream::{Access, Decoding, Hardware, RtspTransport};

/// Highest number of a video stream.
const MAX_STREAM: usize = 9999;

/// Reads these settings.
pub(super) fn live(take: &mut Resolver<'_>) -> Result<LiveConfig, ConfigError> {
    let live = [("auto", None), ("yes", Some(true)), ("no", Some(false))];
    let live = take.value("live", units::one_of(&live))?;
    let read_timeout = take.value("read-timeout", positive)?;
    let reconnect = [
        ("never", Reconnect::Never),
        ("once-open", Reconnect::OnceOpen),
        ("always", Reconnect::Always),
    ];
    let transports = [("tcp", RtspTransport::Tcp), ("udp", RtspTransport::Udp)];
    let settings = LiveSettings {
        reconnect: take.value("reconnect", units::one_of(&reconnect))?,
        max_delay: take.value("reconnect-max", positive)?,
        read_timeout,
        ..LiveSettings::default()
    };
    let rtsp_transport = take.value("rtsp-transport", units::one_of(&transports))?;
    let decoders = [
        ("none", Hardware::None),
        ("auto", Hardware::Auto),
        ("vaapi", Hardware::Vaapi),
        ("cuda", Hardware::Cuda),
    ];
    let hardware = take.value("hwaccel", units::one_of(&decoders))?;
    let video_stream = take.optional("video-stream", units::whole(0, MAX_STREAM))?;
    let decoding = Decoding { hardware, video_stream };
    let (realtime, repeat) = (take.switch("realtime")?, take.switch("loop")?);
    Ok(LiveConfig {
        policy: take.value("live-policy", policy)?,
        realtime,
        repeat,
        settings,
        access: Access { read_timeout, rtsp_transport, live, decoding },
    })
}

fn positive(text: &str) -> Result<std::time::Duration, units::Expected> {
    let time = units::duration(text)?;
    if time.is_zero() { Err("must be more than 0".into()) } else { Ok(time) }
}

fn policy(text: &str) -> Result<LivePolicy, units::Expected> {
    match (text, text.strip_prefix("bounded:")) {
        ("latest", _) => Ok(LivePolicy::Latest),
        ("all", _) => Ok(LivePolicy::All),
        (_, Some(time)) => match units::duration(time) {
            Ok(time) if !time.is_zero() => Ok(LivePolicy::Bounded(time)),
            _ => Err("must name a time such as bounded:500ms".into()),
        },
        _ => Err("must be latest, all or bounded:TIME".into()),
    }
}
