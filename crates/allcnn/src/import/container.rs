//! What kind of file holds weights.

/// What kind of file holds the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Safetensors.
    Safetensors,
    /// What `torch.save` writes since PyTorch 1.6.
    PyTorch,
    /// What `torch.jit.save` writes.
    TorchScript,
    /// A `.caffemodel`.
    Caffe,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::PyTorch => "PyTorch file",
            Self::TorchScript => "TorchScript archive",
            Self::Caffe => "caffemodel",
        })
    }
}
