//! Which engine of cuDNN does a pass: measured once, remembered on disk.
//!
//! The choice is kept by its place in cuDNN's list for (GPU, version, work), so that later runs take the same engine:
//! that makes them start fast, and gives them the same bits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use allcnn_device::Error;

use super::room::Room;
use crate::cache;
use crate::cudnn::graph::Work;
use crate::cudnn::plan::{Arithmetic, Plan};
use crate::cudnn::{self, Descriptor};
use crate::engine::{Engine, Queue};

/// Engines that are measured, the first of cuDNN's list that take the work.
const MOST_MEASURED: usize = 8;
/// Runs of an engine that are timed.
const RUNS: u32 = 10;

/// How a pass is done.
#[derive(Debug)]
pub enum Chosen {
    /// By an engine of cuDNN.
    Cudnn(Plan),
    /// cuDNN has no engine for it.
    None,
}

impl Chosen {
    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Chosen::Cudnn(plan) => engine_name(plan.engine),
            Chosen::None => "direct",
        }
    }

    /// Bytes of working memory of the engine.
    pub fn workspace(&self) -> usize {
        match self {
            Chosen::Cudnn(plan) => plan.workspace,
            Chosen::None => 0,
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
    let name = file_name(&engine.context.name().unwrap_or_default(), cudnn::version(), arithmetic, &work);
    let remembered =
        queue.cache.read(&name).and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
    let remembered = remembered.and_then(|place: usize| work.plan(&queue.target, engines.get(place)?));
    let chosen = Arc::new(match remembered {
        Some(plan) => Chosen::Cudnn(plan),
        None => match fastest(queue, work, &engines)? {
            Some((place, plan)) => {
                queue.cache.write(&name, place.to_string().as_bytes());
                Chosen::Cudnn(plan)
            }
            None => Chosen::None,
        },
    });
    queue.chosen.insert(work, Arc::clone(&chosen));
    Ok(chosen)
}

/// The fastest engine and its place in the list; the first of equals.
fn fastest(queue: &mut Queue, work: Work, engines: &[Descriptor]) -> Result<Option<(usize, Plan)>, Error> {
    let mut best: Option<(Duration, usize, Plan)> = None;
    let plans = engines.iter().enumerate();
    let plans: Vec<(usize, Plan)> = plans
        .filter_map(|(place, engine)| Some((place, work.plan(&queue.target, engine)?)))
        .take(MOST_MEASURED)
        .collect();
    if plans.len() == 1 {
        return Ok(plans.into_iter().next());
    }
    for (place, plan) in plans {
        let room = Room::new(queue, &work, plan.workspace)?;
        let Ok(time) = time(queue, &work, &plan, &room) else { continue };
        if best.as_ref().is_none_or(|(least, ..)| time < *least) {
            best = Some((time, place, plan));
        }
    }
    Ok(best.map(|(_, place, plan)| (place, plan)))
}

/// The time of a run over whatever the room holds.
fn time(queue: &mut Queue, work: &Work, plan: &Plan, room: &Room) -> Result<Duration, Error> {
    let tensors: Vec<_> = work.tensors().iter().map(|&tensor| (tensor, room.address(tensor))).collect();
    // SAFETY: the room has the size of every tensor and of the workspace.
    let run = |queue: &Queue| unsafe { plan.run(queue.handle(), &tensors, room.workspace) };
    run(queue)?;
    queue.wait()?;
    let begin = Instant::now();
    for _ in 0..RUNS {
        run(queue)?;
    }
    queue.wait()?;
    Ok(begin.elapsed() / RUNS)
}

/// The file that remembers a choice.
fn file_name(gpu: &str, version: usize, arithmetic: Arithmetic, work: &Work) -> String {
    let key = cache::key(&[gpu, &version.to_string(), &format!("{arithmetic:?}"), &format!("{work:?}")]);
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
            name("H100", 91_000, Arithmetic::TensorCores, work),
            name("H200", 91_000, Arithmetic::TensorCores, work),
            name("H100", 91_001, Arithmetic::TensorCores, work),
            name("H100", 91_000, Arithmetic::Strict, work),
            name("H100", 91_000, Arithmetic::TensorCores, Work { pass: Pass::ForwardRelu, ..work }),
            name("H100", 91_000, Arithmetic::TensorCores, Work { form: Form::F32, ..work }),
        ];
        let different: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        assert_eq!(names[0], name("H100", 91_000, Arithmetic::TensorCores, work));
    }

    #[test]
    fn engines_have_names() {
        assert_eq!((engine_name(7), engine_name(57)), ("cudnn-7", "cudnn-57"));
        assert!(std::ptr::eq(engine_name(7), engine_name(7)));
        assert_eq!(Chosen::None.name(), "direct");
    }
}
