//! A small interpreter of the operations that exported networks use, in plain loops from the ONNX specification. It shares the
//! format's messages with the writer and nothing else, so that what the writer means is not taken for what it wrote.

mod elementwise;
mod layout;
mod node;
mod tensor;
mod windows;

use std::collections::HashMap;

use prost::Message;

use self::elementwise::{
    arg_max, arithmetic, cast, choose, comparison, each, equal, mat_mul, reduce, softmax,
};
use self::node::Node;
use self::tensor::Outcome;
pub(super) use self::tensor::{Numbers, Tensor};
use super::onnx::proto::{ModelProto, NodeProto, TensorProto, data_type};

/// Runs a file on these inputs and returns every value of the graph by its name.
///
/// # Errors
/// What is wrong with the file, with the name of the node.
pub(super) fn run(file: &[u8], inputs: Vec<(&str, Tensor)>) -> Outcome<HashMap<String, Tensor>> {
    let model = ModelProto::decode(file).map_err(|error| format!("it is no ONNX file: {error}"))?;
    let graph = model.graph.ok_or("it has no graph")?;
    let mut values: HashMap<String, Tensor> = HashMap::new();
    for input in &graph.input {
        let given = inputs.iter().find(|(name, _)| *name == input.name);
        let (name, tensor) = given.ok_or_else(|| format!("the input {} is not given", input.name))?;
        values.insert((*name).to_owned(), tensor.clone());
    }
    for constant in &graph.initializer {
        values.insert(constant.name.clone(), stored(constant)?);
    }
    for node in &graph.node {
        let outputs = {
            let find = |name: &String| {
                values.get(name).ok_or_else(|| format!("{}: its input {name} is not there yet", node.name))
            };
            let inputs = node.input.iter().map(find).collect::<Result<Vec<_>, _>>()?;
            compute(&Node { proto: node, inputs }).map_err(|wrong| said(node, &wrong))?
        };
        values.extend(node.output.iter().cloned().zip(outputs));
    }
    match graph.output.iter().find(|output| !values.contains_key(&output.name)) {
        None => Ok(values),
        Some(output) => Err(format!("nothing makes its output {}", output.name)),
    }
}

fn said(node: &NodeProto, wrong: &str) -> String {
    format!("{} ({}): {wrong}", node.name, node.op_type)
}

/// The values of a constant.
fn stored(constant: &TensorProto) -> Outcome {
    let shape = constant.dims.iter().map(|&size| size as usize).collect();
    let bytes = &constant.raw_data;
    let numbers = match constant.data_type {
        data_type::FLOAT => {
            Numbers::Float(bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect())
        }
        data_type::INT64 => {
            Numbers::Integer(bytes.as_chunks().0.iter().map(|&value| i64::from_le_bytes(value)).collect())
        }
        other => return Err(format!("{} is of type {other}", constant.name)),
    };
    Tensor::new(shape, numbers).map_err(|wrong| format!("{}: {wrong}", constant.name))
}

/// The outputs of a node.
fn compute(node: &Node<'_>) -> Outcome<Vec<Tensor>> {
    let largest = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = |values: &[f32]| values.iter().map(|&x| f64::from(x)).sum::<f64>() as f32;
    let slope = node.float("alpha", 0.01);
    Ok(vec![match node.proto.op_type.as_str() {
        "Abs" => each(node, f32::abs)?,
        "Add" => arithmetic(node, |x, y| x + y)?,
        "ArgMax" => arg_max(node)?,
        "AveragePool" => windows::average_pool(node)?,
        "Cast" => cast(node)?,
        "ConstantOfShape" => layout::constant_of_shape(node)?,
        "Conv" => windows::conv(node)?,
        "ConvTranspose" => windows::conv_transpose(node)?,
        "Div" => arithmetic(node, |x, y| x / y)?,
        "Equal" => equal(node)?,
        "Erf" => each(node, |x| libm::erf(x.into()) as f32)?,
        "Exp" => each(node, f32::exp)?,
        "Flatten" => layout::flatten(node)?,
        "GlobalAveragePool" => windows::global_average(node)?,
        "Greater" => comparison(node, |x, y| x > y)?,
        "LRN" => windows::lrn(node)?,
        "LeakyRelu" => each(node, |x| if x < 0.0 { slope * x } else { x })?,
        "Less" => comparison(node, |x, y| x < y)?,
        "MatMul" => mat_mul(node)?,
        "Max" => arithmetic(node, f32::max)?,
        "MaxPool" => return windows::max_pool(node).map(Vec::from),
        "Mul" => arithmetic(node, |x, y| x * y)?,
        "Pad" => layout::pad(node)?,
        "Pow" => arithmetic(node, f32::powf)?,
        "ReduceMax" => reduce(node, node.ints("axes"), largest)?,
        "ReduceSum" => reduce(node, node.input(1)?.integers()?, sum)?,
        "Relu" => each(node, |x| x.max(0.0))?,
        "Reshape" => layout::reshape(node)?,
        "ScatterElements" => layout::scatter_elements(node)?,
        "Shape" => layout::shape(node)?,
        "Slice" => layout::slice(node)?,
        "Softmax" => softmax(node)?,
        "Sqrt" => each(node, f32::sqrt)?,
        "Sub" => arithmetic(node, |x, y| x - y)?,
        "Transpose" => layout::transpose(node)?,
        "Where" => choose(node)?,
        other => return Err(format!("no operation {other} is known")),
    }])
}
