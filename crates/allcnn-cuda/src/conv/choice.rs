//! Which engine of cuDNN, or for 1x1 convolutions which algorithm of cuBLASLt, does a pass: measured once, remembered on
//! disk.
//!
//! The choice is kept as an index into the library's list for (GPU, versions, work), so that later runs make the same
//! choice: they start fast, and get the same bits.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use allcnn_device::Error;

use super::staging::Staging;
use crate::cache;
use crate::cublaslt::{Product, is_product};
use crate::cudnn::graph::{TensorAddress, Work};
use crate::cudnn::plan::{Arithmetic, Plan};
use crate::cudnn::{self, Descriptor};
use crate::engine::Queue;

/// Engines of cuDNN that are measured, the first of its list that take the work.
const MAX_MEASURED: usize = 8;
/// Timed executions of a candidate.
const RUNS: u32 = 10;

/// How a pass is done.
#[derive(Debug)]
pub(super) enum Chosen {
    /// By an engine of cuDNN.
    Cudnn(Plan),
    /// By a product of cuBLASLt.
    Product(Product),
    /// Neither library has anything for it.
    None,
}

impl Chosen {
    /// The name that reports show.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Chosen::Cudnn(plan) => engine_name(plan.engine),
            Chosen::Product(_) => "cublaslt",
            Chosen::None => "direct",
        }
    }

    /// Whether the plain sum has to do it.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Chosen::None)
    }

    /// Bytes of scratch memory that it needs.
    pub(super) fn workspace(&self) -> usize {
        match self {
            Chosen::Cudnn(plan) => plan.workspace,
            Chosen::Product(product) => product.workspace,
            Chosen::None => 0,
        }
    }

    /// Queues the work. Panics where nothing was chosen.
    ///
    /// # Safety
    /// The addresses must be those of the work's tensors, aligned to 16 bytes and long enough, with
    /// [`Chosen::workspace`] bytes at `workspace`, and stay valid until the work is done.
    pub(super) unsafe fn enqueue(
        &self,
        queue: &Queue,
        tensors: &[TensorAddress],
        workspace: u64,
    ) -> Result<(), Error> {
        // SAFETY: both functions ask for what this one asks of its caller.
        unsafe {
            match self {
                Chosen::Cudnn(plan) => plan.enqueue(queue.handle(), tensors, workspace),
                Chosen::Product(product) => product.enqueue(&queue.stream, tensors, workspace),
                Chosen::None => panic!("a pass that no library does"),
            }
        }
    }
}

/// An index into the list of a library, as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListIndex {
    Cudnn(usize),
    Cublaslt(usize),
}

impl fmt::Display for ListIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListIndex::Cudnn(index) => write!(f, "cudnn {index}"),
            ListIndex::Cublaslt(index) => write!(f, "cublaslt {index}"),
        }
    }
}

impl FromStr for ListIndex {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (library, index) = text.trim().split_once(' ').ok_or(())?;
        let index = index.parse().map_err(|_| ())?;
        match library {
            "cudnn" => Ok(ListIndex::Cudnn(index)),
            "cublaslt" => Ok(ListIndex::Cublaslt(index)),
            _ => Err(()),
        }
    }
}

/// Something that could do a work.
struct Candidate {
    index: ListIndex,
    chosen: Chosen,
}

/// The choices made so far, for one GPU. To be dropped before the engine that they were made on: plans of cuDNN must not
/// outlive its handle.
#[derive(Debug)]
pub(crate) struct Choices {
    gpu: String,
    arithmetic: Arithmetic,
    made: Mutex<HashMap<Work, Arc<Chosen>>>,
}

impl Choices {
    /// No choices yet, for the GPU of that name.
    pub(crate) fn new(gpu: String, arithmetic: Arithmetic) -> Self {
        Self { gpu, arithmetic, made: Mutex::default() }
    }

    /// The choice for a work.
    pub(super) fn choose(&self, queue: &mut Queue, work: Work) -> Result<Arc<Chosen>, Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(&work) {
            return Ok(Arc::clone(known));
        }
        let chosen = Arc::new(self.remembered_or_measured(queue, work)?);
        made.insert(work, Arc::clone(&chosen));
        Ok(chosen)
    }

    fn remembered_or_measured(&self, queue: &mut Queue, work: Work) -> Result<Chosen, Error> {
        let engines = work.engines(&queue.target, self.arithmetic)?;
        let products: Vec<Product> =
            queue.cublaslt.iter().flat_map(|library| library.products(&work, self.arithmetic)).collect();
        let name = file_name(&self.gpu, &versions(queue, &work), self.arithmetic, &work);
        let index = queue.cache.read(&name).and_then(|text| String::from_utf8(text).ok()?.parse().ok());
        let remembered = index.and_then(|index| match index {
            ListIndex::Cudnn(index) => Some(Chosen::Cudnn(work.plan(&queue.target, engines.get(index)?)?)),
            ListIndex::Cublaslt(index) => Some(Chosen::Product(products.get(index)?.clone())),
        });
        if let Some(chosen) = remembered {
            return Ok(chosen);
        }
        let candidates = candidates(queue, work, &engines, products);
        Ok(match fastest(queue, work, candidates)? {
            Some(Candidate { index, chosen }) => {
                queue.cache.write(&name, index.to_string().as_bytes());
                chosen
            }
            None => Chosen::None,
        })
    }
}

/// Everything that could do a work.
fn candidates(queue: &Queue, work: Work, engines: &[Descriptor], products: Vec<Product>) -> Vec<Candidate> {
    let plans = engines.iter().enumerate().filter_map(|(index, engine)| {
        let plan = work.plan(&queue.target, engine)?;
        Some(Candidate { index: ListIndex::Cudnn(index), chosen: Chosen::Cudnn(plan) })
    });
    let products = products.into_iter().enumerate().map(|(index, product)| Candidate {
        index: ListIndex::Cublaslt(index),
        chosen: Chosen::Product(product),
    });
    plans.take(MAX_MEASURED).chain(products).collect()
}

/// The fastest candidate; the first of equals.
fn fastest(queue: &mut Queue, work: Work, candidates: Vec<Candidate>) -> Result<Option<Candidate>, Error> {
    let mut best: Option<(Duration, Candidate)> = None;
    if candidates.len() == 1 {
        return Ok(candidates.into_iter().next());
    }
    for candidate in candidates {
        let staging = Staging::new(queue, &work, candidate.chosen.workspace())?;
        let Ok(time) = time(queue, &work, &candidate.chosen, &staging) else { continue };
        if best.as_ref().is_none_or(|(least, _)| time < *least) {
            best = Some((time, candidate));
        }
    }
    Ok(best.map(|(_, candidate)| candidate))
}

/// The time of one execution, over whatever values the staging buffers hold.
fn time(queue: &mut Queue, work: &Work, chosen: &Chosen, staging: &Staging) -> Result<Duration, Error> {
    let tensors = work.tensors().iter();
    let tensors: Vec<_> =
        tensors.map(|&tensor| TensorAddress { tensor, address: staging.address(tensor) }).collect();
    // SAFETY: the staging buffers were made for this work's tensors and this candidate's workspace, and working memory
    // stays allocated as long as the queue.
    let enqueue = |queue: &Queue| unsafe { chosen.enqueue(queue, &tensors, staging.workspace) };
    enqueue(queue)?;
    queue.wait()?;
    let begin = Instant::now();
    for _ in 0..RUNS {
        enqueue(queue)?;
    }
    queue.wait()?;
    Ok(begin.elapsed() / RUNS)
}

/// The versions of the libraries that could do a work.
fn versions(queue: &Queue, work: &Work) -> String {
    match &queue.cublaslt {
        Some(library) if is_product(work) => format!("{} and {}", cudnn::version(), library.version()),
        _ => cudnn::version().to_string(),
    }
}

/// The file that remembers a choice.
fn file_name(gpu: &str, versions: &str, arithmetic: Arithmetic, work: &Work) -> String {
    let Work { pass, shape, storage } = work;
    // Part of the key, and so as it always was: other words would forget the choices of earlier runs.
    let work = format!("Work {{ pass: {pass:?}, shape: {shape:?}, form: {storage:?} }}");
    let key = cache::key(&[gpu, versions, &format!("{arithmetic:?}"), &work]);
    format!("{key}.engine")
}

/// `cudnn-N`, made once for each of cuDNN's few dozen engines.
fn engine_name(number: i64) -> &'static str {
    static NAMES: Mutex<Option<HashMap<i64, &'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names
        .get_or_insert_default()
        .entry(number)
        .or_insert_with(|| Box::leak(format!("cudnn-{number}").into_boxed_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cudnn::graph::Pass;
    use crate::memory::Storage;
    use allcnn_device::{ConvShape, Shape};

    #[test]
    fn a_choice_is_remembered_for_the_same_work_gpu_and_library_only() {
        let input = Shape { batch: 2, height: 8, width: 8, channels: 8 };
        let shape = ConvShape { input, out_channels: 8, kernel: 3, stride: 1, padding: 1, groups: 1 };
        let work = Work { pass: Pass::Forward, shape, storage: Storage::Bf16 };
        let name = |gpu, version, arithmetic, work| file_name(gpu, version, arithmetic, &work);
        let names = [
            name("H100", "91000", Arithmetic::TensorCores, work),
            name("H200", "91000", Arithmetic::TensorCores, work),
            name("H100", "91001", Arithmetic::TensorCores, work),
            name("H100", "91000", Arithmetic::Strict, work),
            name("H100", "91000", Arithmetic::TensorCores, Work { pass: Pass::ForwardRelu, ..work }),
            name("H100", "91000", Arithmetic::TensorCores, Work { storage: Storage::F32, ..work }),
        ];
        // As version 0.1.0 wrote it.
        assert_eq!(names[0], "a937b000caf96c5e23054520.engine");
        let different: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        assert_eq!(names[0], name("H100", "91000", Arithmetic::TensorCores, work));
    }

    #[test]
    fn engines_have_names() {
        assert_eq!((engine_name(7), engine_name(57)), ("cudnn-7", "cudnn-57"));
        assert!(std::ptr::eq(engine_name(7), engine_name(7)));
        assert_eq!(Chosen::None.name(), "direct");
    }

    #[test]
    fn remembered_choices_are_read_back() {
        for index in [ListIndex::Cudnn(0), ListIndex::Cublaslt(12)] {
            assert_eq!(index.to_string().parse(), Ok(index));
        }
        assert_eq!("cudnn 3\n".parse(), Ok(ListIndex::Cudnn(3)));
        for text in ["", "3", "cudnn", "cudnn x", "other 3"] {
            assert_eq!(text.parse::<ListIndex>(), Err(()), "{text}");
        }
    }
}
