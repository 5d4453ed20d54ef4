//! A prior on the weights of the last layer: classes of one group are alike (Srivastava and Salakhutdinov 2013, "Discriminative
//! transfer learning with tree-based priors", with a tree of two levels that is given).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::RecipeError;
use crate::data::coarse_class;

/// Draws the weights of each class towards the mean of its group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreePrior {
    /// The factor on the distance from the mean, which is added to the gradient; in the place of the weight decay.
    pub strength: f32,
    /// The groups.
    pub groups: Groups,
}

/// Groups of classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Groups {
    /// Known ones: `coarse`, the coarse classes of CIFAR-100.
    Known(String),
    /// The classes of each group, by its name.
    Named(BTreeMap<String, Vec<String>>),
}

impl TreePrior {
    /// The group of each class, numbered in the order in which the classes name them.
    ///
    /// # Errors
    /// [`RecipeError::Setting`] for a class that is in no group or in two, and for one that the data does not have.
    pub fn groups_of(&self, classes: &[String]) -> Result<Vec<usize>, RecipeError> {
        let fault = |text: String| RecipeError::Setting(format!("tree_prior.groups: {text}"));
        if let Groups::Named(groups) = &self.groups {
            let unknown =
                groups.iter().flat_map(|(group, members)| members.iter().map(move |class| (group, class)));
            if let Some((group, class)) = unknown.into_iter().find(|(_, class)| !classes.contains(class)) {
                return Err(fault(format!(
                    "'{class}' of group '{group}' is no class\nexpected {}",
                    classes.join(", ")
                )));
            }
        }
        let mut names: Vec<String> = vec![];
        let mut number = |class: &String| {
            let name = self.group(class).map_err(&fault)?;
            let known = names.iter().position(|known| *known == name);
            Ok(known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            }))
        };
        classes.iter().map(&mut number).collect()
    }

    /// The name of the group of a class.
    fn group(&self, class: &String) -> Result<String, String> {
        match &self.groups {
            Groups::Known(_) => coarse_class(class)
                .map(str::to_owned)
                .ok_or(format!("'{class}' is no class of CIFAR-100, whose coarse classes were asked for")),
            Groups::Named(groups) => {
                let members = groups.iter().filter(|(_, members)| members.contains(class));
                match members.map(|(name, _)| name).collect::<Vec<_>>()[..] {
                    [name] => Ok(name.clone()),
                    [] => Err(format!("class '{class}' is in no group")),
                    [first, second, ..] => {
                        Err(format!("class '{class}' is in the groups '{first}' and '{second}'"))
                    }
                }
            }
        }
    }

    /// Describes what is wrong, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        match &self.groups {
            _ if !(self.strength > 0.0 && self.strength < 1.0) => {
                Some(format!("tree_prior.strength is {}, expected above 0 and below 1", self.strength))
            }
            Groups::Known(name) if name != "coarse" => Some(format!(
                "tree_prior.groups is \"{name}\", expected \"coarse\" or {{ group = [\"class\", ...], ... }}"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    const TEXT: &str =
        "[tree_prior]\nstrength = 0.01\ngroups = { animals = [\"cat\", \"dog\"], others = [\"car\"] }\n";

    fn prior(text: &str) -> TreePrior {
        Recipe::from_toml(text).unwrap().tree_prior.unwrap()
    }

    fn classes(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn groups_are_numbered_as_the_classes_come() {
        assert_eq!(prior(TEXT).groups_of(&classes(&["car", "cat", "dog"])).unwrap(), [0, 1, 1]);
        let coarse = prior("[tree_prior]\nstrength = 0.1\ngroups = \"coarse\"");
        assert_eq!(
            coarse.groups_of(&classes(&["apple", "baby", "pear", "woman", "wolf"])).unwrap(),
            [0, 1, 0, 1, 2]
        );
        let recipe = Recipe::from_toml(TEXT).unwrap();
        assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe);
    }

    #[test]
    fn groups_that_do_not_fit_the_classes_are_named() {
        let told =
            |text: &str, names: &[&str]| prior(text).groups_of(&classes(names)).unwrap_err().to_string();
        assert!(told(TEXT, &["cat", "car"]).contains("'dog' of group 'animals' is no class"));
        assert!(told(TEXT, &["cat", "dog", "car", "ship"]).contains("class 'ship' is in no group"));
        let twice = TEXT.replace("[\"car\"]", "[\"car\", \"cat\"]");
        assert!(
            told(&twice, &["cat", "dog", "car"]).contains("'cat' is in the groups 'animals' and 'others'")
        );
        let coarse = "[tree_prior]\nstrength = 0.1\ngroups = \"coarse\"";
        assert!(told(coarse, &["apple", "heart"]).contains("'heart' is no class of CIFAR-100"));
        for (text, expected) in [
            ("strength = 0.1\ngroups = \"fine\"", "tree_prior.groups is \"fine\", expected \"coarse\""),
            ("strength = 0\ngroups = \"coarse\"", "tree_prior.strength is 0, expected above 0"),
        ] {
            let error = Recipe::from_toml(&format!("[tree_prior]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
