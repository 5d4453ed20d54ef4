//! What the arrays of a file hold, by the words of their names: `x_train`, `test_labels`, `valImages`.
use crate::formats::split_name::{in_name, words};
use crate::split_names::SplitName;

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Images,
    Labels,
    /// The names of the classes, in their order.
    ClassNames,
}

/// The split and the role of an array, as far as its name has words for them. What is named after both, `image_labels`, is labels.
pub(super) fn of_array(name: &str) -> (Option<SplitName>, Option<Role>) {
    let name = apart(name);
    let (split, words) = match in_name(&name) {
        Some((split, words)) => (Some(split), words),
        None => (None, words(&name)),
    };
    let any = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let role = if any(&["names"]) {
        Some(Role::ClassNames)
    } else if any(&["y", "label", "labels", "lbl", "target", "targets", "class", "classes"]) {
        Some(Role::Labels)
    } else if any(&[
        "x", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "pixels", "data",
    ]) {
        Some(Role::Images)
    } else {
        None
    };
    (split, role)
}

/// `xtrain` as `x_train`.
fn apart(name: &str) -> String {
    let axis = name.chars().next().filter(|first| matches!(first, 'x' | 'y' | 'X' | 'Y'));
    let is_split = |rest: &str| in_name(rest).is_some_and(|(_, words)| words.is_empty());
    match axis {
        Some(axis) if is_split(&name[1..]) => format!("{axis}_{}", &name[1..]),
        _ => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_by_their_words() {
        use Role::{ClassNames, Images, Labels};
        use SplitName::{Test, Train, Validation};
        for (name, split, role) in [
            ("x_train", Some(Train), Some(Images)),
            ("y_test", Some(Test), Some(Labels)),
            ("xtrain", Some(Train), Some(Images)),
            ("YTest", Some(Test), Some(Labels)),
            ("trainX", Some(Train), Some(Images)),
            ("X_val", Some(Validation), Some(Images)),
            ("val_images", Some(Validation), Some(Images)),
            ("test_labels", Some(Test), Some(Labels)),
            ("trainImageLabels", Some(Train), Some(Labels)),
            ("training_data", Some(Train), Some(Images)),
            ("images", None, Some(Images)),
            ("X", None, Some(Images)),
            ("y", None, Some(Labels)),
            ("class_names", None, Some(ClassNames)),
            ("arr_0", None, None),
            ("train_ids", Some(Train), None),
            ("train_masks", Some(Train), None),
            ("yesterday", None, None),
        ] {
            assert_eq!(of_array(name), (split, role), "{name}");
        }
    }
}
