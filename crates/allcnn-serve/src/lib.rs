//! The local web explorer of allcnn: pictures in, answers and the units behind them out, live, on this machine.
//!
//! [`serve`] answers on the network until it is told to stop. Requests pass the door first: by default it listens on
//! this machine alone, refuses hosts and pages that are not its own, and bounds everything that it is sent. What needs the
//! device goes through one queue, whose owner computes small requests of one network together. The pages are plain
//! ES modules that are compiled into the program; nothing is loaded from elsewhere.
//!
//! ```text
//! connections -> door -> api -> engine (the device)
//!                         |
//!                         +---> runs (the folder with run folders)
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr, clippy::print_stdout)]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod api;
mod connections;
mod door;
mod engine;
mod error;
mod options;
mod pages;
mod recent;
mod runs;
mod server;

pub use error::ServeError;
pub use options::{Explored, ServeOptions};
pub use runs::address_of_training;
pub use server::{Address, serve};
