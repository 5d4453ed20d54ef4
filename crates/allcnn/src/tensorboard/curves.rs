//! Writes the figures of epochs into an event file.
//!
//! Each session writes a file of its own: whole at first, with the epochs that are done, in the place of the earlier sessions'
//! files, so that no point is there twice; then a record an epoch is appended through the open file. A process that lost its run
//! folder so appends to a file that is gone. A record that was cut off by a kill is one that TensorBoard waits for, and the next
//! session writes it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::event::{self, START, SessionLog, Summary, Value};
use super::record;
use crate::observer::{Event, Observer};
use crate::run::{EpochRow, Progress, RunFolder};

/// How the names of event files begin ...
const PREFIX: &str = "events.out.tfevents.";
/// ... and how those of this program end.
const SUFFIX: &str = ".allcnn";

/// Passes the events of a training on, and writes its curves on the way. A file that cannot be written is a warning: the curves
/// are in `metrics.csv` too.
pub(crate) struct Curves<'o> {
    file: Option<File>,
    /// The steps that are done.
    step: u64,
    observer: &'o mut dyn Observer,
}

impl<'o> Curves<'o> {
    /// Begins to write the curves of a run, if `wanted` or if an earlier session did.
    pub(crate) fn begin(
        run: &RunFolder,
        progress: &Progress,
        wanted: bool,
        observer: &'o mut dyn Observer,
    ) -> Self {
        let mut curves = Self { file: None, step: progress.step, observer };
        match begun(run, progress, wanted) {
            Ok(file) => curves.file = file,
            Err(error) => curves.give_up(&error.to_string()),
        }
        curves
    }

    fn append(&mut self, row: &EpochRow) {
        let Some(file) = &mut self.file else { return };
        let mut bytes = vec![];
        push_row(&mut bytes, row, self.step, now());
        if let Err(error) = file.write_all(&bytes) {
            self.give_up(&error.to_string());
        }
    }

    fn give_up(&mut self, error: &str) {
        self.file = None;
        self.observer.observe(Event::Warning(&format!("nothing more is written for TensorBoard: {error}")));
    }
}

impl Observer for Curves<'_> {
    fn observe(&mut self, event: Event<'_>) {
        match &event {
            Event::Step { step, .. } => self.step = *step,
            Event::Epoch { row, .. } => self.append(row),
            _ => {}
        }
        self.observer.observe(event);
    }
}

/// Replaces the event files of earlier sessions by a new one and opens it.
fn begun(run: &RunFolder, progress: &Progress, wanted: bool) -> io::Result<Option<File>> {
    let earlier = earlier(run)?;
    if earlier.is_empty() && !wanted {
        return Ok(None);
    }
    earlier.iter().try_for_each(fs::remove_file)?;
    let path = run.path().join(format!("{PREFIX}{:010}{SUFFIX}", now() as u64));
    run.write(&path, &contents(progress, now())).map_err(io::Error::other)?;
    OpenOptions::new().append(true).open(path).map(Some)
}

/// This program's event files in a run folder.
fn earlier(run: &RunFolder) -> io::Result<Vec<PathBuf>> {
    let files: io::Result<Vec<_>> = fs::read_dir(run.path())?.collect();
    let is_ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    let ours = files?.into_iter().filter(|file| file.file_name().to_str().is_some_and(is_ours));
    Ok(ours.map(|file| file.path()).collect())
}

/// A file of the epochs that are done, `now` seconds after 1970. Their times are those of a training without pauses.
fn contents(progress: &Progress, now: f64) -> Vec<u8> {
    let mut file = vec![];
    let begins = event::Event { wall_time: now - progress.seconds, ..Default::default() };
    let version = event::Event { file_version: Some("brain.Event:2".into()), ..begins.clone() };
    let start = event::Event { session_log: Some(SessionLog { status: START }), ..begins };
    record::push(&mut file, &version.encode_to_vec());
    record::push(&mut file, &start.encode_to_vec());
    for row in &progress.history {
        let step = (u64::from(row.epoch) * progress.epoch_steps).min(progress.step);
        push_row(&mut file, row, step, now - (progress.seconds - row.seconds).max(0.0));
    }
    file
}

/// Appends the record of an epoch that ended with step `step`.
fn push_row(file: &mut Vec<u8>, row: &EpochRow, step: u64, wall_time: f64) {
    let points = [
        ("loss/train", Some(row.train_loss)),
        ("loss/validation", row.validation_loss),
        ("loss/test", row.test_loss),
        ("error/train", Some(row.train_error_pct)),
        ("error/validation", row.validation_error_pct),
        ("error/test", row.test_error_pct),
        ("learning_rate", Some(row.learning_rate)),
        ("images_per_s", Some(row.images_per_s)),
    ];
    let value = |(tag, value): (&str, Option<f64>)| {
        Some(Value { tag: tag.into(), simple_value: Some(value? as f32) })
    };
    let summary = Summary { value: points.into_iter().filter_map(value).collect() };
    let record =
        event::Event { wall_time, step: step as i64, summary: Some(summary), ..event::Event::default() };
    record::push(file, &record.encode_to_vec());
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: u32) -> EpochRow {
        let seconds = 10.0 * f64::from(epoch);
        EpochRow { epoch, train_loss: 1.5, test_error_pct: Some(25.0), seconds, ..EpochRow::default() }
    }

    /// The messages of a file, whose framing is checked with the crate's own checksums.
    fn messages(bytes: &[u8]) -> Vec<event::Event> {
        let (mut rest, mut messages) = (bytes, vec![]);
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let message = &rest[12..12 + length];
            let mut framed = vec![];
            record::push(&mut framed, message);
            assert_eq!(framed, rest[..16 + length]);
            messages.push(event::Event::decode(message).unwrap());
            rest = &rest[16 + length..];
        }
        messages
    }

    #[test]
    fn the_epochs_that_are_done_stand_at_their_steps_and_times() {
        let progress = Progress {
            step: 9,
            total_steps: 20,
            epoch_steps: 4,
            seconds: 25.0,
            history: vec![row(1), row(2)],
            ..Progress::default()
        };
        let messages = messages(&contents(&progress, 1000.0));
        assert_eq!(messages[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(messages[1].session_log, Some(SessionLog { status: START }));
        let steps: Vec<_> = messages[2..].iter().map(|message| (message.step, message.wall_time)).collect();
        assert_eq!(steps, [(4, 985.0), (8, 995.0)]);
        let summary = messages[3].summary.clone().unwrap();
        let tags: Vec<&str> = summary.value.iter().map(|value| value.tag.as_str()).collect();
        assert_eq!(tags, ["loss/train", "error/train", "error/test", "learning_rate", "images_per_s"]);
        let values: Vec<f32> = summary.value.iter().filter_map(|value| value.simple_value).collect();
        assert_eq!(values, [1.5, 0.0, 25.0, 0.0, 0.0], "zeros are written too");
    }

    #[test]
    fn another_session_replaces_the_file_and_repeats_no_point() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let mut progress = Progress { total_steps: 20, epoch_steps: 4, ..Progress::default() };
        let mut nobody = ();
        assert!(Curves::begin(&run, &progress, false, &mut nobody).file.is_none(), "nobody asked for it");
        for session in 1..=3 {
            let mut curves = Curves::begin(&run, &progress, session == 1, &mut nobody);
            for _ in 0..2 {
                let row = row(progress.history.len() as u32 + 1);
                curves.step += 4;
                curves.append(&row);
                progress.history.push(row);
                progress.step += 4;
            }
            drop(curves);
            let [file] = &earlier(&run).unwrap()[..] else { panic!("one file") };
            let messages = messages(&fs::read(file).unwrap());
            let steps: Vec<i64> = messages[2..].iter().map(|message| message.step).collect();
            assert_eq!(steps, (1..=2 * session).map(|epoch| 4 * epoch).collect::<Vec<_>>());
        }
    }
}
