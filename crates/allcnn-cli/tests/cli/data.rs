//! `allcnn data`: info, verify, convert, and fetch from a server of the test's own.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::{allcnn, command, finish, image_folder, keys, picture, workspace};
use image::GenericImageView;

#[test]
fn info_tells_kind_classes_and_sizes() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    let info = allcnn(folder.path(), &["data", "info", "pictures", "--json"]).done().json();
    assert_eq!(info["kind"], "image-folder");
    assert_eq!(info["train"], 36);
    assert_eq!(info["test"], 4);
    assert_eq!(info["classes"].as_array().unwrap().len(), 2);
    assert_eq!(keys(&info["classes"][0]), ["name", "test", "train", "validation"]);
    let words = allcnn(folder.path(), &["data", "info", "pictures", "--holdout", "5"]).done().stdout;
    assert!(words.contains("blue") && words.contains("30 training") && words.contains("10 test"), "{words}");
}

#[test]
fn what_was_decided_is_told_to_people_and_to_programs() {
    let folder = workspace();
    let data = image_folder(folder.path(), 20);
    picture([9, 9, 9], 0).view(0, 0, 16, 16).to_image().save(data.join("red/small.png")).unwrap();
    let text = "1 image of another size was resized to 32x32";
    for command in ["info", "verify"] {
        let told = allcnn(folder.path(), &["data", command, "pictures", "--json"]).done().json();
        assert_eq!(told["notes"], serde_json::json!([{ "kind": "resized", "text": text }]), "{command}");
    }
    let words = allcnn(folder.path(), &["data", "info", "pictures"]).done().stdout;
    assert!(words.contains(&format!("note: {text}")), "{words}");
}

#[test]
fn the_embedded_data_is_always_the_same() {
    let folder = workspace();
    let info = || allcnn(folder.path(), &["data", "info", "shapes", "--json"]).done().json();
    let first = info();
    assert_eq!(first["classes"].as_array().unwrap().len(), 10);
    assert_eq!(first["fingerprint"], info()["fingerprint"]);
}

#[test]
fn verify_names_bad_pictures() {
    let folder = workspace();
    let data = image_folder(folder.path(), 20);
    let verified = allcnn(folder.path(), &["data", "verify", "pictures"]).done();
    assert!(verified.stdout.contains("every image can be read"), "{verified:?}");
    fs::write(data.join("red/words.png"), "words").unwrap();
    let verified = allcnn(folder.path(), &["data", "verify", "pictures", "--json"]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let document = verified.json();
    assert!(document["skipped"][0]["file"].as_str().unwrap().ends_with("words.png"), "{document}");
}

#[test]
fn photographs_are_counted_and_verified_where_they_are() {
    let folder = workspace();
    let data = image_folder(folder.path(), 20);
    fs::write(data.join("red/words.png"), "words").unwrap();
    let look = |command| allcnn(folder.path(), &["data", command, "pictures", "--on-disk", "--json"]);
    let info = look("info").done().json();
    assert_eq!((&info["train"], &info["test"], &info["height"]), (&37.into(), &4.into(), &224.into()));
    let side = serde_json::json!([32, 32]);
    assert_eq!(info["sizes"], serde_json::json!({ "images": 40, "min": side, "median": side, "max": side }));
    picture([190, 20, 10], 99).view(0, 0, 30, 20).to_image().save(data.join("red/wide.png")).unwrap();
    let words = allcnn(folder.path(), &["data", "info", "pictures", "--on-disk"]).done().stdout;
    assert!(words.contains("the images' own sizes: 20x30 to 32x32 (median 32x32)"), "{words}");
    fs::remove_file(data.join("red/wide.png")).unwrap();
    let verified = look("verify");
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let skipped = &verified.json()["skipped"];
    assert_eq!(skipped.as_array().unwrap().len(), 1, "{skipped}");
    assert!(skipped[0]["file"].as_str().unwrap().ends_with("words.png"), "{skipped}");
    assert_eq!(skipped[0]["reason"], "not an image that can be read");
    allcnn(folder.path(), &["data", "info", "shapes", "--on-disk"]).fails(1, &["shapes", "--on-disk"]);
}

#[test]
fn converted_data_is_the_same_data() {
    let folder = workspace();
    image_folder(folder.path(), 10);
    let info = |data: &str| allcnn(folder.path(), &["data", "info", data, "--json"]).done().json();
    for to in ["copy.tar", "copy.zip"] {
        allcnn(folder.path(), &["data", "convert", "pictures", "--to", to]).done();
        assert_eq!(info(to)["fingerprint"], info("pictures")["fingerprint"], "{to}");
    }
    allcnn(folder.path(), &["data", "convert", "pictures", "--to", "copy.doc"])
        .fails(1, &["copy.doc", ".tar"]);
    let before = fs::read(folder.path().join("copy.tar")).unwrap();
    let again = ["data", "convert", "shapes", "--to", "copy.tar"];
    allcnn(folder.path(), &again).fails(1, &["copy.tar is there already", "--to", "--force"]);
    assert!(fs::read(folder.path().join("copy.tar")).unwrap() == before, "it is as it was");
    allcnn(folder.path(), &[&again[..], &["--force"]].concat()).done();
    assert_eq!(info("copy.tar")["fingerprint"], info("shapes")["fingerprint"]);
}

/// Answers `requests` requests with `status` and `body`, then goes away; returns its address.
fn serve(requests: usize, status: &'static str, body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            answer(stream.unwrap(), status, body);
        }
    });
    address
}

fn answer(mut stream: TcpStream, status: &str, body: &[u8]) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

#[test]
fn fetch_refuses_what_is_not_the_official_file() {
    let folder = workspace();
    let address = serve(3, "200 OK", b"<html>please log in</html>");
    let mut fetch = command(folder.path(), &["data", "fetch", "cifar10", "--to", "data"]);
    finish(fetch.env("ALLCNN_DATA_URL", &address)).fails(1, &[&address, "md5", "expected"]);
    let left: Vec<_> =
        fs::read_dir(folder.path().join("data")).map(|files| files.collect()).unwrap_or_default();
    assert!(left.is_empty(), "nothing is left under any name: {left:?}");
}

#[test]
fn fetch_says_what_the_server_said() {
    let folder = workspace();
    let address = serve(10, "404 Not Found", b"");
    let mut fetch = command(folder.path(), &["data", "fetch", "cifar100", "--to", "data"]);
    finish(fetch.env("ALLCNN_DATA_URL", &address)).fails(1, &[&address, "404"]);
}

#[test]
fn fetch_without_a_network_says_what_to_do() {
    let folder = workspace();
    // A port that was just free and that nobody listens on.
    let address = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let mut fetch = command(folder.path(), &["data", "fetch", "cifar10", "--to", "data"]);
    finish(fetch.env("ALLCNN_DATA_URL", &address)).fails(1, &["cannot download", &address]);
    allcnn(folder.path(), &["data", "fetch", "mnist"]).fails(2, &["mnist", "cifar10"]);
}

#[test]
fn data_that_was_not_fetched_is_asked_for() {
    let folder = workspace();
    allcnn(folder.path(), &["train", "--data", "cifar10"])
        .fails(1, &["cifar10", "allcnn data fetch cifar10"]);
}
