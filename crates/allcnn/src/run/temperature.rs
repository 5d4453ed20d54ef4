//! The temperature of a run's probabilities, in the file `calibration.toml`; a run without validation images has none.

use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::error::RunError;
use super::folder::RunFolder;
use crate::data::open_file;
use crate::text::toml_text;

/// The temperature by which a checkpoint's logits are divided ([`crate::score::fit_temperature`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperature {
    /// The temperature, above 0.
    pub temperature: f64,
    /// The epoch of the checkpoint that it was fitted for, from 1.
    pub epoch: usize,
    /// The validation images that it was fitted on.
    pub images: usize,
    /// Their mean cross-entropy, without it and with it.
    pub loss: [f64; 2],
    /// Their expected calibration error, without it and with it; 0 to 1.
    pub expected_calibration_error: [f64; 2],
}

impl RunFolder {
    /// The path of the temperature.
    pub fn calibration(&self) -> PathBuf {
        self.path().join("calibration.toml")
    }

    /// Reads the temperature of a checkpoint; `None` if the run has none, or one of another checkpoint.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn temperature(&self, checkpoint: &Checkpoint) -> Result<Option<Temperature>, RunError> {
        Ok(self.stored_temperature()?.filter(|stored| stored.epoch == checkpoint.progress.history.len()))
    }

    /// Like [`RunFolder::temperature`], for a caller that needs one.
    ///
    /// # Errors
    /// [`RunError::NotCalibrated`]; a file that cannot be read.
    pub fn expect_temperature(&self, checkpoint: &Checkpoint) -> Result<f64, RunError> {
        let epoch = checkpoint.progress.history.len();
        let why = match self.stored_temperature()? {
            Some(stored) if stored.epoch == epoch => return Ok(stored.temperature),
            Some(stored) => {
                format!(
                    "its temperature is of the checkpoint of epoch {}, not of epoch {epoch}",
                    stored.epoch
                )
            }
            None => "no temperature was fitted for it".to_owned(),
        };
        Err(RunError::NotCalibrated { path: self.path().into(), why })
    }

    /// Writes the temperature.
    ///
    /// # Errors
    /// As [`RunFolder::write_metrics`].
    pub(crate) fn write_temperature(&self, temperature: &Temperature) -> Result<(), RunError> {
        let path = self.calibration();
        let text = toml::to_string(temperature)
            .map_err(|error| RunError::Manifest { path: path.clone(), problem: error.to_string() })?;
        self.write(&path, text.as_bytes())
    }

    fn stored_temperature(&self) -> Result<Option<Temperature>, RunError> {
        let path = self.calibration();
        let text = match open_file::read_text(&path, open_file::SETTINGS) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RunError::Io { action: "read", path, source }),
            Ok(text) => text,
        };
        parse(&text).map(Some).map_err(|problem| RunError::Manifest { path, problem })
    }
}

/// Parses a `calibration.toml`; the error describes the problem.
pub(crate) fn parse(text: &str) -> Result<Temperature, String> {
    let stored: Temperature = toml_text::parse(text)?;
    let temperature = stored.temperature;
    if temperature.is_finite() && temperature > 0.0 {
        Ok(stored)
    } else {
        Err(format!("its temperature is {temperature}, expected a number above 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_survives_its_file_and_an_absurd_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        assert_eq!(run.stored_temperature().unwrap(), None);
        let stored = Temperature {
            temperature: 1.83,
            epoch: 7,
            images: 500,
            loss: [0.5, 0.4],
            expected_calibration_error: [0.08, 0.02],
        };
        run.write_temperature(&stored).unwrap();
        assert_eq!(run.stored_temperature().unwrap(), Some(stored));
        for absurd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            run.write_temperature(&Temperature { temperature: absurd, ..stored }).unwrap();
            let error = run.stored_temperature().unwrap_err().to_string();
            assert!(error.contains("calibration.toml") && error.contains("above 0"), "{error}");
        }
    }
}
