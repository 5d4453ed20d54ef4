//! Rendering: a map becomes a picture, pictures with captions become a sheet, a sheet becomes a PNG file.
//!
//! ```
//! use allcnn::visualise::render::{Shading, Sheet, SheetRow, Tile};
//!
//! let map = [-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]; // [2, 2, 3]
//! let picture = Shading::Signed.paint(&map, 2, 2);
//! assert_eq!(picture.pixels[..6], [0, 0, 0, 128, 128, 128]); // the lowest, and zero
//!
//! let tile = Tile { picture, caption: vec!["conv1".into(), "unit 7".into()] };
//! let sheet = Sheet { title: "an example".into(), rows: vec![SheetRow::of([tile])], ..Sheet::default() };
//! let mut file = Vec::new();
//! sheet.write_png(&mut file)?;
//! assert!(file.starts_with(b"\x89PNG"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod canvas;
mod pages;
mod shading;
mod sheet;

pub use pages::{PageError, Pages};
pub use shading::{Shading, overlay};
pub use sheet::{PAGE_HEIGHT, PAGE_WIDTH, Sheet, SheetRow, Tile, tiles_beside};
