//! Whether a request was meant for this server, and came from its own pages.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use allcnn::data::open_file;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What forbids a request to a server at `address` on a machine called `machine`, if anything.
pub(super) fn fault(request: &Request, address: SocketAddr, machine: &str) -> Option<&'static str> {
    let headers = request.headers();
    let Some(host) = only(headers, &HOST) else {
        return Some("a request needs one Host");
    };
    let foreign = "this host name is not one of the explorer's: open it by the address that it printed";
    // A request line with a whole address counts before the Host.
    let named = [Some(host), request.uri().authority().map(Authority::as_str)];
    if !named.into_iter().flatten().all(|name| is_own(name, address, machine)) {
        return Some(foreign);
    }
    let opens_page = request.method() == Method::GET && !request.uri().path().starts_with("/api/");
    if opens_page {
        return None; // a link on another site may lead here; that site cannot read what comes
    }
    let own_origin = format!("http://{host}");
    let origins_fit = headers.get_all(ORIGIN).iter().all(|origin| origin.as_bytes() == own_origin.as_bytes());
    let sites = headers.get_all(SEC_FETCH_SITE).iter();
    let sites_fit = sites.into_iter().all(|site| [&b"same-origin"[..], b"none"].contains(&site.as_bytes()));
    (!(origins_fit && sites_fit)).then_some("requests from pages of other sites are refused")
}

/// The value of a header that is there once, as text.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

/// Whether `host`, with or without a port, names this server.
fn is_own(host: &str, address: SocketAddr, machine: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') || authority.port_u16().unwrap_or(80) != address.port() {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = address.ip().is_loopback();
    match name.parse::<IpAddr>() {
        Ok(ip) if loopback => ip.is_loopback(),
        Ok(_) => true, // a page at a numeric address cannot be moved to another one
        Err(_) if name.eq_ignore_ascii_case("localhost") => true,
        Err(_) => !loopback && is_machine(name, machine),
    }
}

/// Whether a host name is the machine's, alone or with a domain.
fn is_machine(name: &str, machine: &str) -> bool {
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    !machine.is_empty() && first(name) == first(machine)
}

/// This machine's name; empty if it cannot be told.
pub(super) fn machine_name() -> String {
    let read = |path: &str| {
        open_file::read_text(Path::new(path), open_file::SETTINGS).ok().map(|name| name.trim().to_owned())
    };
    read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request {
        let builder = axum::http::Request::builder().method(method).uri(uri);
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        builder.body(axum::body::Body::empty()).unwrap()
    }

    fn passes(method: &str, uri: &str, headers: &[(&str, &str)]) -> bool {
        fault(&request(method, uri, headers), "127.0.0.1:7770".parse().unwrap(), "box").is_none()
    }

    #[test]
    fn on_loopback_only_its_own_names_are_hosts() {
        let host = |host| passes("GET", "/api/runs", &[("host", host)]);
        assert!(
            ["127.0.0.1:7770", "localhost:7770", "LOCALHOST:7770", "[::1]:7770"]
                .map(host)
                .iter()
                .all(|&own| own)
        );
        let foreign = [
            "evil.example:7770",
            "127.0.0.1",
            "127.0.0.1:7771",
            "localhost.evil.example:7770",
            "10.0.0.1:7770",
            "box:7770",
            "user@127.0.0.1:7770",
            "",
            "127.0.0.1:7770, evil.example",
            "localhost.:7770",
        ];
        for name in foreign {
            assert!(!host(name), "{name}");
        }
        assert!(!passes("GET", "/", &[]));
        assert!(!passes("GET", "/", &[("host", "127.0.0.1:7770"), ("host", "evil.example")]));
        let whole = [("host", "127.0.0.1:7770")];
        assert!(!passes("GET", "http://evil.example/api/runs", &whole));
        assert!(passes("GET", "http://127.0.0.1:7770/api/runs", &whole));
        for method in ["POST", "PUT", "OPTIONS", "HEAD", "DELETE"] {
            assert!(!passes(method, "/", &[("host", "evil.example:7770")]), "{method}");
        }
    }

    #[test]
    fn beyond_loopback_addresses_and_the_machines_name_are_hosts() {
        let open = |host| {
            let request = request("GET", "/", &[("host", host)]);
            fault(&request, "0.0.0.0:7770".parse().unwrap(), "Box.lan").is_none()
        };
        assert!(
            ["10.0.0.1:7770", "box:7770", "box.local:7770", "localhost:7770"]
                .map(open)
                .iter()
                .all(|&own| own)
        );
        assert!(["evil.example:7770", "boxes:7770", "10.0.0.1"].map(open).iter().all(|&own| !own));
    }

    #[test]
    fn other_sites_may_open_a_page_and_nothing_else() {
        let sent =
            |method, uri, name, value| passes(method, uri, &[("host", "localhost:7770"), (name, value)]);
        assert!(sent("GET", "/", "sec-fetch-site", "cross-site"));
        for (method, uri) in [("GET", "/api/runs"), ("POST", "/api/runs/a/predict"), ("POST", "/token")] {
            assert!(sent(method, uri, "sec-fetch-site", "same-origin"));
            assert!(sent(method, uri, "origin", "http://localhost:7770"));
            for site in ["cross-site", "same-site", "anything"] {
                assert!(!sent(method, uri, "sec-fetch-site", site), "{method} {uri} {site}");
            }
            for origin in ["http://evil.example", "null", "http://localhost:7771", "https://localhost:7770"] {
                assert!(!sent(method, uri, "origin", origin), "{method} {uri} {origin}");
            }
        }
    }
}
