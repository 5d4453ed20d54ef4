//! A network in one page: it classifies a picture that is dropped on it and shows its map, in the browser, without a server. The
//! weights are in it as f16; matrix products are computed by a small WebAssembly module (`product.wat`), the rest by plain
//! JavaScript (`page.js`).

use allcnn_device::{Grid, PoolKind, PoolShape, Shape, Windows};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use half::f16;
use maud::html;
use serde_json::{Value, json};

use super::error::ExportError;
use super::trained::Trained;
use crate::net::{LayerKind, Operation};
use crate::preprocess::FittedValues;

/// The largest height and width.
const MAX_SIDE: usize = 64;

/// The page.
pub(super) fn page(trained: &Trained) -> Result<String, ExportError> {
    expect_small(trained)?;
    let network = &trained.checkpoint.network;
    let mut numbers: Vec<f32> = vec![];
    let mut layers = vec![];
    for (layer, operation) in network.layers().iter().zip(network.operations(1)) {
        let described = describe(layer.kind(), operation)
            .map_err(|what| ExportError::NotInPage { layer: layer.name().into(), what })?;
        layers.push(described);
        let tensors = trained.tensors_of(layer.name()).into_iter().flatten();
        tensors.for_each(|tensor| numbers.extend(&tensor.values));
    }
    let preprocess = preprocessing(trained, &mut numbers);
    let (input, pictures) = (network.input(), trained.transform.pictures());
    let described = json!({
        "input": [input.height, input.width],
        "picture": [pictures.height, pictures.width],
        "classes": trained.checkpoint.classes,
        "layers": layers,
        "preprocess": preprocess,
    });
    let product =
        wat::parse_str(include_str!("product.wat")).map_err(|e| ExportError::Wrong(e.to_string()))?;
    let halves: Vec<u8> = numbers.iter().flat_map(|&number| f16::from_f32(number).to_le_bytes()).collect();
    let about = format!("Written by allcnn {}.", env!("CARGO_PKG_VERSION"));
    Ok(filled(&[
        ("title", html! { (network.name()) }.into_string()),
        ("about", about),
        // A class may be called anything, even like the end of a script.
        ("network", described.to_string().replace('<', "\\u003c")),
        ("weights", STANDARD.encode(halves)),
        ("product", STANDARD.encode(product)),
        ("script", include_str!("page.js").trim_end().into()),
    ]))
}

/// The template with its gaps filled, each once it is met, so that nothing inside of a filling is taken for a gap.
fn filled(fillings: &[(&str, String)]) -> String {
    let mut parts = include_str!("page.html").split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        page.extend(fillings.iter().filter(|(filling, _)| *filling == name).map(|(_, text)| text.as_str()));
        page += rest;
    }
    page
}

fn expect_small(trained: &Trained) -> Result<(), ExportError> {
    let input = trained.checkpoint.network.input();
    if input.height.max(input.width) <= MAX_SIDE && input.channels == 3 {
        return Ok(());
    }
    let given = [input.height, input.width, input.channels];
    Err(ExportError::TooLargeForPage { given, most: MAX_SIDE })
}

fn has_drop_connect(kind: &LayerKind) -> bool {
    matches!(kind, LayerKind::Conv(conv) if conv.drop_connect > 0.0)
}

/// A layer as `page.js` takes it; the error is what the page does not compute.
fn describe(kind: &LayerKind, operation: Operation) -> Result<Value, &'static str> {
    let side = |shape: Shape| [shape.height, shape.width];
    let (input, output) = (side(operation.input()), side(operation.output()));
    Ok(match operation {
        Operation::Conv(conv) if conv.groups > 1 => return Err("a grouped convolution"),
        Operation::Local(_) => return Err("a local layer"),
        Operation::Conv(_) if has_drop_connect(kind) => return Err("a layer with DropConnect"),
        Operation::Conv(conv) => json!({
            "kind": "conv", "channels": conv.input.channels, "filters": conv.out_channels, "kernel": conv.kernel,
            "stride": conv.stride, "padding": conv.padding, "input": input, "output": output,
            "slope": kind.activation().map_or(1.0, |activation| activation.negative_slope()),
        }),
        Operation::Pool(PoolShape { windows: Windows::Fractional(_), .. }) => {
            return Err("a fractional pooling");
        }
        Operation::Pool(PoolShape { windows: Windows::Channels { pieces }, kind, .. }) => match kind {
            PoolKind::Probabilistic { lambda } => {
                json!({ "kind": "probout", "pieces": pieces, "lambda": lambda, "input": input })
            }
            _ => json!({ "kind": "maxout", "pieces": pieces, "input": input }),
        },
        Operation::Pool(PoolShape { windows: Windows::Grid(grid), kind, input: shape }) => {
            let Grid { kernel, stride, padding, .. } = grid;
            let (word, p) = match kind {
                PoolKind::Max => ("max", 0.0),
                PoolKind::Average => ("average", 0.0),
                PoolKind::PNorm { p } => ("norm", p),
                PoolKind::Stochastic => ("stochastic", 0.0),
                PoolKind::LearnedNorm => ("learned_norm", 0.0),
                PoolKind::Probabilistic { .. } => unreachable!("its windows are channels"),
            };
            json!({
                "kind": word, "p": p, "channels": shape.channels, "kernel": kernel, "stride": stride,
                "padding": padding, "input": input, "output": output,
            })
        }
        Operation::Lrn(lrn) => json!({
            "kind": "lrn", "size": lrn.size, "alpha": lrn.alpha, "beta": lrn.beta, "k": lrn.k, "input": input,
        }),
        Operation::Lwta(lwta) => json!({ "kind": "lwta", "size": lwta.size, "input": input }),
        Operation::GlobalAverage(_) => json!({ "kind": "global_average", "input": input }),
    })
}

/// The preprocessing; what is large joins the weights: the mean, then the upper triangle of the whitening matrix.
fn preprocessing(trained: &Trained, numbers: &mut Vec<f32>) -> Value {
    let preprocessor = trained.transform.preprocessor();
    let method = preprocessor.method().to_string();
    match preprocessor.values() {
        FittedValues::None => json!({ "method": method }),
        FittedValues::MeanStd { mean, std } => json!({ "method": method, "mean": mean, "std": std }),
        FittedValues::GcnZca { scale, mean, matrix } => {
            numbers.extend(&mean);
            let rows = matrix.chunks_exact(mean.len()).enumerate();
            rows.for_each(|(row, values)| numbers.extend(&values[row..]));
            json!({ "method": method, "scale": scale })
        }
    }
}
