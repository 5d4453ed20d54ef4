//! The request for a training, from a user or from an existing run.

use std::time::Duration;

use super::data_record::DataRecord;
use super::error::RunError;
use super::manifest::{Manifest, PROGRAM, Session};
use crate::data::{self, DataSet, Framing, Ignored, Labels, Reading};
use crate::net::{NetError, Network};
use crate::recipe::Recipe;

/// What to train, on what data, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainRequest {
    /// The model: the name of a built-in network, or a TOML file.
    pub model: String,
    /// The network itself, where it is not opened by that name: that of the weights to begin with, whose number of classes
    /// gives way to that of the data.
    pub network: Option<Network>,
    /// The weights to begin with, where not all are drawn: see [`Source::open`](crate::transfer::Source::open).
    pub from: Option<String>,
    /// The last of the layers that keep the weights they began with.
    pub freeze: Option<String>,
    /// Height and width of the network's input, if not its own.
    pub input: Option<(usize, usize)>,
    /// The data: see [`data::open`].
    pub data: String,
    /// What to hold out for testing.
    pub holdout: Option<data::Holdout>,
    /// What to take out of the training images for validation, where the data has no such split.
    pub validation: Option<data::Holdout>,
    /// How images are fitted to the input size, if not as the augmentation has it.
    pub framing: Option<Framing>,
    /// The fold of the training images to hold out for testing, instead of a holdout.
    pub fold: Option<data::Fold>,
    /// How to read the data where its format leaves that open.
    pub reading: data::Reading,
    /// The label set of CIFAR-100.
    pub labels: Labels,
    /// The most training images to use.
    pub limit: Option<usize>,
    /// The hyperparameters.
    pub recipe: Recipe,
    /// What determines the number of steps.
    pub length: Length,
    /// The time limit, from now. If it does not determine the length, the training stops then and can be resumed.
    pub time_limit: Option<Duration>,
    /// Whether to write the curves for TensorBoard too. A run that has such a file goes on with it.
    pub tensorboard: bool,
}

/// What determines the number of steps of a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// The recipe's epochs or iterations.
    #[default]
    OfRecipe,
    /// The number of training images ([`Recipe::epochs_for`]).
    FitImages,
    /// What fits into the time limit.
    FitTimeLimit,
}

impl TrainRequest {
    /// A training of `model` (the name of a built-in network, or a TOML file) on `data` (see [`data::open`]) with
    /// the default settings: the recipe `quick`, on all images.
    pub fn new(model: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            network: None,
            from: None,
            freeze: None,
            input: None,
            data: data.into(),
            holdout: None,
            validation: None,
            framing: None,
            fold: None,
            reading: Reading::default(),
            labels: Labels::Fine,
            limit: None,
            recipe: Recipe::default(),
            length: Length::FitImages,
            time_limit: None,
            tensorboard: false,
        }
    }

    /// Reconstructs the request of an existing run.
    ///
    /// # Errors
    /// [`RunError::Imported`] for imported weights, [`RunError::Data`] for a holdout that cannot be parsed.
    pub fn of(manifest: &Manifest) -> Result<Self, RunError> {
        if let Some(file) = &manifest.imported {
            return Err(RunError::Imported(file.clone()));
        }
        Ok(Self {
            model: manifest.model.clone(),
            network: None,
            from: manifest.from.as_ref().map(|from| from.source.clone()),
            freeze: manifest.from.as_ref().and_then(|from| from.freeze.clone()),
            input: manifest.input.map(|[height, width]| (height, width)),
            data: manifest.data.source.clone(),
            holdout: manifest.data.holdout.as_deref().map(str::parse).transpose()?,
            validation: manifest.data.validation.as_deref().map(str::parse).transpose()?,
            framing: manifest.framing,
            fold: manifest.data.fold.clone(),
            reading: manifest.data.reading.clone(),
            labels: manifest.data.labels,
            limit: manifest.data.limit,
            recipe: manifest.recipe.clone(),
            length: Length::OfRecipe,
            time_limit: None,
            tensorboard: false,
        })
    }

    /// What to take out of the training images for validation: with patience at least the default, as the test images must
    /// not say when to stop.
    pub(crate) fn validation(&self) -> Option<data::Holdout> {
        self.validation.or_else(|| self.recipe.patience.map(|_| data::Holdout::default()))
    }

    /// The network for `classes` classes.
    ///
    /// # Errors
    /// As [`Network::open`].
    pub fn network(&self, classes: usize) -> Result<Network, NetError> {
        let network = match &self.network {
            Some(network) => network.with_classes(classes)?,
            None => Network::open(&self.model, classes, None)?,
        };
        self.input.map_or(Ok(network.clone()), |(height, width)| network.planned_for(height, width))
    }

    /// The contents of `run.toml` for this training on `data`.
    pub(crate) fn manifest(&self, network: &Network, data: &DataSet, device: String) -> Manifest {
        let (total_steps, epoch_steps) = self.recipe.steps(data.train.len());
        let epochs = epochs_of(total_steps, epoch_steps);
        Manifest {
            program: PROGRAM.into(),
            model: self.model.clone(),
            imported: None,
            framing: self.framing,
            import_notes: vec![],
            from: None,
            input: self.input.map(|(height, width)| [height, width]),
            total_steps,
            epoch_steps,
            data: DataRecord {
                source: self.data.clone(),
                absolute: None,
                relative: None,
                holdout: self.holdout.map(|holdout| holdout.to_string()),
                validation: self.validation().map(|share| share.to_string()),
                labels: self.labels,
                limit: self.limit,
                fingerprint: data.fingerprint.clone(),
                train_images: data.train.len(),
                validation_images: data.validation.len(),
                test_images: data.test.len(),
                fold: self.fold.clone(),
                reading: self.reading.clone(),
                notes: data.notes.iter().map(ToString::to_string).collect(),
                ignored: Ignored::by_reason(&data.ignored),
            },
            lengthened: vec![],
            diverged: None,
            session: Session { device, time_limit_s: self.time_limit.map(|limit| limit.as_secs_f64()) },
            recipe: Recipe { epochs, ..self.recipe.clone() },
            network: network.to_toml(),
        }
    }

    /// Lists the settings that differ from the run's and would change its result, each with both values.
    pub fn changes(&self, manifest: &Manifest) -> Vec<String> {
        let mut changes = Vec::new();
        let mut note = |name: &str, ours: String, theirs: String| {
            if ours != theirs {
                changes.push(format!("{name} was {ours}, now {theirs}"));
            }
        };
        let (holdout, default) = (self.holdout.map(|holdout| holdout.to_string()), || "the default".into());
        let limit = |limit: Option<usize>| limit.map_or_else(|| "none".into(), |limit| limit.to_string());
        let size = |size: Option<[usize; 2]>| {
            size.map_or_else(|| "the network's own".into(), |[height, width]| format!("{height}x{width}"))
        };
        let given = |text: Option<&String>| text.map_or_else(|| "none".into(), Clone::clone);
        let from = manifest.from.as_ref();
        note("model", manifest.model.clone(), self.model.clone());
        note("from", given(from.map(|from| &from.source)), given(self.from.as_ref()));
        note("freeze", given(from.and_then(|from| from.freeze.as_ref())), given(self.freeze.as_ref()));
        note("input", size(manifest.input), size(self.input.map(|(height, width)| [height, width])));
        note(
            "holdout",
            manifest.data.holdout.clone().unwrap_or_else(default),
            holdout.unwrap_or_else(default),
        );
        let validation = self.validation().map(|share| share.to_string());
        note("validation", given(manifest.data.validation.as_ref()), given(validation.as_ref()));
        let fold =
            |fold: &Option<data::Fold>| fold.as_ref().map_or_else(|| "none".into(), ToString::to_string);
        note("fold", fold(&manifest.data.fold), fold(&self.fold));
        let words = |reading: &Reading| match reading.anywhere().to_string() {
            none if none.is_empty() => "as the data tells".to_string(),
            flags => flags,
        };
        note("reading", words(&manifest.data.reading), words(&self.reading));
        note("labels", manifest.data.labels.to_string(), self.labels.to_string());
        note("limit", limit(manifest.data.limit), limit(self.limit));
        match (toml::Table::try_from(&manifest.recipe), toml::Table::try_from(&self.recipe)) {
            (Ok(ours), Ok(theirs)) => {
                for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
                    let text = |table: &toml::Table| {
                        table.get(name).map_or_else(|| "none".into(), ToString::to_string)
                    };
                    note(name, text(&ours), text(&theirs));
                }
            }
            _ => note("recipe", format!("{:?}", manifest.recipe), format!("{:?}", self.recipe)),
        }
        changes
    }
}

/// The epochs in `total_steps` steps, a last partial one included.
pub(crate) fn epochs_of(total_steps: u64, epoch_steps: u64) -> u32 {
    u32::try_from(total_steps.div_ceil(epoch_steps)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_settings_are_named_with_both_values() {
        let mut other = TrainRequest::of(&Manifest::example()).unwrap();
        other.time_limit = Some(std::time::Duration::from_secs(60));
        assert!(other.changes(&Manifest::example()).is_empty());
        other.recipe.batch += 1;
        other.recipe.table1_dropout = None;
        other.limit = None;
        let changes = other.changes(&Manifest::example());
        assert_eq!(changes[0], "limit was 500, now none");
        let batch = Manifest::example().recipe.batch;
        assert_eq!(changes[1], format!("batch was {batch}, now {}", batch + 1));
        assert!(
            changes[2].starts_with("table1_dropout was {") && changes[2].ends_with("now none"),
            "{}",
            changes[2]
        );
        assert_eq!(changes.len(), 3);
    }
}
