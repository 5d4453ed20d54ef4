//! The explorer's door: what other sites, other machines, and slow or hostile clients send.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::explorer::{Answer, Explorer};
use crate::support::{allcnn, picture, train_arguments, workspace};

/// A workspace with a run in `runs/`.
fn with_run() -> tempfile::TempDir {
    let folder = workspace();
    let run = ["--epochs", "1", "--limit", "100", "--threads", "1"];
    allcnn(folder.path(), &train_arguments("runs/one", &run)).done();
    picture([200, 30, 10], 0).save(folder.path().join("red.png")).unwrap();
    folder
}

#[test]
fn other_hosts_are_refused_for_every_method_and_address() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let port = explorer.port;
    for host in [
        format!("evil.example:{port}"),
        "evil.example".into(),
        format!("localhost.evil.example:{port}"),
        "127.0.0.1:1".into(),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"] {
            for path in ["/", "/api/runs", "/pages/app.js", "/healthz", "/token", "/nowhere"] {
                let answer = explorer.send(&format!("{method} {path}"), &[&format!("Host: {host}")], b"");
                assert_eq!(answer.status, 403, "{method} {path} {host}: {answer:?}");
            }
        }
    }
    assert_eq!(explorer.send("GET /api/runs", &[], b"").status, 403, "no Host");
    let two = [&explorer.host()[..], "Host: evil.example"];
    assert!([400, 403].contains(&explorer.send("GET /api/runs", &two, b"").status));
    assert_eq!(explorer.send("GET http://evil.example/api/runs", &[&explorer.host()], b"").status, 403);
    for host in [format!("Host: localhost:{port}"), explorer.host()] {
        assert_eq!(explorer.send("GET /api/runs", &[&host], b"").status, 200);
    }
}

#[test]
fn other_sites_can_neither_send_nor_read() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let red = fs::read(folder.path().join("red.png")).unwrap();
    let host = explorer.host();
    let foreign = [
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ];
    for header in foreign {
        for request in [
            "POST /api/runs/one/predict",
            "POST /api/runs/one/explain",
            "POST /token",
            "GET /api/runs",
            "GET /api/runs/one/events",
        ] {
            let answer = explorer.send(request, &[&host, header], &red);
            answer.refuses(403, &["other sites"]);
        }
        let preflight = [&host[..], header, "Access-Control-Request-Method: POST"];
        let answer = explorer.send("OPTIONS /api/runs/one/predict", &preflight, b"");
        assert!(answer.status >= 400 && !answer.head.contains("access-control"), "{answer:?}");
    }
    let own = format!("Origin: http://127.0.0.1:{}", explorer.port);
    assert_eq!(
        explorer
            .send("POST /api/runs/one/predict", &[&host, &own, "Sec-Fetch-Site: same-origin"], &red)
            .status,
        200
    );
    // A link on another site may open the page.
    assert_eq!(explorer.send("GET /", &[&host, "Sec-Fetch-Site: cross-site"], b"").status, 200);
}

#[test]
fn every_answer_tells_the_browser_what_it_may_do() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    for request in [
        "GET /",
        "GET /pages/app.js",
        "GET /api/runs",
        "GET /nowhere",
        "PUT /api/runs",
        "GET /healthz",
        "GET /api/runs/none",
    ] {
        let answer = explorer.ask(request, b"");
        let policy =
            answer.head.lines().find(|line| line.starts_with("content-security-policy:")).unwrap_or_default();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{request}: {answer:?}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{request}");
        assert!(!answer.head.contains("access-control-allow"), "{request}");
    }
    let page = explorer.ask("GET /", b"").text();
    assert!(
        !page.contains("style=")
            && !page.contains("onload")
            && !page.contains("http://")
            && !page.contains("https://"),
        "{page}"
    );
}

#[test]
fn no_path_comes_from_a_request() {
    let folder = with_run();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let explorer = Explorer::start(folder.path(), &[]);
    for path in [
        "/pages/../secret",
        "/pages/..%2f..%2fsecret",
        "/pages/%2e%2e/secret",
        "/../secret",
        "//etc/passwd",
        "/pages//etc/passwd",
        "/api/runs/..%2Fsecret",
        "/api/runs/%2e%2e",
        "/api/runs/.",
        "/api/runs/one%2F..%2F..%2Fsecret",
        "/api/runs/%2Fetc",
        "/api/runs/one%00",
        "/pages/app.js%00.html",
    ] {
        let answer = explorer.ask(&format!("GET {path}"), b"");
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.text().contains("root:") && answer.text() != "secret", "{path}");
    }
}

#[test]
fn beyond_loopback_the_token_is_needed_and_never_taken_from_an_address() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &["--host", "0.0.0.0"]);
    let token = explorer.token.clone().unwrap();
    assert_eq!(token.len(), 32);
    let host = explorer.host();
    let with = |header: &str, request: &str| explorer.send(request, &[&host, header], b"");
    for request in
        ["GET /api/runs", "GET /pages/app.js", "POST /api/runs/one/predict", "GET /api/nothing", "GET /"]
    {
        assert_eq!(explorer.ask(request, b"").status, 401, "{request}");
    }
    assert_eq!(explorer.ask(&format!("GET /api/runs?token={token}"), b"").status, 401);
    assert_eq!(explorer.ask("GET /healthz", b"").status, 200);
    for wrong in [
        "Authorization: Bearer x",
        &format!("Authorization: Basic {token}"),
        &format!("Cookie: token={token}"),
        &format!("Authorization: Bearer {}x", token),
    ] {
        assert_eq!(with(wrong, "GET /api/runs").status, 401, "{wrong}");
    }
    assert_eq!(with(&format!("Authorization: Bearer {token}"), "GET /api/runs").status, 200);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let wrong = explorer.send("POST /token", &[&host, form], b"token=wrong");
    assert!(wrong.status == 401 && !wrong.head.contains("set-cookie"), "{wrong:?}");
    let right = explorer.send("POST /token", &[&host, form], format!("token={token}").as_bytes());
    let cookie = right.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(
        right.status == 303 && cookie.contains("httponly") && cookie.contains("samesite=strict"),
        "{right:?}"
    );
    let cookie = format!("Cookie: allcnn_token_{}={token}", explorer.port);
    assert_eq!(with(&cookie, "GET /api/runs").status, 200);
    assert_eq!(with(&cookie, "GET /").status, 200);
    allcnn(folder.path(), &["serve", "--port", "0", "--no-open", "--host", "0.0.0.0", "--token", "short"])
        .fails(2, &["a token of 5 characters", "16 to 200"]);
}

#[test]
fn large_and_false_pictures_are_refused() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let large = explorer.ask("POST /api/runs/one/predict", &vec![0; (32 << 20) + 1]);
    assert!([0, 413].contains(&large.status), "{large:?}"); // or the connection ends while it is still sent
    // A PNG of a few bytes that says to have 3.6 thousand million pixels.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bomb.extend([60000_u32.to_be_bytes(), 60000_u32.to_be_bytes()].concat());
    bomb.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    explorer.ask("POST /api/runs/one/predict", &bomb).refuses(415, &["cannot be read"]);
    assert_eq!(explorer.ask("GET /api/runs", b"").status, 200);
    let head = "x".repeat(128 << 10);
    let answer = explorer.send("GET /api/runs", &[&explorer.host(), &format!("X-Large: {head}")], b"");
    assert!([0, 400, 431].contains(&answer.status), "{answer:?}");
}

/// A client that says it has a picture and does not send it.
fn without_body(explorer: &Explorer) -> TcpStream {
    let mut stream = explorer.connect();
    let head =
        format!("POST /api/runs/one/predict HTTP/1.1\r\n{}\r\nContent-Length: 9\r\n\r\n", explorer.host());
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn there_are_only_so_many_connections_and_listeners() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let send = |request: &str| {
        let mut stream = explorer.connect();
        stream.write_all(format!("{request} HTTP/1.1\r\n{}\r\n\r\n", explorer.host()).as_bytes()).unwrap();
        stream
    };
    let status = |stream: &mut TcpStream| {
        let mut head = [0; 12];
        stream.read_exact(&mut head).map(|()| String::from_utf8_lossy(&head[9..]).into_owned())
    };
    let mut listeners: Vec<TcpStream> = (0..65).map(|_| send("GET /api/runs/one/events")).collect();
    let told: Vec<String> = listeners.iter_mut().map(|stream| status(stream).unwrap()).collect();
    assert_eq!(told.iter().filter(|status| *status == "503").count(), 1, "{told:?}");
    drop(listeners);

    let mut uploads = vec![];
    let refused = (0..80).any(|_| {
        let mut stream = without_body(&explorer);
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let refused = status(&mut stream).is_ok_and(|status| status == "503");
        uploads.push(stream);
        refused
    });
    assert!(refused && uploads.len() > 64, "{}", uploads.len()); // a slow machine tells later
    drop(uploads);

    let mut others: Vec<TcpStream> = (0..511).map(|_| explorer.connect()).collect();
    // Once one has been answered all before it are in; it stays open, too.
    others.push(send("GET /healthz"));
    assert_eq!(status(others.last_mut().unwrap()).unwrap(), "200");
    let mut one_more = send("GET /healthz");
    one_more.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    assert!(status(&mut one_more).is_err(), "it has to wait");
    drop(others);
    one_more.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(status(&mut one_more).unwrap(), "200");
}

#[test]
fn slow_clients_and_many_do_not_stop_others() {
    let folder = with_run();
    let explorer = Explorer::start(folder.path(), &[]);
    let red = fs::read(folder.path().join("red.png")).unwrap();
    let mut without_body = without_body(&explorer);
    let slow: Vec<_> = (0..100)
        .map(|index| {
            let mut stream = explorer.connect();
            let half = [
                "G",
                "GET /api/runs HTTP/1.1\r\nHost: ",
                "POST /api/runs/one/predict HTTP/1.1\r\nContent-Length: 9999\r\n",
            ][index % 3];
            stream.write_all(half.as_bytes()).unwrap();
            stream
        })
        .collect();
    let expected = explorer.json("POST /api/runs/one/predict", &red)["predictions"].clone();
    // Clients that go away while the device works for them.
    for _ in 0..20 {
        let mut stream = explorer.connect();
        let head = format!(
            "POST /api/runs/one/explain?method=occlusion HTTP/1.1\r\n{}\r\nContent-Length: {}\r\n\r\n",
            explorer.host(),
            red.len()
        );
        stream.write_all(&[head.as_bytes(), &red].concat()).unwrap();
    }
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(explorer.json("POST /api/runs/one/predict", &red)["predictions"], expected);
                }
            });
        }
    });
    // One that never sends the end of its head is let go.
    let mut first = slow.into_iter().next().unwrap();
    first.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let _ = first.read(&mut [0; 64]).unwrap();
    assert!(Answer::read(first).body.is_empty());
    // So is one whose body never comes.
    without_body.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let mut status = [0; 12];
    without_body.read_exact(&mut status).unwrap();
    assert!(!status.ends_with(b"200"), "{status:?}");
}
