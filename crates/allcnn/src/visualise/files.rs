//! Explanations of image files, as by `allcnn explain`.

use std::path::PathBuf;

use allcnn_device::Device;
use serde::Serialize;

use super::attribution::{Attribution, AttributionSettings, Attributor, MapScore, score_map};
use super::coloring::Coloring;
use super::render::{Pages, Shading};
use super::{Explainer, Explanation, Method, Position, Target, Unit, VisualiseError, randomized};
use crate::data::Framing;
use crate::data::decode::Picture;
use crate::input::InputTransform;
use crate::net::Network;
use crate::observer::{Event, Observer, Phase, Stopwatch, Times, report_algorithms};
use crate::parameters::Parameters;
use crate::predict::pictures;
use crate::run::Checkpoint;
use crate::run::WhichCheckpoint;
use crate::run::{Manifest, RunFolder};
use crate::score::ranked;
use crate::text::shown::PathText;

/// What to explain, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainRequest {
    /// The layer; by default the one before the softmax.
    pub layer: Option<String>,
    /// The units of the layer.
    pub units: Vec<Unit>,
    /// A class whose unit replaces `units`; the layer must have a unit per class.
    pub class: Option<String>,
    /// The position of the units in the layer.
    pub position: Position,
    /// The ways to explain.
    pub methods: Vec<Attribution>,
    /// The numbers that some of them need.
    pub settings: AttributionSettings,
    /// Whether to score the maps ([`score_map`](super::score_map)); the units must be classes.
    pub score: bool,
    /// How the maps are displayed.
    pub coloring: Coloring,
    /// Whether to show also the network with pooling instead of strides ([`Network::with_switches`]).
    pub switches: bool,
    /// Re-initialize the weights from this layer up.
    pub randomize_from: Option<String>,
    /// The seed for that; the training's own initialization is never reused.
    pub seed: u64,
    /// The checkpoint to use.
    pub checkpoint: WhichCheckpoint,
}

impl Default for ExplainRequest {
    /// The most probable class, by guided backpropagation.
    fn default() -> Self {
        Self {
            layer: None,
            units: vec![Unit::STRONGEST],
            class: None,
            position: Position::Maximum,
            methods: vec![Method::Guided.into()],
            settings: AttributionSettings::default(),
            score: false,
            coloring: Coloring::Map(Shading::Signed),
            switches: false,
            randomize_from: None,
            seed: 0,
            checkpoint: WhichCheckpoint::Best,
        }
    }
}

/// A map of a file, or why there is none, as `allcnn explain --json` lists it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// A map.
    Explained {
        /// The file.
        file: String,
        /// The way to explain.
        method: Attribution,
        /// The layer in which the signal started.
        layer: String,
        /// The unit's channel.
        unit: usize,
        /// The unit's row.
        row: usize,
        /// The unit's column.
        column: usize,
        /// The unit's output.
        activation: f32,
        /// The unit's class, or else the predicted class.
        class: String,
        /// The probability of that class.
        probability: f32,
        /// Whether the network with pooling switches instead of strides was used.
        switches: bool,
        /// The run.
        run: String,
        /// The run's checkpoint.
        checkpoint: WhichCheckpoint,
        /// The layer from which up weights were re-initialized, if so.
        randomized_from: Option<String>,
        /// How good the map is, if that was asked for.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        score: Option<MapScore>,
        /// The picture file that shows the map, if one was written.
        #[serde(skip_serializing_if = "Option::is_none")]
        picture: Option<String>,
    },
    /// A file that cannot be read as an image.
    Unread(Unread),
}

/// A file that cannot be read as an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unread {
    /// The file.
    pub file: String,
    /// Why.
    pub error: String,
}

/// The explanations of a unit in an image by one network variant.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The explanation, with a map per method.
    pub explanation: Explanation,
    /// Whether the network with pooling switches instead of strides was used.
    pub switches: bool,
    /// The unit's class, or else the predicted class.
    pub class: usize,
    /// The scores of each map, if they were asked for.
    pub scores: Vec<MapScore>,
}

/// A file with its explanations.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The file.
    pub file: String,
    /// The image as placed in the network's input.
    pub picture: Picture,
    /// For each unit its views: one, or two, without and with switches.
    pub units: Vec<Vec<View>>,
}

/// The network itself, or its variant with switches.
struct NetworkVariant<'d, D: Device> {
    attributor: Attributor<'d, D>,
    target: Target,
    switches: bool,
}

impl<D: Device> NetworkVariant<'_, D> {
    /// The scores of all maps of these explanations, beside the maps of `random` weights.
    fn scores(
        &mut self,
        (parameters, random): (&Parameters<D>, &Parameters<D>),
        images: &[f32],
        explanations: &[Explanation],
        ways: &[Attribution],
    ) -> Result<Vec<Vec<MapScore>>, VisualiseError> {
        let Self { attributor, target, .. } = self;
        let pairs: Vec<_> =
            explanations.iter().map(|explanation| (explanation.image, explanation.unit.into())).collect();
        let others = attributor.explain_pairs(random, images, target, &pairs, ways)?;
        let explainer = attributor.explainer_mut();
        let len = explainer.network().input().shape(1).len();
        let mut scores = Vec::new();
        for (explanation, other) in explanations.iter().zip(&others) {
            let subject = (&images[explanation.image * len..][..len], explanation.unit.channel);
            let maps = explanation.maps.iter().zip(&other.maps);
            let each = maps.map(|(map, random)| score_map(explainer, parameters, subject, map, random));
            scores.push(each.collect::<Result<_, _>>()?);
        }
        Ok(scores)
    }
}

/// A trained network that explains image files.
pub struct FileExplainer<'d, D: Device> {
    variants: Vec<NetworkVariant<'d, D>>,
    parameters: Parameters<D>,
    /// Random weights, where maps are scored.
    random: Option<Parameters<D>>,
    transform: InputTransform,
    framing: Framing,
    classes: Vec<String>,
    of_classes: bool,
    methods: Vec<Attribution>,
    randomized_from: Option<String>,
    run: String,
    checkpoint: WhichCheckpoint,
    stopwatch: Stopwatch,
}

impl<'d, D: Device> FileExplainer<'d, D> {
    /// Prepares the network of a run for `files` files.
    ///
    /// # Errors
    /// A request that the network cannot satisfy; a damaged run; device failures.
    pub fn new(
        device: &'d D,
        run: &RunFolder,
        request: &ExplainRequest,
        files: usize,
    ) -> Result<Self, VisualiseError> {
        let mut stopwatch = Stopwatch::default();
        stopwatch.begin(Phase::Preparing);
        let (manifest, checkpoint) = request.checkpoint.trained(run)?;
        let network = &checkpoint.network;
        let transform = run.input_transform(network)?;
        let target = target(&checkpoint, request)?;
        let many = request.score || request.methods.iter().any(|way| way.makes_many());
        let pairs = if many { usize::MAX } else { files * target.units().len() };
        let mut variants = vec![];
        if request.switches {
            let (pooled, layers) = network.with_switches()?;
            let attributor = Attributor::new(Explainer::new(device, &pooled, pairs)?, request.settings);
            variants.push(NetworkVariant { attributor, target: target.moved(&layers), switches: true });
        }
        let parameters = parameters(device, &checkpoint, &manifest, request)?;
        let of_classes = target.is_of_classes(network);
        if request.score && !of_classes {
            return Err(VisualiseError::NoScore { layer: target.name().into() });
        }
        let random =
            ExplainRequest { randomize_from: request.score.then(|| first_conv(network)), ..request.clone() };
        let random =
            request.score.then(|| self::parameters(device, &checkpoint, &manifest, &random)).transpose()?;
        let attributor = Attributor::new(Explainer::new(device, network, pairs)?, request.settings);
        variants.insert(0, NetworkVariant { attributor, target, switches: false });
        let (classes, methods) = (checkpoint.classes, request.methods.clone());
        let randomized_from = request.randomize_from.clone();
        stopwatch.end();
        Ok(Self {
            variants,
            parameters,
            random,
            transform,
            framing: manifest.framing(),
            classes,
            of_classes,
            methods,
            randomized_from,
            run: run.called().text(),
            checkpoint: request.checkpoint.at_hand(run),
            stopwatch,
        })
    }

    /// Reports to `observer` how images are resized and which algorithms are used.
    pub fn report_algorithms(&self, observer: &mut dyn Observer) {
        observer.observe(Event::Detail(&format!("pictures: {}", self.framing)));
        for NetworkVariant { attributor, switches, .. } in &self.variants {
            if *switches {
                observer.observe(Event::Detail("with switches, where pooling stands for strides:"));
            }
            report_algorithms(&attributor.explainer().algorithms(), observer);
        }
    }

    /// The time spent until now, by phase.
    pub fn times(&self) -> Times {
        self.stopwatch.times()
    }

    /// The best number of files per call.
    pub fn batch(&self) -> usize {
        let NetworkVariant { attributor, target, .. } = &self.variants[0];
        attributor.explainer().batch().div_ceil(target.units().len().max(1))
    }

    /// The network as trained.
    pub fn network(&self) -> &Network {
        self.variants[0].attributor.explainer().network()
    }

    /// The layer from which up weights are re-initialized.
    pub fn randomized_from(&self) -> Option<&str> {
        self.randomized_from.as_deref()
    }

    /// The methods, in order.
    pub fn methods(&self) -> &[Attribution] {
        &self.methods
    }

    /// The name of the layer in which signals start.
    pub fn layer(&self) -> &str {
        self.variants[0].target.name()
    }

    /// Whether that layer's units are classes.
    pub fn is_of_classes(&self) -> bool {
        self.of_classes
    }

    /// Whether that layer has more than one position.
    pub fn has_positions(&self) -> bool {
        let shape = self.variants[0].target.shape();
        shape.height * shape.width > 1
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Explains each file, or reports why it cannot be read. With switches, the units are those found without.
    ///
    /// # Errors
    /// A device failure.
    pub fn explain(&mut self, files: &[PathBuf]) -> Result<Vec<Result<Explained, Unread>>, VisualiseError> {
        let read = pictures(files, self.transform.pictures(), self.framing, &mut self.stopwatch);
        let named = |(path, read): (&PathBuf, Result<Vec<u8>, String>)| match read {
            Ok(pixels) => Ok((path.text(), pixels)),
            Err(error) => Err(Unread { file: path.text(), error }),
        };
        let read: Vec<Result<(String, Vec<u8>), Unread>> = files.iter().zip(read).map(named).collect();
        let readable = read.iter().flatten().cloned().collect();
        let mut explained = self.explain_pictures(readable)?.into_iter();
        let answer = |read| match read {
            Ok(_) => explained.next().map(Ok),
            Err(unread) => Some(Err(unread)),
        };
        Ok(read.into_iter().filter_map(answer).collect())
    }

    /// Like [`FileExplainer::explain`], but for named images of the transform's size, `[height, width, 3]`. Panics
    /// if one has another size.
    ///
    /// # Errors
    /// A device failure.
    pub fn explain_pictures(
        &mut self,
        pictures: Vec<(String, Vec<u8>)>,
    ) -> Result<Vec<Explained>, VisualiseError> {
        self.stopwatch.begin(Phase::Explaining);
        let pixels: Vec<u8> = pictures.iter().flat_map(|(_, pixels)| pixels).copied().collect();
        let mut images = vec![0.0; pictures.len() * self.transform.input().len()];
        self.transform.apply(&pixels, &mut images);
        let mut views = self.views(&images)?.into_iter();
        self.stopwatch.end();
        let units = self.variants[0].target.units().len();
        let transform = &self.transform;
        let explained = pictures.into_iter().map(|(file, pixels)| Explained {
            file,
            picture: transform.show(&pixels),
            units: views.by_ref().take(units).collect(),
        });
        Ok(explained.collect())
    }

    /// The views of each pair of image and unit, in order.
    fn views(&mut self, images: &[f32]) -> Result<Vec<Vec<View>>, VisualiseError> {
        let Self { variants, parameters, random, methods, of_classes, .. } = self;
        let mut views: Vec<Vec<View>> = Vec::new();
        for variant in variants {
            let NetworkVariant { attributor, target, switches } = variant;
            let switches = *switches;
            let pairs: Vec<_> = if switches {
                let same = views.iter().map(|views| &views[0].explanation);
                same.map(|one| (one.image, Unit::Channel(one.unit.channel))).collect()
            } else {
                let count = images.len() / attributor.explainer().network().input().shape(1).len();
                (0..count).flat_map(|image| target.units().iter().map(move |&unit| (image, unit))).collect()
            };
            let explanations = attributor.explain_pairs(parameters, images, target, &pairs, methods)?;
            let mut scores = match random {
                Some(random) => variant.scores((parameters, random), images, &explanations, methods)?,
                None => vec![vec![]; explanations.len()],
            }
            .into_iter();
            views.resize_with(explanations.len(), Vec::new);
            for (views, explanation) in views.iter_mut().zip(explanations) {
                let said = || ranked(&explanation.probabilities, 1)[0];
                let class = if *of_classes { explanation.unit.channel } else { said() };
                views.push(View { explanation, switches, class, scores: scores.next().unwrap_or_default() });
            }
        }
        Ok(views)
    }

    /// Lists the maps of all files, with the pages that show them.
    pub fn all_entries(&self, answers: &[Result<Explained, Unread>], pages: Option<&Pages>) -> Vec<Entry> {
        let (mut entries, mut tile) = (vec![], 0);
        for answer in answers {
            match answer {
                Ok(explained) => {
                    let picture = |views: &Vec<View>| {
                        let page = pages.map(|pages| pages.of_tile(tile));
                        tile += 1 + views.len() * self.methods.len(); // the image and its maps
                        page
                    };
                    let pictures: Vec<String> = explained.units.iter().filter_map(picture).collect();
                    entries.extend(self.entries(explained, &pictures));
                }
                Err(unread) => entries.push(Entry::Unread(unread.clone())),
            }
        }
        entries
    }

    /// The entries of a file's maps, in the order unit, view, method; `pictures` are the pages that show its
    /// units.
    fn entries(&self, explained: &Explained, pictures: &[String]) -> Vec<Entry> {
        let entry = |index: usize, view: &View, way: usize| {
            let unit = view.explanation.unit;
            Entry::Explained {
                file: explained.file.clone(),
                method: self.methods[way],
                layer: self.layer().to_owned(),
                unit: unit.channel,
                row: unit.row,
                column: unit.column,
                activation: unit.activation,
                class: self.classes[view.class].clone(),
                probability: view.explanation.probabilities[view.class],
                switches: view.switches,
                run: self.run.clone(),
                checkpoint: self.checkpoint,
                randomized_from: self.randomized_from.clone(),
                score: view.scores.get(way).copied(),
                picture: pictures.get(index).cloned(),
            }
        };
        let units = explained.units.iter().enumerate();
        let views = units.flat_map(|(index, views)| views.iter().map(move |view| (index, view)));
        views
            .flat_map(|(index, view)| (0..self.methods.len()).map(move |way| entry(index, view, way)))
            .collect()
    }
}

/// The name of the first layer with weights.
fn first_conv(network: &Network) -> String {
    let first = network.layers().iter().find(|layer| layer.kind().is_conv());
    first.map_or_else(String::new, |layer| layer.name().into())
}

fn target(checkpoint: &Checkpoint, request: &ExplainRequest) -> Result<Target, VisualiseError> {
    let (network, units) = (&checkpoint.network, request.units.clone());
    let target = match &request.layer {
        Some(layer) => Target::new(network, layer, units)?,
        None => Target::of_classes(network, units)?,
    };
    let target = match &request.class {
        Some(class) => target.of_class(network, &checkpoint.classes, class)?,
        None => target,
    };
    target.at(request.position)
}

fn parameters<D: Device>(
    device: &D,
    checkpoint: &Checkpoint,
    manifest: &Manifest,
    request: &ExplainRequest,
) -> Result<Parameters<D>, VisualiseError> {
    let parameters = checkpoint.parameters(device)?;
    let Some(from) = &request.randomize_from else { return Ok(parameters) };
    // Trained weights resemble their initialization, so another seed is needed.
    let seed = manifest.recipe.seed.wrapping_add(1).wrapping_add(request.seed);
    randomized(device, &checkpoint.network, &parameters, from, manifest.recipe.init, seed)
}
