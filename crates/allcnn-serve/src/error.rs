//! Why the explorer cannot begin.

use std::io;
use std::net::SocketAddr;

/// Why the explorer cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or is not one of this machine.
    #[error(
        "cannot listen on {address}: {source}\nis another explorer running there? --port 0 takes any port that is free"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The token is too easily guessed.
    #[error(
        "a token of {given} characters; expected {expected} to 200 letters, digits and signs without spaces"
    )]
    Token {
        /// Its number of characters.
        given: usize,
        /// The fewest that are taken.
        expected: usize,
    },
    /// The system gives no threads or random numbers.
    #[error("cannot start the server: {0}")]
    Start(#[from] io::Error),
}
