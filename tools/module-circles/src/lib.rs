//! Finds circles of modules: modules of a crate each of which names what another one of them defines.
//!
//! ```text
//! cargo run -p module-circles                            # every crate of the workspace
//! cargo run -p module-circles -- crates/allcnn-cpu       # these crates only
//! ```
//!
//! Prints each circle with its arrows, those with the fewest names first, and exits with 1 if there is one.
//!
//! **An arrow** goes from the module that names an item to the module that defines it, in `use` declarations and in
//! paths of expressions, types, patterns and macro arguments. Re-exports are followed to the definition, through chains
//! and globs; whoever merely re-exports gets no arrow. Declaring a child (`mod x;`) and re-exporting from one
//! (`pub use x::Y`) are no arrows. A parent that uses its child in code of its own points at the child, so a child that
//! uses items of such a parent closes a circle. A path that ends in a module points at that module. What only tests
//! compile (`#[cfg(test)]`, `#[test]`) does not count.
//!
//! **Not seen**, because it takes types rather than names: methods called as `value.method()`, and fields.
//!
//! | file | concept |
//! |---|---|
//! | `tree` | the modules of a crate: what each defines and imports |
//! | `resolve` | from a path to the module that defines what it names |
//! | `arrows` | every path of a module's code |
//! | `circles` | the strongly connected components, and how they are printed |

mod arrows;
mod circles;
mod resolve;
mod tests_only;
mod tree;

use std::io;
use std::path::{Path, PathBuf};

pub use arrows::Arrow;
pub use circles::Circle;

use tree::Tree;

/// Circles of a crate given as one text with inline modules.
///
/// # Errors
/// When the text does not parse.
pub fn circles_of_text(text: &str) -> io::Result<Vec<Circle>> {
    Ok(circles::find(&Tree::parse(text)?))
}

/// Circles of the crate in a folder: of its library and of each binary.
///
/// # Errors
/// When a source file cannot be read or does not parse.
pub fn circles_of_crate(folder: &Path) -> io::Result<Vec<Circle>> {
    let mut found = Vec::new();
    for root in roots(folder)? {
        found.extend(circles::find(&Tree::read(&root)?));
    }
    Ok(found)
}

/// The folders of the workspace's crates.
///
/// # Errors
/// When the folders cannot be listed.
pub fn workspace_crates(workspace: &Path) -> io::Result<Vec<PathBuf>> {
    let mut crates = Vec::new();
    for group in ["crates", "tools"] {
        for entry in workspace.join(group).read_dir()? {
            crates.push(entry?.path());
        }
    }
    crates.retain(|folder| folder.join("Cargo.toml").is_file());
    crates.sort();
    Ok(crates)
}

/// The files where the crate's module trees begin.
fn roots(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let source = folder.join("src");
    let mut roots: Vec<_> = ["lib.rs", "main.rs"].map(|name| source.join(name)).into();
    roots.retain(|root| root.is_file());
    if let Ok(binaries) = source.join("bin").read_dir() {
        for entry in binaries {
            roots.push(entry?.path());
        }
    }
    roots.retain(|root| root.extension().is_some_and(|extension| extension == "rs"));
    if roots.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} is no crate: it has neither src/lib.rs nor src/main.rs", folder.display()),
        ));
    }
    Ok(roots)
}
