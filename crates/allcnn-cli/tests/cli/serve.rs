//! `allcnn serve`: what the explorer answers is what the commands print.

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::Path;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::Value;

use crate::explorer::Explorer;
use crate::near;
use crate::support::{
    allcnn, command, image_folder, picture, start, train_arguments, wait_for_checkpoint, workspace,
};

/// A workspace with a run in `runs/` and a picture.
fn with_run() -> tempfile::TempDir {
    let folder = workspace();
    let run = ["--epochs", "2", "--limit", "300", "--threads", "1"];
    allcnn(folder.path(), &train_arguments("runs/one", &run)).done();
    picture([200, 30, 10], 0).save(folder.path().join("red.png")).unwrap();
    folder
}

fn red(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("red.png")).unwrap()
}

/// The pixels of a data URL.
fn pixels(url: &Value) -> image::RgbImage {
    let file =
        STANDARD.decode(url.as_str().unwrap().strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    image::ImageReader::with_format(Cursor::new(file), image::ImageFormat::Png).decode().unwrap().to_rgb8()
}

#[test]
fn predictions_and_maps_are_those_of_the_commands() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let asked = explorer.json("POST /api/runs/one/predict?top=3", &red(folder.path()));
    let printed =
        allcnn(folder.path(), &["predict", "runs/one", "red.png", "--top", "3", "--json", "--threads", "1"]);
    assert_eq!(asked["predictions"], printed.done().json()[0]["predictions"]);
    assert_eq!(pixels(&asked["seen"]), image::open(folder.path().join("red.png")).unwrap().to_rgb8());

    let known = asked["picture"].as_str().unwrap();
    for (query, flags) in [
        ("", vec![]),
        ("&class=circle", vec!["--unit", "circle"]),
        ("&method=backprop,deconvnet,guided", vec!["--method", "all"]),
        ("&method=occlusion,cam", vec!["--method", "every"]),
        ("&layer=conv2&unit=3&row=1&column=2", vec!["--layer", "conv2", "--unit", "3", "--at", "1,2"]),
        ("&layer=conv1&top=3", vec!["--layer", "conv1", "--top", "3"]),
        ("&random_from=conv2", vec!["--randomize-from", "conv2"]),
    ] {
        let answer = explorer.json(&format!("POST /api/runs/one/explain?picture={known}{query}"), b"");
        let mut arguments =
            vec!["explain", "runs/one", "red.png", "--out", "sheet.png", "--json", "--threads", "1"];
        arguments.extend(flags);
        let printed = allcnn(folder.path(), &arguments).done().json();
        for map in answer["maps"].as_array().unwrap() {
            let same = |entry: &&Value| ["method", "unit"].iter().all(|&key| entry[key] == map[key]);
            let entry =
                printed.as_array().unwrap().iter().find(same).unwrap_or_else(|| panic!("{query}: {printed}"));
            for key in ["layer", "row", "column", "activation", "class", "probability"] {
                assert_eq!(map[key], entry[key], "{query}: {key}");
            }
            assert_eq!(pixels(&map["map"]).dimensions(), (32, 32));
            assert_eq!(STANDARD.decode(map["values"].as_str().unwrap()).unwrap().len(), 32 * 32 * 4);
        }
        let wanted = if query.contains("top=3") || query.contains("deconvnet") { 3 } else { 1 };
        assert!(answer["maps"].as_array().unwrap().len() >= wanted, "{query}: {answer}");
    }
    let place = explorer
        .json(&format!("POST /api/runs/one/explain?picture={known}&layer=conv1&unit=0&row=0&column=0"), b"");
    assert_eq!(place["maps"][0]["receptive_field"]["rows"], serde_json::json!([0, 2]));
}

#[test]
fn a_form_is_a_picture_too_and_one_that_is_not_kept_is_asked_for_again() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &["runs/one"]);
    let form = [
        b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n",
        &red(folder.path())[..],
        b"\r\n--x--\r\n",
    ]
    .concat();
    let headers = [&explorer.host()[..], "Content-Type: multipart/form-data; boundary=x"];
    let answer = explorer.send("POST /api/runs/one/predict", &headers, &form);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let no_image = b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nA\r\n--x--\r\n";
    explorer.send("POST /api/runs/one/predict", &headers, no_image).refuses(400, &["no field image"]);
    explorer.ask("POST /api/runs/one/predict?picture=abc", b"").refuses(404, &["send it again"]);
    assert_eq!(explorer.json("GET /api/runs", b"")["single"], "one");
}

#[test]
fn runs_are_listed_with_their_layers_settings_and_metrics() {
    let folder = with_run();
    let names = ["<img src=x onerror=alert(1)>", "nested"];
    for name in names {
        let run = ["--epochs", "1", "--limit", "100", "--threads", "1"];
        allcnn(folder.path(), &train_arguments(&format!("runs/folds/{name}"), &run)).done();
    }
    fs::create_dir_all(folder.path().join("runs/broken")).unwrap();
    fs::write(folder.path().join("runs/broken/run.toml"), "nonsense").unwrap();
    let explorer = Explorer::start(folder.path(), &[]);
    let listing = explorer.json("GET /api/runs", b"");
    let runs = listing["runs"].as_array().unwrap();
    let listed: Vec<&str> = runs.iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert!(listed.len() == 3 && listed.contains(&"one") && listed.contains(&"folds~2Fnested"), "{listed:?}");
    let run = runs.iter().find(|run| run["name"] == "one").unwrap();
    assert_eq!((&run["state"], &run["epoch"], &run["epochs"]), (&"finished".into(), &2.into(), &2.into()));
    let evaluated =
        allcnn(folder.path(), &["eval", "runs/one", "--checkpoint", "last", "--json", "--threads", "1"]);
    let evaluated = evaluated.done().json();
    let close = |one: &Value, other: &Value| (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 0.01;
    assert!(close(&run["error_pct"], &evaluated["top1_error_pct"]), "{run} {evaluated}");
    assert!(close(&run["interval95"][1], &evaluated["top1_error_interval95"][1]), "{run} {evaluated}");
    for name in listed {
        let details = explorer.json(&format!("GET /api/runs/{name}"), b"");
        assert_eq!(details["layers"].as_array().unwrap().len(), 4, "{details}");
        assert!(
            !details["metrics"].as_array().unwrap().is_empty()
                && !details["settings"].as_array().unwrap().is_empty()
        );
        assert_eq!(details["classes"].as_array().unwrap().len(), 10);
    }
}

#[test]
fn layers_show_their_outputs_patches_and_drawings() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let outputs = explorer.json("POST /api/runs/one/activations?layer=conv2", &red(folder.path()));
    assert_eq!([&outputs["height"], &outputs["width"], &outputs["channels"]], [&8, &8, &8]);
    assert_eq!(pixels(&outputs["sheet"]).dimensions(), (24, 24));
    let patches = explorer.json("GET /api/runs/one/patches?layer=conv2&unit=1", b"");
    let printed = [
        "features",
        "runs/one",
        "--layer",
        "conv2",
        "--filters",
        "1",
        "--out",
        "f.png",
        "--json",
        "--threads",
        "1",
    ];
    let printed = allcnn(folder.path(), &printed).done().json();
    for (one, other) in
        patches["patches"].as_array().unwrap().iter().zip(printed[0]["patches"].as_array().unwrap())
    {
        assert_eq!(
            (&one["image"], &one["class"], &one["activation"]),
            (&other["image"], &other["class"], &other["activation"])
        );
        assert_eq!(pixels(&one["picture"]).dimensions(), pixels(&one["map"]).dimensions());
    }
    let drawing = explorer.json("GET /api/runs/one/drawing?layer=conv1&unit=2", b"");
    assert_eq!(pixels(&drawing["drawing"]).dimensions(), (3, 3));
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_can() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let red = red(folder.path());
    let refused = |request: &str, status, part: &str| explorer.ask(request, &red).refuses(status, &[part]);
    refused("POST /api/runs/two/predict", 404, "there is no run \"two\"");
    refused("POST /api/runs/one/explain?method=magic", 400, "expected one of backprop, deconvnet, guided");
    refused("POST /api/runs/one/explain?layer=conv9", 400, "has no layer \"conv9\"; expected conv1");
    refused("POST /api/runs/one/explain?layer=conv1&unit=99", 400, "conv1 has no unit 99");
    refused("POST /api/runs/one/explain?layer=conv1&unit=1&row=99&column=0", 400, "expected a row from 0");
    refused("POST /api/runs/one/explain?row=1&column=1", 400, "a place needs row, column and a unit");
    refused("POST /api/runs/one/explain?class=cats", 400, "knows no class \"cats\"");
    refused("POST /api/runs/one/explain?wrong=1", 400, "unknown field `wrong`");
    refused("POST /api/runs/one/explain?random_from=pool9", 400, "pool9");
    refused("POST /api/runs/one/explain?map=red", 400, "signed");
    refused("POST /api/runs/one/activations?layer=conv9", 400, "has no layer");
    refused("GET /api/runs/one/patches?layer=conv1&unit=8", 400, "conv1 has filters 0..8");
    refused("GET /api/runs/one/patches?layer=conv1&unit=18446744073709551615", 400, "conv1 has filters 0..8");
    refused("GET /api/runs/one/predict", 405, "not asked that way");
    refused("GET /api/nothing", 404, "no such address");
    explorer.ask("POST /api/runs/one/predict", b"no picture").refuses(415, &["cannot be read"]);
    explorer.ask("POST /api/runs/one/predict", b"").refuses(400, &["there is no picture"]);
    // Data that has gone.
    image_folder(folder.path(), 12);
    let run = ["--data", "pictures", "--epochs", "1", "--threads", "1"];
    allcnn(folder.path(), &train_arguments("runs/gone", &run)).done();
    fs::remove_dir_all(folder.path().join("pictures")).unwrap();
    refused("GET /api/runs/gone/patches?layer=conv1&unit=0", 404, "pictures");
}

#[test]
fn a_training_is_told_epoch_by_epoch_and_its_newest_weights_answer() {
    let folder = workspace();
    picture([200, 30, 10], 0).save(folder.path().join("red.png")).unwrap();
    let explorer = {
        fs::create_dir(folder.path().join("runs")).unwrap();
        Explorer::start(folder.path(), &[])
    };
    assert_eq!(explorer.json("GET /api/runs", b"")["runs"], serde_json::json!([]));
    let run = folder.path().join("runs/live");
    let mut child =
        start(folder.path(), &train_arguments("runs/live", &["--limit", "1500", "--epochs", "6"]));
    wait_for_checkpoint(&run, &mut child);
    let mut stream = explorer.connect();
    write!(stream, "GET /api/runs/live/events HTTP/1.1\r\n{}\r\n\r\n", explorer.host()).unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.contains("\"state\":\"finished\"") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "{text}");
        text += &String::from_utf8_lossy(&buffer[..read]);
    }
    for epoch in 1..=6 {
        assert!(text.contains(&format!("\"epoch\":{epoch},\"learning_rate\"")), "{text}");
    }
    assert!(child.wait().unwrap().success());
    let asked = explorer.json("POST /api/runs/live/predict?top=10", &red(folder.path()));
    let printed = allcnn(
        folder.path(),
        &["predict", "runs/live", "red.png", "--top", "10", "--json", "--threads", "1"],
    );
    assert_eq!(asked["predictions"], printed.done().json()[0]["predictions"]);
}

#[test]
fn the_surest_mistakes_of_the_newest_epoch_are_shown_and_noted_in_a_file() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let noted = fs::read_to_string(folder.path().join("runs/one/mistakes.csv")).unwrap();
    assert!(noted.starts_with("epoch,image,true,predicted,probability\n2,"), "{noted}");
    let latest = explorer.json("GET /api/runs/one/mistakes/latest", b"");
    let latest = latest["pictures"].as_array().unwrap();
    assert!(!latest.is_empty() && latest.len() == (noted.lines().count() - 1).min(24), "{noted}");
    let first = &latest[0];
    let (image, label) = (first["image"].as_str().unwrap(), first["true"].as_str().unwrap());
    assert!(noted.lines().nth(1).unwrap().starts_with(&format!("2,{image},{label},")), "{noted}");
    assert_eq!(pixels(&first["seen"]).dimensions(), (32, 32));
    // The last epoch's, as `eval` finds them in that checkpoint.
    let csv = ["eval", "runs/one", "--checkpoint", "last", "--csv", "all.csv", "--threads", "1", "--quiet"];
    allcnn(folder.path(), &csv).done();
    let evaluated = fs::read_to_string(folder.path().join("all.csv")).unwrap();
    let wrong = evaluated.lines().filter(|line| line.starts_with(image) && line.contains(label)).count();
    assert_eq!(wrong, 1, "{image} in {evaluated}");
    // With a run of before there was such a file.
    fs::remove_file(folder.path().join("runs/one/mistakes.csv")).unwrap();
    let none = explorer.json("GET /api/runs/one/mistakes/latest", b"");
    assert_eq!(none["pictures"], serde_json::json!([]));
}

#[test]
fn images_that_are_nearly_the_same_are_shown_in_groups() {
    let folder = workspace();
    near::data(folder.path());
    let run = ["--data", "pets", "--epochs", "1", "--threads", "1"];
    allcnn(folder.path(), &train_arguments("runs/pets", &run)).done();
    let explorer = Explorer::start(folder.path(), &[]);
    let near = explorer.json("GET /api/runs/pets/near", b"");
    for (figure, expected) in [
        ("images", 31),
        ("test_images_near_train", 2),
        ("groups_across_splits", 2),
        ("groups_within_split", 1),
        ("groups_with_different_labels", 1),
    ] {
        assert_eq!(near[figure], expected, "{figure}");
    }
    let groups = near["groups"].as_array().unwrap();
    let first = &groups[0];
    assert_eq!((groups.len(), &first["labels_differ"], &first["more"]), (3, &true.into(), &0.into()));
    let splits: Vec<&Value> = first["pictures"].as_array().unwrap().iter().map(|one| &one["split"]).collect();
    assert_eq!(splits, ["train", "test"]);
    let picture = first["pictures"][1]["picture"].as_str().unwrap();
    let answer = explorer.json(&format!("POST /api/runs/pets/predict?picture={picture}"), b"");
    assert_eq!(answer["seen"], first["pictures"][1]["seen"], "it is kept for Try");
    explorer.ask("GET /api/runs/none/near", b"").refuses(404, &["no run"]);
}

#[test]
fn held_out_images_are_samples_and_mistakes() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let samples = explorer.json("GET /api/runs/one/samples?count=10", b"");
    let samples = samples["samples"].as_array().unwrap();
    let mut classes: Vec<&str> = samples.iter().map(|sample| sample["class"].as_str().unwrap()).collect();
    classes.dedup();
    assert_eq!(classes.len(), 10, "one of each class");
    let first = samples[0]["picture"].as_str().unwrap();
    let answer = explorer.json(&format!("POST /api/runs/one/predict?picture={first}"), b"");
    assert_eq!(answer["seen"], samples[0]["seen"]);

    let told = explorer.json("GET /api/runs/one/mistakes", b"");
    let evaluated = allcnn(folder.path(), &["eval", "runs/one", "--json", "--threads", "1"]).done().json();
    assert_eq!((&told["confusion"], &told["images"]), (&evaluated["confusion"], &evaluated["images"]));
    assert_eq!(told["interval95"], evaluated["top1_error_interval95"]);
    let rows: Vec<Vec<u64>> = serde_json::from_value(told["confusion"].clone()).unwrap();
    let names: Vec<&str> =
        told["classes"].as_array().unwrap().iter().map(|class| class["class"].as_str().unwrap()).collect();
    let mut wrong = 0;
    for (label, row) in rows.iter().enumerate() {
        for (predicted, &count) in row.iter().enumerate() {
            let cell = format!("true={}&predicted={}&count=2", names[label], names[predicted]);
            let pictures = explorer.json(&format!("GET /api/runs/one/mistakes/pictures?{cell}"), b"");
            assert_eq!(pictures["all"], count, "{cell}");
            for picture in pictures["pictures"].as_array().unwrap() {
                assert_eq!(
                    (&picture["true"], &picture["predicted"]),
                    (&names[label].into(), &names[predicted].into())
                );
            }
            wrong += if label == predicted { 0 } else { count };
        }
    }
    let all = explorer.json("GET /api/runs/one/mistakes/pictures?count=3&offset=1", b"");
    assert_eq!((all["all"].as_u64(), all["pictures"].as_array().unwrap().len()), (Some(wrong), 3));
    assert_eq!(pixels(&all["pictures"][0]["map"]).dimensions(), (32, 32));
    let probability = |index: usize| all["pictures"][index]["probability"].as_f64().unwrap();
    assert!(probability(0) >= probability(1) && probability(1) >= probability(2), "{all}");
    let doubtful = explorer.json("GET /api/runs/one/mistakes/pictures?doubtful=true&count=5", b"");
    let suspects = ["data", "suspects", "runs/one", "--top", "5", "--json", "--threads", "1"];
    let suspects = allcnn(folder.path(), &suspects).done().json();
    let names = |all: &Value, key: &str| -> Vec<Value> {
        all.as_array().unwrap().iter().map(|one| one[key].clone()).collect()
    };
    assert_eq!(names(&doubtful["pictures"], "image"), names(&suspects["suspects"], "file"));
    explorer
        .ask("GET /api/runs/one/mistakes/pictures?true=circle", b"")
        .refuses(400, &["both true and predicted"]);
    explorer
        .ask("GET /api/runs/one/mistakes/pictures?true=cats&predicted=circle", b"")
        .refuses(400, &["no class \"cats\""]);
}

#[test]
fn a_run_leaves_as_the_files_that_export_writes() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    for (asked, flag) in
        [("safetensors", "--safetensors"), ("html", "--html"), ("onnx?explain=guided", "--onnx")]
    {
        let name = format!("model.{}", asked.split('?').next().unwrap());
        let mut arguments = vec!["export", "runs/one", flag, &name];
        if asked.contains("explain") {
            arguments.extend(["--explain", "guided"]);
        }
        allcnn(folder.path(), &arguments).done();
        let answer = explorer.ask(&format!("GET /api/runs/one/export/{asked}"), b"");
        assert!(
            answer.status == 200 && answer.head.contains("attachment; filename=\"one."),
            "{}",
            answer.head
        );
        assert!(answer.body == fs::read(folder.path().join(&name)).unwrap(), "{asked}");
    }
    explorer.ask("GET /api/runs/one/export/onnx?explain=cam", b"").refuses(400, &["expected guided"]);
    let card = explorer.json("GET /api/runs/one/card", b"");
    assert!(card["text"].as_str().unwrap().contains("# tiny"), "{card}");
}

#[test]
fn train_opens_the_explorer_for_itself_and_closes_it() {
    let folder = workspace();
    let run = ["--epochs", "200", "--limit", "1500", "--serve"];
    let mut train = command(folder.path(), &train_arguments("runs/live", &run));
    train.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY"); // no browser for a test
    let mut child = train.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address =
        lines.find_map(|line| Some(line.unwrap().split_once("http://127.0.0.1:")?.1.to_owned())).unwrap();
    let (port, page) = address.split_once('/').unwrap();
    assert_eq!(page, "#/run/live/training");
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).unwrap();
    write!(stream, "GET /api/runs/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let answer = crate::explorer::Answer::read(stream);
    assert_eq!(answer.json()["state"], "training");
    crate::support::signal(&child, Signal::INT);
    assert!(lines.any(|line| line.unwrap().contains("everything is saved")));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).is_err());
}

#[test]
fn every_signal_ends_it_and_a_taken_port_is_told() {
    let folder = with_run();
    for signal in [Signal::INT, Signal::TERM] {
        let explorer = Explorer::start(folder.path(), &[]);
        let port = explorer.port.to_string();
        let taken = allcnn(folder.path(), &["serve", "--port", &port, "--no-open", "--threads", "1"]);
        taken.fails(1, &["cannot listen on", &port, "--port 0"]);
        assert_eq!(explorer.end(signal), Some(0), "{signal:?}");
    }
    allcnn(folder.path(), &["serve", "nowhere", "--no-open"])
        .fails(2, &["nowhere is no folder", "allcnn train"]);
}
