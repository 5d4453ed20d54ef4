//! `GET /api/runs/NAME/mistakes`: what a run says of its held-out images, and the images of a cell of its confusion matrix.

use std::sync::Arc;

use allcnn::data::Images;
use allcnn::split::Split;
use allcnn::visualise::render::Shading;
use allcnn::visualise::{Method, Target, Unit};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::explorer::Explorer;
use super::problem::Problem;
use super::rendering::data_url;
use crate::engine::{Explain, Judge, Judged, Weights};

/// The most pictures of one answer.
const PICTURES: usize = 60;

#[derive(Serialize)]
pub(super) struct Answer {
    images: usize,
    split: Split,
    error_pct: f64,
    interval95: Option<[f64; 2]>,
    classes: Vec<Class>,
    confusion: Option<Vec<Vec<u64>>>,
    confusion_sparse: Option<Vec<(usize, usize, u64)>>,
}

#[derive(Serialize)]
struct Class {
    class: String,
    images: u64,
    error_pct: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: Option<f64>,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
) -> Result<Json<Answer>, Problem> {
    let judged = judged(&explorer, name).await?;
    let evaluation = &judged.evaluation;
    let classes = evaluation.classes.iter().map(|class| Class {
        class: class.name.clone(),
        images: class.images,
        error_pct: class.error_pct,
        precision: class.precision,
        recall: class.recall,
        f1: class.f1,
    });
    let confusion = evaluation.confusion.rows();
    Ok(Json(Answer {
        images: evaluation.images,
        split: judged.split,
        error_pct: evaluation.top1_error_pct,
        interval95: evaluation.top1_error_interval95,
        classes: classes.collect(),
        confusion_sparse: confusion.is_none().then(|| evaluation.confusion.pairs().collect()),
        confusion,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    r#true: Option<String>,
    predicted: Option<String>,
    /// Instead of mistakes all images, the one whose label is least probable first.
    #[serde(default)]
    doubtful: bool,
    #[serde(default)]
    offset: usize,
    #[serde(default = "two_dozen")]
    count: usize,
}

fn two_dozen() -> usize {
    24
}

#[derive(Serialize)]
pub(super) struct Pictures {
    all: usize,
    pictures: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    image: String,
    r#true: String,
    predicted: String,
    probability: f32,
    /// That of the true class.
    label_probability: f32,
    picture: String,
    seen: String,
    /// What speaks for the predicted class.
    map: String,
}

pub(super) async fn pictures(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Pictures>, Problem> {
    let Query(asked) = asked?;
    let judged = judged(&explorer, name).await?;
    let cell = cell(&asked, &judged.run.trained.checkpoint.classes)?;
    let images = if asked.doubtful { judged.scores.doubtful(usize::MAX) } else { judged.images_of(cell) };
    let wanted = images.iter().skip(asked.offset).take(asked.count.min(PICTURES));
    let pictures = try_join_all(wanted.map(|&image| shown(&explorer, &judged, image))).await?;
    Ok(Json(Pictures { all: images.len(), pictures }))
}

/// Evaluates a run, if that was not done.
async fn judged(explorer: &Explorer, name: String) -> Result<Arc<Judged>, Problem> {
    let run = explorer.open(name).await?;
    explorer.ask(Judge { run }).await
}

/// The numbers of the true and the predicted class, if they are asked for.
fn cell(asked: &Asked, classes: &[String]) -> Result<Option<(u32, u32)>, Problem> {
    let number = |given: &String| {
        let index = classes.iter().position(|class| class == given);
        index
            .map(|index| index as u32)
            .ok_or_else(|| Problem::bad_request(format!("the network knows no class {given:?}")))
    };
    match (&asked.r#true, &asked.predicted) {
        (None, None) => Ok(None),
        (Some(label), Some(predicted)) => Ok(Some((number(label)?, number(predicted)?))),
        _ => Err(Problem::bad_request("a cell needs both true and predicted")),
    }
}

/// An image with the map of what speaks for its predicted class.
async fn shown(explorer: &Explorer, judged: &Judged, image: usize) -> Result<Shown, Problem> {
    let Judged { run, scores, images, .. } = judged;
    let (network, classes) = (&run.trained.checkpoint.network, &run.trained.checkpoint.classes);
    let predicted = scores.predicted(image) as usize;
    let picture = picture(images, image)?;
    let question = Explain {
        weights: Weights { run: run.clone(), random_from: None },
        picture: picture.pixels.as_slice().into(),
        layer: Target::of_classes(network, vec![])?.name().into(),
        units: vec![Unit::Channel(predicted)],
        ways: vec![Method::Guided.into()],
        switches: false,
    };
    let views = explorer.ask(question).await?;
    let map = views
        .first()
        .and_then(|view| view.explanation.maps.first())
        .map(|map| data_url(&Shading::Signed.paint(map, network.input().height, network.input().width)));
    Ok(Shown {
        image: images.names[image].clone(),
        r#true: classes[scores.labels[image] as usize].clone(),
        predicted: classes[predicted].clone(),
        probability: scores.probability(image),
        label_probability: scores.own_probability(image),
        picture: explorer.shelf.put(&picture),
        seen: data_url(&run.trained.transform.show(&picture.pixels)),
        map: map.unwrap_or_default(),
    })
}

fn picture(images: &Images, image: usize) -> Result<allcnn::data::decode::Picture, Problem> {
    images.picture(image).map_err(|error| Problem::not_found(error.to_string()))
}
