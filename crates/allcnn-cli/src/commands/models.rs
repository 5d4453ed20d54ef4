//! `allcnn models`: the networks with their sizes, or the layers of one.

use allcnn::net::{ModelInfo, Network};

use super::network_choice::choose;
use crate::args::ModelsArgs;
use crate::exit::Exit;
use crate::output::{self, Align, Table, thousands};

/// Prints all networks, or the layers of the named one.
pub(super) fn run(arguments: &ModelsArgs) -> anyhow::Result<Exit> {
    let names = arguments.name.as_ref().map_or_else(Network::names, |name| vec![name.clone()]);
    let infos = names
        .iter()
        .map(|name| Ok(choose(name, arguments.classes)?.info()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    match (arguments.output.json, infos.as_slice()) {
        (true, _) => output::json(&infos)?,
        (false, [info]) if arguments.name.is_some() => output::text(&layers(info))?,
        (false, _) => output::text(&overview(&infos))?,
    }
    Ok(Exit::DONE)
}

fn size([height, width, channels]: [usize; 3]) -> String {
    format!("{height}x{width}x{channels}")
}

fn overview(infos: &[ModelInfo]) -> String {
    let mut table = Table::new(&[
        ("model", Align::Left),
        ("parameters", Align::Right),
        ("multiply-adds", Align::Right),
        ("input", Align::Right),
        ("classes", Align::Right),
        ("layers", Align::Right),
    ]);
    for info in infos {
        table.row([
            info.name.clone(),
            thousands(info.parameters as u64),
            thousands(info.multiply_adds as u64),
            size(info.input),
            info.layers.last().map_or(0, |softmax| softmax.output[2]).to_string(),
            (info.layers.len() - 1).to_string(),
        ]);
    }
    format!(
        "{table}\nMultiply-adds are those of one image. `allcnn models NAME` shows the layers of a network.\n"
    )
}

fn layers(info: &ModelInfo) -> String {
    let mut table = Table::new(&[
        ("layer", Align::Left),
        ("what", Align::Left),
        ("output", Align::Right),
        ("parameters", Align::Right),
        ("multiply-adds", Align::Right),
        ("receptive field", Align::Right),
        ("activation", Align::Left),
        ("dropout", Align::Right),
    ]);
    let rate = |dropout: Option<f32>| dropout.map_or_else(String::new, |rate| rate.to_string());
    for layer in &info.layers {
        let field = layer.receptive_field;
        table.row([
            layer.name.clone(),
            layer.description.clone(),
            size(layer.output),
            thousands(layer.parameters as u64),
            thousands(layer.multiply_adds as u64),
            format!("{}x{}", field.height, field.width),
            layer.activation.clone().unwrap_or_default(),
            rate(layer.dropout) + if layer.drops_channels { " of channels" } else { "" },
        ]);
    }
    let (parameters, multiply_adds) =
        (thousands(info.parameters as u64), thousands(info.multiply_adds as u64));
    let dropout = info
        .input_dropout
        .map_or_else(String::new, |rate| format!(" with a dropout of {rate} on the picture"));
    format!(
        "{}: input {}{dropout}, {parameters} parameters, {multiply_adds} multiply-adds an image\n\n{table}\n\
         The dropout rates are the network's own; a training takes those of its recipe, where it has some.\n",
        info.name,
        size(info.input)
    )
}
