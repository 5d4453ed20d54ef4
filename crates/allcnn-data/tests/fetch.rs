//! Downloads, against a server of the test's own: whole, broken and resumed, altered, refused.
#![allow(clippy::unwrap_used)]
use allcnn_data::fetch::{FetchTarget, download, fetch};
use md5::{Digest, Md5};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use tempfile::tempdir;

/// What the server does with one connection.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends what was asked for, `Range` honored.
    File,
    /// Sends the whole file, `Range` ignored.
    Whole,
    /// Promises the rest of the file, sends so many bytes of it and closes.
    Break(usize),
    /// Only a status.
    Status(&'static str),
}

/// Serves `content` with one answer a connection; returns the address and the `Range` of each request.
fn serve(content: Vec<u8>, answers: Vec<Answer>) -> (String, Receiver<Option<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let range = read_request(&stream);
            sender.send(range).unwrap();
            respond(&mut stream, &content, answer, range).unwrap();
        }
    });
    (address, receiver)
}

fn read_request(stream: &TcpStream) -> Option<usize> {
    let mut range = None;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap().to_ascii_lowercase();
        if let Some(start) = line.strip_prefix("range: bytes=") {
            range = start.trim_end_matches('-').parse().ok();
        }
        if line.is_empty() {
            break;
        }
    }
    range
}

fn respond(
    stream: &mut TcpStream,
    content: &[u8],
    answer: Answer,
    range: Option<usize>,
) -> std::io::Result<()> {
    let start = if matches!(answer, Answer::Whole) { 0 } else { range.unwrap_or(0) };
    let (total, rest) = (content.len(), &content[start.min(content.len())..]);
    let head = match answer {
        Answer::Status(status) => format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n"),
        _ if start > 0 && rest.is_empty() => {
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n".to_string()
        }
        _ if start > 0 => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}\r\nContent-Length: {}\r\n",
            total - 1,
            rest.len()
        ),
        _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", rest.len()),
    };
    write!(stream, "{head}Connection: close\r\n\r\n")?;
    match answer {
        Answer::Status(_) => Ok(()),
        Answer::Break(bytes) => stream.write_all(&rest[..bytes]),
        Answer::File | Answer::Whole => stream.write_all(rest),
    }
}

fn content() -> Vec<u8> {
    (0..300_000u32).map(|place| (place.wrapping_mul(place) >> 5) as u8).collect()
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_arrives_whole_and_is_not_fetched_twice() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("deep/down/x.tar.gz");
    let (url, requests) = serve(content(), vec![Answer::File]);
    let mut last = 0;
    download(&url, &file, &md5(&content()), &mut |progress| {
        assert!(progress.done >= last && progress.total == Some(300_000));
        last = progress.done;
    })
    .unwrap();
    assert_eq!((std::fs::read(&file).unwrap() == content(), last), (true, 300_000));
    assert_eq!(names(file.parent().unwrap()), ["x.tar.gz"]);
    download(&url, &file, &md5(&content()), &mut |_| panic!("it is there already")).unwrap();
    assert_eq!(requests.into_iter().count(), 1);
}

#[test]
fn a_broken_download_is_resumed_where_it_broke() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("x");
    let (url, requests) = serve(content(), vec![Answer::Break(100_000), Answer::Break(50_000), Answer::File]);
    download(&url, &file, &md5(&content()), &mut |_| {}).unwrap();
    assert!(std::fs::read(&file).unwrap() == content());
    let ranges: Vec<usize> = requests.into_iter().map(|range| range.unwrap_or(0)).collect();
    assert_eq!((ranges[0], ranges.len()), (0, 3));
    assert!(
        0 < ranges[1] && ranges[1] <= 100_000 && ranges[1] < ranges[2] && ranges[2] <= 150_000,
        "{ranges:?}"
    );
}

#[test]
fn what_an_earlier_call_left_is_used() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("x");
    // Continued; a server without ranges; complete but not yet renamed.
    for (left, answer) in [(1000, Answer::File), (1000, Answer::Whole), (300_000, Answer::File)] {
        std::fs::write(folder.path().join("x.part"), &content()[..left]).unwrap();
        let (url, requests) = serve(content(), vec![answer]);
        download(&url, &file, &md5(&content()), &mut |_| {}).unwrap();
        assert!(std::fs::read(&file).unwrap() == content());
        assert_eq!(requests.recv().unwrap(), Some(left));
        assert_eq!(names(folder.path()), ["x"]);
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_wrong_checksum_is_reported_and_the_file_removed() {
    let folder = tempdir().unwrap();
    let (url, _requests) = serve(content(), vec![Answer::File]);
    let error = fetch(FetchTarget::Cifar10, folder.path(), Some(&url), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains(&md5(&content())) && error.contains(FetchTarget::Cifar10.md5()), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_missing_file_and_a_missing_server_are_explained() {
    let folder = tempdir().unwrap();
    let (url, requests) = serve(content(), vec![Answer::Status("404 Not Found")]);
    let error = fetch(FetchTarget::Cifar100, folder.path(), Some(&url), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("cifar-100-binary.tar.gz"), "{error}");
    assert_eq!(requests.into_iter().count(), 1, "a refusal is not asked again");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fetch(FetchTarget::Cifar10, folder.path(), Some(&format!("http://{free}")), &mut |_| {});
    let error = error.unwrap_err().to_string();
    assert!(error.contains("cannot download") && error.contains("network"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_explained() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let error = fetch(
        FetchTarget::Cifar10,
        &folder.path().join("file/below"),
        Some("http://127.0.0.1:9"),
        &mut |_| {},
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("cannot create the folder"), "{error}");
}
