//! The contract between allcnn and the hardware it runs on.
#![forbid(unsafe_code)]
pub mod random;
