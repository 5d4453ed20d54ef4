//! The table of a sweep: for every network and learning rate the errors of its trainings, so far.

use super::{Entry, Experiment, Fate, Plan, Record, text};

/// A table of the paper with our figures.
#[derive(Clone, Debug)]
pub struct Table {
    /// What was to be done.
    pub plan: Plan,
    /// A row a network.
    pub rows: Vec<Row>,
}

/// The trainings of a network.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was trained.
    pub entry: Entry,
    /// A rate each, in the plan's order.
    pub rates: Vec<Rate>,
}

/// The trainings of a network at a learning rate.
#[derive(Clone, Debug)]
pub struct Rate {
    /// The learning rate.
    pub learning_rate: f64,
    /// One a seed.
    pub trials: Vec<Trial>,
}

/// A training.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its experiment's name.
    pub name: String,
    /// The seed of its first beginning.
    pub seed: u64,
    /// How it ended each time that it was begun; the last one counts.
    pub records: Vec<Record>,
}

impl Trial {
    /// How it ended.
    pub fn last(&self) -> Option<&Record> {
        self.records.last()
    }
}

impl Rate {
    /// The test errors, in percent, of the trainings that learned.
    pub fn errors(&self) -> Vec<f64> {
        self.trials.iter().filter_map(|trial| trial.last()?.error_pct()).collect()
    }

    /// Their mean.
    pub fn mean(&self) -> Option<f64> {
        let errors = self.errors();
        (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
    }

    /// Their standard deviation (that of a sample: the divisor is their number less 1), where there are two or more.
    pub fn deviation(&self) -> Option<f64> {
        let (errors, mean) = (self.errors(), self.mean()?);
        let squares: f64 = errors.iter().map(|error| (error - mean).powi(2)).sum();
        (errors.len() > 1).then(|| (squares / (errors.len() - 1) as f64).sqrt())
    }

    /// How many trainings met each bad fate.
    pub fn failures(&self) -> Vec<(&'static str, usize)> {
        let fates: Vec<Fate> = self.trials.iter().filter_map(|trial| Some(trial.last()?.fate)).collect();
        let count = |word: &'static str| (word, fates.iter().filter(|fate| fate.word() == word).count());
        ["diverged", "dead", "stuck"].map(count).into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Trainings that have not ended.
    pub fn left(&self) -> usize {
        self.trials.iter().filter(|trial| trial.records.is_empty()).count()
    }
}

impl Row {
    /// The learning rate with the lowest mean error, the first of equals: what the paper reports.
    pub fn best(&self) -> Option<&Rate> {
        let means = self.rates.iter().filter_map(|rate| Some((rate.mean()?, rate)));
        means.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, rate)| rate)
    }
}

impl Table {
    /// The table of a plan's experiments, each with its records.
    pub(super) fn new(plan: &Plan, experiments: &[Experiment], records: Vec<Vec<Record>>) -> Self {
        let rates = || plan.learning_rates.iter().map(|&rate| Rate { learning_rate: rate, trials: vec![] });
        let mut rows: Vec<Row> =
            plan.entries().into_iter().map(|entry| Row { entry, rates: rates().collect() }).collect();
        for (experiment, records) in experiments.iter().zip(records) {
            let rates = rows[experiment.row].rates.iter_mut();
            let trial = Trial { name: experiment.name.clone(), seed: experiment.seed, records };
            rates
                .filter(|rate| rate.learning_rate == experiment.learning_rate)
                .for_each(|rate| rate.trials.push(trial.clone()));
        }
        Self { plan: plan.clone(), rows }
    }

    /// The table as Markdown, with what it was made with, and the figures of the literature.
    pub fn markdown(&self) -> String {
        text::markdown(self)
    }

    /// What the figures were made with, in a sentence or two.
    pub fn terms(&self) -> String {
        let Plan { recipe, seeds, data, holdout, limit, .. } = &self.plan;
        let plural =
            |number: u64, thing: &str| format!("{number} {thing}{}", if number == 1 { "" } else { "s" });
        let images = limit.map_or_else(String::new, |limit| format!(", at most {limit} training images"));
        let held = match holdout.as_deref() {
            Some(share) if share.ends_with('%') => format!(", tested on the last {share} of each class"),
            Some(count) => format!(", tested on the last {count} images of each class"),
            None => String::new(),
        };
        let name = std::path::Path::new(data).file_name().unwrap_or_default().to_string_lossy();
        format!(
            "Recipe {}, {}, {}, data {name}{images}{held}. Errors are those after the last epoch; ± is the standard \
             deviation over the seeds. As in the paper, \"ours\" is the learning rate with the lowest error on the test images.",
            recipe.name,
            plural(u64::from(recipe.epochs), "epoch"),
            plural(*seeds, "seed"),
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::PaperTable;
    use super::*;
    use crate::train::EpochRow;

    /// A record of two epochs that ends with this error.
    pub fn record(fate: Fate, error: f64) -> Record {
        let row = |epoch, error| EpochRow {
            epoch,
            learning_rate: 0.05,
            train_loss: 1.5,
            train_error_pct: 50.0,
            test_loss: Some(1.0),
            test_error_pct: Some(error),
            images_per_s: 100.0,
            seconds: 10.0,
        };
        Record { fate, seed: 0, seconds: 10.0, history: vec![row(1, error + 5.0), row(2, error)] }
    }

    /// Two networks, two rates, two seeds; some of it done.
    pub fn table() -> Table {
        let mut plan = Plan::paper(PaperTable::Table3);
        plan.models = vec!["model-c".into(), "all-cnn-c".into()];
        plan.learning_rates = vec![0.1, 0.05];
        plan.seeds = 2;
        let experiments = plan.experiments().unwrap();
        let records = experiments.iter().map(|experiment| match experiment.name.as_str() {
            "model-c-lr0.1-seed0" => vec![record(Fate::Diverged { step: 7 }, 80.0)],
            "model-c-lr0.1-seed1" => vec![record(Fate::Dead, 90.0), record(Fate::Finished, 11.0)],
            "model-c-lr0.05-seed0" => vec![record(Fate::Finished, 9.5)],
            "model-c-lr0.05-seed1" => vec![record(Fate::Finished, 10.5)],
            "all-cnn-c-lr0.1-seed0" => vec![record(Fate::Stuck, 90.0)],
            _ => vec![],
        });
        let records = records.collect();
        Table::new(&plan, &experiments, records)
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
