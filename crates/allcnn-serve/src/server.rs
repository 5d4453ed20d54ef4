//! The server: a thread for the network, and the caller's for the device.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use allcnn_device::Device;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::watch;

use crate::api::{self, Explorer};
use crate::connections;
use crate::door::{Door, put_before};
use crate::engine::{Engine, Queue};
use crate::error::ServeError;
use crate::options::{Explored, ServeOptions};
use crate::runs::Listing;

/// Threads that read and write what comes over the network, and decode pictures.
const THREADS: usize = 2;
/// How long a thread that decodes may take when the server ends.
const GRACE: Duration = Duration::from_secs(1);

/// Where the explorer answers.
#[derive(Clone, Debug)]
pub struct Address {
    socket: SocketAddr,
    /// The token that every request must carry, if one is needed.
    pub token: Option<String>,
}

impl fmt::Display for Address {
    /// The address for a browser.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.socket.port();
        match self.socket.ip() {
            ip if ip.is_unspecified() => write!(f, "http://localhost:{port}/"),
            IpAddr::V6(ip) => write!(f, "http://[{ip}]:{port}/"),
            IpAddr::V4(ip) => write!(f, "http://{ip}:{port}/"),
        }
    }
}

/// Answers until `stop` is set; `begun` is told the address once requests are taken.
///
/// # Errors
/// [`ServeError`]: an address that is taken, a token that is too short, no threads.
pub fn serve<D: Device>(
    device: &D,
    explored: Explored,
    options: &ServeOptions,
    stop: &AtomicBool,
    begun: impl FnOnce(&Address),
) -> Result<(), ServeError> {
    let network = runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(4 * THREADS)
        .thread_name("network")
        .enable_all()
        .build()?;
    let address = SocketAddr::new(options.host, options.port);
    let listen = |source| ServeError::Listen { address, source };
    let listener = network.block_on(TcpListener::bind(address)).map_err(listen)?;
    let socket = listener.local_addr().map_err(listen)?;
    let door = Door::new(socket, options)?;
    let token = door.token().map(|token| token.reveal().to_owned());
    let queue = Arc::new(Queue::new());
    let explorer = Explorer::new(Listing::new(explored), Arc::clone(&queue));
    let routes = put_before(door, api::routes(explorer));
    let (end, ended) = watch::channel(());
    thread::scope(|scope| {
        let server = scope.spawn(|| network.block_on(connections::answer(listener, routes, ended)));
        begun(&Address { socket, token });
        Engine::new(device, stop).work(&queue);
        queue.close();
        drop(end); // also where the device's thread panics
        let _ = server.join();
    });
    network.shutdown_timeout(GRACE);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_a_browser_opens() {
        let shown = |socket: &str| Address { socket: socket.parse().unwrap(), token: None }.to_string();
        assert_eq!(shown("127.0.0.1:7770"), "http://127.0.0.1:7770/");
        assert_eq!(shown("0.0.0.0:80"), "http://localhost:80/");
        assert_eq!(shown("[::1]:7770"), "http://[::1]:7770/");
    }
}
