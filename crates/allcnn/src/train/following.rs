//! Before the first step of a training by several processes: rank 0 hands out what is trained, and all check that they can.

use allcnn_device::{Collective, Device, Precision};
use serde::{Deserialize, Serialize};

use super::beginning::Beginning;
use super::error::TrainError;
use super::prepare::{Splits, load};
use super::trainer::Trainer;
use crate::data::{DataSet, Images};
use crate::net::Network;
use crate::observer::Stopwatch;
use crate::preprocess::Preprocessor;
use crate::recipe::Recipe;
use crate::run::{Checkpoint, Manifest, PROGRAM, TrainRequest};

/// What rank 0 tells the others, before preprocessing and weights.
#[derive(Debug, Serialize, Deserialize)]
struct Setup {
    /// The program and its version.
    program: String,
    /// What the bits of its results depend on.
    arithmetic: String,
    /// Where the images are.
    data: String,
    /// The text of `run.toml`.
    manifest: String,
}

/// Checks that so many processes can share a training.
///
/// # Errors
/// [`TrainError::Mismatch`] where the shards of a batch cannot be dealt out to them.
pub(super) fn check(collective: &dyn Collective, recipe: &Recipe) -> Result<(), TrainError> {
    let (processes, shards) = (collective.size(), recipe.shards);
    if processes.is_power_of_two() && processes <= shards {
        return Ok(());
    }
    Err(TrainError::Mismatch(format!(
        "{processes} processes for batches in {shards} {}: expected a power of two of processes, at most one for each shard\n\
         start {} or fewer, or cut batches into more shards (--shards {}; it is a part of the training: a run keeps its number)",
        if shards == 1 { "shard" } else { "shards" },
        if shards == 1 { "one process".to_owned() } else { format!("{shards} processes") },
        processes.next_power_of_two().max(shards),
    )))
}

/// Hands the others what is trained and waits until all are ready for it; does nothing for one process.
///
/// # Errors
/// [`TrainError::Mismatch`] with what each process that cannot take part says.
pub(super) fn lead<D: Device>(
    device: &D,
    collective: &dyn Collective,
    (manifest, data): (&Manifest, &str),
    preprocessor: &Preprocessor,
    trainer: &Trainer<'_, D>,
) -> Result<(), TrainError> {
    if collective.size() == 1 {
        return Ok(());
    }
    let unwritable = |problem: String| TrainError::Mismatch(format!("for the other processes: {problem}"));
    let (program, arithmetic, data) = (PROGRAM.into(), device.arithmetic(), data.into());
    let setup = Setup { program, arithmetic, data, manifest: manifest.to_toml().map_err(unwritable)? };
    let setup = serde_json::to_vec(&setup).map_err(|error| unwritable(error.to_string()))?;
    let preprocessor = preprocessor.to_bytes().map_err(|error| unwritable(error.to_string()))?;
    let checkpoint = trainer.checkpoint()?.to_bytes().map_err(unwritable)?;
    for mut part in [setup, preprocessor, checkpoint] {
        collective.broadcast(&mut part)?;
    }
    let replies = collective.gather(vec![])?;
    let faults: Vec<_> = replies
        .iter()
        .filter(|reply| !reply.is_empty())
        .map(|reply| String::from_utf8_lossy(reply))
        .collect();
    collective.broadcast(&mut vec![u8::from(faults.is_empty())])?;
    if faults.is_empty() { Ok(()) } else { Err(TrainError::Mismatch(faults.join("\n"))) }
}

/// A training that rank 0 leads and this process takes part in.
pub struct Following<'c> {
    collective: &'c dyn Collective,
    setup: Setup,
    manifest: Manifest,
}

/// What a process that follows has made ready.
struct Ready {
    network: Network,
    recipe: Recipe,
    data: DataSet,
    preprocessor: Preprocessor,
    checkpoint: Checkpoint,
}

impl<'c> Following<'c> {
    /// Waits until rank 0 says what is trained.
    ///
    /// # Errors
    /// A process that is gone; a message of another version of the program.
    pub fn wait(collective: &'c dyn Collective) -> Result<Self, TrainError> {
        let setup = taken(collective)?;
        let unread = |problem: String| TrainError::Mismatch(format!("{}: {problem}", collective.name()));
        let setup: Setup = serde_json::from_slice(&setup).map_err(|error| unread(error.to_string()))?;
        let manifest = Manifest::parse(&setup.manifest).map_err(|problem| unread(problem.to_string()))?;
        Ok(Self { collective, setup, manifest })
    }

    /// The precision to open the device in.
    pub fn precision(&self) -> Precision {
        self.manifest.recipe.precision
    }

    /// Does this process's share of the training. Returns whether it was begun: if not, rank 0 says why.
    ///
    /// # Errors
    /// An image that cannot be read, failures of the device, a process that is gone.
    pub fn follow<D: Device>(self, device: &D) -> Result<bool, TrainError> {
        let [preprocessor, checkpoint] = [taken(self.collective)?, taken(self.collective)?];
        match self.take_part(device, &preprocessor, &checkpoint) {
            Ok(followed) => followed,
            Err(why) => self.decline(&why),
        }
    }

    /// Trains, if all processes can; the outer error is why this one cannot.
    fn take_part<D: Device>(
        &self,
        device: &D,
        preprocessor: &[u8],
        checkpoint: &[u8],
    ) -> Result<Result<bool, TrainError>, TrainError> {
        let Self { collective, manifest, .. } = self;
        self.same_program(device)?;
        let ready = self.prepare(preprocessor, checkpoint)?;
        let Ready { network, recipe, data, preprocessor, checkpoint } = &ready;
        let splits = Splits::of(data, preprocessor, network)?;
        let beginning =
            Beginning::again(manifest, &TrainRequest::of(manifest)?, network, &data.classes, true)?;
        let task = splits.task(network, &data.classes, recipe, &beginning);
        let mut trainer = Trainer::new(device, *collective, task)?;
        trainer.resume(checkpoint)?;
        Ok(self
            .all_begin()
            .and_then(|begins| if begins { trainer.follow().map(|()| true) } else { Ok(false) }))
    }

    /// Tells rank 0 that this process can take part, and returns whether all can.
    fn all_begin(&self) -> Result<bool, TrainError> {
        self.collective.gather(vec![])?;
        Ok(taken(self.collective)? == [1])
    }

    /// Tells rank 0 why this process cannot take part.
    fn decline(&self, why: &TrainError) -> Result<bool, TrainError> {
        self.collective.gather(format!("{}: {why}", self.collective.name()).into_bytes())?;
        taken(self.collective)?;
        Ok(false)
    }

    /// Checks that this process would compute the same bits.
    fn same_program<D: Device>(&self, device: &D) -> Result<(), TrainError> {
        let Setup { program, arithmetic, .. } = &self.setup;
        if program != PROGRAM {
            return Err(TrainError::Mismatch(format!(
                "this is {PROGRAM}, rank 0 is {program}: start the same everywhere"
            )));
        }
        let own = device.arithmetic();
        if own != *arithmetic {
            return Err(TrainError::Mismatch(format!(
                "computes on {own}, rank 0 on {arithmetic}, whose results differ in the last bits: start all with ALLCNN_MAX_ISA set to \
                 what every machine has (avx2, avx512, avx512-bf16, amx)"
            )));
        }
        Ok(())
    }

    /// Opens the images and reads what rank 0 sent.
    fn prepare(&self, preprocessor: &[u8], checkpoint: &[u8]) -> Result<Ready, TrainError> {
        let record = &self.manifest.data;
        let network = Network::from_toml(&self.manifest.network)?;
        let request = TrainRequest { data: self.setup.data.clone(), ..TrainRequest::of(&self.manifest)? };
        let mut data = load(&request, &network, &mut Stopwatch::default(), &mut ())?;
        if record.validation_images == 0 {
            data.validation = Images::default();
        }
        let own = record.fingerprint_of(&data);
        if own != record.fingerprint {
            return Err(TrainError::Mismatch(format!(
                "the images of {} differ from those of rank 0: fingerprint {own} here, {} there",
                self.setup.data, record.fingerprint
            )));
        }
        let sent = "what rank 0 sent".as_ref();
        Ok(Ready {
            network,
            recipe: self.manifest.recipe.clone().checked()?,
            data,
            preprocessor: Preprocessor::from_bytes(preprocessor).map_err(TrainError::Mismatch)?,
            checkpoint: Checkpoint::from_bytes(checkpoint, sent).map_err(crate::run::RunError::from)?,
        })
    }
}

/// The bytes that rank 0 sends next.
fn taken(collective: &dyn Collective) -> Result<Vec<u8>, TrainError> {
    let mut bytes = vec![];
    collective.broadcast(&mut bytes)?;
    Ok(bytes)
}
