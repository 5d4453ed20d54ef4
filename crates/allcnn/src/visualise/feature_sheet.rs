//! Figures 2 and 3 of the paper as sheets: for each filter its patches side by side, with their maps below; or its
//! drawing without image.

use super::render::{Shading, Sheet, SheetRow, Tile, tiles_beside};
use super::{Drawing, FilterChoice, FilterPatches, Patch};
use crate::data::Images;
use crate::data::decode::Picture;
use crate::input::InputTransform;

/// The minimum size in pixels to which patches are enlarged.
const PATCH_SIDE: usize = 80;
/// The minimum size in pixels to which drawings are enlarged.
const DRAWING_SIDE: usize = 64;
/// The gray level beyond the image border.
const BEYOND: u8 = 236;
/// The space between adjacent filters, in gaps between patches.
const FILTER_GAP: usize = 5;
/// The most drawings in a row.
const DRAWINGS_A_ROW: usize = 16;

/// A filter with its patches and, for each patch and method, the map of the whole image.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedFilter {
    /// The filter and its patches.
    pub found: FilterPatches,
    /// For each patch, the map of each method, `[height, width, 3]`.
    pub maps: Vec<Vec<Vec<f32>>>,
}

/// The class names for captions.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// The data set's classes, to which the image labels refer.
    pub data_classes: &'a [String],
    /// The network's classes.
    pub classes: &'a [String],
}

/// Rows of filters (Figure 3): at the top the patches, strongest first, below them their maps by each method, each
/// scaled separately. Light gray is beyond the image border.
pub fn patch_rows(
    choice: &FilterChoice,
    (images, transform): (&Images, &InputTransform),
    filters: &[ExplainedFilter],
    most: usize,
    methods: usize,
    labels: Labels<'_>,
) -> Vec<SheetRow> {
    let tile = |filter: &ExplainedFilter| Tile {
        picture: strip(choice, (images, transform), filter, most, methods),
        caption: caption(choice, images, filter, labels),
    };
    let (_, width) = strip_size(choice, most, methods);
    let columns = tiles_beside(factor(choice) * width).min(filters.len().max(1));
    filters.chunks(columns).map(|filters| SheetRow::of(filters.iter().map(tile))).collect()
}

/// The `tile_side` for a sheet with these rows.
pub fn patch_tile_side(choice: &FilterChoice, most: usize, methods: usize) -> usize {
    let (height, width) = strip_size(choice, most, methods);
    factor(choice) * height.max(width)
}

/// Rows of drawings (Figure 2), one per filter, each scaled separately.
pub fn drawing_rows(choice: &FilterChoice, drawings: &[Drawing], labels: Labels<'_>) -> Vec<SheetRow> {
    let input = choice.network().input();
    let tile = |drawing: &Drawing| {
        let (height, width) = (drawing.seen.rows.len(), drawing.seen.columns.len());
        let values = drawing.seen.cut(&drawing.map, input.width);
        Tile {
            picture: Shading::Signed.paint(&values, height, width),
            caption: vec![named(choice, drawing.filter, labels)],
        }
    };
    let side = choice.patch_size().1.max(DRAWING_SIDE);
    let columns = tiles_beside(side).min(DRAWINGS_A_ROW);
    let mut rows: Vec<SheetRow> =
        drawings.chunks(columns).map(|drawings| SheetRow::of(drawings.iter().map(tile))).collect();
    if let (Some(first), Some(drawing)) = (rows.first_mut(), drawings.first()) {
        let (height, width) = (drawing.seen.rows.len(), drawing.seen.columns.len());
        first.heading = format!("{}: units see {height}x{width} pixels", choice.name());
    }
    rows
}

/// A sheet of drawings.
pub fn drawing_sheet(title: String, rows: Vec<SheetRow>) -> Sheet {
    let subtitle = "single units without an image; each picture scaled on its own, zero is grey".into();
    Sheet { title, subtitle, rows, tile_side: DRAWING_SIDE, ..Sheet::default() }
}

/// The filter's number, with its class if any.
fn named(choice: &FilterChoice, filter: usize, labels: Labels<'_>) -> String {
    let class = labels.classes.get(filter).filter(|_| choice.is_of_classes());
    class.map_or_else(|| filter.to_string(), |class| format!("{filter} ({class})"))
}

/// The caption: filter, activations, and the classes of its images, most frequent first.
fn caption(
    choice: &FilterChoice,
    images: &Images,
    filter: &ExplainedFilter,
    labels: Labels<'_>,
) -> Vec<String> {
    let patches = &filter.found.patches;
    let head = format!("filter {}", named(choice, filter.found.filter, labels));
    let (Some(first), Some(last)) = (patches.first(), patches.last()) else {
        return vec![head, "never active".into()];
    };
    let mut counts = vec![0; labels.data_classes.len()];
    for patch in patches {
        // Images without class are not counted.
        if let Some(count) = counts.get_mut(images.labels[patch.image] as usize) {
            *count += 1;
        }
    }
    let mut classes: Vec<(usize, &String)> = counts.into_iter().zip(labels.data_classes).collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.0)); // stable
    let classes =
        classes.into_iter().filter(|class| class.0 > 0).map(|(count, name)| format!("{count} {name}"));
    let activations = format!("{:.3} to {:.3}", first.unit.activation, last.unit.activation);
    let classes = classes.collect::<Vec<_>>().join(", ");
    vec![head, if classes.is_empty() { activations } else { format!("{activations}: {classes}") }]
}

/// The patches side by side, and below them a row of maps per method.
fn strip(
    choice: &FilterChoice,
    (images, transform): (&Images, &InputTransform),
    filter: &ExplainedFilter,
    most: usize,
    methods: usize,
) -> Picture {
    let ((height, width), gap) = (choice.patch_size(), gap(choice));
    let (strip_height, strip_width) = strip_size(choice, most, methods);
    let mut strip = filled(strip_height, strip_width, 255);
    let pictures = patch_pictures((images, transform), filter);
    for (index, (patch, pictures)) in filter.found.patches.iter().zip(&pictures).enumerate() {
        let (beyond, left) = choice.offset(patch.unit.row, patch.unit.column, &patch.seen);
        for (row, picture) in pictures.iter().enumerate() {
            let (top, start) = (row * (height + gap), index * (width + gap));
            put(&mut strip, &filled(height, width, BEYOND), top, start);
            put(&mut strip, picture, top + beyond, start + left);
        }
    }
    strip
}

/// The pictures of each patch of a filter: what the unit sees of the image, then of each map.
pub fn patch_pictures(
    (images, transform): (&Images, &InputTransform),
    filter: &ExplainedFilter,
) -> Vec<Vec<Picture>> {
    let each = filter.found.patches.iter().zip(&filter.maps);
    let pictures = each.map(|(Patch { image, seen, .. }, maps)| {
        let (height, width) = (seen.rows.len(), seen.columns.len());
        let Picture { width: line, pixels, .. } = transform.show(images.image(*image));
        let shown = Picture { height, width, pixels: seen.cut(&pixels, line) };
        let map = |map: &Vec<f32>| Shading::Signed.paint(&seen.cut(map, line), height, width);
        std::iter::once(shown).chain(maps.iter().map(map)).collect()
    });
    pictures.collect()
}

/// Height and width of a strip, including the gap to the next filter.
fn strip_size(choice: &FilterChoice, most: usize, methods: usize) -> (usize, usize) {
    let ((height, width), gap) = (choice.patch_size(), gap(choice));
    (grid_side(height, gap, 1 + methods), grid_side(width, gap, most) + FILTER_GAP * gap)
}

/// The enlargement factor of patches.
fn factor(choice: &FilterChoice) -> usize {
    let (height, width) = choice.patch_size();
    PATCH_SIDE.div_ceil(height.max(width))
}

/// The gap between patches; about 4 pixels when enlarged.
fn gap(choice: &FilterChoice) -> usize {
    (4 / factor(choice)).max(1)
}

/// The length of `count` sides with gaps between them.
fn grid_side(side: usize, gap: usize, count: usize) -> usize {
    count * (side + gap) - gap
}

fn filled(height: usize, width: usize, value: u8) -> Picture {
    Picture { height, width, pixels: vec![value; height * width * 3] }
}

fn put(onto: &mut Picture, picture: &Picture, top: usize, left: usize) {
    for (row, pixels) in picture.pixels.chunks_exact(3 * picture.width).enumerate() {
        let start = 3 * ((top + row) * onto.width + left);
        onto.pixels[start..start + pixels.len()].copy_from_slice(pixels);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Found;
    use super::*;
    use crate::net::Network;
    use crate::preprocess::{Geometry, Method, Preprocessor};

    /// A filter of conv2 of All-CNN-C (5x5 pixels) with a patch in the middle and one cut off by the corner.
    fn example() -> (FilterChoice, Images, ExplainedFilter) {
        let choice =
            FilterChoice::new(&Network::named("all-cnn-c", 2).unwrap(), "conv2", Some(3..4)).unwrap();
        let mut images = Images::new(32, 32);
        for image in 0..3u8 {
            let pixels: Vec<u8> = (0..32 * 32)
                .flat_map(|index| [image * 32 + (index / 32) as u8, (index % 32) as u8, 7])
                .collect();
            images.push(&pixels, u32::from(image % 2), format!("{image}"));
        }
        let patch = |image, row, column, activation| Patch {
            image,
            unit: Found { channel: 3, row, column, activation },
            seen: choice.network().input_rectangle(choice.layer(), row, column),
        };
        let patches = vec![patch(2, 10, 20, 2.5), patch(0, 0, 31, 1.0)];
        let mut map = vec![0.0; 32 * 32 * 3];
        map[3 * (10 * 32 + 20)] = 1.0;
        let found = FilterPatches { filter: 3, patches };
        (choice, images, ExplainedFilter { found, maps: vec![vec![map.clone()], vec![map]] })
    }

    fn transform(images: &Images) -> InputTransform {
        let geometry = Geometry { height: 32, width: 32, channels: 3 };
        InputTransform::new(Preprocessor::fit(Method::None, &images.pixels, geometry).unwrap(), geometry)
    }

    #[test]
    fn patches_are_cut_from_their_images_and_what_the_border_cuts_off_is_pale() {
        let (choice, images, filter) = example();
        let picture = strip(&choice, (&images, &transform(&images)), &filter, 3, 1);
        assert_eq!((picture.height, picture.width), (5 + 1 + 5, 3 * 5 + 2 + 5));
        let pixel = |row: usize, column: usize| &picture.pixels[3 * (row * picture.width + column)..][..3];
        assert_eq!(pixel(0, 0), [64 + 8, 18, 7]);
        assert_eq!(pixel(4, 4), [64 + 12, 22, 7]);
        assert_eq!((pixel(0, 5), pixel(5, 0)), (&[255; 3][..], &[255; 3][..])); // gaps
        // The unit in the corner covers rows 0..3 and columns 29..32: its first two rows and last two columns are
        // missing.
        assert_eq!((pixel(1, 6), pixel(2, 9)), (&[BEYOND; 3][..], &[BEYOND; 3][..]));
        assert_eq!((pixel(2, 6), pixel(4, 8)), (&[0, 29, 7][..], &[2, 31, 7][..]));
        assert_eq!((pixel(8, 2), pixel(8, 3)), (&[255, 128, 128][..], &[128; 3][..])); // the map below
        assert_eq!(pixel(2, 12), [255; 3]); // there is no third patch
    }

    #[test]
    fn captions_tell_activations_and_classes() {
        let (choice, images, mut filter) = example();
        let (data_classes, classes) = (["cat".to_owned(), "dog".to_owned()], []);
        let labels = Labels { data_classes: &data_classes, classes: &classes };
        assert_eq!(caption(&choice, &images, &filter, labels), ["filter 3", "2.500 to 1.000: 2 cat"]);
        filter.found.patches.clear();
        assert_eq!(caption(&choice, &images, &filter, labels), ["filter 3", "never active"]);
        let rows =
            patch_rows(&choice, (&images, &transform(&images)), &[filter.clone(), filter], 9, 1, labels);
        assert_eq!(rows.iter().map(|row| row.tiles.len()).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn filters_that_stand_for_a_class_are_called_so() {
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let labels = Labels { data_classes: &[], classes: &classes };
        let of = |layer| FilterChoice::new(&Network::named("all-cnn-c", 2).unwrap(), layer, None).unwrap();
        assert_eq!(named(&of("conv9"), 1, labels), "1 (dog)");
        assert_eq!(named(&of("conv8"), 1, labels), "1");
    }

    #[test]
    fn drawings_show_what_the_unit_sees() {
        let choice = FilterChoice::new(&Network::named("all-cnn-c", 10).unwrap(), "conv1", None).unwrap();
        let seen = choice.network().input_rectangle(0, 16, 16);
        let drawing = |filter| Drawing { filter, map: vec![0.5; 32 * 32 * 3], seen: seen.clone() };
        let drawings: Vec<Drawing> = (0..20).map(drawing).collect();
        let rows = drawing_rows(&choice, &drawings, Labels { data_classes: &[], classes: &[] });
        assert_eq!(rows.iter().map(|row| row.tiles.len()).collect::<Vec<_>>(), [16, 4]);
        assert_eq!(rows[0].heading, "conv1: units see 3x3 pixels");
        assert_eq!(rows[1].tiles[3].caption, ["19"]);
        assert_eq!(rows[0].tiles[0].picture, Picture { height: 3, width: 3, pixels: vec![255; 27] });
    }
}
