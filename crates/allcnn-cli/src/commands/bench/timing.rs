//! Timing of benchmarks.

use std::time::{Duration, Instant};

/// Warm-up runs.
const WARM_UP: usize = 2;

/// The median time of `work` over `repeats` runs after the warm-up.
pub(super) fn median(
    repeats: usize,
    mut work: impl FnMut() -> Result<(), allcnn_device::Error>,
) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(repeats);
    for run in 0..WARM_UP + repeats {
        let begin = Instant::now();
        work()?;
        if run >= WARM_UP {
            times.push(begin.elapsed());
        }
    }
    times.sort_unstable();
    let middle = (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2;
    Ok(middle)
}
