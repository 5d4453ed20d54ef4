//! Caffe's `.caffemodel`: the fields of `caffe.proto` that contain weights.

use prost::Message;

use super::layer::Layer;
use super::note::check_name;
use super::stored::volume;
use crate::parameters::Tensor;

/// `NetParameter`.
#[derive(Clone, PartialEq, Message)]
struct NetParameter {
    /// The layers in the format used until 2014, as in CaffeNet's own file.
    #[prost(message, repeated, tag = "2")]
    layers: Vec<V1LayerParameter>,
    /// The layers in the current format.
    #[prost(message, repeated, tag = "100")]
    layer: Vec<LayerParameter>,
}

/// `LayerParameter`.
#[derive(Clone, PartialEq, Message)]
struct LayerParameter {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    kind: String,
    #[prost(message, repeated, tag = "7")]
    blobs: Vec<BlobProto>,
}

/// `V1LayerParameter`.
#[derive(Clone, PartialEq, Message)]
struct V1LayerParameter {
    #[prost(string, tag = "4")]
    name: String,
    /// `V1LayerParameter.LayerType`.
    #[prost(int32, tag = "5")]
    kind: i32,
    #[prost(message, repeated, tag = "6")]
    blobs: Vec<BlobProto>,
}

/// `BlobProto`: an array in C order (last dimension contiguous).
#[derive(Clone, PartialEq, Message)]
struct BlobProto {
    /// The shape in the format used until 2014: always four dimensions.
    #[prost(int32, optional, tag = "1")]
    num: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    channels: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    height: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    width: Option<i32>,
    #[prost(float, repeated, tag = "5")]
    data: Vec<f32>,
    #[prost(message, optional, tag = "7")]
    shape: Option<BlobShape>,
    #[prost(double, repeated, tag = "8")]
    double_data: Vec<f64>,
}

/// `BlobShape`.
#[derive(Clone, PartialEq, Message)]
struct BlobShape {
    #[prost(int64, repeated, tag = "1")]
    dim: Vec<i64>,
}

const NEITHER: &str = "it is neither safetensors nor a file of PyTorch nor a caffemodel";

/// Parses the file. The layers are in file order; the input channels of the first are reordered from BGR to RGB.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Layer>, String> {
    let net = NetParameter::decode(bytes).map_err(|_| NEITHER)?;
    let since = net.layer.into_iter().map(|layer| (layer.name, layer.kind, layer.blobs));
    let until = net.layers.into_iter().map(|layer| (layer.name, v1_kind(layer.kind), layer.blobs));
    let layers = since.chain(until).filter(|(_, _, blobs)| !blobs.is_empty());
    let mut layers = layers.map(read_layer).collect::<Result<Vec<_>, String>>()?;
    let Some(first) = layers.first_mut() else {
        return Err(format!("{NEITHER} with weights"));
    };
    turn_channels(&mut first.weight);
    Ok(layers)
}

/// The current name of a layer type.
fn v1_kind(kind: i32) -> String {
    match kind {
        4 => "Convolution".into(),
        14 => "InnerProduct".into(),
        other => format!("V1 type {other}"),
    }
}

fn read_layer((name, kind, blobs): (String, String, Vec<BlobProto>)) -> Result<Layer, String> {
    check_name(&name)?;
    check_name(&kind)?;
    let dimensions = match kind.as_str() {
        "Convolution" => 4,
        "InnerProduct" => 2,
        _ => {
            return Err(format!(
                "its layer {name} is of type {kind} and has weights; expected these in convolutions and fully connected \
                 layers only"
            ));
        }
    };
    let count = blobs.len();
    let mut blobs = blobs.into_iter();
    let (Some(weight), bias, None) = (blobs.next(), blobs.next(), blobs.next()) else {
        return Err(format!("its layer {name} has {count} arrays; expected weights and biases"));
    };
    let weight = tensor(format!("{name}.weight"), weight, dimensions)?;
    let bias = bias.map(|bias| tensor(format!("{name}.bias"), bias, 1)).transpose()?;
    Ok(Layer { name, weight, bias })
}

/// Converts the array to a tensor of `dimensions` dimensions; old files pad shapes with leading ones.
fn tensor(name: String, blob: BlobProto, dimensions: usize) -> Result<Tensor, String> {
    let old = [blob.num, blob.channels, blob.height, blob.width].map(|side| i64::from(side.unwrap_or(0)));
    let sides = blob.shape.map_or_else(|| old.to_vec(), |shape| shape.dim);
    let surplus = sides.len().saturating_sub(dimensions);
    let ones = sides.iter().take(surplus).take_while(|&&side| side == 1).count();
    let shape = sides[ones..].iter().map(|&side| {
        usize::try_from(side)
            .map_err(|_| format!("its array {name} has a side of {side}; expected 1 or more"))
    });
    let shape = shape.collect::<Result<Vec<usize>, String>>()?;
    let values: Vec<f32> = if blob.data.is_empty() {
        blob.double_data.into_iter().map(|value| value as f32).collect()
    } else {
        blob.data
    };
    let volume = volume(&shape).map_err(|problem| format!("its array {name} {problem}"))?;
    if shape.len() != dimensions || volume != values.len() {
        return Err(format!(
            "its array {name} has {} values in shape {shape:?}; expected {dimensions} dimensions that agree",
            values.len()
        ));
    }
    Ok(Tensor { name, shape, values })
}

/// Reverses the input channels of a convolution that has three.
fn turn_channels(weight: &mut Tensor) {
    if let &[_, 3, height, width] = weight.shape.as_slice() {
        for filter in weight.values.chunks_exact_mut(3 * height * width) {
            let (blue, rest) = filter.split_at_mut(height * width);
            blue.swap_with_slice(&mut rest[height * width..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(shape: &[i64], first: f32) -> BlobProto {
        let length = shape.iter().product::<i64>();
        BlobProto {
            data: (0..length).map(|index| first + index as f32).collect(),
            shape: Some(BlobShape { dim: shape.to_vec() }),
            ..BlobProto::default()
        }
    }

    fn layer(name: &str, kind: &str, blobs: Vec<BlobProto>) -> LayerParameter {
        LayerParameter { name: name.into(), kind: kind.into(), blobs }
    }

    fn net(layer: Vec<LayerParameter>) -> Vec<u8> {
        NetParameter { layer, layers: vec![] }.encode_to_vec()
    }

    #[test]
    fn weights_are_found_in_order_and_the_first_turned_to_rgb() {
        let bytes = net(vec![
            layer("data", "Input", vec![]),
            layer("conv1", "Convolution", vec![blob(&[2, 3, 1, 2], 0.0), blob(&[2], 50.0)]),
            layer("relu1", "ReLU", vec![]),
            layer("fc8", "InnerProduct", vec![blob(&[1, 3], 7.0), blob(&[1], 9.0)]),
        ]);
        let layers = read(&bytes).unwrap();
        let [conv, fc] = layers.as_slice() else { panic!("{layers:?}") };
        assert_eq!((conv.name.as_str(), fc.name.as_str()), ("conv1", "fc8"));
        assert_eq!(conv.weight.values, [4.0, 5.0, 2.0, 3.0, 0.0, 1.0, 10.0, 11.0, 8.0, 9.0, 6.0, 7.0]);
        assert_eq!(
            (fc.weight.shape.as_slice(), fc.weight.values.as_slice()),
            (&[1, 3][..], &[7.0, 8.0, 9.0][..])
        );
    }

    #[test]
    fn old_files_have_four_dimensions_and_numbers_for_types() {
        let old = |shape: [i32; 4]| BlobProto {
            data: vec![1.0; shape.iter().product::<i32>() as usize],
            num: Some(shape[0]),
            channels: Some(shape[1]),
            height: Some(shape[2]),
            width: Some(shape[3]),
            ..BlobProto::default()
        };
        let layers = vec![
            V1LayerParameter {
                name: "conv1".into(),
                kind: 4,
                blobs: vec![old([4, 2, 3, 3]), old([1, 1, 1, 4])],
            },
            V1LayerParameter {
                name: "fc".into(),
                kind: 14,
                blobs: vec![old([1, 1, 5, 4]), old([1, 1, 1, 5])],
            },
        ];
        let layers = read(&NetParameter { layers, layer: vec![] }.encode_to_vec()).unwrap();
        let shapes: Vec<_> =
            layers.iter().map(|layer| (&layer.weight.shape, &layer.bias.as_ref().unwrap().shape)).collect();
        assert_eq!(shapes, [(&vec![4, 2, 3, 3], &vec![4]), (&vec![5, 4], &vec![5])]);
    }

    #[test]
    fn what_is_no_layer_of_these_networks_is_refused() {
        let said = |layer| read(&net(vec![layer])).unwrap_err();
        assert!(said(layer("prelu", "PReLU", vec![blob(&[3], 0.0)])).contains("prelu is of type PReLU"));
        let three = vec![blob(&[1], 0.0); 3];
        assert!(said(layer("c", "Convolution", three)).contains("c has 3 arrays"));
        let odd = blob(&[2, 2], 0.0);
        assert!(
            said(layer("c", "Convolution", vec![odd, blob(&[2], 0.0)])).contains("4 values in shape [2, 2]")
        );
        let mut short = blob(&[2, 3], 0.0);
        short.data.pop();
        assert!(
            said(layer("f", "InnerProduct", vec![short, blob(&[2], 0.0)]))
                .contains("5 values in shape [2, 3]")
        );
        let mut huge = blob(&[1, 1], 0.0);
        huge.shape = Some(BlobShape { dim: vec![i64::MAX, i64::MAX] });
        assert!(said(layer("f", "InnerProduct", vec![huge, blob(&[2], 0.0)])).contains("no memory holds"));
        let mut empty = blob(&[1, 3, 1, 1], 0.0);
        (empty.shape, empty.data) = (Some(BlobShape { dim: vec![0, 3, 0, 42] }), vec![]);
        assert!(said(layer("c", "Convolution", vec![empty])).contains("holds no values"));
        let mut long = blob(&[1, 1], 0.0);
        long.shape = Some(BlobShape { dim: vec![1; 300_000] });
        long.shape.as_mut().unwrap().dim.push(-1);
        assert!(said(layer("f", "InnerProduct", vec![long])).contains("side of -1"));
        long = blob(&[1, 1], 0.0);
        long.shape = Some(BlobShape { dim: vec![2; 300_000] });
        let said = said(layer("f", "InnerProduct", vec![long]));
        assert!(said.contains("300000 dimensions") && said.len() < 200, "{said}");
        assert!(read(b"").unwrap_err().contains("neither"));
        assert!(read(b"just words, no numbers").unwrap_err().contains("neither"));
    }
}
