//! Connections, bounded: their number, and the time that a client may take to say what it wants.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Connections at a time; more wait until one ends.
const MOST: usize = 512;
/// How long a client may take to send the head of a request, and how long an idle connection stays.
const HEAD: Duration = Duration::from_secs(20);
/// How long a connection lasts at most: a client that never reads what it asked for lets go, too. Browsers connect again.
const LIFE: Duration = Duration::from_secs(3600);
/// How long open requests may take when the server ends.
const GRACE: Duration = Duration::from_secs(2);

/// Answers by `routes` until the other end of `stop` is dropped; then open requests may end.
pub(crate) async fn answer(listener: TcpListener, routes: Router, mut stop: watch::Receiver<()>) {
    let (slots, graceful) = (Arc::new(Semaphore::new(MOST)), GracefulShutdown::new());
    let mut stopped = pin!(stop.changed());
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, stream) = match futures_util::future::select(stopped.as_mut(), pin!(next)).await {
            futures_util::future::Either::Left(_) => break,
            futures_util::future::Either::Right(((Ok(slot), Ok((stream, _))), _)) => (slot, stream),
            // No file descriptor is left, say: one is, soon.
            futures_util::future::Either::Right(_) => {
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true); // without it an answer only comes later
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(64 << 10);
        let service = TowerToHyperService::new(routes.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _ = timeout(LIFE, connection).await; // a client that is gone is no failure
            drop(slot);
        });
    }
    drop(listener);
    let _ = timeout(GRACE, graceful.shutdown()).await;
}
