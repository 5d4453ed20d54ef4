//! The patches of a data set with the strongest activations of a filter (Figure 3 of the paper), and their
//! explanations.
//!
//! A filter has a unit at each position of its layer. Only the strongest unit of each image counts (the first of
//! ties), so that the patches come from different images, and only if its output is positive. The patch is that
//! unit's receptive field, clipped to the image.

use allcnn_device::{Device, Shape};
use rayon::prelude::*;

use super::explainer::batch;
use super::{Explainer, FilterChoice, Found, Method, Target, Unit, VisualiseError};
use crate::data::Images;
use crate::input::InputTransform;
use crate::net::Rectangle;
use crate::observer::{Event, Observer, report_algorithms};
use crate::parameters::Parameters;
use crate::plan::{Mode, Plan, PlanPurpose};

/// A part of an image that activates a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// The index of the image.
    pub image: usize,
    /// The unit and its activation.
    pub unit: Found,
    /// Its receptive field in the image.
    pub seen: Rectangle,
}

/// The patches of one filter.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterPatches {
    /// The filter.
    pub filter: usize,
    /// The patches, strongest activation first.
    pub patches: Vec<Patch>,
}

/// Finds the `most` patches of `images` with the strongest activation of each filter. Images are processed batch
/// by batch, and only these patches are kept. `observer` is told the algorithms, and the number of images done.
///
/// # Errors
/// [`VisualiseError::Device`]. Panics if the images do not have the size that `transform` takes.
pub fn strongest_patches<D: Device>(
    device: &D,
    choice: &FilterChoice,
    parameters: &Parameters<D>,
    (images, transform): (&Images, &InputTransform),
    most: usize,
    observer: &mut dyn Observer,
) -> Result<Vec<FilterPatches>, VisualiseError> {
    let network = choice.network();
    let batch = batch(network, images.len());
    let (length, input) = (images.image_len(), transform.input().len());
    let mut plan = Plan::new(device, network, batch, PlanPurpose::Explanation)?;
    plan.fix_weights(parameters)?;
    report_algorithms(&plan.algorithms(), observer);
    let shape = network.operations(batch)[choice.layer()].output();
    let (mut inputs, mut outputs) = (vec![0.0; batch * input], vec![0.0; shape.len()]);
    let targets = vec![0.0; batch * network.classes()];
    let mut found: Vec<Strongest> = choice.filters().map(|_| Strongest { most, units: Vec::new() }).collect();
    for start in (0..images.len()).step_by(batch) {
        let end = images.len().min(start + batch);
        let pixels = &images.pixels[start * length..end * length];
        transform.apply(pixels, &mut inputs[..(end - start) * input]);
        plan.upload(&inputs, &targets)?;
        plan.forward(parameters, Mode::Evaluate);
        plan.output(choice.layer(), &mut outputs)?;
        let rows = outputs.par_chunks_exact(shape.len() / batch).take(end - start);
        let peaks: Vec<Vec<Found>> = rows.map(|output| peaks(choice, shape, output)).collect();
        for (image, peaks) in (start..end).zip(peaks) {
            for (found, peak) in found.iter_mut().zip(peaks) {
                found.offer(image, peak);
            }
        }
        observer.observe(Event::Evaluating { done: end, total: images.len() });
    }
    let patch = |(image, unit): (usize, Found)| {
        let seen = network.input_rectangle(choice.layer(), unit.row, unit.column);
        Patch { image, unit, seen }
    };
    let each = choice.filters().zip(found);
    Ok(each
        .map(|(filter, found)| FilterPatches {
            filter,
            patches: found.units.into_iter().map(patch).collect(),
        })
        .collect())
}

/// Explains the unit of each patch by each method: maps `[height, width, channels]` of whole images.
///
/// # Errors
/// [`VisualiseError::Device`].
pub fn explain_patches<D: Device>(
    explainer: &mut Explainer<'_, D>,
    choice: &FilterChoice,
    parameters: &Parameters<D>,
    (images, transform): (&Images, &InputTransform),
    filter: &FilterPatches,
    methods: &[Method],
) -> Result<Vec<Vec<Vec<f32>>>, VisualiseError> {
    let pixels: Vec<u8> =
        filter.patches.iter().flat_map(|patch| images.image(patch.image)).copied().collect();
    let mut inputs = vec![0.0; filter.patches.len() * transform.input().len()];
    transform.apply(&pixels, &mut inputs);
    // The filter's strongest unit in an image is the patch's unit.
    let target = Target::new(choice.network(), choice.name(), vec![Unit::Channel(filter.filter)])?;
    let explanations = explainer.explain(parameters, &inputs, &target, methods)?;
    Ok(explanations.into_iter().map(|explanation| explanation.maps).collect())
}

/// The strongest unit of each filter in one image's output, `[height, width, channels]`; the first of ties.
fn peaks(choice: &FilterChoice, shape: Shape, output: &[f32]) -> Vec<Found> {
    let filters = choice.filters();
    let none = |channel| Found { channel, row: 0, column: 0, activation: f32::NEG_INFINITY };
    let mut peaks: Vec<Found> = filters.clone().map(none).collect();
    for (index, pixel) in output.chunks_exact(shape.channels).enumerate() {
        for (peak, &activation) in peaks.iter_mut().zip(&pixel[filters.clone()]) {
            if activation > peak.activation {
                let (row, column) = (index / shape.width, index % shape.width);
                *peak = Found { row, column, activation, ..*peak };
            }
        }
    }
    peaks
}

/// The strongest units of a filter so far, in decreasing order, ties by image index.
struct Strongest {
    most: usize,
    units: Vec<(usize, Found)>,
}

impl Strongest {
    fn offer(&mut self, image: usize, unit: Found) {
        let index = self.units.partition_point(|(_, kept)| kept.activation >= unit.activation);
        if index < self.most && unit.activation > 0.0 && unit.activation.is_finite() {
            self.units.insert(index, (image, unit));
            self.units.truncate(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::Reference;
    use allcnn_device::random::{Purpose, Stream};

    use super::*;
    use crate::net::{Init, Network};
    use crate::preprocess::{Geometry, Method as Preprocessing, Preprocessor};

    const NETWORK: &str = r#"
        name = "small"
        input = [9, 8, 3]
        classes = 3
        layers = [
          { conv = 5, kernel = 3, stride = 2 },
          { pool = "max", kernel = 2, stride = 2 },
          { conv = "classes", kernel = 1 },
          { global_average = true },
        ]
    "#;

    /// Images of noise, two of them equal.
    fn images(count: usize) -> Images {
        let mut images = Images::new(9, 8);
        let mut numbers = Stream::new(3, Purpose::Test, 0, 1).sequence();
        for image in 0..count {
            let noise: Vec<u8> = (0..images.image_len()).map(|_| (numbers.uniform() * 256.0) as u8).collect();
            let pixels = if image == 5 { images.image(2).to_vec() } else { noise };
            images.push(&pixels, 0, format!("{image}"));
        }
        images
    }

    #[test]
    fn a_scan_finds_what_sorting_everything_finds() {
        let network = Network::from_toml(NETWORK).unwrap();
        let parameters = Parameters::initialize(&Reference, &network, Init::He, 1).unwrap();
        let images = images(101); // more than a batch, and not a multiple of it
        let geometry = Geometry { height: 9, width: 8, channels: 3 };
        let preprocessor = Preprocessor::fit(Preprocessing::MeanStd, &images.pixels, geometry).unwrap();
        let choice = FilterChoice::new(&network, "conv1", Some(1..4)).unwrap();
        let mut done = Vec::new();
        let transform = InputTransform::new(preprocessor, geometry);
        let data = (&images, &transform);
        let mut observer = |event: Event<'_>| {
            if let Event::Evaluating { done: images, .. } = event {
                done.push(images);
            }
        };
        let found = strongest_patches(&Reference, &choice, &parameters, data, 7, &mut observer);
        let found = found.unwrap();
        assert_eq!(done.last(), Some(&101));

        let mut plan = Plan::new(&Reference, &network, 101, PlanPurpose::Explanation).unwrap();
        let mut inputs = vec![0.0; images.pixels.len()];
        transform.apply(&images.pixels, &mut inputs);
        plan.upload(&inputs, &[0.0; 303]).unwrap();
        plan.forward(&parameters, Mode::Evaluate);
        let mut outputs = vec![0.0; 101 * 5 * 4 * 5];
        plan.output(0, &mut outputs).unwrap();
        for FilterPatches { filter, patches } in found {
            let mut all: Vec<(usize, usize, f32)> = (0..101 * 20)
                .map(|index| (index / 20, index % 20, outputs[index * 5 + filter]))
                .filter(|unit| unit.2 > 0.0)
                .collect();
            all.sort_by(|a, b| b.2.total_cmp(&a.2)); // stable
            let mut seen = std::collections::HashSet::new();
            all.retain(|unit| seen.insert(unit.0));
            let given: Vec<_> = patches
                .iter()
                .map(|patch| (patch.image, patch.unit.row * 4 + patch.unit.column, patch.unit.activation))
                .collect();
            assert_eq!(given, all[..7]);
            for Patch { unit, seen, .. } in patches {
                assert_eq!(seen, network.input_rectangle(0, unit.row, unit.column));
            }
        }
    }

    #[test]
    fn the_earlier_of_equal_images_comes_first_and_what_is_not_active_does_not_count() {
        let unit = |activation| Found { channel: 0, row: 0, column: 0, activation };
        let mut best = Strongest { most: 3, units: vec![] };
        for (image, activation) in
            [0.0, 2.0, -1.0, 2.0, f32::NAN, 1.0, 5.0, 2.0, f32::INFINITY].into_iter().enumerate()
        {
            best.offer(image, unit(activation));
        }
        let order: Vec<_> = best.units.iter().map(|(image, unit)| (*image, unit.activation)).collect();
        assert_eq!(order, [(6, 5.0), (1, 2.0), (3, 2.0)]);
    }

    #[test]
    fn explanations_start_at_the_units_of_the_patches_and_stay_inside_them() {
        let network = Network::from_toml(NETWORK).unwrap();
        let parameters = Parameters::initialize(&Reference, &network, Init::He, 1).unwrap();
        let images = images(20);
        let geometry = Geometry { height: 9, width: 8, channels: 3 };
        let preprocessor = Preprocessor::fit(Preprocessing::MeanStd, &images.pixels, geometry).unwrap();
        let transform = InputTransform::new(preprocessor, geometry);
        let data = (&images, &transform);
        for layer in ["conv1", "pool1"] {
            let choice = FilterChoice::new(&network, layer, None).unwrap();
            let found = strongest_patches(&Reference, &choice, &parameters, data, 4, &mut ()).unwrap();
            let mut explainer = Explainer::new(&Reference, choice.network(), 4).unwrap();
            for filter in &found {
                let maps =
                    explain_patches(&mut explainer, &choice, &parameters, data, filter, &[Method::Guided])
                        .unwrap();
                assert_eq!(maps.len(), filter.patches.len());
                for (maps, patch) in maps.iter().zip(&filter.patches) {
                    let inside = |index: &usize| {
                        let (row, column) = (index / 3 / 8, index / 3 % 8);
                        patch.seen.rows.contains(&row) && patch.seen.columns.contains(&column)
                    };
                    let (inner, outer): (Vec<usize>, Vec<usize>) = (0..maps[0].len()).partition(inside);
                    assert!(inner.iter().any(|&index| maps[0][index] != 0.0), "{layer} {patch:?}");
                    assert!(outer.iter().all(|&index| maps[0][index] == 0.0), "{layer} {patch:?}");
                }
            }
        }
    }
}
