//! Who may ask what: checked for every request before it is routed.
//!
//! A page of another site that is open in the same browser may send requests to this machine. So
//!
//! - the `Host` must be one of ours: a foreign name that was made to point to this machine (DNS rebinding) is refused;
//! - a request that says that another site sent it (`Origin`, `Sec-Fetch-Site`) is refused, unless it opens a page. There is
//!   no CORS, so no other site can read an answer;
//! - beyond loopback every request needs the token, in a header or a cookie that scripts and other sites cannot use.
//!
//! Traffic is plain HTTP: who can read the network can read the token. A tunnel (`ssh -L`) is the way to use it from afar.

mod entry;
mod headers;
mod layers;
mod origin;
mod refusal;
mod rules;
mod token;

pub(crate) use layers::put_before;
pub(crate) use rules::Door;
