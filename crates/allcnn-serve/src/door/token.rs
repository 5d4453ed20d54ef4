//! The token that a request must carry beyond loopback.

use std::fmt;
use std::io;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::error::ServeError;

/// The fewest characters of a token that a person chose.
const SHORTEST: usize = 16;

/// A secret that is never shown by mistake: it has no `Debug` of its own text.
#[derive(Clone)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

impl Token {
    /// A token that a person chose.
    ///
    /// # Errors
    /// [`ServeError::Token`].
    pub(super) fn given(text: &str) -> Result<Self, ServeError> {
        let fits =
            |character: char| character.is_ascii_graphic() && !matches!(character, ';' | ',' | '"' | '\\');
        if (SHORTEST..=200).contains(&text.len()) && text.chars().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(ServeError::Token { given: text.chars().count(), expected: SHORTEST })
        }
    }

    /// A token of 192 random bits.
    ///
    /// # Errors
    /// A system without random numbers.
    pub(super) fn drawn() -> Result<Self, ServeError> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The token, to be printed for the person who started the server.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is `given`; takes the same time wherever they differ.
    pub(super) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// Whether a request to the server at `port` carries it.
    pub(super) fn is_in(&self, headers: &HeaderMap, port: u16) -> bool {
        let text = |value: &'_ axum::http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let bearer = headers.get(AUTHORIZATION).and_then(text);
        if bearer
            .as_deref()
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|given| self.is(given))
        {
            return true;
        }
        let prefix = format!("{}=", cookie_name(port));
        let cookies: Vec<String> = headers.get_all(COOKIE).iter().filter_map(text).collect();
        let mut pairs = cookies.iter().flat_map(|line| line.split(';')).map(str::trim);
        pairs.any(|pair| pair.strip_prefix(&prefix).is_some_and(|given| self.is(given)))
    }
}

/// Cookies do not know of ports, so each server has a name of its own.
pub(super) fn cookie_name(port: u16) -> String {
    format!("allcnn_token_{port}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_from_a_header_or_a_cookie_of_this_port() {
        let token = Token::given("0123456789abcdef").unwrap();
        let carries = |name: &'static str, value: &str| {
            token.is_in(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]), 7770)
        };
        assert!(carries("authorization", "Bearer 0123456789abcdef"));
        assert!(carries("cookie", "a=b; allcnn_token_7770=0123456789abcdef"));
        for (name, value) in [
            ("authorization", "0123456789abcdef"),
            ("authorization", "Bearer 0123456789abcdeF"),
            ("authorization", "Bearer "),
            ("cookie", "allcnn_token_7771=0123456789abcdef"),
            ("cookie", "allcnn_token_7770=0123456789abcde"),
            ("cookie", "allcnn_token_7770="),
            ("x-token", "0123456789abcdef"),
        ] {
            assert!(!carries(name, value), "{name} {value}");
        }
    }

    #[test]
    fn short_ones_and_such_with_spaces_are_refused_and_drawn_ones_differ() {
        for text in ["", "0123456789abcde", "0123456789abc def", "0123456789abcdef;", &"x".repeat(201)] {
            assert!(Token::given(text).is_err(), "{text}");
        }
        let [one, other] = [(); 2].map(|()| Token::drawn().unwrap());
        assert!(one.reveal() != other.reveal() && one.reveal().len() == 32);
        assert_eq!(format!("{one:?}"), "Token(...)");
    }
}
