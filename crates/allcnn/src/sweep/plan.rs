//! The plan of a sweep: the settings in `plan.toml`, and the experiments derived from them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::SweepError;
use super::published::{Benchmark, Entry, PaperTable};
use crate::data::Reading;
use crate::net::Network;
use crate::recipe::Recipe;
use crate::run::{Length, TrainRequest};

/// The seed increment per repeated attempt, more than any number of seeds in use.
const RESEED_STRIDE: u64 = 1_000_000;
/// The most trainings of a table; the paper's largest has 48.
const MAX_EXPERIMENTS: u64 = 10_000;

/// The settings of a sweep. They and the images determine everything in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The paper's table.
    pub table: PaperTable,
    /// The networks: rows of the table, or others by name or file.
    pub models: Vec<String>,
    /// The learning rates to train each at.
    pub learning_rates: Vec<f64>,
    /// Trainings per network and rate, with the seeds 0, 1, ...
    pub seeds: u64,
    /// The data to use as CIFAR-10.
    pub data: String,
    /// The data to use as CIFAR-100.
    pub cifar100: String,
    /// The holdout for testing, in the syntax of `--holdout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<String>,
    /// How to read the data where its format leaves that open.
    #[serde(default, skip_serializing_if = "Reading::is_default")]
    pub reading: Reading,
    /// The most training images to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// All other settings. Each experiment overrides learning rate, seed and augmentation.
    pub recipe: Recipe,
}

/// One training of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its name, also used for its run folder.
    pub name: String,
    /// The index of its table row.
    pub row: usize,
    /// Its learning rate.
    pub learning_rate: f64,
    /// The seed of its first attempt.
    pub seed: u64,
    request: TrainRequest,
}

impl Experiment {
    /// The run folder's name for attempt number `again` (from 0).
    pub fn run_name(&self, again: usize) -> String {
        match again {
            0 => self.name.clone(),
            _ => format!("{}-again{again}", self.name),
        }
    }

    /// The training request of attempt number `again`, each with its own seed.
    pub fn request(&self, again: usize) -> TrainRequest {
        let mut request = self.request.clone();
        request.recipe.seed = self.seed + RESEED_STRIDE * again as u64;
        request
    }
}

impl Plan {
    /// The paper's experiments for a table.
    pub fn paper(table: PaperTable) -> Self {
        Self {
            table,
            models: table.entries().into_iter().map(|entry| entry.name).collect(),
            learning_rates: table.learning_rates(),
            seeds: 1,
            data: "cifar10".into(),
            cifar100: "cifar100".into(),
            holdout: None,
            reading: Reading::default(),
            limit: None,
            recipe: Recipe::paper(),
        }
    }

    /// Makes the paths of files absolute, so that the plan works from every folder.
    pub(super) fn anchored(mut self) -> Self {
        let anchor = |name: &mut String| {
            // A plan is text: in a folder whose name is not UTF-8 the path stays as given.
            if let Some(path) =
                std::path::absolute(&*name).ok().and_then(|path| path.to_str().map(str::to_owned))
            {
                *name = path;
            }
        };
        self.models.iter_mut().filter(|model| model.ends_with(".toml")).for_each(anchor);
        let is_named = |data: &&mut String| matches!(data.as_str(), "shapes" | "cifar10" | "cifar100");
        [&mut self.data, &mut self.cifar100].into_iter().filter(|data| !is_named(data)).for_each(anchor);
        self
    }

    /// The rows of its table.
    pub fn entries(&self) -> Vec<Entry> {
        self.models.iter().map(|model| self.table.entry(model)).collect()
    }

    /// The data for a row.
    pub fn data_of(&self, entry: &Entry) -> &str {
        match entry.benchmark {
            Benchmark::Cifar10 => &self.data,
            Benchmark::Cifar100 => &self.cifar100,
        }
    }

    /// The experiments in execution order: all networks at all rates with the first seed, then with the next.
    ///
    /// # Errors
    /// [`SweepError::Plan`] for an unknown network or settings out of range, [`SweepError::Choice`] for an unknown
    /// augmentation, a recipe with `iterations`, or two experiments with one name.
    pub fn experiments(&self) -> Result<Vec<Experiment>, SweepError> {
        if self.recipe.iterations.is_some() {
            let counts = format!("the recipe {} counts iterations, a table counts epochs", self.recipe.name);
            return Err(SweepError::Choice(format!("{counts}\ngive --epochs, or another --recipe")));
        }
        let [models, rates] = [self.models.len(), self.learning_rates.len()].map(|len| len as u64);
        let trainings = models.saturating_mul(rates).saturating_mul(self.seeds);
        if trainings > MAX_EXPERIMENTS {
            return Err(SweepError::Choice(format!(
                "{models} networks at {rates} learning rates with {} seeds make {trainings} trainings; expected at most \
                 {MAX_EXPERIMENTS}\ngive fewer seeds, learning rates or networks",
                self.seeds
            )));
        }
        if trainings == 0 {
            return Err(SweepError::Choice(format!(
                "{models} networks at {rates} learning rates with {} seeds make no training; expected at least one of each",
                self.seeds
            )));
        }
        let mut experiments = Vec::new();
        for seed in 0..self.seeds {
            for (row, entry) in self.entries().iter().enumerate() {
                Network::open(&entry.model, 2, None)?;
                for &learning_rate in &self.learning_rates {
                    let name = format!("{}-lr{learning_rate}-seed{seed}", entry.name);
                    let request = self.request(entry, learning_rate)?;
                    experiments.push(Experiment { name, row, learning_rate, seed, request });
                }
            }
        }
        let mut seen = BTreeSet::new();
        match experiments.iter().find(|experiment| !seen.insert(&experiment.name)) {
            Some(twice) => Err(SweepError::Choice(format!(
                "the experiment {} is there twice: name each network and learning rate once",
                twice.name
            ))),
            None => Ok(experiments),
        }
    }

    fn request(&self, entry: &Entry, learning_rate: f64) -> Result<TrainRequest, SweepError> {
        let augment = entry.augment.parse().map_err(|error: crate::augment::UnknownAugment| {
            SweepError::Choice(format!(
                "{} cannot be trained: {error}\nleave it out with --models",
                entry.name
            ))
        })?;
        // Plans of version 0.1.0 set dropout rates for all networks but the large one.
        let is_old = self.recipe.table1_dropout.is_none();
        let dropout = self.recipe.dropout.filter(|_| !(is_old && entry.model == "large-all-cnn"));
        let recipe = Recipe { learning_rate, augment, dropout, ..self.recipe.clone() }.checked()?;
        let holdout = self.holdout.as_deref().map(str::parse).transpose()?;
        Ok(TrainRequest {
            holdout,
            reading: self.reading.clone(),
            limit: self.limit,
            recipe,
            length: Length::OfRecipe,
            ..TrainRequest::new(&entry.model, self.data_of(entry))
        })
    }

    /// The settings in which `other` differs, each with both values.
    pub(super) fn changes(&self, other: &Self) -> Vec<String> {
        let settings = |plan: &Self| {
            let mut settings = toml::Table::try_from(plan).unwrap_or_default();
            if let Some(toml::Value::Table(recipe)) = settings.remove("recipe") {
                settings.extend(recipe);
            }
            // Version 0.1.0 had a single dropout setting.
            if !settings.contains_key("table1_dropout")
                && let Some(rates) = settings.remove("dropout")
            {
                settings.insert("table1_dropout".into(), rates);
            }
            settings.remove("name"); // the recipe's, for display only
            settings
        };
        let (ours, theirs) = (settings(self), settings(other));
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let text =
            |table: &toml::Table, name| table.get(name).map_or_else(|| "none".into(), ToString::to_string);
        names
            .into_iter()
            .filter(|&name| ours.get(name) != theirs.get(name))
            .map(|name| format!("{name} is {}, not {}", text(&ours, name), text(&theirs, name)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Schedule;

    #[test]
    fn the_papers_table_3_is_48_trainings_of_the_papers_recipe() {
        let experiments = Plan::paper(PaperTable::Table3).experiments().unwrap();
        assert_eq!(experiments.len(), 48);
        let last = experiments.last().unwrap();
        assert_eq!(last.name, "all-cnn-c-lr0.01-seed0");
        let recipe = last.request(0).recipe;
        assert_eq!(recipe, Recipe { learning_rate: 0.01, ..Recipe::paper() });
    }

    #[test]
    fn a_scaled_schedule_keeps_its_proportions() {
        let mut plan = Plan::paper(PaperTable::Table3);
        plan.recipe.epochs = 7;
        let recipe = plan.experiments().unwrap()[0].request(0).recipe;
        let Schedule::Steps { .. } = recipe.schedule else { panic!("{:?}", recipe.schedule) };
        let factors = [0, 3, 4, 5, 6].map(|epoch| recipe.schedule.factor(epoch * 10, 70));
        let expected = [1.0, 1.0, 0.1, 0.01, 0.001];
        assert!(factors.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{factors:?}");
    }

    #[test]
    fn a_row_has_its_own_data() {
        let mut plan = Plan::paper(PaperTable::Table4);
        plan.models = vec!["all-cnn-c-augmented".into(), "all-cnn-c-cifar100".into()];
        let experiments = plan.experiments().unwrap();
        assert_eq!(experiments[1].request(0).data, "cifar100");
        assert_eq!(experiments[0].request(0).data, "cifar10");
    }

    #[test]
    fn a_plan_of_version_0_1_0_is_the_same_plan_with_the_same_trainings() {
        let new = Plan::paper(PaperTable::Table4);
        let mut old = new.clone();
        old.recipe.dropout = old.recipe.table1_dropout.take();
        assert!(old.changes(&new).is_empty(), "{:?}", old.changes(&new));
        let rates = |row: usize| old.experiments().unwrap()[row].request(0).recipe.dropout;
        assert_eq!((rates(0), rates(3)), (old.recipe.dropout, None), "the large network has its own");
    }

    #[test]
    fn an_experiment_that_is_begun_again_has_another_seed_and_folder() {
        let mut plan = Plan::paper(PaperTable::Table3);
        plan.seeds = 2;
        let experiments = plan.experiments().unwrap();
        let second = &experiments[48];
        assert_eq!((second.seed, second.request(0).recipe.seed), (1, 1));
        assert_eq!(second.request(2).recipe.seed, 2_000_001);
        assert_eq!(second.run_name(2), "model-a-lr0.25-seed1-again2");
    }

    #[test]
    fn changes_are_named_with_both_values() {
        let plan = Plan::paper(PaperTable::Table3);
        let mut other = plan.clone();
        assert!(plan.changes(&other).is_empty());
        other.recipe.epochs = 8;
        other.limit = Some(10);
        assert_eq!(plan.changes(&other), ["epochs is 350, not 8", "limit is none, not 10"]);
    }

    #[test]
    fn mistakes_are_errors() {
        let with = |change: fn(&mut Plan)| {
            let mut plan = Plan::paper(PaperTable::Table3);
            change(&mut plan);
            plan.experiments().unwrap_err().to_string()
        };
        assert!(with(|plan| plan.models = vec!["all-cnn-d".into()]).contains("all-cnn-c"));
        assert!(with(|plan| plan.learning_rates = vec![0.1, 0.1]).contains("twice"));
        assert!(with(|plan| plan.recipe = Recipe::imagenet()).contains("give --epochs"));
        assert!(with(|plan| plan.learning_rates = vec![-0.1]).contains("learning rate is -0.1"));
        // An empty plan, however often it is repeated.
        for empty in [
            Plan { models: vec![], seeds: u64::MAX, ..Plan::paper(PaperTable::Table3) },
            Plan { learning_rates: vec![], seeds: u64::MAX, ..Plan::paper(PaperTable::Table3) },
            Plan { seeds: 0, ..Plan::paper(PaperTable::Table3) },
        ] {
            assert!(empty.experiments().unwrap_err().to_string().contains("make no training"));
        }
        for seeds in [1000, i64::MAX as u64, u64::MAX] {
            let error =
                Plan { seeds, ..Plan::paper(PaperTable::Table3) }.experiments().unwrap_err().to_string();
            assert!(error.contains("expected at most 10000"), "{error}");
        }
    }
}
