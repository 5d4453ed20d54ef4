//! Files with special guarantees: claims, which are locks between processes, folders that appear whole, and safetensors with deterministic
//! bytes.

pub(crate) mod claim;
pub(crate) mod new_folder;
pub(crate) mod safetensors_file;
