//! A running explorer for the tests, and requests to it, byte by byte as a test wants them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::support::{outcome, signal, start};
use rustix::process::Signal;
use serde_json::Value;

/// A running explorer; killed when dropped.
pub(crate) struct Explorer {
    child: Option<Child>,
    pub port: u16,
    pub token: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Explorer {
    /// Starts `allcnn serve` in `folder` on a free port, with more arguments.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        let fixed = ["serve", "--port", "0", "--no-open", "--json", "--device", "cpu", "--threads", "1"];
        let mut child = start(folder, &[&fixed, more].concat());
        let mut document = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let told: Value = loop {
            assert!(lines.read_line(&mut document).unwrap() > 0, "{:?}", outcome(child));
            if let Ok(told) = serde_json::from_str(&document) {
                break told;
            }
        };
        let address = told["address"].as_str().unwrap();
        let port = address.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        Self { child: Some(child), port, token: told["token"].as_str().map(Into::into) }
    }

    /// Sends a request with these header lines and this body.
    pub(crate) fn send(&self, request: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut text = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
        for header in headers {
            let _ = write!(text, "{header}\r\n");
        }
        if !body.is_empty() {
            let _ = write!(text, "Content-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        let mut stream = self.connect();
        // A server that refuses a body may close before it has all of it.
        let _ = stream.write_all(&[text.as_bytes(), body].concat());
        Answer::read(stream)
    }

    /// Sends a request as one of the explorer's own pages.
    pub(crate) fn ask(&self, request: &str, body: &[u8]) -> Answer {
        self.send(request, &[&self.host()], body)
    }

    /// The answer's document; panics unless the status is 200.
    #[track_caller]
    pub(crate) fn json(&self, request: &str, body: &[u8]) -> Value {
        let answer = self.ask(request, body);
        assert_eq!(answer.status, 200, "{request}: {}", answer.text());
        answer.json()
    }

    /// The header that names it.
    pub(crate) fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}", self.port)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Ends it by a signal; its exit code.
    pub(crate) fn end(mut self, by: Signal) -> Option<i32> {
        let child = self.child.take().unwrap();
        signal(&child, by);
        outcome(child).code
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Answer {
    /// Reads all that comes until the connection ends.
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = vec![];
        let _ = stream.read_to_end(&mut bytes); // also what came before a reset
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts a status and an error that holds all of `parts`.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, parts: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text());
        let error = self.json()["error"].as_str().unwrap_or_default().to_owned();
        for part in parts {
            assert!(error.contains(part), "expected '{part}' in: {error}");
        }
    }
}
