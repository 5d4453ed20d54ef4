//! Where the weights came from that a training began with.

use serde::{Deserialize, Serialize};

/// The weights that a training began with, if not all were drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferRecord {
    /// The run or file that they are from, as given.
    pub source: String,
    /// The layers that took them.
    pub taken: Vec<String>,
    /// The layers that were drawn anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<String>,
    /// The last of the layers that keep them, if any do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<String>,
    /// SHA-256 in hex over the values that were taken.
    pub sha256: String,
}
