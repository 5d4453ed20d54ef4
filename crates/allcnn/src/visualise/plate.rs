//! The sheet of `allcnn explain`: each image next to its maps, with captions.

use std::collections::BTreeSet;
use std::path::Path;

use allcnn_device::Device;

use super::coloring::Coloring;
use super::render::{Sheet, Tile};
use super::{Attribution, Explained, FileExplainer, View};
use crate::data::decode::Picture;
use crate::score::ranked;

/// Lays out the sheet: a block for each unit of each image, first the image, then a column per method, without and
/// (if requested) with switches.
pub fn plate<'a, D: Device>(
    explainer: &FileExplainer<'_, D>,
    explained: impl IntoIterator<Item = &'a Explained>,
    coloring: Coloring,
) -> Sheet {
    let explained: Vec<&Explained> = explained.into_iter().collect();
    let views = || explained.iter().flat_map(|explained| &explained.units);
    let subtitle = what_is_shown(explainer, views().flatten());
    let views = views().map(Vec::len).max().unwrap_or(1);
    let mut columns = vec![vec![]];
    for view in 0..views {
        let form =
            (views > 1).then_some(if view == 0 { "without pooling" } else { "with pooling + switches" });
        let heading = |method: &Attribution| [Some(method.to_string()), form.map(str::to_owned)];
        columns
            .extend(explainer.methods().iter().map(|method| heading(method).into_iter().flatten().collect()));
    }
    let blocks = explained.iter().flat_map(|explained| {
        explained.units.iter().map(|views| {
            let said = views.first().map_or_else(Vec::new, |view| said(explainer, explained, view));
            let image = Tile { picture: explained.picture.clone(), caption: said };
            let maps = views.iter().flat_map(|view| tiles(explainer, &explained.picture, view, coloring));
            std::iter::once(image).chain(maps).collect()
        })
    });
    let blocks = blocks.collect();
    let title = explainer.network().name().to_owned();
    Sheet { title, subtitle, columns, ..Sheet::default() }.with_blocks(blocks)
}

/// Describes in a sentence what the maps of these views show.
pub(super) fn what_is_shown<'a, D: Device>(
    explainer: &FileExplainer<'_, D>,
    views: impl IntoIterator<Item = &'a View>,
) -> String {
    let layer = explainer.layer();
    let classes: BTreeSet<usize> = views.into_iter().map(|view| view.class).collect();
    let shown = match (explainer.is_of_classes(), classes.first()) {
        (true, Some(&class)) if classes.len() == 1 => {
            format!(
                "what speaks for the class {}, from its unit in layer {layer}",
                explainer.classes()[class]
            )
        }
        (true, _) => {
            format!("what speaks for the class named below each map, from its unit in layer {layer}")
        }
        (false, _) => format!("what the units of layer {layer} look at"),
    };
    let random = explainer.randomized_from().map(|from| format!(", weights random from {from} up"));
    shown + &random.unwrap_or_default()
}

/// The image's caption: its name, with the folder that may be its class, and the predicted class.
fn said<D: Device>(explainer: &FileExplainer<'_, D>, explained: &Explained, view: &View) -> Vec<String> {
    let parts: Vec<_> = Path::new(&explained.file).iter().map(|part| part.to_string_lossy()).collect();
    let name = parts[parts.len().saturating_sub(2)..].join("/");
    let probabilities = &view.explanation.probabilities;
    vec![name, share(explainer, ranked(probabilities, 1)[0], probabilities)]
}

/// A class with its probability, such as `cat 97.3 %`.
fn share<D: Device>(explainer: &FileExplainer<'_, D>, class: usize, probabilities: &[f32]) -> String {
    format!("{} {:.1} %", explainer.classes()[class], 100.0 * probabilities[class])
}

/// The maps of one view; the first has the unit in its caption.
fn tiles<'a, D: Device>(
    explainer: &'a FileExplainer<'_, D>,
    picture: &'a Picture,
    view: &'a View,
    coloring: Coloring,
) -> impl Iterator<Item = Tile> + 'a {
    let unit = view.explanation.unit;
    view.explanation.maps.iter().enumerate().map(move |(index, map)| {
        let mut caption = vec![];
        if index == 0 {
            if explainer.is_of_classes() {
                caption.push(share(explainer, view.class, &view.explanation.probabilities));
            }
            caption.push(format!("{}, unit {}", explainer.layer(), unit.channel));
            let has_positions = explainer.has_positions();
            caption.push(if has_positions {
                format!("{:.4} at row {}, col {}", unit.activation, unit.row, unit.column)
            } else {
                format!("activation {:.4}", unit.activation)
            });
        }
        Tile { picture: coloring.paint(map, picture), caption }
    })
}
