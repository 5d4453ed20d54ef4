//! The file `mistakes.csv`: the mistakes on held-out images after the last epoch, the surest first.

use serde::{Deserialize, Serialize};

use crate::text::csv_text;

/// A row of `mistakes.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// The epoch after which it was made, from 1.
    pub epoch: u32,
    /// The image's name.
    pub image: String,
    /// Its class.
    pub r#true: String,
    /// The class that it was taken for.
    pub predicted: String,
    /// The probability that the network gave that class.
    pub probability: f32,
}

/// The contents of `mistakes.csv`: a header and a line per mistake.
pub(crate) fn csv(mistakes: &[Mistake]) -> String {
    let fields = |mistake: &Mistake| {
        let Mistake { epoch, image, r#true, predicted, probability } = mistake;
        [epoch.to_string(), image.clone(), r#true.clone(), predicted.clone(), probability.to_string()]
    };
    csv_text::write(["epoch", "image", "true", "predicted", "probability"], mistakes.iter().map(fields))
}

/// Parses the rows of a `mistakes.csv`; damaged ones are skipped.
pub(crate) fn parse(text: &str) -> Vec<Mistake> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mistake = |image: &str, probability| Mistake {
            epoch: 3,
            image: image.into(),
            r#true: "cat".into(),
            predicted: "d,g".into(),
            probability,
        };
        let mistakes = [mistake("c, \"d\"\n.png", 0.875), mistake("b.png", 0.625)];
        assert_eq!(parse(&csv(&mistakes)), mistakes);
        assert!(parse("epoch,image\n1,a.png\nno row").is_empty());
    }
}
