//! The program as its users meet it: each module runs the built command, bad input included.
#![allow(clippy::unwrap_used)] // in helpers too

mod augment;
mod bad_input;
mod bench;
mod calibrated;
mod cifar100;
mod claims;
mod cuda;
mod data;
mod demo;
mod eval;
mod explain;
mod explorer;
mod export;
mod export_page;
mod features;
mod folds;
mod forms;
mod framing;
mod from;
mod identity;
mod imagenet;
mod import;
mod import_people;
mod isa;
#[cfg(not(feature = "mpi"))]
mod launched;
mod listing;
mod models;
#[cfg(feature = "mpi")]
mod mpi;
mod names;
mod near;
mod no_files;
mod reproduce;
mod resume;
mod serve;
mod serve_door;
mod shell;
mod short;
mod signals;
mod small_sets;
mod splits;
mod streams;
mod support;
mod suspects;
mod table4;
mod tables;
mod tensorboard;
mod told;
mod train;
mod validation;
