//! A graph under construction: nodes and constants, each named once.

use super::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfo, attribute_type, data_type,
};
use super::proto::{Dimension, TensorShape, TensorType, TypeProto};

/// An attribute of a node.
pub(super) struct Attribute(AttributeProto);

/// An integer attribute.
pub(super) fn int(name: &str, value: usize) -> Attribute {
    let (i, kind) = (Some(value as i64), attribute_type::INT);
    Attribute(AttributeProto { name: name.into(), i, kind, ..AttributeProto::default() })
}

/// A list of integers.
pub(super) fn ints(name: &str, values: &[usize]) -> Attribute {
    let (ints, kind) = (values.iter().map(|&value| value as i64).collect(), attribute_type::INTS);
    Attribute(AttributeProto { name: name.into(), ints, kind, ..AttributeProto::default() })
}

/// A number.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    let (f, kind) = (Some(value), attribute_type::FLOAT);
    Attribute(AttributeProto { name: name.into(), f, kind, ..AttributeProto::default() })
}

/// A word.
pub(super) fn word(name: &str, value: &str) -> Attribute {
    let (s, kind) = (Some(value.as_bytes().to_vec()), attribute_type::STRING);
    Attribute(AttributeProto { name: name.into(), s, kind, ..AttributeProto::default() })
}

/// The nodes and constants of a graph. A value is known by the name of the node (or constant) that makes it.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Graph {
    /// Appends a node with one output, which has the node's name, and returns that.
    pub(super) fn node<const N: usize>(
        &mut self,
        kind: &str,
        name: &str,
        inputs: &[&str],
        attributes: [Attribute; N],
    ) -> String {
        self.node_of(kind, name, inputs, &[name], attributes);
        name.into()
    }

    /// Appends a node with these outputs.
    pub(super) fn node_of<const N: usize>(
        &mut self,
        kind: &str,
        name: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: [Attribute; N],
    ) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.nodes.push(NodeProto {
            input: owned(inputs),
            output: owned(outputs),
            name: name.into(),
            op_type: kind.into(),
            attribute: attributes.map(|attribute| attribute.0).into(),
        });
    }

    /// A constant of numbers; one of this name that exists is taken to be the same.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "values of {name}");
        let raw = || values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, data_type::FLOAT, shape, raw)
    }

    /// A single number.
    pub(super) fn number(&mut self, value: f32) -> String {
        self.floats(&format!("constant/{value}"), &[], &[value])
    }

    /// A list of integers: a shape, axes, or positions.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let raw = || values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(&format!("constant/list_{}", joined(values)), data_type::INT64, &[values.len()], raw)
    }

    /// The integers from 0 up to `count` in a shape.
    pub(super) fn count(&mut self, count: usize, shape: &[usize]) -> String {
        let raw = || (0..count as i64).flat_map(i64::to_le_bytes).collect();
        self.constant(&format!("constant/count_{}", joined(shape)), data_type::INT64, shape, raw)
    }

    /// The value where it is above 0, and 1 elsewhere: a divisor.
    pub(super) fn positive(&mut self, name: &str, value: &str) -> String {
        let (zero, one) = (self.number(0.0), self.number(1.0));
        let above = self.node("Greater", &format!("{name}/above_zero"), &[value, &zero], []);
        self.node("Where", name, &[&above, value, &one], [])
    }

    /// The value with the batch and these sizes as its shape.
    pub(super) fn reshape(&mut self, name: &str, value: &str, sizes: &[usize]) -> String {
        let sizes: Vec<i64> = std::iter::once(-1).chain(sizes.iter().map(|&size| size as i64)).collect();
        let shape = self.integers(&sizes);
        self.node("Reshape", name, &[value, &shape], [])
    }

    fn constant(
        &mut self,
        name: &str,
        data_type: i32,
        shape: &[usize],
        raw: impl FnOnce() -> Vec<u8>,
    ) -> String {
        if !self.constants.iter().any(|constant| constant.name == name) {
            let dims = shape.iter().map(|&size| size as i64).collect();
            self.constants.push(TensorProto { dims, data_type, name: name.into(), raw_data: raw() });
        }
        name.into()
    }

    /// The finished graph.
    pub(super) fn finished(self, name: &str, input: Vec<ValueInfo>, output: Vec<ValueInfo>) -> GraphProto {
        GraphProto { node: self.nodes, name: name.into(), initializer: self.constants, input, output }
    }
}

/// Numbers as part of a name.
fn joined(numbers: &[impl ToString]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join("_")
}

/// An input or output: the batch, whose size is open, and these sizes.
pub(super) fn value_info(name: &str, elem_type: i32, sizes: &[usize]) -> ValueInfo {
    let open = Dimension { dim_value: None, dim_param: Some("N".into()) };
    let fixed = |&size: &usize| Dimension { dim_value: Some(size as i64), dim_param: None };
    let shape = TensorShape { dim: std::iter::once(open).chain(sizes.iter().map(fixed)).collect() };
    let tensor_type = Some(TensorType { elem_type, shape: Some(shape) });
    ValueInfo { name: name.into(), kind: Some(TypeProto { tensor_type }) }
}
