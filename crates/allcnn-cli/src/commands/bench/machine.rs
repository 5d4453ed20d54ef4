//! The machine while it is measured: its peak, looked for again and again beside the rest, and what others took of it.
//!
//! One measurement of the peak may fall into a bad moment (another program, a lower clock), and shares of it would
//! then exceed 100 %. So it is measured before, between and after all else, and the best one is the peak. How far they
//! lie apart, and for how long threads that could run did not, tell whether the other figures are to be trusted.

use std::path::Path;
use std::time::Instant;

use allcnn::data::open_file;
use allcnn_device::Error;
use serde::Serialize;

use crate::device::MeasuresPeak;

/// Measurements of the peak of an idle machine lie closer together.
const SPREAD: f64 = 0.1;
/// Less of the threads' time is lost on an idle machine.
const LOST: f64 = 0.05;
/// The unit of times in `/proc/stat`, which is the same on every Linux, in seconds.
const TICK: f64 = 0.01;

/// What is known of the machine so far.
#[derive(Debug)]
pub(super) struct Machine {
    threads: usize,
    peaks: Vec<f64>,
    begin: Instant,
    before: Lost,
}

/// What `--json` says of it.
#[derive(Debug, Serialize)]
pub(super) struct Condition {
    /// Measurements of the peak, in their order, GFLOP/s.
    peaks_gflops: Vec<f64>,
    /// (largest - smallest) / largest of them.
    peak_spread: f64,
    /// The share of the threads' time that they waited for a processor which ran something else. `None` without /proc.
    waited_share: Option<f64>,
    /// The share of the processors' time that the host of a virtual machine gave to others. `None` without /proc.
    stolen_share: Option<f64>,
    /// Whether one of these is more than on an idle machine.
    disturbed: bool,
}

impl Machine {
    /// Begins to watch, with a first measurement of the peak.
    pub(super) fn watch<D: MeasuresPeak>(device: &D, threads: usize) -> Result<Self, Error> {
        let mut machine = Self { threads, peaks: Vec::new(), begin: Instant::now(), before: Lost::so_far() };
        machine.measure_peak(device)?;
        Ok(machine)
    }

    /// Measures the peak once more.
    pub(super) fn measure_peak<D: MeasuresPeak>(&mut self, device: &D) -> Result<(), Error> {
        self.peaks.push(device.measure_peak_gflops()?);
        Ok(())
    }

    /// Threads that compute.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// The best measurement of the peak so far, in GFLOP/s.
    pub(super) fn peak_gflops(&self) -> f64 {
        self.peaks.iter().copied().fold(0.0, f64::max)
    }

    /// Its condition since it is watched.
    pub(super) fn condition(&self) -> Condition {
        let now = Lost::so_far();
        let seconds = self.begin.elapsed().as_secs_f64();
        let share = |before: Option<f64>, now: Option<f64>, times: usize| {
            Some(((now? - before?) / (seconds * times as f64)).clamp(0.0, 1.0))
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Condition::new(
            self.peaks.clone(),
            share(self.before.waited, now.waited, self.threads),
            share(self.before.stolen, now.stolen, processors),
        )
    }
}

impl Condition {
    fn new(peaks_gflops: Vec<f64>, waited_share: Option<f64>, stolen_share: Option<f64>) -> Self {
        let largest = peaks_gflops.iter().copied().fold(0.0, f64::max);
        let smallest = peaks_gflops.iter().copied().fold(f64::INFINITY, f64::min);
        let peak_spread = if largest > 0.0 { (largest - smallest) / largest } else { 0.0 };
        let is_lost = |share: Option<f64>| share.is_some_and(|share| share > LOST);
        let disturbed = peak_spread > SPREAD || is_lost(waited_share) || is_lost(stolen_share);
        Self { peaks_gflops, peak_spread, waited_share, stolen_share, disturbed }
    }

    /// A sentence for people where it was disturbed.
    pub(super) fn warning(&self) -> Option<String> {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let mut signs = Vec::new();
        if self.peak_spread > SPREAD {
            signs.push(format!("measurements of the peak differ by {}", percent(self.peak_spread)));
        }
        let lost = [
            (self.waited_share, "other programs had the processors for"),
            (self.stolen_share, "other virtual machines had the processors for"),
        ];
        for (share, what) in lost {
            if let Some(share) = share.filter(|&share| share > LOST) {
                signs.push(format!("{what} {} of the time", percent(share)));
            }
        }
        let signs = (!signs.is_empty()).then(|| signs.join(", "))?;
        Some(format!("the machine was disturbed ({signs}): measure again when it is idle"))
    }
}

/// Seconds that were lost to others since the start of this process and of the machine.
#[derive(Clone, Copy, Debug)]
struct Lost {
    /// By the threads of this process.
    waited: Option<f64>,
    /// By all processors.
    stolen: Option<f64>,
}

impl Lost {
    fn so_far() -> Self {
        Self { waited: waited(), stolen: stolen() }
    }
}

/// Seconds that the threads of this process could run and did not: the second number of each `schedstat`, in ns.
fn waited() -> Option<f64> {
    let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
        let text = open_file::read_text(&thread.ok()?.path().join("schedstat"), open_file::SETTINGS).ok()?;
        text.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let threads: Vec<f64> = std::fs::read_dir("/proc/self/task").ok()?.filter_map(of_thread).collect();
    (!threads.is_empty()).then(|| threads.iter().sum::<f64>() / 1e9)
}

/// Seconds that a host has taken from all processors: the eighth number of the first line of `/proc/stat`.
fn stolen() -> Option<f64> {
    let text = open_file::read_text(Path::new("/proc/stat"), open_file::SETTINGS).ok()?;
    let ticks: f64 = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().nth(7)?.parse().ok()?;
    Some(ticks * TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_machine_is_not_disturbed_and_each_sign_disturbs() {
        let condition = |peaks: &[f64], waited, stolen| Condition::new(peaks.to_vec(), waited, stolen);
        let idle = condition(&[98.0, 100.0, 99.0], Some(0.01), Some(0.0));
        assert!(!idle.disturbed && idle.warning().is_none());
        assert!((idle.peak_spread - 0.02).abs() < 1e-12);
        let unknown = condition(&[98.0], None, None);
        assert!(!unknown.disturbed && unknown.warning().is_none());
        for (disturbed, sign) in [
            (condition(&[60.0, 100.0], None, None), "peak differ by 40 %"),
            (condition(&[100.0], Some(0.25), Some(0.0)), "other programs had the processors for 25 %"),
            (condition(&[100.0], Some(0.0), Some(0.5)), "virtual machines had the processors for 50 %"),
        ] {
            let warning = disturbed.warning().unwrap();
            assert!(disturbed.disturbed && warning.contains(sign), "{warning}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_tells_what_was_lost() {
        let lost = Lost::so_far();
        assert!(lost.waited.is_some_and(|seconds| seconds >= 0.0), "{lost:?}");
        assert!(lost.stolen.is_some_and(|seconds| seconds >= 0.0), "{lost:?}");
    }
}
