//! A trained network: predictions and explanations of arrays and files, and its weights.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use allcnn::data::{Framing, Picture, open_file};
use allcnn::export::{ExplanationTarget, OnnxOptions, Trained, write_onnx};
use allcnn::import::plain_tensors;
use allcnn::parameters::Tensor;
use allcnn::predict::Predictor;
use allcnn::run::{RunFolder, WhichCheckpoint};
use allcnn::visualise::{Explainer, Method, Target, Unit};
use allcnn_cpu::Cpu;
use numpy::ndarray::{Array2, Array4, ArrayView3};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray4, PyArrayMethods, PyReadonlyArray4};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use crate::devices::OwnDevice;
use crate::error::{failure, mistake};
use crate::layers;

/// The most pictures that are answered before another thread of Python has its turn.
const BATCH: usize = 32;

/// A trained network of a run folder.
#[pyclass(frozen, module = "allcnn._allcnn")]
pub(crate) struct Run {
    folder: RunFolder,
    trained: Trained,
    framing: Framing,
    ready: Mutex<Ready>,
    /// The file of the preprocessing.
    preprocessing: Vec<u8>,
    device: OwnDevice,
}

/// The network on its device, with the plans for batches of each size that were asked for.
struct Ready {
    predictor: Predictor<'static, Cpu>,
    /// It explains with the predictor's weights.
    explainer: Explainer<'static, Cpu>,
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
        self.trained.checkpoint.classes.clone()
    }

    /// The network's name.
    #[getter]
    fn model(&self) -> &str {
        self.trained.checkpoint.network.name()
    }

    /// Height and width of the pictures that the network takes.
    #[getter]
    fn picture_size(&self) -> (usize, usize) {
        let geometry = self.trained.transform.pictures();
        (geometry.height, geometry.width)
    }

    /// The settings: the text of `run.toml`.
    fn settings(&self) -> PyResult<String> {
        self.trained.manifest.to_toml().map_err(failure)
    }

    /// The metrics of each epoch as JSON.
    fn history(&self) -> PyResult<String> {
        let last = self.folder.read_last().map_err(mistake)?;
        let progress = last.map_or_else(|| self.trained.checkpoint.progress.clone(), |last| last.progress);
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
        let layers = layers::described(&self.trained.checkpoint.network).map_err(mistake)?;
        let transform = &self.trained.transform;
        let (pictures, input) = (transform.pictures(), transform.input());
        let canvas = (pictures != input).then_some([input.height, input.width]);
        let preprocess = transform.preprocessor().method().to_string();
        Ok(json!({"preprocess": preprocess, "canvas": canvas, "layers": layers}).to_string())
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
        py.detach(|| write_onnx(self.device.get(), &self.trained, &options, &path).map(drop).map_err(mistake))
    }

    /// The weights and biases in PyTorch's names and layout.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        dict_of(py, &self.trained.checkpoint.values)
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
        let trained = Trained::open(&folder, WhichCheckpoint::Best).map_err(mistake)?;
        let device = OwnDevice::new(threads)?;
        let predictor = Predictor::on_demand(device.get(), &folder, trained.checkpoint.clone(), BATCH)
            .map_err(mistake)?;
        let explainer = Explainer::on_demand(device.get(), &trained.checkpoint.network);
        let framing = trained.manifest.framing();
        let preprocessing = open_file::read(&folder.preprocessing(), open_file::WEIGHTS).map_err(failure)?;
        let ready = Mutex::new(Ready { predictor, explainer });
        Ok(Self { folder, trained, framing, ready, preprocessing, device })
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut rows = Vec::with_capacity(pictures.len() * self.trained.checkpoint.classes.len());
        for batch in pictures.chunks(BATCH) {
            let batch: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            let answers = self.ready().predictor.probabilities(&batch).map_err(failure)?;
            answers.iter().for_each(|row| rows.extend(row));
        }
        Array2::from_shape_vec((pictures.len(), self.trained.checkpoint.classes.len()), rows).map_err(failure)
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
        let network = &self.trained.checkpoint.network;
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
        let geometry = self.trained.transform.input();
        let mut maps = Vec::with_capacity(pictures.len() * geometry.len());
        let most = self.ready().explainer.batch();
        for (pictures, units) in pictures.chunks(most).zip(units.chunks(most)) {
            let mut images = vec![0.0; pictures.len() * geometry.len()];
            self.trained.transform.apply(&pictures.concat(), &mut images);
            let pairs: Vec<(usize, Unit)> = units.iter().copied().enumerate().collect();
            let Ready { predictor, explainer } = &mut *self.ready();
            let explained =
                explainer.explain_pairs(predictor.parameters(), &images, &target, &pairs, &[method]);
            let explained = explained.map_err(failure)?;
            explained.into_iter().flat_map(|explanation| explanation.maps).for_each(|map| maps.extend(map));
        }
        Array4::from_shape_vec((pictures.len(), geometry.height, geometry.width, geometry.channels), maps)
            .map_err(failure)
    }
}
