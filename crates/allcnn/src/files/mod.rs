//! Files with special guarantees: claims, which are locks between processes, and safetensors with deterministic
//! bytes.

pub(crate) mod claim;
pub(crate) mod safetensors_file;
