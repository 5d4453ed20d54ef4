//! A step's work as a CUDA graph.
//!
//! The first time the work simply runs, which prepares whatever is prepared on first use. The second time it is
//! recorded, and from then on the graph is launched. The learning rate and the step's number are in memory that the graph
//! reads. Which buffers hold bf16 only the host knows, so a recording keeps the formats that it found and left.

use std::mem;

use allcnn_device::Error;
use cudarc::driver::{CudaGraph, sys};

use crate::engine::Engine;
use crate::error::driver_error;
use crate::memory::StorageLog;

/// A recorded step.
#[derive(Default)]
pub struct Recording {
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    New,
    Ran,
    Graph(Graph),
    /// It cannot be recorded, for this reason.
    Plain(String),
}

struct Graph {
    graph: CudaGraph,
    storage_log: StorageLog,
}

// SAFETY: any thread may use a graph, one at a time: it is only reached through `&mut Recording`, and launched under the
// queue's lock.
unsafe impl Send for Graph {}

impl Recording {
    /// Why the work is not replayed as a graph; `None` if it is one, or will be.
    pub fn why_plain(&self) -> Option<&str> {
        match &self.state {
            State::Plain(reason) => Some(reason),
            _ => None,
        }
    }

    /// Does the work: plainly, recorded, or replayed.
    pub(crate) fn replay(&mut self, engine: &Engine, work: &mut dyn FnMut()) {
        self.state = match mem::take(&mut self.state) {
            State::New => {
                work();
                State::Ran
            }
            State::Graph(graph) if graph.storage_log.fits() => graph.launch(engine),
            // Recorded now; again where the buffers' formats have changed.
            State::Ran | State::Graph(_) => match record(engine, work) {
                Ok(graph) => graph.launch(engine),
                Err(error) => {
                    work();
                    State::Plain(error.to_string())
                }
            },
            State::Plain(reason) => {
                work();
                State::Plain(reason)
            }
        };
    }
}

impl Graph {
    fn launch(self, engine: &Engine) -> State {
        engine.enqueue(|_| self.graph.launch().map_err(driver_error("running a recorded step")));
        self.storage_log.apply();
        State::Graph(self)
    }
}

/// Records the work without executing it. A failure is the recording's alone: none is left for later calls to report.
fn record(engine: &Engine, work: &mut dyn FnMut()) -> Result<Graph, Error> {
    engine.queue().report_failure()?;
    let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
    engine.stream.begin_capture(mode).map_err(driver_error("beginning to record a step"))?;
    engine.queue().storage_log = Some(StorageLog::default());
    work();
    let graph = engine.stream.end_capture(sys::CUgraphInstantiate_flags(0));
    let mut queue = engine.queue();
    let storage_log = queue.storage_log.take().unwrap_or_default();
    queue.report_failure()?;
    let nothing = || Error::Unavailable("a recorded step holds nothing".into());
    let graph = graph.map_err(driver_error("recording a step"))?.ok_or_else(nothing)?;
    Ok(Graph { graph, storage_log })
}
