//! Finding a run's data again, from any working directory and after a move. Data is identified by its fingerprint,
//! not by its path.

use std::fmt::Display;
use std::fs;
use std::path::{Path, absolute};

use super::data_record::DataRecord;
use super::manifest::Manifest;
use crate::augment::Augment;
use crate::data::{self, DataSet, Options, Progress, Reading, is_named};
use crate::preprocess::Geometry;
use crate::text::shown::escaped;

/// Why data cannot be opened for a run.
#[derive(Debug, thiserror::Error)]
pub enum DataLocationError {
    /// The run's data is not at any known location.
    #[error(
        "the images of this run were not found: expected the fingerprint {expected}\n\
         {}\ngive the place of the same images with --data", .looked.join("; ")
    )]
    NotFound {
        /// The run's fingerprint.
        expected: String,
        /// What was found at each location.
        looked: Vec<String>,
    },
    /// Imported weights have no data.
    #[error("the weights of this run were imported, so it has no images of its own: give --data")]
    Imported,
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] data::Error),
}

/// Data given by the user in place of a run's own.
#[derive(Clone, Copy, Debug)]
pub struct GivenData<'a> {
    /// Its location.
    pub location: &'a str,
    /// How to read it where its format leaves that open.
    pub reading: &'a Reading,
}

/// Data opened for a run.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The data.
    pub data: DataSet,
    /// Whether it is the run's own data, split as for the training.
    pub own: bool,
}

impl DataRecord {
    /// Records the location of the data: as given, absolute, and relative to the folder `run`, which must exist.
    pub fn record_location(&mut self, source: &str, run: &Path) {
        (self.source, self.absolute, self.relative) = (source.to_owned(), None, None);
        if is_named(source) {
            return;
        }
        let text = |path: &Path| path.to_str().map(str::to_owned);
        self.absolute = absolute(source).ok().as_deref().and_then(text);
        // `..` is only reliable between canonical paths.
        if let (Ok(data), Ok(run)) = (Path::new(source).canonicalize(), run.canonicalize()) {
            self.relative = pathdiff::diff_paths(data, run).as_deref().and_then(text);
        }
    }

    /// Records where the data of the run in `run` was found, or `given` by the user; returns whether that changed
    /// anything.
    pub fn record_new_location(&mut self, location: &str, given: bool, run: &Path) -> bool {
        let before = self.clone();
        self.record_location(location, run);
        if !given {
            self.source.clone_from(&before.source);
        }
        let real = |path: &Option<String>| path.as_ref().and_then(|path| fs::canonicalize(path).ok());
        if real(&self.absolute) == real(&before.absolute) {
            self.absolute.clone_from(&before.absolute); // another path to the same data
        }
        *self != before
    }

    /// The possible locations of the run's data: relative to the run folder, absolute, as given.
    fn locations(&self, run: &Path) -> Vec<String> {
        let from_run = |relative: &String| {
            let path = run.join(relative);
            path.canonicalize().unwrap_or(path).to_string_lossy().into_owned()
        };
        let relative = self.relative.as_ref().map(from_run);
        let mut locations: Vec<String> = relative.into_iter().chain(self.absolute.clone()).collect();
        locations.push(self.source.clone());
        locations.dedup();
        locations
    }

    /// The first of these at which there is something, else the place as given.
    pub(crate) fn place(&self, run: &Path) -> String {
        let there = |location: &String| is_named(location) || Path::new(location).exists();
        self.locations(run).into_iter().find(there).unwrap_or_else(|| self.source.clone())
    }

    /// Whether `data` has the run's fingerprint.
    fn knows(&self, data: &DataSet) -> bool {
        self.fingerprint_of(data) == self.fingerprint
    }

    /// Opens the run's data at `given`, or at the first known location that has it; returns the location too.
    ///
    /// # Errors
    /// [`DataLocationError::NotFound`] if no location has this data; the error of `open` if there is only one
    /// location.
    pub fn find<E: From<DataLocationError> + Display>(
        &self,
        run: &Path,
        given: Option<&str>,
        open: &mut dyn FnMut(&str) -> Result<DataSet, E>,
    ) -> Result<(String, DataSet), E> {
        let locations = given.map_or_else(|| self.locations(run), |given| vec![given.to_owned()]);
        let (only, mut looked) = (locations.len() == 1, Vec::new());
        for location in locations {
            let shown = escaped(&location);
            if given.is_none() && !is_named(&location) && !Path::new(&location).exists() {
                looked.push(format!("nothing is at {shown}"));
                continue;
            }
            match open(&location) {
                Ok(data) if self.knows(&data) => return Ok((location, data)),
                Ok(data) => looked.push(format!(
                    "at {shown} the fingerprint is {} ({} training and {} test images)",
                    self.fingerprint_of(&data),
                    data.train.len(),
                    data.test.len()
                )),
                Err(error) if only => return Err(error),
                Err(error) => {
                    let problem = error.to_string();
                    looked.push(format!("at {shown}: {}", problem.lines().next().unwrap_or_default()));
                }
            }
        }
        Err(DataLocationError::NotFound { expected: self.fingerprint.clone(), looked }.into())
    }
}

/// The options with which the run's own data was opened for its training.
fn as_trained(manifest: &Manifest, geometry: Geometry) -> Result<Options, DataLocationError> {
    let record = &manifest.data;
    Ok(Options {
        size: Some((geometry.height, geometry.width)),
        holdout: record.holdout.as_deref().map(str::parse).transpose()?,
        validation: record.validation.as_deref().map(str::parse).transpose()?,
        fold: record.fold.clone(),
        reading: record.reading.clone(),
        labels: record.labels,
        limit: record.limit,
        framing: manifest.framing(),
        on_disk: manifest.recipe.augment == Augment::CropFlip,
        ..Options::default()
    })
}

/// Opens `given`, or the run's own data, resized to `geometry`. The run's own data, however its path is spelled,
/// is split as for the training; other data is opened whole. With `in_memory`, images of a folder are loaded even
/// if the training left them on disk.
///
/// # Errors
/// As [`DataRecord::find`]; [`DataLocationError::Imported`]; data that cannot be read.
pub fn open_data(
    (run, manifest): (&Path, &Manifest),
    geometry: Geometry,
    given: Option<GivenData<'_>>,
    in_memory: bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Opened, DataLocationError> {
    let record = &manifest.data;
    let mut trained = as_trained(manifest, geometry)?;
    // The folder of the named image files may have moved with the data.
    if let Some(root) = given.and_then(|given| given.reading.image_root.clone()) {
        trained.reading.image_root = Some(root);
    }
    let wanted = Options { on_disk: trained.on_disk && !in_memory, ..trained.clone() };
    // The same images read in another way are other data.
    let other = |given: GivenData| {
        let given = given.reading.anywhere();
        !given.is_default() && given != trained.reading.anywhere()
    };
    let own = if manifest.imported.is_some() || given.is_some_and(other) {
        Err(DataLocationError::Imported)
    } else {
        let given = given.map(|given| given.location);
        // The fingerprint depends on whether the images were in memory or on disk during training.
        let found = record.find(run, given, &mut |location| Ok(data::open(location, &trained, progress)?));
        found.and_then(|(location, data)| {
            Ok(if wanted == trained { data } else { data::open(&location, &wanted, progress)? })
        })
    };
    match (own, given) {
        (Ok(data), _) => Ok(Opened { data, own: true }),
        (Err(error), None) => Err(error),
        (Err(_), Some(given)) => {
            let reading = given.reading.clone();
            let whole = Options {
                holdout: None,
                fold: None,
                validation: None,
                limit: None,
                reading,
                whole: true,
                ..wanted
            };
            Ok(Opened { data: data::open(given.location, &whole, progress)?, own: false })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::shapes;
    use crate::text::shown::PathText;

    fn record(data: &DataSet) -> DataRecord {
        DataRecord {
            source: String::new(),
            absolute: None,
            relative: None,
            holdout: None,
            validation: None,
            labels: data::Labels::Fine,
            limit: None,
            fingerprint: data.fingerprint.clone(),
            train_images: data.train.len(),
            validation_images: 0,
            test_images: data.test.len(),
            fold: None,
            reading: Reading::default(),
            notes: vec![],
            ignored: vec![],
        }
    }

    #[test]
    fn a_place_is_noted_from_the_run_folder_and_from_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let (run, photos) = (folder.path().join("runs/a"), folder.path().join("photos"));
        [&run, &photos].into_iter().for_each(|path| fs::create_dir_all(path).unwrap());
        let mut record = record(&shapes::draw(0, 1, 1));
        record.record_location(photos.to_str().unwrap(), &run);
        assert_eq!(record.relative.as_deref(), Some("../../photos"));
        assert_eq!(record.absolute.as_deref(), photos.to_str());
        record.record_location("shapes", &run);
        assert_eq!((record.source.as_str(), record.absolute, record.relative), ("shapes", None, None));
    }

    #[test]
    fn data_is_looked_for_from_the_run_folder_first_and_must_be_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let locations = ["near", "far", "here"].map(|name| folder.path().join(name).text());
        locations.iter().for_each(|location| fs::create_dir(location).unwrap());
        let (own, other) = (shapes::draw(0, 2, 1), shapes::draw(1, 2, 1));
        let mut record = record(&own);
        let [_, far, here] = locations.clone();
        (record.relative, record.absolute, record.source) = (Some("near".into()), Some(far), here);
        let found = |right: Option<usize>| {
            let mut tried = Vec::new();
            let found = record.find::<DataLocationError>(folder.path(), None, &mut |location| {
                tried.push(location.to_owned());
                let is = right.is_some_and(|right| locations[right] == location);
                Ok(if is { own.clone() } else { other.clone() })
            });
            (tried.len(), found.map(|(location, _)| location).map_err(|error| error.to_string()))
        };
        for (right, location) in locations.iter().enumerate() {
            assert_eq!(found(Some(right)), (right + 1, Ok(location.clone())));
        }
        let error = found(None).1.unwrap_err();
        assert!(error.contains(&own.fingerprint) && error.contains(&other.fingerprint), "{error}");
        assert!(error.contains("--data") && error.lines().count() == 3, "{error}");
        // A run of an earlier version has only the location as given.
        (record.relative, record.absolute, record.source) = (None, None, "gone".into());
        let open = &mut |_: &str| -> Result<DataSet, DataLocationError> { unreachable!("nothing is there") };
        let error = record.find(folder.path(), None, open).unwrap_err().to_string();
        assert!(error.contains("nothing is at gone") && error.contains("--data"), "{error}");
    }
}
