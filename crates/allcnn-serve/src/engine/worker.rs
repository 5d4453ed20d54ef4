//! The owner of the device: answers questions one group at a time.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use allcnn::export::write_onnx;
use allcnn::visualise::Scanned;
use allcnn_device::Device;

use super::alike::Alike;
use super::error::EngineError;
use super::export_file::in_a_file;
use super::held_out::HeldOut;
use super::job::{
    Activations, ActivationsOf, Asked, Compare, Drawing, Explain, HoldOut, Job, Judge, Onnx, Patches,
    PatchesOf, Weights,
};
use super::judged::Judged;
use super::loaded::Loaded;
use super::queue::Queue;
use super::scanned::{Scan, read_images};
use crate::recent::Recent;
use crate::runs::OpenRun;

/// Networks that stay on the device, the last used first.
const NETWORKS: usize = 3;
/// Layers whose patches are kept.
const SCANS: usize = 64;
/// Runs whose images, what was found in them, and answers for them are kept.
const RUNS: usize = 2;

/// The owner of the device.
pub(crate) struct Engine<'d, D: Device> {
    device: &'d D,
    networks: Recent<Loaded<'d, D>, NETWORKS>,
    data: Recent<(Arc<OpenRun>, Arc<Scanned>), RUNS>,
    scans: Recent<Scan, SCANS>,
    held_out: Recent<Arc<HeldOut>, RUNS>,
    alike: Recent<Arc<Alike>, RUNS>,
    judged: Recent<Arc<Judged>, RUNS>,
    stop: &'d AtomicBool,
}

impl<'d, D: Device> Engine<'d, D> {
    /// An engine that ends once `stop` is set.
    pub(crate) fn new(device: &'d D, stop: &'d AtomicBool) -> Self {
        let (networks, data, scans) = (Recent::default(), Recent::default(), Recent::default());
        let (held_out, alike, judged) = (Recent::default(), Recent::default(), Recent::default());
        Self { device, networks, data, scans, held_out, alike, judged, stop }
    }

    /// Answers what is asked.
    pub(crate) fn work(&mut self, queue: &Queue) {
        while let Some(group) = queue.next(self.stop) {
            self.answer(group);
        }
    }

    fn answer(&mut self, group: Vec<Job>) {
        let mut together = vec![];
        for job in group {
            match job {
                Job::Explain(asked) => together.push(asked),
                Job::Activations(asked) => asked.answer_with(|question| self.activations(question)),
                Job::Patches(asked) => asked.answer_with(|question| self.patches(question)),
                Job::Drawing(asked) => asked.answer_with(|question| self.drawing(question)),
                Job::HoldOut(asked) => asked.answer_with(|question| self.hold_out(question)),
                Job::Compare(asked) => asked.answer_with(|question| self.compare(question)),
                Job::Judge(asked) => asked.answer_with(|question| self.judge(question)),
                Job::Onnx(asked) => asked.answer_with(|question| self.onnx(question)),
            }
        }
        if !together.is_empty() {
            self.explain(together);
        }
    }

    /// Explains what several asked of one network in one pass.
    fn explain(&mut self, together: Vec<Asked<Explain>>) {
        let questions: Vec<&Explain> = together.iter().map(|asked| &asked.question).collect();
        let answers = self.network(&questions[0].weights).and_then(|network| network.explain(&questions));
        match answers {
            Ok(answers) => {
                together.into_iter().zip(answers).for_each(|(asked, views)| asked.answer(Ok(views)))
            }
            Err(error) => {
                // Errors cannot be copied: the others ask alone.
                let mut together = together.into_iter();
                if let Some(first) = together.next() {
                    first.answer(Err(error));
                }
                together.for_each(|asked| self.explain(vec![asked]));
            }
        }
    }

    fn activations(&mut self, question: &Activations) -> Result<ActivationsOf, EngineError> {
        self.network(&question.weights)?.activations(question)
    }

    fn patches(&mut self, question: &Patches) -> Result<PatchesOf, EngineError> {
        let Patches { run, layer, unit } = question;
        let (device, data) = (self.device, &mut self.data);
        let scan = self.scans.find_or_make(
            |scan| scan.is_of(run, layer),
            || {
                let read = || Ok::<_, EngineError>((Arc::clone(run), Arc::new(read_images(run)?)));
                let (_, images) = data.find_or_make(|(known, _)| Arc::ptr_eq(known, run), read)?;
                Scan::new(device, run, layer, Arc::clone(images))
            },
        )?;
        scan.patches(device, *unit)
    }

    fn drawing(&mut self, question: &Drawing) -> Result<allcnn::visualise::Drawing, EngineError> {
        let Drawing { run, layer, unit } = question;
        let trained = Weights { run: Arc::clone(run), random_from: None };
        self.network(&trained)?.drawing(layer, *unit)
    }

    fn hold_out(&mut self, HoldOut { run }: &HoldOut) -> Result<Arc<HeldOut>, EngineError> {
        let read = || HeldOut::read(run).map(Arc::new);
        Ok(Arc::clone(self.held_out.find_or_make(|held_out| held_out.is_of(run), read)?))
    }

    fn compare(&mut self, Compare { run }: &Compare) -> Result<Arc<Alike>, EngineError> {
        let find = || Alike::find(run).map(Arc::new);
        Ok(Arc::clone(self.alike.find_or_make(|alike| Arc::ptr_eq(&alike.run, run), find)?))
    }

    fn judge(&mut self, question: &Judge) -> Result<Arc<Judged>, EngineError> {
        let (device, run, stop) = (self.device, &question.run, self.stop);
        let make = || Judged::new(device, run, stop).map(Arc::new);
        Ok(Arc::clone(self.judged.find_or_make(|judged| Arc::ptr_eq(&judged.run, run), make)?))
    }

    fn onnx(&mut self, question: &Onnx) -> Result<Vec<u8>, EngineError> {
        let Onnx { run, options } = question;
        in_a_file("model.onnx", |path| write_onnx(self.device, &run.trained, options, path).map(drop))
    }

    /// The network with these weights, on the device.
    fn network(&mut self, weights: &Weights) -> Result<&mut Loaded<'d, D>, EngineError> {
        // What was of an older checkpoint of the run goes.
        self.networks.retain(|loaded| {
            loaded.run().name != weights.run.name || Arc::ptr_eq(loaded.run(), &weights.run)
        });
        let device = self.device;
        self.networks.find_or_make(|loaded| loaded.is(weights), || Loaded::new(device, weights))
    }
}
