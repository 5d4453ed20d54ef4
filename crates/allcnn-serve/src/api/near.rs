//! `GET /api/runs/NAME/near`: the images of the run's data that are nearly the same.

use allcnn::data::near::Near;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::explorer::{Explorer, blocking};
use super::problem::Problem;
use super::rendering::data_url;
use crate::engine::{AlikeGroup, AlikeImage, Compare};
use crate::runs::OpenRun;

#[derive(Serialize)]
pub(super) struct Answer {
    images: usize,
    left_out: usize,
    test_images_near_train: usize,
    validation_images_near_train: usize,
    groups_across_splits: usize,
    groups_within_split: usize,
    groups_with_different_labels: usize,
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    similarity: f32,
    labels_differ: bool,
    more: usize,
    pictures: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    image: String,
    split: &'static str,
    class: String,
    picture: String,
    seen: String,
}

pub(super) async fn answer(
    State(explorer): State<Explorer>,
    Path(name): Path<String>,
) -> Result<Json<Answer>, Problem> {
    let run = explorer.open(name).await?;
    let alike = explorer.ask(Compare { run: run.clone() }).await?;
    blocking(move || {
        let Near { images, left_out, .. } = alike.near;
        Ok(Json(Answer {
            images,
            left_out,
            test_images_near_train: alike.near.test_images_near_train,
            validation_images_near_train: alike.near.validation_images_near_train,
            groups_across_splits: alike.near.groups_across_splits,
            groups_within_split: alike.near.groups_within_split,
            groups_with_different_labels: alike.near.groups_with_different_labels,
            groups: alike.groups.iter().map(|group| shown(&explorer, &run, group)).collect(),
        }))
    })
    .await
}

fn shown(explorer: &Explorer, run: &OpenRun, group: &AlikeGroup) -> Group {
    let picture = |image: &AlikeImage| Shown {
        image: image.image.clone(),
        split: image.split,
        class: image.class.clone(),
        picture: explorer.shelf.put(&image.picture),
        seen: data_url(&run.trained.transform.show(&image.picture.pixels)),
    };
    let pictures = group.images.iter().map(picture).collect();
    Group { similarity: group.similarity, labels_differ: group.labels_differ, more: group.more, pictures }
}
