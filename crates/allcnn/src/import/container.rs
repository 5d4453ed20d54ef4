//! The file formats of weights.

/// A file format of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Safetensors.
    Safetensors,
    /// Written by `torch.save` since PyTorch 1.6.
    PyTorch,
    /// Written by `torch.jit.save`.
    TorchScript,
    /// Caffe's `.caffemodel`.
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
