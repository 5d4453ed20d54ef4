//! Help texts and `allcnn models`.

use std::fs;

use crate::support::{allcnn, keys, workspace};
use serde_json::Value;

#[test]
fn without_a_command_two_examples_are_shown() {
    let folder = workspace();
    let shown = allcnn(folder.path(), &[]).done();
    assert!(shown.stdout.contains("allcnn train --data photos/"), "{shown:?}");
    assert!(shown.stdout.lines().count() < 10);
}

#[test]
fn help_shows_examples_before_flags() {
    let folder = workspace();
    let commands: &[&[&str]] = &[
        &[],
        &["train"],
        &["eval"],
        &["predict"],
        &["models"],
        &["features"],
        &["import"],
        &["reproduce"],
        &["reproduce", "fig2"],
        &["reproduce", "fig3"],
        &["reproduce", "fig4"],
        &["bench"],
        &["data"],
        &["data", "info"],
        &["data", "fetch"],
        &["data", "convert"],
        &["data", "verify"],
    ];
    for command in commands {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let help = allcnn(folder.path(), &arguments).done().stdout;
        let examples = help.find("Examples:").unwrap_or_else(|| panic!("{command:?}: {help}"));
        assert!(examples < help.find("Usage:").unwrap() && examples < help.find("--help").unwrap(), "{help}");
        assert!(help[examples..].contains(&["allcnn", &command.join(" ")].join(" ")), "{command:?}: {help}");
    }
}

#[test]
fn models_as_json_have_the_papers_parameters() {
    let folder = workspace();
    let models = allcnn(folder.path(), &["models", "--json"]).done().json();
    let parameters = |name: &str| {
        let entry = models.as_array().unwrap().iter().find(|entry| entry["name"] == name);
        entry.unwrap_or_else(|| panic!("no {name}"))["parameters"].as_u64().unwrap()
    };
    assert_eq!(parameters("model-a"), 839_242);
    assert_eq!(parameters("all-cnn-c"), 1_369_738);
    assert_eq!(parameters("convpool-cnn-b"), 1_300_618);
    let first = &models[0];
    assert_eq!(keys(first), ["input", "input_dropout", "layers", "multiply_adds", "name", "parameters"]);
    assert_eq!(
        keys(&first["layers"][0]),
        ["activation", "dropout", "kind", "name", "output", "parameters", "receptive_field"]
    );
    assert_eq!(first["input"], serde_json::json!([32, 32, 3]));
}

#[test]
fn one_model_shows_its_layers() {
    let folder = workspace();
    let table = allcnn(folder.path(), &["models", "all-cnn-c"]).done().stdout;
    for part in ["conv9", "global_pool", "1,369,738", "receptive field"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let more_classes =
        allcnn(folder.path(), &["models", "all-cnn-c", "--classes", "100", "--json"]).done().json();
    assert_eq!(more_classes[0]["parameters"], 1_369_738 + 90 * 193);
    let own = allcnn(folder.path(), &["models", "tiny.toml", "--json"]).done().json();
    assert_eq!((own.as_array().unwrap().len(), &own[0]["name"]), (1, &"tiny".into()));
}

#[test]
fn activations_and_dropout_are_shown() {
    let folder = workspace();
    let network = "name = \"leaky\"\ninput = [8, 8, 3]\nclasses = 2\ninput_dropout = 0.1\nlayers = [
      { conv = 4, kernel = 3, activation = \"leaky:0.25\", dropout = 0.5 }, { pool = \"max\", kernel = 2 },
      { conv = \"classes\", kernel = 1 }, { global_average = true },
    ]\n";
    fs::write(folder.path().join("leaky.toml"), network).unwrap();
    let told = allcnn(folder.path(), &["models", "leaky.toml", "--json"]).done().json();
    let layers = &told[0]["layers"];
    assert_eq!(told[0]["input_dropout"], 0.1);
    assert_eq!((&layers[0]["activation"], &layers[0]["dropout"]), (&"leaky:0.25".into(), &0.5.into()));
    assert_eq!((&layers[1]["activation"], &layers[2]["activation"]), (&Value::Null, &"relu".into()));
    assert_eq!(layers[2]["dropout"], Value::Null);
    let words = allcnn(folder.path(), &["models", "leaky.toml"]).done().stdout;
    for part in ["activation", "leaky:0.25", "dropout of 0.1 on the picture", "0.5"] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[test]
fn an_unknown_model_is_wrong_usage() {
    let folder = workspace();
    allcnn(folder.path(), &["models", "all-cnn-d"]).fails(2, &["unknown model \"all-cnn-d\"", "all-cnn-c"]);
    allcnn(folder.path(), &["models", "missing.toml"]).fails(1, &["missing.toml", "No such file"]);
}
