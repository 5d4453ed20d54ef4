//! Prints every circle of modules and exits with 1 if there is one.
//!
//! `cargo run -p module-circles` checks every crate of the workspace, `cargo run -p module-circles -- crates/allcnn-cpu`
//! the crates whose folders are given. What counts as an arrow is said in the library.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, io};

fn main() -> ExitCode {
    match print_circles(env::args_os().skip(1).map(PathBuf::from).collect()) {
        Ok(0) => {
            println!("no circles");
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("module-circles: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints the circles of these crates, or of the workspace's, and returns their number.
fn print_circles(mut crates: Vec<PathBuf>) -> io::Result<usize> {
    if crates.is_empty() {
        env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
        crates = module_circles::workspace_crates(Path::new(""))?;
    }
    let mut number = 0;
    for folder in crates {
        for circle in module_circles::circles_of_crate(&folder)? {
            writeln!(io::stdout(), "{}: {circle}", folder.display())?;
            number += 1;
        }
    }
    Ok(number)
}
