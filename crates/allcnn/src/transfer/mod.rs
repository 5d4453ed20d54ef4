//! Transfer learning: a training begins from weights that exist. The layers whose weights fit are taken, the others are
//! drawn as in any training.

mod error;
mod fit;
mod request;
mod source;

pub use error::TransferError;
pub use fit::Transfer;
pub use source::Source;
