//! What a training begins with: drawn weights, or those of a source, of which some may be frozen.

use super::error::TrainError;
use crate::data::{DataSet, Identities, Identity};
use crate::net::Network;
use crate::observer::{Event, Observer};
use crate::parameters::Tensor;
use crate::preprocess::{Geometry, Method, Preprocessor};
use crate::run::{Manifest, TrainRequest, TransferRecord};
use crate::transfer::{Source, Transfer, TransferError};

/// What a training begins with.
#[derive(Default)]
pub(super) struct Beginning {
    source: Option<Source>,
    transfer: Option<Transfer>,
    /// The number of layers, from the first on, that keep the weights they begin with.
    pub(super) frozen: usize,
}

impl Beginning {
    /// What `request` asks for.
    pub(super) fn open(
        request: &TrainRequest,
        network: &Network,
        classes: &[String],
    ) -> Result<Self, TrainError> {
        let Some(source) = request.from.as_deref().map(Source::open).transpose()? else {
            return match &request.freeze {
                None => Ok(Self::default()),
                Some(layer) => Err(TransferError::NothingToFreeze(layer.clone()).into()),
            };
        };
        let transfer = source.fit(network, classes)?;
        let freeze = request.freeze.as_deref();
        let frozen = freeze.map(|layer| transfer.frozen_layers(network, layer)).transpose()?;
        Ok(Self { source: Some(source), transfer: Some(transfer), frozen: frozen.unwrap_or_default() })
    }

    /// What a resumed run goes on with: the weights of its checkpoint, or where it has none yet, those that it began with.
    pub(super) fn again(
        manifest: &Manifest,
        request: &TrainRequest,
        network: &Network,
        classes: &[String],
        has_checkpoint: bool,
    ) -> Result<Self, TrainError> {
        let Some(record) = &manifest.from else { return Ok(Self::default()) };
        if has_checkpoint {
            let last = record.freeze.as_deref().and_then(|layer| network.layer_index(layer));
            return Ok(Self { frozen: last.map_or(0, |last| last + 1), ..Self::default() });
        }
        let begun = Self::open(request, network, classes)?;
        match begun.transfer.as_ref().map(Transfer::sha256) {
            Some(sha256) if sha256 == record.sha256 => Ok(begun),
            _ => Err(TransferError::Changed(record.source.clone()).into()),
        }
    }

    /// The weights and biases to begin with.
    pub(super) fn tensors(&self) -> &[Tensor] {
        self.transfer.as_ref().map_or(&[], |transfer| &transfer.values)
    }

    /// Takes the preprocessing that the weights were trained with out, if it is of the kind and for the size that are asked
    /// for.
    pub(super) fn take_preprocessor(&mut self, method: Method, geometry: Geometry) -> Option<Preprocessor> {
        let run = self.source.as_mut()?.run.take_if(|run| {
            run.preprocessor.method() == method && run.preprocessor.check_geometry(geometry).is_ok()
        });
        run.map(|run| run.preprocessor)
    }

    /// What `run.toml` says of it.
    pub(super) fn record(&self, freeze: Option<&String>) -> Option<TransferRecord> {
        let (source, transfer) = (self.source.as_ref()?, self.transfer.as_ref()?);
        Some(TransferRecord {
            source: source.given.clone(),
            taken: transfer.taken.clone(),
            drawn: transfer.drawn.iter().map(|(layer, _)| layer.clone()).collect(),
            freeze: freeze.cloned(),
            sha256: transfer.sha256(),
        })
    }

    /// Tells what was taken, what was drawn and why, what is frozen, and which held-out images the weights have seen.
    pub(super) fn tell(&self, network: &Network, data: &DataSet, observer: &mut dyn Observer) {
        let (Some(source), Some(transfer)) = (&self.source, &self.transfer) else { return };
        observer.observe(Event::Note(&transfer.words(&source.given)));
        if let Some(last) = self.frozen.checked_sub(1) {
            let (first, last) = (network.layers()[0].name(), network.layers()[last].name());
            observer.observe(Event::Note(&match first == last {
                true => format!("frozen: {first} keeps its weights"),
                false => format!("frozen: {first} to {last} keep their weights"),
            }));
        }
        let seen = self.held_out_images_seen(data);
        if seen > 0 {
            let held = data.validation.len() + data.test.len();
            observer.observe(Event::Warning(&format!(
                "{seen} of the {held} held-out images are among those that {} was trained on: the errors on them are too low",
                source.given
            )));
        }
    }

    /// The number of held-out images in memory that the source was trained on.
    fn held_out_images_seen(&self, data: &DataSet) -> usize {
        let trained = self.source.as_ref().and_then(|source| source.run.as_ref()?.trained.as_ref());
        let Some(trained) = trained else { return 0 };
        let held = [&data.validation, &data.test].into_iter().filter(|images| !images.are_on_disk());
        let seen = |identity: Option<&Identity>| identity.is_some_and(|identity| trained.contains(identity));
        held.map(|images| Identities::of(images).iter().filter(|identity| seen(*identity)).count()).sum()
    }
}
