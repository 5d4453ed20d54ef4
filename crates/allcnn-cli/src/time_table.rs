//! The table of `--verbose`: where a command's time went.

use allcnn::observer::{Phase, Times};

use crate::output::{Align, Table};

/// A line per phase that took time, and one for the images that were read beside them.
pub(crate) fn time_table(times: &Times) -> String {
    let mut table = Table::new(&[("where the time went", Align::Left), ("seconds", Align::Right)]);
    for phase in Phase::ALL.into_iter().filter(|&phase| !times.of(phase).is_zero()) {
        table.row([phase.words().to_owned(), format!("{:.2}", times.of(phase).as_secs_f64())]);
    }
    let beside = times.beside().map_or_else(String::new, |beside| {
        format!(
            "beside that, on all threads together: reading images {:.2}, decoding images {:.2}",
            beside.reading.as_secs_f64(),
            beside.decoding.as_secs_f64()
        )
    });
    format!("{table}{beside}").trim_end().to_owned()
}
