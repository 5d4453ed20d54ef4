//! Ctrl-C, SIGTERM and SIGHUP: the first signal requests an orderly end, the second one ends the program at once.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::failure::{self, EXIT_INTERRUPTED};
use crate::streams;

/// Installs handlers: the first signal (Ctrl-C, SIGTERM, SIGHUP of the terminal) sets `stop`, a second one ends the program.
pub fn listen(stop: &Arc<AtomicBool>) -> io::Result<()> {
    platform::listen(Arc::clone(stop), Arc::default())
}

/// As [`listen`], but while `at_rest` is set the first signal ends the program: there is nothing to save then, and
/// nobody reads `stop`.
pub fn listen_beside(stop: &Arc<AtomicBool>, at_rest: &Arc<AtomicBool>) -> io::Result<()> {
    platform::listen(Arc::clone(stop), Arc::clone(at_rest))
}

/// The exit code of work that saves its state; `shown` is the outcome of printing its result. Interrupted work returns its
/// own exit code even if standard output is closed, as after the end of a terminal.
pub fn exit_code(interrupted: bool, shown: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    match shown {
        Ok(()) if !interrupted => Ok(ExitCode::SUCCESS),
        Err(error) if !interrupted => Err(error),
        shown => {
            if let Err(error) = shown {
                streams::warning(&failure::message(&error));
            }
            Ok(ExitCode::from(EXIT_INTERRUPTED))
        }
    }
}

#[cfg(unix)]
mod platform {
    use std::io;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use allcnn::data::open_file;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level;

    use crate::failure::EXIT_INTERRUPTED;

    /// Signals this close together count as one: `timeout` signals the program and then its whole group, and when a terminal
    /// closes, the shell sends SIGHUP before the system does.
    const ONE_WISH: Duration = Duration::from_millis(500);

    pub fn listen(stop: Arc<AtomicBool>, at_rest: Arc<AtomicBool>) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        if hangup_ends() {
            signals.add_signal(SIGHUP)?;
        }
        let wait = move || {
            let mut first: Option<Instant> = None;
            for _ in signals.forever() {
                let is_second = first.get_or_insert_with(Instant::now).elapsed() >= ONE_WISH;
                if is_second || at_rest.load(Ordering::Relaxed) {
                    low_level::exit(EXIT_INTERRUPTED.into());
                }
                stop.store(true, Ordering::Relaxed);
            }
        };
        thread::Builder::new().name("signals".into()).spawn(wait).map(|_| ())
    }

    /// Whether SIGHUP ends the program: false if the program was started with SIGHUP ignored, as by `nohup`, or if that cannot
    /// be determined.
    fn hangup_ends() -> bool {
        open_file::read_text(Path::new("/proc/self/status"), open_file::SETTINGS)
            .is_ok_and(|status| ignored(&status) & (1 << (SIGHUP - 1)) == 0)
    }

    /// The ignored signals, a bit each; all if the text does not list them.
    fn ignored(status: &str) -> u64 {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(u64::MAX)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn ignored_signals_are_bits() {
            assert_eq!(
                ignored("Name:\tallcnn\nSigIgn:\t0000000000001001\nSigCgt:\t0000000180000440\n"),
                0x1001
            );
            assert_eq!(ignored("Name:\tallcnn\n"), u64::MAX);
        }
    }
}

#[cfg(not(unix))]
mod platform {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;

    use crate::failure::EXIT_INTERRUPTED;

    pub fn listen(stop: Arc<AtomicBool>, at_rest: Arc<AtomicBool>) -> io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the exit sees the flag of an earlier signal, then this one sets it.
            flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED.into(), Arc::clone(&stop))?;
            flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED.into(), Arc::clone(&at_rest))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(())
    }
}
