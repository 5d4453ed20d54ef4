//! `POST /api/runs/NAME/activations`: all outputs of a layer for a picture, as one sheet of small grey maps.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use serde::{Deserialize, Serialize};

use super::explorer::Explorer;
use super::picture::Seen;
use super::problem::Problem;
use super::rendering::gray_data_url;
use crate::engine::{Activations, ActivationsOf, Weights};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    layer: String,
    picture: Option<String>,
    random_from: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    picture: String,
    layer: String,
    height: usize,
    width: usize,
    channels: usize,
    /// The largest value of each channel.
    largest: Vec<f32>,
    /// Channel c is at column c % columns and row c / columns.
    sheet: String,
    columns: usize,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Json<Answer>, Problem> {
    let Query(asked) = asked?;
    let run = explorer.open(name).await?;
    let Seen { id, pixels } = Seen::of(request, asked.picture.as_deref(), &run, &explorer).await?;
    let weights = Weights { run, random_from: asked.random_from };
    let question = Activations { weights, picture: pixels, layer: asked.layer.clone() };
    let outputs = explorer.ask(question).await?;
    let Sheet { pixels, height, width, columns, largest } = sheet(&outputs);
    let sheet = gray_data_url(&pixels, height, width);
    let shape = outputs.shape;
    Ok(Json(Answer {
        picture: id,
        layer: asked.layer,
        height: shape.height,
        width: shape.width,
        channels: shape.channels,
        largest,
        sheet,
        columns,
    }))
}

struct Sheet {
    pixels: Vec<u8>,
    height: usize,
    width: usize,
    columns: usize,
    largest: Vec<f32>,
}

/// The channels beside each other, about as many columns as rows; black is zero or less, white the channel's largest value.
fn sheet(ActivationsOf { shape, values }: &ActivationsOf) -> Sheet {
    let columns = (shape.channels as f64).sqrt().ceil() as usize;
    let [height, width] = [shape.channels.div_ceil(columns) * shape.height, columns * shape.width];
    let mut largest = vec![f32::NEG_INFINITY; shape.channels];
    for pixel in values.chunks_exact(shape.channels) {
        largest.iter_mut().zip(pixel).for_each(|(largest, value)| *largest = largest.max(*value));
    }
    let mut pixels = vec![0; height * width];
    for (index, pixel) in values.chunks_exact(shape.channels).enumerate() {
        let (row, column) = (index / shape.width, index % shape.width);
        for (channel, value) in pixel.iter().enumerate() {
            let share = if largest[channel] > 0.0 { (value / largest[channel]).max(0.0) } else { 0.0 };
            let (top, left) = (channel / columns * shape.height, channel % columns * shape.width);
            pixels[(top + row) * width + left + column] = (share * 255.0).round() as u8;
        }
    }
    Sheet { pixels, height, width, columns, largest }
}

#[cfg(test)]
mod tests {
    use allcnn_device::Shape;

    use super::*;

    #[test]
    fn channels_lie_beside_each_other_each_by_its_own_scale() {
        let shape = Shape { batch: 1, height: 1, width: 2, channels: 3 };
        let Sheet { pixels, height, width, columns, largest } =
            sheet(&ActivationsOf { shape, values: vec![1.0, 8.0, -1.0, 2.0, -4.0, -2.0] });
        assert_eq!((height, width, columns), (2, 4, 2));
        assert_eq!(largest, [2.0, 8.0, -1.0]);
        assert_eq!(pixels, [128, 255, 255, 0, 0, 0, 0, 0]);
    }
}
