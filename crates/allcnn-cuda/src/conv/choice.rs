//! Which engine of cuDNN, or for 1x1 convolutions which algorithm of cuBLASLt, does a pass: measured once, remembered on
//! disk.
//!
//! The choice is kept by its place in the library's list for (GPU, versions, work), so that later runs take the same one:
//! that makes them start fast, and gives them the same bits.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use allcnn_device::Error;

use super::room::Room;
use crate::cache;
use crate::cublaslt::{Product, is_product};
use crate::cudnn::graph::{Tensor, Work};
use crate::cudnn::plan::{Arithmetic, Plan};
use crate::cudnn::{self, Descriptor};
use crate::engine::{Engine, Queue};

/// Engines of cuDNN that are measured, the first of its list that take the work.
const MOST_MEASURED: usize = 8;
/// Runs of a candidate that are timed.
const RUNS: u32 = 10;

/// How a pass is done.
#[derive(Debug)]
pub enum Chosen {
    /// By an engine of cuDNN.
    Cudnn(Plan),
    /// By a product of cuBLASLt.
    Product(Product),
    /// Neither library has anything for it.
    None,
}

impl Chosen {
    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Chosen::Cudnn(plan) => engine_name(plan.engine),
            Chosen::Product(_) => "cublaslt",
            Chosen::None => "direct",
        }
    }

    /// Whether the plain sum has to do it.
    pub fn is_none(&self) -> bool {
        matches!(self, Chosen::None)
    }

    /// Bytes of working memory that a run needs.
    pub fn workspace(&self) -> usize {
        match self {
            Chosen::Cudnn(plan) => plan.workspace,
            Chosen::Product(product) => product.workspace,
            Chosen::None => 0,
        }
    }

    /// Queues a run over tensors at these addresses of the GPU. Panics where nothing was chosen.
    ///
    /// # Safety
    /// The addresses must be those of the work's tensors, aligned to 16 bytes and long enough, with as many bytes at
    /// `workspace` as are needed, and stay so until the run is over.
    pub unsafe fn run(&self, queue: &Queue, tensors: &[(Tensor, u64)], workspace: u64) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Chosen::Cudnn(plan) => plan.run(queue.handle(), tensors, workspace),
                Chosen::Product(product) => product.run(&queue.stream, tensors, workspace),
                Chosen::None => panic!("a run of what no library does"),
            }
        }
    }
}

/// A place in the list of a library, as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Cudnn(usize),
    Cublaslt(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Cudnn(place) => write!(f, "cudnn {place}"),
            Place::Cublaslt(place) => write!(f, "cublaslt {place}"),
        }
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (library, place) = text.trim().split_once(' ').ok_or(())?;
        let place = place.parse().map_err(|_| ())?;
        match library {
            "cudnn" => Ok(Place::Cudnn(place)),
            "cublaslt" => Ok(Place::Cublaslt(place)),
            _ => Err(()),
        }
    }
}

/// The choice for a work.
pub fn choose(engine: &Engine, queue: &mut Queue, work: Work) -> Result<Arc<Chosen>, Error> {
    if let Some(known) = queue.chosen.get(&work) {
        return Ok(Arc::clone(known));
    }
    let arithmetic = engine.numbers.arithmetic;
    let engines = work.engines(&queue.target, arithmetic)?;
    let products: Vec<Product> =
        queue.cublaslt.iter().flat_map(|library| library.products(&work, arithmetic)).collect();
    let gpu = engine.context.name().unwrap_or_default();
    let name = file_name(&gpu, &versions(queue, &work), arithmetic, &work);
    let place = queue.cache.read(&name).and_then(|text| String::from_utf8(text).ok()?.parse().ok());
    let remembered = place.and_then(|place| match place {
        Place::Cudnn(place) => Some(Chosen::Cudnn(work.plan(&queue.target, engines.get(place)?)?)),
        Place::Cublaslt(place) => Some(Chosen::Product(products.get(place)?.clone())),
    });
    let chosen = match remembered {
        Some(chosen) => chosen,
        None => match fastest(queue, work, candidates(queue, work, &engines, products))? {
            Some((place, chosen)) => {
                queue.cache.write(&name, place.to_string().as_bytes());
                chosen
            }
            None => Chosen::None,
        },
    };
    let chosen = Arc::new(chosen);
    queue.chosen.insert(work, Arc::clone(&chosen));
    Ok(chosen)
}

/// Everything that could do a work.
fn candidates(
    queue: &Queue,
    work: Work,
    engines: &[Descriptor],
    products: Vec<Product>,
) -> Vec<(Place, Chosen)> {
    let plans = engines.iter().enumerate().filter_map(|(place, engine)| {
        Some((Place::Cudnn(place), Chosen::Cudnn(work.plan(&queue.target, engine)?)))
    });
    let products = products.into_iter().enumerate();
    let products = products.map(|(place, product)| (Place::Cublaslt(place), Chosen::Product(product)));
    plans.take(MOST_MEASURED).chain(products).collect()
}

/// The fastest candidate; the first of equals.
fn fastest(
    queue: &mut Queue,
    work: Work,
    candidates: Vec<(Place, Chosen)>,
) -> Result<Option<(Place, Chosen)>, Error> {
    let mut best: Option<(Duration, (Place, Chosen))> = None;
    if candidates.len() == 1 {
        return Ok(candidates.into_iter().next());
    }
    for candidate in candidates {
        let room = Room::new(queue, &work, candidate.1.workspace())?;
        let Ok(time) = time(queue, &work, &candidate.1, &room) else { continue };
        if best.as_ref().is_none_or(|(least, _)| time < *least) {
            best = Some((time, candidate));
        }
    }
    Ok(best.map(|(_, candidate)| candidate))
}

/// The time of a run over whatever the room holds.
fn time(queue: &mut Queue, work: &Work, candidate: &Chosen, room: &Room) -> Result<Duration, Error> {
    let tensors: Vec<_> = work.tensors().iter().map(|&tensor| (tensor, room.address(tensor))).collect();
    // SAFETY: the room has the size of every tensor and of the workspace.
    let run = |queue: &Queue| unsafe { candidate.run(queue, &tensors, room.workspace) };
    run(queue)?;
    queue.wait()?;
    let begin = Instant::now();
    for _ in 0..RUNS {
        run(queue)?;
    }
    queue.wait()?;
    Ok(begin.elapsed() / RUNS)
}

/// The versions of the libraries that a work is a matter of.
fn versions(queue: &Queue, work: &Work) -> String {
    match &queue.cublaslt {
        Some(library) if is_product(work) => format!("{} and {}", cudnn::version(), library.version()),
        _ => cudnn::version().to_string(),
    }
}

/// The file that remembers a choice.
fn file_name(gpu: &str, versions: &str, arithmetic: Arithmetic, work: &Work) -> String {
    let key = cache::key(&[gpu, versions, &format!("{arithmetic:?}"), &format!("{work:?}")]);
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
    use crate::memory::Form;
    use allcnn_device::{ConvShape, Shape};

    #[test]
    fn a_choice_is_remembered_for_the_same_work_gpu_and_library_only() {
        let input = Shape { batch: 2, height: 8, width: 8, channels: 8 };
        let shape = ConvShape { input, out_channels: 8, kernel: 3, stride: 1, padding: 1, groups: 1 };
        let work = Work { pass: Pass::Forward, shape, form: Form::Bf16 };
        let name = |gpu, version, arithmetic, work| file_name(gpu, version, arithmetic, &work);
        let names = [
            name("H100", "91000", Arithmetic::TensorCores, work),
            name("H200", "91000", Arithmetic::TensorCores, work),
            name("H100", "91001", Arithmetic::TensorCores, work),
            name("H100", "91000", Arithmetic::Strict, work),
            name("H100", "91000", Arithmetic::TensorCores, Work { pass: Pass::ForwardRelu, ..work }),
            name("H100", "91000", Arithmetic::TensorCores, Work { form: Form::F32, ..work }),
        ];
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
    fn places_are_read_back() {
        for place in [Place::Cudnn(0), Place::Cublaslt(12)] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert_eq!("cudnn 3\n".parse(), Ok(Place::Cudnn(3)));
        for text in ["", "3", "cudnn", "cudnn x", "other 3"] {
            assert_eq!(text.parse::<Place>(), Err(()), "{text}");
        }
    }
}
