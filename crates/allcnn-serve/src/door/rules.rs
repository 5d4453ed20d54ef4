//! The rules for requests to one address.

use std::net::SocketAddr;

use axum::extract::Request;

use super::origin;
use super::token::Token;
use crate::error::ServeError;
use crate::options::ServeOptions;

/// The rules for requests to one address.
#[derive(Debug)]
pub(crate) struct Door {
    /// Where it listens.
    address: SocketAddr,
    /// This machine's name.
    machine: String,
    /// What every request must carry, if anything.
    token: Option<Token>,
}

impl Door {
    /// The door of a server that listens on `address`.
    ///
    /// # Errors
    /// A token that is too short; a system without random numbers.
    pub(crate) fn new(address: SocketAddr, options: &ServeOptions) -> Result<Self, ServeError> {
        let token = match &options.token {
            Some(given) => Some(Token::given(given)?),
            None if address.ip().is_loopback() => None,
            None => Some(Token::drawn()?),
        };
        Ok(Self { address, machine: origin::machine_name(), token })
    }

    /// The token, if every request must carry it.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether a request carries the token, if one is needed.
    pub(super) fn is_open_to(&self, request: &Request) -> bool {
        self.token.as_ref().is_none_or(|token| token.is_in(request.headers(), self.port()))
    }

    /// What forbids a request by its host or the site that sent it, if anything.
    pub(super) fn fault(&self, request: &Request) -> Option<&'static str> {
        origin::fault(request, self.address, &self.machine)
    }
}
