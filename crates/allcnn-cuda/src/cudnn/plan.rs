//! Engines for a graph, as plans that can be executed.

use std::ffi::c_void;

use allcnn_device::Error;
use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Name, cudnnBackendAttributeType_t as Type,
    cudnnBackendDescriptorType_t as Kind, cudnnBackendHeurMode_t as Heuristic,
    cudnnBackendNumericalNote_t as Note,
};

use super::graph::{TensorAddress, Work};
use super::{Descriptor, Target};
use crate::memory::Storage;

/// Engines that are requested from each of cuDNN's two lists.
const MAX_ENGINES: usize = 16;
/// The most scratch memory that an engine may take.
const MAX_WORKSPACE: usize = 1 << 30;

/// What a plan may do with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Arithmetic {
    /// f32 throughout.
    Strict,
    /// Tensor cores, with factors of at least the bits that the tensors have or TF32.
    TensorCores,
}

/// A way to compute a graph.
#[derive(Debug)]
pub(crate) struct Plan {
    plan: Descriptor,
    /// Number of its engine in cuDNN's list for the kind of graph.
    pub engine: i64,
    /// Bytes of scratch memory that it needs.
    pub workspace: usize,
}

impl Work {
    /// The engine configurations that cuDNN proposes: its guess at the fastest first, then those that take any shape.
    /// The order is the same each time for the same library and GPU.
    pub(crate) fn engines(&self, target: &Target, arithmetic: Arithmetic) -> Result<Vec<Descriptor>, Error> {
        let Some(graph) = self.graph(target)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for mode in [Heuristic::CUDNN_HEUR_MODE_A, Heuristic::CUDNN_HEUR_MODE_FALLBACK] {
            let guess = Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?
                .refer(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &[&graph])?
                .set(Name::CUDNN_ATTR_ENGINEHEUR_MODE, &[mode])?;
            let guess = match target {
                Target::Handle(_) => guess,
                Target::Properties(properties) => {
                    guess.refer(Name::CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, &[properties])?
                }
            };
            // Not every kind of graph has every list.
            let Some(guess) = guess.finalize_if_supported()? else { continue };
            let kind = Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
            found.extend(guess.descriptors(Name::CUDNN_ATTR_ENGINEHEUR_RESULTS, kind, MAX_ENGINES)?);
        }
        let mut fitting = Vec::new();
        for engine in found {
            if fits(&notes(&engine)?, arithmetic, self.storage) {
                fitting.push(engine);
            }
        }
        Ok(fitting)
    }

    /// The plan of an engine; `None` if the engine turns out not to support this graph.
    pub(crate) fn plan(&self, target: &Target, engine: &Descriptor) -> Option<Plan> {
        let plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR).ok()?;
        let plan = match target {
            Target::Handle(handle) => plan.set(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, &[*handle]),
            Target::Properties(properties) => {
                plan.refer(Name::CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, &[properties])
            }
        };
        let plan = plan.ok()?.refer(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, &[engine]).ok()?;
        let plan = plan.finalize().ok()?;
        let workspace = plan.number(Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE).ok()? as usize;
        let engine = engine_of(engine).ok()?.number(Name::CUDNN_ATTR_ENGINE_GLOBAL_INDEX).ok()?;
        (workspace <= MAX_WORKSPACE).then_some(Plan { plan, engine, workspace })
    }
}

impl Plan {
    /// Queues the work.
    ///
    /// # Safety
    /// The addresses must be those of the work's tensors, aligned to 16 bytes and long enough, with [`Plan::workspace`]
    /// bytes at `workspace`, and stay valid until the work is done.
    pub(crate) unsafe fn enqueue(
        &self,
        handle: sys::cudnnHandle_t,
        tensors: &[TensorAddress],
        workspace: u64,
    ) -> Result<(), Error> {
        let numbers: Vec<i64> = tensors.iter().map(|at| at.tensor as i64).collect();
        let addresses: Vec<*mut c_void> =
            tensors.iter().map(|at| at.address as usize as *mut c_void).collect();
        let pack = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?
            .set(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &numbers)?
            .set(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &addresses)?
            .set(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &[workspace as usize as *mut c_void])?
            .finalize()?;
        self.plan.execute(handle, &pack)
    }
}

fn engine_of(configuration: &Descriptor) -> Result<Descriptor, Error> {
    let kind = Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR;
    let mut engines = configuration.descriptors(Name::CUDNN_ATTR_ENGINECFG_ENGINE, kind, 1)?;
    engines.pop().ok_or_else(|| Error::Unavailable("cuDNN gave a configuration without engine".into()))
}

fn notes(configuration: &Descriptor) -> Result<Vec<u32>, Error> {
    engine_of(configuration)?.codes(Name::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, Type::CUDNN_TYPE_NUMERICAL_NOTE)
}

/// Whether an engine with these notes may be used: the contract demands the same bits each time, and f32 sums.
fn fits(notes: &[u32], arithmetic: Arithmetic, storage: Storage) -> bool {
    let has = |note: Note| notes.contains(&(note as u32));
    let never =
        [Note::CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, Note::CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION];
    // To 16 bits, that is: TF32 does not count as a conversion.
    let shortens = storage == Storage::F32 && has(Note::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
    let strict = [
        Note::CUDNN_NUMERICAL_NOTE_TENSOR_CORE,
        Note::CUDNN_NUMERICAL_NOTE_FFT,
        Note::CUDNN_NUMERICAL_NOTE_WINOGRAD,
    ];
    let too_fast = arithmetic == Arithmetic::Strict && strict.into_iter().any(has);
    !(never.into_iter().any(has) || shortens || too_fast)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_taken_by_what_they_do_with_numbers() {
        let tensor_core = Note::CUDNN_NUMERICAL_NOTE_TENSOR_CORE as u32;
        let shortens = Note::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS as u32;
        let random = Note::CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC as u32;
        let winograd = Note::CUDNN_NUMERICAL_NOTE_WINOGRAD as u32;
        let newer_than_the_bindings = 1000;
        let fits = |notes: &[u32], arithmetic| {
            [Storage::F32, Storage::Bf16].map(|storage| fits(notes, arithmetic, storage))
        };
        assert_eq!(fits(&[newer_than_the_bindings], Arithmetic::Strict), [true; 2]);
        assert_eq!(fits(&[tensor_core, winograd], Arithmetic::TensorCores), [true; 2]);
        assert_eq!(fits(&[tensor_core], Arithmetic::Strict), [false; 2]);
        assert_eq!(fits(&[winograd], Arithmetic::Strict), [false; 2]);
        assert_eq!(fits(&[shortens], Arithmetic::TensorCores), [false, true]);
        assert_eq!(fits(&[tensor_core, random], Arithmetic::TensorCores), [false; 2]);
    }
}
