//! A node with its inputs: attributes by name, inputs by position.

use super::tensor::{Outcome, Tensor};
use crate::export::onnx::proto::NodeProto;

pub(super) struct Node<'a> {
    pub(super) proto: &'a NodeProto,
    pub(super) inputs: Vec<&'a Tensor>,
}

impl Node<'_> {
    pub(super) fn input(&self, index: usize) -> Outcome<&Tensor> {
        self.inputs.get(index).copied().ok_or_else(|| format!("no input {index}"))
    }

    fn attribute(&self, name: &str) -> Option<&crate::export::onnx::proto::AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).and_then(|attribute| attribute.f).unwrap_or(default)
    }

    pub(super) fn word(&self, name: &str) -> String {
        let bytes = self.attribute(name).and_then(|attribute| attribute.s.clone()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A list of sizes; `default` where the attribute is missing.
    pub(super) fn sizes<const N: usize>(&self, name: &str, default: [usize; N]) -> Outcome<[usize; N]> {
        let Some(attribute) = self.attribute(name) else { return Ok(default) };
        let sizes: Result<Vec<usize>, _> = attribute.ints.iter().map(|&size| usize::try_from(size)).collect();
        let sizes = sizes.ok().and_then(|sizes| sizes.try_into().ok());
        sizes.ok_or_else(|| format!("{name} = {:?}; expected {N} sizes", attribute.ints))
    }

    /// A list of integers of any length.
    pub(super) fn ints(&self, name: &str) -> &[i64] {
        self.attribute(name).map_or(&[], |attribute| &attribute.ints)
    }
}
