//! `run.toml`: every setting of a run.

use serde::{Deserialize, Serialize};

use super::data_record::DataRecord;
use super::lengthening::Lengthening;
use super::transfer_record::TransferRecord;
use crate::data::Framing;
use crate::net::Network;
use crate::recipe::Recipe;
use crate::text::toml_text;

/// How a run was executed; nothing here changes its result on devices of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// A description of the device.
    pub device: String,
    /// The time limit in seconds, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_s: Option<f64>,
}

/// `run.toml`: every resolved setting of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The program and its version.
    pub program: String,
    /// The model as given: a name or a file.
    pub model: String,
    /// The file that the weights were imported from, if they were not trained here; then there are no images, no
    /// steps and no recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// Decisions made during the import.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_notes: Vec<String>,
    /// The weights that the training began with, if not all were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TransferRecord>,
    /// Height and width of the network's input, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<[usize; 2]>,
    /// How images are fitted to the input size, if the recipe does not determine it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framing: Option<Framing>,
    /// Total steps, which the schedule spans exactly.
    pub total_steps: u64,
    /// Steps per full epoch.
    pub epoch_steps: u64,
    /// The step (from 1) in which the training diverged, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<u64>,
    /// The images.
    pub data: DataRecord,
    /// How it was executed.
    pub session: Session,
    /// The recipe; [`Recipe::none`] for imported weights.
    #[serde(default = "Recipe::none", skip_serializing_if = "Recipe::is_none")]
    pub recipe: Recipe,
    /// The extensions of the run, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengthened: Vec<Lengthening>,
    /// The network as TOML, with the dropout rates that apply.
    pub network: String,
}

/// The program's name and version.
pub const PROGRAM: &str = concat!("allcnn ", env!("CARGO_PKG_VERSION"));

impl Manifest {
    /// Parses a `run.toml` and checks its settings; the error describes the problem.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml_text::parse(text)?;
        manifest.fault().map_or(Ok(manifest), Err)
    }

    /// The text of `run.toml`.
    ///
    /// # Errors
    /// A number that TOML cannot hold, described in a sentence.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// Describes what is wrong with the settings of a stored run, if anything, as a file may contain anything.
    fn fault(&self) -> Option<String> {
        let network = match Network::from_toml(&self.network) {
            Ok(network) => network,
            Err(error) => return Some(format!("its network: {error}")),
        };
        if self.recipe.is_none() {
            if self.imported.is_none() {
                return Some("it has no recipe".into());
            }
        } else if let Err(error) = self.recipe.clone().checked() {
            return Some(format!("its {error}"));
        }
        if let Some(wrong) = self.lengthened.iter().find(|longer| !longer.is_sound(self.total_steps)) {
            return Some(format!("{wrong:?}; expected numbers of a training of {} steps", self.total_steps));
        }
        if let Some(framing) = self.framing {
            let input = network.input();
            if let Some(fault) = framing.fault(input.height, input.width) {
                return Some(format!("its framing: {fault}"));
            }
        }
        if self.epoch_steps == 0 || self.total_steps >= 1 << 56 {
            let Self { total_steps, epoch_steps, .. } = self;
            return Some(format!(
                "total_steps = {total_steps}, epoch_steps = {epoch_steps}; expected numbers of a training"
            ));
        }
        None
    }

    /// How images of another size than the network's input are fitted to it, wherever they are read for the run.
    pub fn framing(&self) -> Framing {
        self.framing.unwrap_or_else(|| self.recipe.augment.framing())
    }
}

#[cfg(test)]
impl Manifest {
    /// A run for tests.
    pub(crate) fn example() -> Self {
        Self {
            program: PROGRAM.into(),
            model: "all-cnn-c".into(),
            imported: None,
            import_notes: vec![],
            from: None,
            input: None,
            framing: None,
            total_steps: 400,
            epoch_steps: 40,
            data: DataRecord {
                source: "shapes".into(),
                absolute: None,
                relative: None,
                holdout: None,
                validation: None,
                labels: crate::data::Labels::Fine,
                limit: Some(500),
                fingerprint: "ab12".into(),
                train_images: 450,
                validation_images: 0,
                test_images: 50,
                fold: None,
                reading: crate::data::Reading::default(),
                notes: vec![],
                ignored: vec![],
            },
            lengthened: vec![],
            diverged: None,
            session: Session { device: "cpu".into(), time_limit_s: None },
            recipe: Recipe::quick(),
            network: Network::named("all-cnn-c", 10).unwrap().to_toml(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framing_of_its_own_counts_before_that_of_the_recipe() {
        let of = |framing, recipe| Manifest { framing, recipe, ..Manifest::example() };
        assert_eq!(of(None, Recipe::quick()).framing(), Framing::Whole);
        assert_eq!(of(None, Recipe::imagenet()).framing(), Framing::Middle);
        let own = of(Some(Framing::ShorterSide(36)), Recipe::imagenet());
        assert_eq!(own.framing(), Framing::ShorterSide(36));
        let imported = Manifest { imported: Some("w.pt".into()), recipe: Recipe::none(), ..own };
        let text = toml::to_string(&imported).unwrap();
        assert!(!text.contains("recipe") && !text.contains("epochs"), "{text}");
        assert_eq!(Manifest::parse(&text).unwrap(), imported);
    }
}
