//! A trained network: predictions and explanations of arrays and files, and its weights.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use allcnn::data::{Framing, Picture, open_file};
use allcnn::export::{ExplanationTarget, OnnxOptions, Trained, write_onnx};
use allcnn::import::plain_tensors;
use allcnn::input::InputTransform;
use allcnn::parameters::{Parameters, Tensor};
use allcnn::predict::Predictor;
use allcnn::run::{Checkpoint, Manifest, RunFolder, WhichCheckpoint};
use allcnn::visualise::{Explainer, Method, Target, Unit};
use allcnn_cpu::{Cpu, CpuOptions};
use numpy::ndarray::{Array2, Array4, ArrayView3};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray4, PyArrayMethods, PyReadonlyArray4};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use crate::error::{failure, mistake};
use crate::layers;

/// Images of one pass.
const BATCH: usize = 32;

/// A trained network of a run folder.
#[pyclass(frozen, module = "allcnn._allcnn")]
pub(crate) struct Run {
    device: &'static Cpu,
    folder: RunFolder,
    manifest: Manifest,
    checkpoint: Checkpoint,
    transform: InputTransform,
    framing: Framing,
    predictor: Mutex<Predictor<'static, Cpu>>,
    /// The method of the preprocessing, and its file.
    preprocess: String,
    preprocessing: Vec<u8>,
}

#[pymethods]
impl Run {
    /// Opens the best checkpoint of a run folder.
    #[new]
    #[pyo3(signature = (path, threads=None))]
    fn new(py: Python<'_>, path: PathBuf, threads: Option<usize>) -> PyResult<Self> {
        py.detach(|| Self::open(&path, threads))
    }

    /// The names of the classes, in the order of the network's outputs.
    #[getter]
    fn classes(&self) -> Vec<String> {
        self.checkpoint.classes.clone()
    }

    /// The network's name.
    #[getter]
    fn model(&self) -> &str {
        self.checkpoint.network.name()
    }

    /// Height and width of the pictures that the network takes.
    #[getter]
    fn picture_size(&self) -> (usize, usize) {
        let geometry = self.transform.pictures();
        (geometry.height, geometry.width)
    }

    /// The settings: the text of `run.toml`.
    fn settings(&self) -> PyResult<String> {
        self.manifest.to_toml().map_err(failure)
    }

    /// The metrics of each epoch as JSON.
    fn history(&self) -> PyResult<String> {
        let last = self.folder.read_last().map_err(mistake)?;
        let progress = last.map_or_else(|| self.checkpoint.progress.clone(), |last| last.progress);
        serde_json::to_string(&progress.history).map_err(failure)
    }

    /// The probabilities `[n, classes]` of pictures `[n, height, width, 3]` of any one size.
    fn predict_proba<'py>(
        &self,
        py: Python<'py>,
        pictures: PyReadonlyArray4<'py, u8>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let pictures = pictures.as_array().outer_iter().map(picture).collect();
        let probabilities = py.detach(|| self.probabilities(self.framed(pictures)?))?;
        Ok(probabilities.into_pyarray(py))
    }

    /// The probabilities `[n, classes]` of files.
    fn predict_proba_files<'py>(
        &self,
        py: Python<'py>,
        files: Vec<PathBuf>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let probabilities = py.detach(|| self.probabilities(self.read(&files)?))?;
        Ok(probabilities.into_pyarray(py))
    }

    /// The maps `[n, height, width, 3]` of pictures `[n, height, width, 3]`, each from one unit of a layer.
    #[pyo3(signature = (pictures, method, units, layer=None))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        pictures: PyReadonlyArray4<'py, u8>,
        method: &str,
        units: Option<Vec<usize>>,
        layer: Option<&str>,
    ) -> PyResult<Bound<'py, PyArray4<f32>>> {
        let pictures = pictures.as_array().outer_iter().map(picture).collect();
        let maps = py.detach(|| self.maps(self.framed(pictures)?, method, units, layer))?;
        Ok(maps.into_pyarray(py))
    }

    /// The maps of files.
    #[pyo3(signature = (files, method, units, layer=None))]
    fn explain_files<'py>(
        &self,
        py: Python<'py>,
        files: Vec<PathBuf>,
        method: &str,
        units: Option<Vec<usize>>,
        layer: Option<&str>,
    ) -> PyResult<Bound<'py, PyArray4<f32>>> {
        let maps = py.detach(|| self.maps(self.read(&files)?, method, units, layer))?;
        Ok(maps.into_pyarray(py))
    }

    /// Preprocessing, canvas and layers as JSON.
    fn description(&self) -> PyResult<String> {
        let layers = layers::described(&self.checkpoint.network).map_err(mistake)?;
        let (pictures, input) = (self.transform.pictures(), self.transform.input());
        let canvas = (pictures != input).then_some([input.height, input.width]);
        Ok(json!({"preprocess": self.preprocess, "canvas": canvas, "layers": layers}).to_string())
    }

    /// The fitted numbers of the preprocessing, by name.
    fn preprocessing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (tensors, _) = plain_tensors(&self.preprocessing).map_err(failure)?;
        dict_of(py, &tensors)
    }

    /// Writes the network as ONNX, after it was read back and found to say what this program says.
    #[pyo3(signature = (path, explain=None, target="top", raw=false))]
    fn export_onnx(
        &self,
        py: Python<'_>,
        path: PathBuf,
        explain: Option<&str>,
        target: &str,
        raw: bool,
    ) -> PyResult<()> {
        let explain = explain.map(method_named).transpose()?;
        let target = match target {
            "top" => ExplanationTarget::Top,
            "input" => ExplanationTarget::Input,
            other => return Err(mistake(format!("target is {other:?}, expected top or input"))),
        };
        let options = OnnxOptions { explain, target, raw };
        py.detach(|| {
            let trained = Trained::open(&self.folder, WhichCheckpoint::Best).map_err(mistake)?;
            write_onnx(self.device, &trained, &options, &path).map(drop).map_err(mistake)
        })
    }

    /// The weights and biases in PyTorch's names and layout.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        dict_of(py, &self.checkpoint.values)
    }
}

/// Arrays by name.
fn dict_of<'py>(py: Python<'py>, tensors: &[Tensor]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for Tensor { name, shape, values } in tensors {
        dict.set_item(name, PyArray1::from_slice(py, values).reshape(shape.clone())?)?;
    }
    Ok(dict)
}

/// The method of this name.
fn method_named(name: &str) -> PyResult<Method> {
    let known = Method::ALL.map(Method::word);
    Method::ALL
        .into_iter()
        .find(|method| method.word() == name)
        .ok_or_else(|| mistake(format!("method is {name:?}, expected one of {}", known.join(", "))))
}

/// A picture of an array.
fn picture(pixels: ArrayView3<'_, u8>) -> Picture {
    let (height, width, _) = pixels.dim();
    Picture { height, width, pixels: pixels.iter().copied().collect() }
}

impl Run {
    fn open(path: &Path, threads: Option<usize>) -> PyResult<Self> {
        let folder = RunFolder::open(path).map_err(mistake)?;
        let (manifest, checkpoint) = WhichCheckpoint::Best.trained(&folder).map_err(mistake)?;
        let device = Cpu::new(CpuOptions { threads, ..CpuOptions::default() }).map_err(failure)?;
        let device = Box::leak(Box::new(device)); // the predictor borrows it, and Python decides how long it lives
        let transform = folder.input_transform(&checkpoint.network).map_err(mistake)?;
        let predictor = Predictor::new(device, &folder, checkpoint.clone(), BATCH).map_err(mistake)?;
        let framing = manifest.framing();
        let preprocess = folder.read_preprocessing().map_err(mistake)?.method().to_string();
        let preprocessing = open_file::read(&folder.preprocessing(), open_file::WEIGHTS).map_err(failure)?;
        let predictor = Mutex::new(predictor);
        Ok(Self {
            device,
            folder,
            manifest,
            checkpoint,
            transform,
            framing,
            predictor,
            preprocess,
            preprocessing,
        })
    }

    fn predictor(&self) -> MutexGuard<'_, Predictor<'static, Cpu>> {
        self.predictor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pictures as the network takes them.
    fn framed(&self, pictures: Vec<Picture>) -> PyResult<Vec<Vec<u8>>> {
        let (height, width) = self.picture_size();
        let framed = pictures.into_iter().map(|picture| self.framing.apply(picture, height, width));
        framed.map(|picture| Ok(picture.map_err(mistake)?.pixels)).collect()
    }

    /// Files as the network takes them.
    fn read(&self, files: &[PathBuf]) -> PyResult<Vec<Vec<u8>>> {
        let (height, width) = self.picture_size();
        let read = |file: &PathBuf| {
            let wrong = |problem: String| mistake(format!("cannot read {}: {problem}", file.display()));
            let bytes =
                open_file::read(file, open_file::PICTURE).map_err(|error| wrong(error.to_string()))?;
            self.framing.decode(&bytes, height, width).map_err(wrong)
        };
        self.framed(files.iter().map(read).collect::<PyResult<_>>()?)
    }

    fn probabilities(&self, pictures: Vec<Vec<u8>>) -> PyResult<Array2<f32>> {
        let mut rows = Vec::with_capacity(pictures.len() * self.checkpoint.classes.len());
        for batch in pictures.chunks(BATCH) {
            let batch: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            self.predictor().probabilities(&batch).map_err(failure)?.iter().for_each(|row| rows.extend(row));
        }
        Array2::from_shape_vec((pictures.len(), self.checkpoint.classes.len()), rows).map_err(failure)
    }

    /// The map of one unit in each picture: that of `units`, or else the most probable class, or the strongest unit.
    fn maps(
        &self,
        pictures: Vec<Vec<u8>>,
        method: &str,
        units: Option<Vec<usize>>,
        layer: Option<&str>,
    ) -> PyResult<Array4<f32>> {
        let method = method_named(method)?;
        let network = &self.checkpoint.network;
        let units = match units {
            Some(units) if units.len() == pictures.len() => units.into_iter().map(Unit::Channel).collect(),
            Some(units) => {
                return Err(mistake(format!(
                    "{} targets for {} pictures, expected one each",
                    units.len(),
                    pictures.len()
                )));
            }
            None => vec![Unit::Ranked(0); pictures.len()],
        };
        let target = match layer {
            Some(layer) => Target::new(network, layer, units.clone()),
            None => Target::of_classes(network, units.clone()),
        };
        let target = target.map_err(mistake)?;
        let geometry = self.transform.input();
        let mut images = vec![0.0; pictures.len() * geometry.len()];
        self.transform.apply(&pictures.concat(), &mut images);
        let parameters: Parameters<Cpu> = self.checkpoint.parameters(self.device).map_err(failure)?;
        let mut explainer = Explainer::new(self.device, network, pictures.len()).map_err(failure)?;
        let pairs: Vec<(usize, Unit)> = units.into_iter().enumerate().collect();
        let explained =
            explainer.explain_pairs(&parameters, &images, &target, &pairs, &[method]).map_err(failure)?;
        let maps = explained.into_iter().flat_map(|explanation| explanation.maps).flatten().collect();
        Array4::from_shape_vec((pictures.len(), geometry.height, geometry.width, geometry.channels), maps)
            .map_err(failure)
    }
}
