//! Ctrl-C: the first one asks for an orderly end, the second one ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit code of a run that was interrupted after saving.
pub const EXIT_INTERRUPTED: u8 = 130;

/// From now on the first SIGINT or SIGTERM sets `stop` and a second one ends the program.
pub fn listen(stop: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the exit sees the flag of an earlier signal, then this one sets it.
        flag::register_conditional_shutdown(signal, i32::from(EXIT_INTERRUPTED), Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}
