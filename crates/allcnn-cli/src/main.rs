//! The program `allcnn`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    allcnn_cli::run(&arguments).into()
}
