//! SIGINT and SIGTERM: the first asks for a stop, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals};

use crate::cancel::Cancel;
use crate::exit::Error;

/// Sets `flag` whenever SIGHUP comes, which then no longer ends the program.
///
/// # Errors
/// When the system refuses.
pub(super) fn on_hangup(flag: Arc<AtomicBool>) -> Result<(), Error> {
    let refused = |error: std::io::Error| Error::System(format!("cannot handle signals: {error}"));
    flag::register(SIGHUP, flag).map(drop).map_err(refused)
}

/// Makes the first signal cancel and the second one deadly.
///
/// # Errors
/// When the system refuses.
pub(super) fn install(cancel: &Cancel) -> Result<(), Error> {
    let refused = |error: std::io::Error| Error::System(format!("cannot handle signals: {error}"));
    let seen = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Process 1 has no default to fall back on.
        if std::process::id() == 1 {
            flag::register_conditional_shutdown(signal, 128 + signal, seen.clone())
        } else {
            flag::register_conditional_default(signal, seen.clone())
        }
        .map_err(refused)?;
        // After the line above: the first signal must find the flag unset there.
        flag::register(signal, seen.clone()).map_err(refused)?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(refused)?;
    let cancel = cancel.clone();
    std::thread::Builder::new()
        .name("vp-signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                log::info!(
                    "signal {signal}: finishing what is in flight, once more to leave at once"
                );
                cancel.by_signal(signal);
            }
        })
        .map_err(refused)?;
    Ok(())
}
