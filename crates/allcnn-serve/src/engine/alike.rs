//! The images of a run's data that are nearly the same.

use std::sync::Arc;

use allcnn::data::decode::Picture;
use allcnn::data::near::{self, Near};

use super::error::EngineError;
use super::own_data;
use crate::runs::OpenRun;

/// The most bytes of a run's images that are read for that.
const READ: usize = 1 << 30;
/// The most groups whose pictures are kept, and the most pictures of each.
const GROUPS: usize = 60;
const PICTURES: usize = 6;

/// The images of a run's data that are nearly the same.
pub(crate) struct Alike {
    pub run: Arc<OpenRun>,
    pub near: Near,
    pub groups: Vec<AlikeGroup>,
}

/// A group of them.
pub(crate) struct AlikeGroup {
    pub similarity: f32,
    pub labels_differ: bool,
    /// How many there are beside those that are shown.
    pub more: usize,
    pub images: Vec<AlikeImage>,
}

/// One of them.
pub(crate) struct AlikeImage {
    pub image: String,
    pub split: &'static str,
    pub class: String,
    pub picture: Picture,
}

impl Alike {
    /// Compares all images of a run's data with each other.
    pub(super) fn find(run: &Arc<OpenRun>) -> Result<Self, EngineError> {
        let data = own_data::read(run, READ)?;
        let near = near::find(&data, near::MIN_SIMILARITY, &mut |_| ());
        let image = |image: &near::NearImage| {
            let (images, index) = image.location.of(&data);
            let picture = images.picture(index).ok()?;
            Some(AlikeImage {
                image: image.file.clone(),
                split: image.split,
                class: image.class.clone(),
                picture,
            })
        };
        let group = |group: &near::NearGroup| AlikeGroup {
            similarity: group.similarity,
            labels_differ: group.labels_differ,
            more: group.images.len().saturating_sub(PICTURES),
            images: group.some(PICTURES).into_iter().filter_map(image).collect(),
        };
        let groups = near.groups.iter().take(GROUPS).map(group).collect();
        Ok(Self { run: Arc::clone(run), near, groups })
    }
}
