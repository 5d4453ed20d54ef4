//! Imported weights as a run folder.

use std::path::{Path, PathBuf};

use super::class_names;
use super::container::Container;
use super::error::ImportError;
use super::naming::Naming;
use super::note::{Note, NoteKind};
use super::scaling::Scaling;
use super::weights::Weights;
use crate::data::{Framing, Labels, Reading};
use crate::net::{Input, Network};
use crate::preprocess::Geometry;
use crate::recipe::Recipe;
use crate::run::{Checkpoint, Progress};
use crate::run::{DataRecord, Manifest, PROGRAM, RunError, RunFolder, Session};
use crate::text::shown::PathText;

/// What to import, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The file of weights.
    pub weights: PathBuf,
    /// The network's name, or a TOML file of layers.
    pub model: String,
    /// Height and width of the network's input, if not its own.
    pub input: Option<(usize, usize)>,
    /// A file with one class name per line. `None`: `class 0`, `class 1`, ...
    pub class_names: Option<PathBuf>,
    /// The preprocessing. `None`: the usual one for the file's naming.
    pub scaling: Option<Scaling>,
    /// How images are fitted to the input size. `None`: as usual with the scaling, else [`Framing::Whole`].
    pub framing: Option<Framing>,
}

/// The result of an import.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The run folder.
    pub run: RunFolder,
    /// The file format.
    pub container: Container,
    /// How its layers are named.
    pub form: Naming,
    /// The network.
    pub network: Network,
    /// The preprocessing.
    pub scaling: Scaling,
    /// How images are fitted to the input size.
    pub framing: Framing,
    /// The decisions made.
    pub notes: Vec<Note>,
}

impl Import {
    /// Reads the weights and writes the new run folder `out` with them, the network, classes and preprocessing.
    ///
    /// # Errors
    /// [`ImportError`]; then no folder is left, unless writing it failed halfway.
    pub fn into_run(&self, out: &Path) -> Result<Imported, ImportError> {
        let run = RunFolder::create(out).map_err(|error| match error {
            RunError::Occupied(path) => ImportError::Occupied(path),
            other => other.into(),
        })?;
        let sketch = Network::open(&self.model, 2, self.input)?; // reports a wrong model before reading a large file
        let weights = Weights::read(&self.weights)?;
        let (container, form) = (weights.container(), weights.naming());
        let mut fitted = weights.fit(&sketch)?;
        let network = Network::open(&self.model, fitted.classes, self.input)?;
        fitted.check_network(&network)?;
        let mut notes = std::mem::take(&mut fitted.notes);
        let own = fitted.class_names.is_some(); // only this program writes them
        let classes = self.classes(fitted.classes, fitted.class_names, &mut notes)?;
        let scaling = self.scaling(form, own, &mut notes);
        let framing = self.framing(&scaling, &network, &mut notes)?;
        let preprocessor = scaling.preprocessor(geometry(&network))?;
        run.write_preprocessing(&preprocessor)?;
        let progress = Progress { epoch_steps: 1, ..Progress::default() };
        let values = fitted.tensors;
        let checkpoint = Checkpoint {
            network: network.clone(),
            classes,
            values,
            velocities: vec![],
            averages: vec![],
            progress,
        };
        run.write_checkpoint(&run.last(), &checkpoint)?;
        run.write_manifest(&self.manifest(&network, framing, &notes))?;
        Ok(Imported { run: run.given_back(), container, form, network, scaling, framing, notes })
    }

    /// The names of `count` classes: the given ones, or those of the weights file.
    fn classes(
        &self,
        count: usize,
        of_file: Option<Vec<String>>,
        notes: &mut Vec<Note>,
    ) -> Result<Vec<String>, ImportError> {
        if let Some(path) = &self.class_names {
            return class_names::read(path, count, notes);
        }
        let Some(names) = of_file else {
            return Ok((0..count).map(|class| format!("class {class}")).collect());
        };
        let text = "took the names of the classes from the file of weights; --classes-file says otherwise";
        notes.push(Note::new(NoteKind::Classes, text));
        Ok(names)
    }

    /// The preprocessing to use.
    fn scaling(&self, form: Naming, own: bool, notes: &mut Vec<Note>) -> Scaling {
        self.scaling.clone().unwrap_or_else(|| {
            let beside = self.weights.with_file_name("preprocess.safetensors");
            if own && beside.is_file() {
                let text = format!("took {} beside the weights as the network's input", beside.shown());
                notes.push(Note::new(NoteKind::Preprocess, text));
                return Scaling::File(beside);
            }
            let usual = Scaling::usual(form);
            let text = format!("took {usual} as the network's input, which is usual for such a file; --preprocess says otherwise");
            notes.push(Note::new(NoteKind::Preprocess, text));
            usual
        })
    }

    /// How images are fitted to the network's input.
    fn framing(
        &self,
        scaling: &Scaling,
        network: &Network,
        notes: &mut Vec<Note>,
    ) -> Result<Framing, ImportError> {
        let Input { height, width, .. } = network.input();
        if let Some(given) = self.framing {
            return given.fault(height, width).map_or(Ok(given), |fault| Err(ImportError::Frame(fault)));
        }
        let of_run = || match scaling {
            Scaling::File(path) => Some(RunFolder::open(path.parent()?).ok()?.manifest().ok()?.framing()),
            _ => None,
        };
        let Some(framing) = scaling.framing(height, width).or_else(of_run) else { return Ok(Framing::Whole) };
        if framing == Framing::Whole {
            return Ok(framing);
        }
        let text = format!("took pictures as belongs to that input: {framing}; --frame says otherwise");
        notes.push(Note::new(NoteKind::Framing, text));
        Ok(framing)
    }

    fn manifest(&self, network: &Network, framing: Framing, notes: &[Note]) -> Manifest {
        Manifest {
            program: PROGRAM.into(),
            model: self.model.clone(),
            imported: Some(self.weights.text()),
            from: None,
            import_notes: notes.iter().map(|note| note.text.clone()).collect(),
            input: self.input.map(|(height, width)| [height, width]),
            framing: Some(framing).filter(|framing| *framing != Framing::Whole),
            total_steps: 0,
            epoch_steps: 1,
            data: DataRecord {
                source: String::new(),
                absolute: None,
                relative: None,
                holdout: None,
                validation: None,
                labels: Labels::Fine,
                limit: None,
                fingerprint: String::new(),
                train_images: 0,
                validation_images: 0,
                test_images: 0,
                fold: None,
                reading: Reading::default(),
                notes: vec![],
                ignored: vec![],
            },
            lengthened: vec![],
            diverged: None,
            session: Session::default(),
            recipe: Recipe::none(),
            network: network.to_toml(),
        }
    }
}

fn geometry(network: &Network) -> Geometry {
    let input = network.input();
    Geometry { height: input.height, width: input.width, channels: input.channels }
}
