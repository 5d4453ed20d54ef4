//! The table of a sweep: the errors so far for every network and learning rate.

use super::plan::{Experiment, Plan};
use super::published::Entry;
use super::record::{Record, TrialOutcome};
use crate::data::counted;
use crate::net::Network;
use crate::score::wilson95_of_error;
use crate::split::Split;

/// One of the paper's tables with measured errors.
#[derive(Clone, Debug)]
pub struct Table {
    /// The plan.
    pub plan: Plan,
    /// A row per network.
    pub rows: Vec<Row>,
}

/// The trainings of one network.
#[derive(Clone, Debug)]
pub struct Row {
    /// The network, data and augmentation.
    pub entry: Entry,
    /// The network's display name.
    pub name: String,
    /// One entry per learning rate, in the plan's order.
    pub rates: Vec<Rate>,
}

/// The trainings of a network at one learning rate.
#[derive(Clone, Debug)]
pub struct Rate {
    /// The learning rate.
    pub learning_rate: f64,
    /// One per seed.
    pub trials: Vec<Trial>,
}

/// One training, with its attempts.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The experiment's name.
    pub name: String,
    /// The seed of the first attempt.
    pub seed: u64,
    /// The results of the attempts; the last one counts.
    pub records: Vec<Record>,
}

impl Trial {
    /// The last result.
    pub fn last(&self) -> Option<&Record> {
        self.records.last()
    }
}

impl Rate {
    /// The test errors, in percent, of the trainings that learned.
    pub fn errors(&self) -> Vec<f64> {
        self.trials.iter().filter_map(|trial| trial.last()?.error_pct()).collect()
    }

    /// The mean test error of the trainings that learned.
    pub fn mean(&self) -> Option<f64> {
        mean(&self.errors())
    }

    /// The mean of the errors by which rates are compared: validation errors if there are any, else test errors.
    fn choosing_mean(&self) -> Option<f64> {
        let errors = self.trials.iter().filter_map(|trial| trial.last()?.choosing_error_pct());
        mean(&errors.collect::<Vec<_>>())
    }

    /// The sample standard deviation (divisor n - 1) of the test errors; `None` for fewer than two.
    pub fn deviation(&self) -> Option<f64> {
        let (errors, mean) = (self.errors(), self.mean()?);
        let squares: f64 = errors.iter().map(|error| (error - mean).powi(2)).sum();
        (errors.len() > 1).then(|| (squares / (errors.len() - 1) as f64).sqrt())
    }

    /// The 95 % confidence interval, in percent, of a test error that is the mean.
    pub fn interval(&self) -> Option<[f64; 2]> {
        wilson95_of_error(self.mean()?, self.typical()?.1.test_images?)
    }

    /// A representative training: among those that learned the one with the median error, or else the first one
    /// done.
    pub(super) fn typical(&self) -> Option<(&Trial, &Record)> {
        let ended = || self.trials.iter().filter_map(|trial| Some((trial, trial.last()?)));
        let mut learned: Vec<_> =
            ended().filter_map(|ended| Some((ended.1.choosing_error_pct()?, ended))).collect();
        learned.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let median = learned.get(learned.len().saturating_sub(1) / 2);
        median.map(|(_, ended)| *ended).or_else(|| ended().next())
    }

    /// Counts the trainings by kind of failure.
    pub fn failures(&self) -> Vec<(&'static str, usize)> {
        let fates: Vec<TrialOutcome> =
            self.trials.iter().filter_map(|trial| Some(trial.last()?.fate)).collect();
        let count = |(word, _)| (word, fates.iter().filter(|fate| fate.word() == word).count());
        BAD_FATES.map(count).into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// The number of trainings not done yet.
    pub fn left(&self) -> usize {
        self.trials.iter().filter(|trial| trial.records.is_empty()).count()
    }
}

/// The failure outcomes, each with an explanation.
const BAD_FATES: [(&str, &str); 3] = [
    ("diverged", "given up, because the loss was no number any more"),
    ("dead", "given up, because no gradient reached the weights any more"),
    ("stuck", "all of its steps are done, and the loss is still that of guessing"),
];

/// The display names of networks. Networks from files use the name in the file, unless it is not unique.
fn names(entries: &[Entry]) -> Vec<String> {
    let own = |entry: &Entry| {
        let network = entry.model.ends_with(".toml").then(|| Network::open(&entry.model, 2, None).ok());
        network.flatten().map_or_else(|| entry.name.clone(), |network| network.name().to_owned())
    };
    let names: Vec<String> = entries.iter().map(own).collect();
    let is_unique = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    let unique = |(entry, name): (&Entry, &String)| if is_unique(name) { name } else { &entry.name }.clone();
    entries.iter().zip(&names).map(unique).collect()
}

/// The mean; `None` if empty.
fn mean(errors: &[f64]) -> Option<f64> {
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

impl Row {
    /// The learning rate with the lowest mean error, the first of ties, as the paper reports it. Validation errors
    /// decide if there are any.
    pub fn best(&self) -> Option<&Rate> {
        let means = self.rates.iter().filter_map(|rate| Some((rate.choosing_mean()?, rate)));
        means.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, rate)| rate)
    }

    /// The images that select the best epoch, if any training is done.
    pub fn selected_on(&self) -> Option<Split> {
        let trials = self.rates.iter().flat_map(|rate| &rate.trials);
        trials.filter_map(|trial| trial.last()?.selected_on()).next()
    }
}

impl Table {
    /// Builds the table from a plan's experiments and their records.
    pub(super) fn new(plan: &Plan, experiments: &[Experiment], records: Vec<Vec<Record>>) -> Self {
        let rates = || plan.learning_rates.iter().map(|&rate| Rate { learning_rate: rate, trials: vec![] });
        let entries = plan.entries();
        let names = names(&entries).into_iter();
        let row = |(entry, name)| Row { entry, name, rates: rates().collect() };
        let mut rows: Vec<Row> = entries.into_iter().zip(names).map(row).collect();
        for (experiment, records) in experiments.iter().zip(records) {
            let rates = rows[experiment.row].rates.iter_mut();
            let trial = Trial { name: experiment.name.clone(), seed: experiment.seed, records };
            rates
                .filter(|rate| rate.learning_rate == experiment.learning_rate)
                .for_each(|rate| rate.trials.push(trial.clone()));
        }
        Self { plan: plan.clone(), rows }
    }

    /// The failure outcomes that occur in the table, each with an explanation.
    pub(super) fn fates(&self) -> Vec<(&'static str, &'static str)> {
        let rates = || self.rows.iter().flat_map(|row| &row.rates);
        let is_there = |word| rates().flat_map(Rate::failures).any(|(found, _)| found == word);
        BAD_FATES.into_iter().filter(|(word, _)| is_there(*word)).collect()
    }

    /// The conditions of the measurements, in a sentence or two.
    pub fn terms(&self) -> String {
        let Plan { recipe, seeds, data, holdout, limit, .. } = &self.plan;
        let images =
            limit.map_or_else(String::new, |limit| format!(", at most {}", counted(limit, "training image")));
        let held = match holdout.as_deref() {
            Some(share) if share.ends_with('%') => format!(", tested on the last {share} of each class"),
            Some(count) => format!(", tested on the last {count} images of each class"),
            None => String::new(),
        };
        let name = std::path::Path::new(data).file_name().unwrap_or_default().to_string_lossy();
        let (errors, ours) = self.figures();
        format!(
            "Recipe {}, {}, {}, data {name}{images}{held}. Errors are those {errors}; ± is the standard \
             deviation over the seeds. {ours}.",
            recipe.name,
            counted(recipe.epochs as usize, "epoch"),
            counted(*seeds as usize, "seed"),
        )
    }

    /// Which errors the table shows, and how the best learning rate is selected.
    fn figures(&self) -> (&'static str, &'static str) {
        let any = |wanted| self.rows.iter().any(|row| row.selected_on() == Some(wanted));
        match (any(Split::Validation), any(Split::Test)) {
            (false, _) => (
                "after the last epoch",
                "As in the paper, \"ours\" is the learning rate with the lowest error on the test images",
            ),
            (true, false) => (
                "of the epoch with the lowest error on the validation images, measured once",
                "\"Ours\" is the learning rate with the lowest error on the validation images",
            ),
            (true, true) => (
                "after the last epoch, but where the data has validation images those of the epoch with the lowest \
                 error on these, measured once",
                "\"Ours\" is the learning rate with the lowest error on the validation images, or where there are none, \
                 as in the paper, on the test images",
            ),
        }
    }

    /// Whether validation images select the best epoch in all trainings that are done.
    pub(super) fn is_validated(&self) -> bool {
        let mut splits = self.rows.iter().filter_map(Row::selected_on).peekable();
        splits.peek().is_some() && splits.all(|split| split == Split::Validation)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::PaperTable;
    use super::*;
    use crate::run::{EpochRow, Tested};

    /// A record of two epochs that ends with this error.
    pub(crate) fn record(fate: TrialOutcome, error: f64) -> Record {
        let row = |epoch, error| EpochRow {
            epoch,
            learning_rate: 0.05,
            train_loss: 1.5,
            train_error_pct: 50.0,
            test_loss: Some(1.0),
            test_error_pct: Some(error),
            images_per_s: 100.0,
            seconds: 10.0,
            validation_loss: None,
            validation_error_pct: None,
        };
        Record {
            fate,
            seed: 0,
            seconds: 10.0,
            history: vec![row(1, error + 5.0), row(2, error)],
            tested: None,
            test_images: Some(1000),
        }
    }

    /// Two networks, two rates, two seeds, partly done.
    pub(crate) fn table() -> Table {
        let mut plan = Plan::paper(PaperTable::Table3);
        plan.models = vec!["model-c".into(), "all-cnn-c".into()];
        plan.learning_rates = vec![0.1, 0.05];
        plan.seeds = 2;
        let experiments = plan.experiments().unwrap();
        let records = experiments.iter().map(|experiment| match experiment.name.as_str() {
            "model-c-lr0.1-seed0" => vec![record(TrialOutcome::Diverged { step: 7 }, 80.0)],
            "model-c-lr0.1-seed1" => {
                vec![record(TrialOutcome::Dead, 90.0), record(TrialOutcome::Finished, 11.0)]
            }
            "model-c-lr0.05-seed0" => vec![record(TrialOutcome::Finished, 9.5)],
            "model-c-lr0.05-seed1" => vec![record(TrialOutcome::Finished, 10.5)],
            "all-cnn-c-lr0.1-seed0" => vec![record(TrialOutcome::Stuck, 90.0)],
            _ => vec![],
        });
        let records = records.collect();
        Table::new(&plan, &experiments, records)
    }

    /// Like [`table`], but with validation images: rate 0.05 has lower validation errors but higher test errors.
    pub(crate) fn validated() -> Table {
        let mut table = table();
        for (rate, [validation, test]) in table.rows[0].rates.iter_mut().zip([[12.0, 9.0], [11.0, 10.0]]) {
            for record in rate.trials.iter_mut().flat_map(|trial| trial.records.iter_mut()) {
                *record = self::record(TrialOutcome::Finished, 0.0);
                record.tested = Some(Tested { loss: 1.0, error_pct: test });
                for row in &mut record.history {
                    (row.test_loss, row.test_error_pct) = (None, None);
                    row.validation_error_pct = Some(validation + f64::from(row.epoch));
                }
            }
        }
        table.rows.truncate(1);
        table
    }

    #[test]
    fn the_training_that_is_shown_is_the_median_of_those_that_learned() {
        let trial = |seed, fate, error| Trial {
            name: String::new(),
            seed,
            records: vec![Record { seed, ..record(fate, error) }],
        };
        let seed =
            |trials: Vec<Trial>| Rate { learning_rate: 0.1, trials }.typical().map(|(_, record)| record.seed);
        let (stuck, good) = (TrialOutcome::Stuck, TrialOutcome::Finished);
        assert_eq!(seed(vec![trial(0, stuck, 90.0), trial(1, good, 12.0), trial(2, good, 10.0)]), Some(2));
        assert_eq!(seed([(0, 9.0), (1, 7.0), (2, 8.0)].map(|(at, is)| trial(at, good, is)).into()), Some(2));
        assert_eq!(seed(vec![trial(0, stuck, 90.0), trial(1, TrialOutcome::Dead, 90.0)]), Some(0));
        assert_eq!(seed(vec![]), None);
    }

    #[test]
    fn a_network_of_a_file_has_its_own_name_unless_two_have_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = |stem: &str, name: &str| {
            let path = folder.path().join(format!("{stem}.toml"));
            let layers = "[{ conv = \"classes\", kernel = 1 }, { global_average = true }]";
            let text = format!("name = \"{name}\"\ninput = [4, 4, 3]\nclasses = 2\nlayers = {layers}\n");
            std::fs::write(&path, text).unwrap();
            PaperTable::Table3.entry(path.to_str().unwrap())
        };
        let entries = [file("one", "tiny"), PaperTable::Table3.entry("model-a")];
        assert_eq!(names(&entries), ["tiny", "model-a"]);
        assert_eq!(names(&[file("one", "tiny"), file("two", "tiny")]), ["one", "two"]);
        assert_eq!(names(&[PaperTable::Table3.entry("nowhere/gone.toml")]), ["gone"]);
    }

    #[test]
    fn validation_images_choose_the_rate_and_the_test_images_are_measured_once() {
        let table = validated();
        let best = table.rows[0].best().unwrap();
        assert_eq!((best.learning_rate, best.mean()), (0.05, Some(10.0)));
        assert!(table.terms().contains("lowest error on the validation images, measured once"));
        assert!(
            table.terms().contains("\"Ours\" is the learning rate with the lowest error on the validation")
        );
        assert!(table.is_validated() && !self::table().is_validated());
        assert!(self::table().terms().contains("Errors are those after the last epoch;"));
        let mut mixed = self::table();
        mixed.rows.extend(table.rows);
        let terms = mixed.terms();
        assert!(terms.contains("after the last epoch, but where") && !mixed.is_validated(), "{terms}");
    }

    #[test]
    fn the_best_rate_is_that_of_the_lowest_mean_and_failures_do_not_count_into_it() {
        let table = table();
        let model_c = &table.rows[0];
        assert_eq!((model_c.rates[0].mean(), model_c.rates[0].deviation()), (Some(11.0), None));
        assert_eq!(model_c.rates[0].failures(), [("diverged", 1)]);
        let best = model_c.best().unwrap();
        assert_eq!((best.learning_rate, best.mean()), (0.05, Some(10.0)));
        assert!((best.deviation().unwrap() - 0.5f64.sqrt()).abs() < 1e-12);
        assert!(table.rows[1].best().is_none());
        assert_eq!((table.rows[1].rates[0].left(), table.rows[1].rates[1].left()), (1, 2));
    }
}
