//! Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 (which Slurm sends some time before the end, if asked to): the first signal requests an
//! orderly end, the second one ends the program at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::exit::Exit;
use crate::failure;
use crate::streams;

/// Installs handlers: the first signal (Ctrl-C, SIGTERM, SIGUSR1, SIGHUP of the terminal) sets `stop`, a second one ends the program.
pub(crate) fn listen(stop: &Arc<AtomicBool>) -> io::Result<()> {
    platform::listen(Arc::clone(stop), Arc::default())
}

/// As [`listen`], but while `at_rest` is set the first signal ends the program: there is nothing to save then, and
/// nobody reads `stop`.
pub(crate) fn listen_beside(stop: &Arc<AtomicBool>, at_rest: &Arc<AtomicBool>) -> io::Result<()> {
    platform::listen(Arc::clone(stop), Arc::clone(at_rest))
}

/// The exit code of work that saves its state; `shown` is the outcome of printing its result. Interrupted work returns its
/// own exit code even if standard output is closed, as after the end of a terminal.
pub(crate) fn exit_code(interrupted: bool, shown: anyhow::Result<()>) -> anyhow::Result<Exit> {
    match shown {
        Ok(()) if !interrupted => Ok(Exit::DONE),
        Err(error) if !interrupted => Err(error),
        shown => {
            if let Err(error) = shown {
                streams::warning(&failure::message(&error));
            }
            Ok(Exit::INTERRUPTED)
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
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level;

    use crate::exit::Exit;

    /// Signals this close together count as one: `timeout` signals the program and then its whole group, and when a terminal
    /// closes, the shell sends SIGHUP before the system does.
    const ONE_WISH: Duration = Duration::from_millis(500);

    pub(super) fn listen(stop: Arc<AtomicBool>, at_rest: Arc<AtomicBool>) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
        if hangup_ends() {
            signals.add_signal(SIGHUP)?;
        }
        let wait = move || {
            let mut first: Option<Instant> = None;
            for _ in signals.forever() {
                let is_second = first.get_or_insert_with(Instant::now).elapsed() >= ONE_WISH;
                if is_second || at_rest.load(Ordering::Relaxed) {
                    low_level::exit(Exit::INTERRUPTED.0.into());
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

    use crate::exit::Exit;

    pub fn listen(stop: Arc<AtomicBool>, at_rest: Arc<AtomicBool>) -> io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the exit sees the flag of an earlier signal, then this one sets it.
            flag::register_conditional_shutdown(signal, Exit::INTERRUPTED.0.into(), Arc::clone(&stop))?;
            flag::register_conditional_shutdown(signal, Exit::INTERRUPTED.0.into(), Arc::clone(&at_rest))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(())
    }
}
