//! The recipe: all hyperparameters of a training in one struct, and the predefined recipes.

use allcnn_device::{Loss, Precision, Sgd};
use serde::{Deserialize, Serialize};

use super::balance::Balance;
use super::companions::Companions;
use super::dropout::DropoutRates;
use super::error::RecipeError;
use super::layer_rules::LayerRules;
use super::schedule::{Decay, Schedule};
use super::tree_prior::TreePrior;
use crate::augment::{Augment, MAX_SHIFT};
use crate::net::Init;
use crate::preprocess::Method;
use crate::text::toml_text;

/// The name of a recipe that does not state one.
pub const UNNAMED_RECIPE: &str = "custom";

/// The hyperparameters of a training: everything but the data and the network.
///
/// Equal recipe, network and data give bitwise equal weights on devices of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The recipe's name, for display.
    pub name: String,
    /// Epochs to train.
    pub epochs: u32,
    /// The number of steps, overriding `epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u64>,
    /// The training ends when the error on the images that select the best epoch was not lower for this number of epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// Batch size.
    pub batch: usize,
    /// Parts of a batch that are computed one after the other and whose gradients are added in a fixed order; a power of two.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub shards: usize,
    /// The learning rate, which the schedule multiplies by its factor.
    pub learning_rate: f64,
    /// Momentum of SGD.
    pub momentum: f32,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
    /// The largest gradient norm, over all parameters together (Pascanu et al. 2013); `inf` for no clipping.
    pub clip_norm: f32,
    /// L2 penalty on weights and biases, added to the gradient of the mean loss.
    pub weight_decay: f32,
    /// What is minimized.
    #[serde(with = "as_text", default, skip_serializing_if = "is_default")]
    pub loss: Loss,
    /// The probability mass of a target spread evenly over all classes (Szegedy et al. 2016).
    pub label_smoothing: f32,
    /// The parameter a of Beta(a, a), from which the share is drawn in which each batch's images are mixed (Zhang et al.
    /// 2018, "mixup"); 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mixup: f32,
    /// How much of the averaged weights each step keeps (Polyak and Juditsky 1992, as an exponential moving average); 0
    /// for no average.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ema: f32,
    /// What is done where classes have unequally many images.
    #[serde(with = "as_text", default, skip_serializing_if = "Balance::is_none")]
    pub balance: Balance,
    /// How weights are initialized.
    #[serde(with = "as_text")]
    pub init: Init,
    /// How pixels become network input.
    #[serde(with = "as_text")]
    pub preprocess: Method,
    /// Augmentation of the training images.
    #[serde(with = "as_text")]
    pub augment: Augment,
    /// The share of the epochs, at the end, in which the training images are not augmented; rounded to whole epochs.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unaugmented_end: f64,
    /// The precision of the convolutions' arithmetic.
    #[serde(with = "as_text", default)]
    pub precision: Precision,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The learning rate schedule.
    pub schedule: Schedule,
    /// Dropout rates for the networks of the paper's Table 1 and those derived from them; in the paper they are
    /// part of the training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table1_dropout: Option<DropoutRates>,
    /// Dropout rates that replace those of any network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<DropoutRates>,
    /// What is set for single layers.
    #[serde(default, skip_serializing_if = "LayerRules::is_empty")]
    pub layers: LayerRules,
    /// A prior by which classes of one group have weights that are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_prior: Option<TreePrior>,
    /// Heads on hidden layers, which are trained beside the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub companions: Option<Companions>,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe::quick()
    }
}

impl Recipe {
    /// A good result in few epochs: many small steps at a high learning rate with a slow warm-up, data-dependent
    /// initialization and gradient clipping (without these the final ReLUs of these networks die at such rates,
    /// and the loss stays at ln(classes)).
    pub fn quick() -> Self {
        Recipe {
            name: "quick".into(),
            epochs: 12,
            iterations: None,
            patience: None,
            batch: 64,
            shards: 1,
            learning_rate: 0.05,
            momentum: 0.9,
            nesterov: true,
            clip_norm: 2.0,
            weight_decay: 5e-4,
            loss: Loss::CrossEntropy,
            label_smoothing: 0.0,
            mixup: 0.0,
            ema: 0.0,
            balance: Balance::None,
            init: Init::Data,
            preprocess: Method::MeanStd,
            augment: Augment::FlipShift { max_shift: MAX_SHIFT },
            unaugmented_end: 0.0,
            precision: Precision::F32,
            seed: 0,
            schedule: Schedule::OneCycle {
                warm_up: 0.15,
                decay: Decay::Linear,
                floor: 0.0,
                gentle_steps: 100,
            },
            table1_dropout: Some(DropoutRates { input: 0.0, others: 0.2 }),
            dropout: None,
            layers: LayerRules::default(),
            tree_prior: None,
            companions: None,
        }
    }

    /// [`Recipe::quick`] for weights that are trained already: a fifth of its learning rate, so that they change less than
    /// those that are drawn anew.
    pub fn fine_tuning() -> Self {
        Recipe { learning_rate: 0.01, ..Recipe::quick() }
    }

    /// The paper's training on CIFAR (section 3.1), without augmentation. The paper states neither batch size nor
    /// initialization; 128 and He's are chosen here.
    pub fn paper() -> Self {
        Recipe {
            name: "paper".into(),
            epochs: 350,
            batch: 128,
            learning_rate: 0.05,
            nesterov: false,
            clip_norm: f32::INFINITY,
            weight_decay: 1e-3,
            init: Init::He,
            preprocess: Method::GcnZca,
            augment: Augment::None,
            schedule: Schedule::Steps { factor: 0.1, milestones: vec![200, 250, 300], of: 350 },
            table1_dropout: Some(DropoutRates { input: 0.2, others: 0.5 }),
            ..Recipe::quick()
        }
    }

    /// The paper's training on ImageNet (section 3.3): 450,000 steps, about 22 epochs of ILSVRC-2012. The paper
    /// does not state preprocessing, crops and initialization.
    pub fn imagenet() -> Self {
        Recipe {
            name: "imagenet".into(),
            epochs: 23,
            iterations: Some(450_000),
            batch: 64,
            learning_rate: 0.01,
            weight_decay: 5e-4,
            preprocess: Method::MeanStd,
            augment: Augment::CropFlip,
            schedule: Schedule::Steps { factor: 0.1, milestones: vec![200, 400], of: 450 },
            ..Recipe::paper()
        }
    }

    /// Graham's training of his fractional CIFAR networks (`cifar10big.cpp` of SparseConvNet, 2015): 810 epochs of 50 images, of
    /// which the last 10 are not augmented, a rate that falls by exp(-0.005) an epoch, Nesterov momentum of 0.99, no weight decay.
    /// There the gradient is a sum over the batch and scaled by 1 - momentum, so its rate of 0.003 is 0.0015 here. Its first
    /// weights were uniform; He's are taken here.
    pub fn graham() -> Self {
        Recipe {
            name: "graham".into(),
            epochs: 810,
            batch: 50,
            learning_rate: 0.0015,
            momentum: 0.99,
            clip_norm: f32::INFINITY,
            weight_decay: 0.0,
            init: Init::He,
            augment: Augment::Heavy,
            unaugmented_end: 10.0 / 810.0,
            schedule: Schedule::Exponential { end: (-0.005f64 * 810.0).exp() },
            ..Recipe::quick()
        }
    }

    /// The placeholder recipe of imported weights, which were not trained here.
    pub fn none() -> Self {
        Recipe { name: "none".into(), epochs: 0, augment: Augment::None, ..Recipe::quick() }
    }

    /// Whether this is the placeholder of [`Recipe::none`].
    pub fn is_none(&self) -> bool {
        *self == Recipe::none()
    }

    /// Returns the predefined recipe `quick`, `paper`, `imagenet` or `graham`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "quick" => Some(Recipe::quick()),
            "paper" => Some(Recipe::paper()),
            "imagenet" => Some(Recipe::imagenet()),
            "graham" => Some(Recipe::graham()),
            _ => None,
        }
    }

    /// The augmentation in an epoch (from 0) of a training on `images` images.
    pub fn augment_in(&self, epoch: u64, images: usize) -> Augment {
        let (steps, epoch_steps) = self.steps(images);
        let epochs = steps.div_ceil(epoch_steps);
        let unaugmented = (self.unaugmented_end * epochs as f64).round() as u64;
        if epoch + unaugmented < epochs { self.augment } else { Augment::None }
    }

    /// Returns the total steps and the steps per epoch for `images` training images.
    pub fn steps(&self, images: usize) -> (u64, u64) {
        let epoch = images.div_ceil(self.batch) as u64;
        (self.iterations.unwrap_or(epoch * u64::from(self.epochs)), epoch)
    }

    /// Parses a recipe from TOML. Missing keys default to the recipe named by the key `base`, or to `quick`.
    ///
    /// # Errors
    /// [`RecipeError`] for a text that is no TOML, an unknown key, or a value that [`Recipe::checked`] refuses.
    pub fn from_toml(text: &str) -> Result<Self, RecipeError> {
        let wrong = |error: &toml::de::Error| RecipeError::Setting(error.message().trim().replace('\n', " "));
        let mut given: toml::Table = toml_text::parse(text).map_err(RecipeError::Setting)?;
        let base = match given.remove("base") {
            None => Recipe::quick(),
            Some(value) => value.as_str().and_then(Recipe::named).ok_or_else(|| {
                RecipeError::Setting(format!(
                    "base is {value}, expected \"quick\", \"paper\", \"imagenet\" or \"graham\""
                ))
            })?,
        };
        let mut merged =
            toml::Table::try_from(base).map_err(|error| RecipeError::Setting(error.to_string()))?;
        merged.insert("name".into(), UNNAMED_RECIPE.into());
        if given.contains_key("epochs") {
            merged.remove("iterations");
        }
        if let Some(rate) = given.remove("lr")
            && given.insert("learning_rate".into(), rate).is_some()
        {
            return Err(RecipeError::Setting(
                "lr and learning_rate are one setting, expected one of them".into(),
            ));
        }
        merged.extend(given);
        merged.try_into::<Recipe>().map_err(|error| wrong(&error))?.checked()
    }

    /// Writes the recipe as TOML, which [`Recipe::from_toml`] reads back exactly.
    ///
    /// # Errors
    /// [`RecipeError`] for a number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        toml::to_string(self).map_err(|error| RecipeError::Setting(error.to_string()))
    }

    /// The optimizer's settings.
    pub fn sgd(&self) -> Sgd {
        let Recipe { momentum, weight_decay, nesterov, clip_norm, .. } = *self;
        Sgd { momentum, weight_decay, nesterov, clip_norm }
    }

    /// Returns the recipe itself if all values are valid.
    ///
    /// # Errors
    /// [`RecipeError`] names the first invalid one.
    pub fn checked(self) -> Result<Self, RecipeError> {
        let mut rates = self.dropout.into_iter().chain(self.table1_dropout);
        let unsound = rates.find(|rates| !rates.are_sound());
        let faults = [
            (self.iterations == Some(0), "iterations is 0, expected 1 or more".into()),
            (self.patience == Some(0), "patience is 0, expected 1 or more epochs".into()),
            (self.epochs == 0, format!("epochs is {}, expected 1 or more", self.epochs)),
            (
                !(1..=MAX_BATCH).contains(&self.batch),
                format!("batch is {}, expected 1 to {MAX_BATCH} images", self.batch),
            ),
            (
                !self.shards.is_power_of_two() || self.shards > self.batch,
                format!(
                    "shards is {}, expected a power of two (1, 2, 4, ...) up to the batch of {} images",
                    self.shards, self.batch
                ),
            ),
            (
                !(self.learning_rate > 0.0 && self.learning_rate.is_finite()),
                format!("learning rate is {}, expected a number above 0 (0.05 is usual)", self.learning_rate),
            ),
            (
                !(0.0..1.0).contains(&self.momentum),
                format!("momentum is {}, expected 0 to below 1", self.momentum),
            ),
            (
                !(0.0..1.0).contains(&self.weight_decay),
                format!("weight decay is {}, expected 0 to below 1", self.weight_decay),
            ),
            (
                self.clip_norm.is_nan() || self.clip_norm <= 0.0,
                format!("clip norm is {}, expected a number above 0, or inf for no bound", self.clip_norm),
            ),
            (
                !(0.0..1.0).contains(&self.label_smoothing),
                format!("label smoothing is {}, expected 0 to below 1", self.label_smoothing),
            ),
            (
                !(0.0..=MAX_MIXUP).contains(&self.mixup),
                format!("mixup is {}, expected 0 to {MAX_MIXUP} (0.2 is usual, 0 is none)", self.mixup),
            ),
            (
                !(0.0..1.0).contains(&self.ema),
                format!("ema is {}, expected 0 to below 1 (0.999 is usual, 0 is none)", self.ema),
            ),
            (
                !(0.0..=1.0).contains(&self.unaugmented_end),
                format!("unaugmented_end is {}, expected a share from 0 to 1", self.unaugmented_end),
            ),
            (
                unsound.is_some(),
                format!(
                    "dropout is {}, expected rates from 0 to below 1",
                    unsound.map_or_else(String::new, |rates| rates.to_string())
                ),
            ),
        ];
        let fault = faults.into_iter().find(|(wrong, _)| *wrong).map(|(_, text)| text);
        match fault
            .or_else(|| self.schedule.fault())
            .or_else(|| self.layers.fault())
            .or_else(|| self.tree_prior.as_ref()?.fault())
            .or_else(|| self.companions.as_ref()?.fault())
            .or_else(|| {
                let misses = self.companions.is_none() && self.schedule.has_companions();
                misses
                    .then(|| "a phase of schedule.phases has companions, but there is no [companions]".into())
            }) {
            Some(fault) => Err(RecipeError::Setting(fault)),
            None => Ok(self),
        }
    }
}

/// The largest batch size accepted, beyond any practical use.
const MAX_BATCH: usize = 65_536;
/// The largest parameter of mixup accepted; there the shares of nearly all pairs are between 0.4 and 0.6.
pub const MAX_MIXUP: f32 = 100.0;

/// The shards of a recipe that does not name them.
fn one() -> usize {
    1
}

/// Whether a batch is one shard, so that files that never named them stay as they are.
fn is_one(shards: &usize) -> bool {
    *shards == 1
}

/// Whether a setting is off, so that files that never named it stay as they are.
fn is_zero(setting: &f32) -> bool {
    *setting == 0.0
}

/// The same of one of several ways.
fn is_default(loss: &Loss) -> bool {
    *loss == Loss::default()
}

/// The same of a share.
fn is_none(share: &f64) -> bool {
    *share == 0.0
}

/// Serialization in the form used on the command line.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_recipes_are_valid_and_survive_toml() {
        for recipe in [Recipe::quick(), Recipe::paper(), Recipe::imagenet(), Recipe::graham()] {
            let text = recipe.clone().checked().unwrap().to_toml().unwrap();
            assert_eq!(Recipe::from_toml(&text).unwrap(), recipe, "{text}");
        }
    }

    #[test]
    fn the_paper_recipe_has_the_papers_numbers() {
        let paper = Recipe::paper();
        assert_eq!((paper.epochs, paper.momentum, paper.weight_decay), (350, 0.9, 0.001));
        assert_eq!(paper.table1_dropout, Some(DropoutRates { input: 0.2, others: 0.5 }));
        assert_eq!(paper.schedule, Schedule::Steps { factor: 0.1, milestones: vec![200, 250, 300], of: 350 });
        assert_eq!(
            (paper.preprocess.to_string(), paper.augment.to_string()),
            ("gcn-zca".into(), "none".into())
        );
    }

    #[test]
    fn the_imagenet_recipe_drops_its_rate_after_200_000_and_400_000_steps() {
        let imagenet = Recipe::imagenet();
        assert_eq!(imagenet.steps(1_281_167), (450_000, 20_019));
        assert_eq!(Recipe { iterations: None, epochs: 2, ..imagenet.clone() }.steps(129), (6, 3));
        let rate = |step| imagenet.learning_rate * imagenet.schedule.factor(step, 450_000);
        for (step, expected) in
            [(0, 0.01), (199_999, 0.01), (200_000, 1e-3), (400_000, 1e-4), (449_999, 1e-4)]
        {
            assert!((rate(step) / expected - 1.0).abs() < 1e-9, "{} in step {step}", rate(step));
        }
    }

    #[test]
    fn grahams_last_epochs_are_not_augmented_and_a_longer_training_moves_them() {
        let graham = Recipe::graham();
        let plain = |recipe: &Recipe, epochs: u64| {
            (0..epochs).filter(|&epoch| recipe.augment_in(epoch, 45_000) == Augment::None).collect::<Vec<_>>()
        };
        assert_eq!(plain(&graham, 810), (800..810).collect::<Vec<_>>());
        assert_eq!(plain(&Recipe { epochs: 81, ..graham.clone() }, 81), [80]);
        assert_eq!(plain(&Recipe { epochs: 12, ..graham.clone() }, 12), [0; 0]);
        assert_eq!(
            plain(&Recipe { iterations: Some(9001), unaugmented_end: 0.5, ..graham }, 11),
            [5, 6, 7, 8, 9, 10]
        );
        assert_eq!(plain(&Recipe::quick(), 12), [0; 0]);
    }

    #[test]
    fn a_file_replaces_what_it_names() {
        let recipe = Recipe::from_toml(
            "base = \"paper\"\nepochs = 7\ninit = \"normal:0.05\"\n[schedule]\nkind = \"constant\"\n",
        )
        .unwrap();
        assert_eq!((recipe.epochs, recipe.weight_decay), (7, 0.001));
        assert_eq!((recipe.schedule, recipe.name.as_str()), (Schedule::Constant, "custom"));
        assert_eq!(recipe.init.to_string(), "normal:0.05");
        assert_eq!(Recipe::from_toml("lr = 0.3").unwrap().learning_rate, 0.3);
        let short = Recipe::from_toml("base = \"imagenet\"\nepochs = 2\n").unwrap();
        assert_eq!((short.epochs, short.iterations), (2, None));
    }

    #[test]
    fn what_is_off_is_not_written_and_what_is_set_is_read_back() {
        let text = Recipe::quick().to_toml().unwrap();
        assert!(
            ["mixup =", "ema =", "balance =", "shards ="].iter().all(|name| !text.contains(name)),
            "{text}"
        );
        let set = Recipe { mixup: 0.2, ema: 0.999, balance: Balance::Sampling, shards: 8, ..Recipe::quick() };
        assert_eq!(Recipe::from_toml(&set.to_toml().unwrap()).unwrap(), set);
    }

    #[test]
    fn faults_are_named() {
        for (text, expected) in [
            ("batch = 0", "batch is 0, expected 1 to"),
            ("unaugmented_end = 1.5", "unaugmented_end is 1.5, expected a share"),
            ("[schedule]\nkind = \"exponential\"\nend = 0", "schedule.end is 0, expected above 0"),
            ("shards = 0", "shards is 0, expected a power of two"),
            ("shards = 3", "shards is 3, expected a power of two"),
            ("batch = 4\nshards = 8", "up to the batch of 4 images"),
            ("epochs = 0", "epochs is 0"),
            ("iterations = 0", "iterations is 0"),
            ("learning_rate = -0.1", "learning rate is -0.1, expected a number above 0"),
            ("learning_rate = nan", "learning rate is NaN"),
            ("momentum = 1.0", "momentum is 1,"),
            ("clip_norm = 0.0", "clip norm is 0,"),
            ("weight_decay = -1.0", "weight decay is -1"),
            ("mixup = -1.0", "mixup is -1, expected 0 to 100"),
            ("mixup = inf", "mixup is inf, expected 0 to 100"),
            ("ema = 1.0", "ema is 1, expected 0 to below 1"),
            ("balance = \"even\"", "unknown balance `even`: expected none, loss or sampling"),
            ("learning_rat = 0.1", "learning_rat"),
            ("lr = 0.1\nlearning_rate = 0.1", "lr and learning_rate are one setting"),
            ("base = \"fast\"", "expected \"quick\", \"paper\", \"imagenet\" or \"graham\""),
            ("init = \"she\"", "she"),
            ("schedule = { kind = \"one-cycle\", warm_up = 2.0, decay = \"linear\" }", "warm_up is 2"),
            ("epochs = [", "line 1: "),
        ] {
            let error = Recipe::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
