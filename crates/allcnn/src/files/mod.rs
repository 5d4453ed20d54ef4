//! Files whose writing has rules: claims that keep processes apart, safetensors whose bytes depend on their content alone.

pub(crate) mod claim;
pub(crate) mod safetensors_file;
