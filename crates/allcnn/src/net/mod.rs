//! Networks as chains of layers: the paper's networks, the rules that derive one from another, cost and receptive
//! fields, and the text format.
//!
//! ```
//! use allcnn::net::{Base, Network, Variant};
//!
//! let derived = Base::C.network(10).derive(Variant::AllCnn)?;
//! assert_eq!(derived, Network::named("all-cnn-c", 10)?);
//! assert_eq!(derived.info().parameters, 1_369_738);
//! # Ok::<(), allcnn::net::NetError>(())
//! ```

mod ablation;
mod build;
mod derive;
mod error;
mod geometry;
mod init;
mod layer;
mod nearest;
mod network;
mod open;
mod table4;
mod text;
mod zoo;

pub use derive::Variant;
pub use error::NetError;
pub(crate) use geometry::evaluation_draw;
pub use geometry::{LayerInfo, ModelInfo, ReceptiveField, Rectangle};
pub use init::{Init, InitError};
pub use layer::{Conv, LayerKind, Lrn, Lwta, Operation, Pool};
pub(crate) use nearest::nearest;
pub use network::{Input, Layer, Network};
pub use zoo::Base;
