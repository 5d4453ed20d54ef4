//! A step's work as a CUDA graph.
//!
//! The first time the work simply runs, which prepares whatever is prepared on first use. The second time it is
//! recorded, and from then on the graph runs. The learning rate and the step's number are in memory that the graph
//! reads. Which buffers hold bf16 is the host's knowledge: a recording keeps which forms it found and which it left.

use std::mem;

use allcnn_device::Error;
use cudarc::driver::{CudaGraph, sys};

use crate::engine::{Engine, driver_error};
use crate::memory::{Form, FormCell};

/// The forms of the buffers that a piece of work read and wrote.
#[derive(Debug, Default)]
pub struct Taken {
    reads: Vec<(FormCell, Form)>,
    writes: Vec<(FormCell, Form)>,
}

impl Taken {
    /// What was there before the work; what the work itself wrote is no condition.
    pub fn note_read(&mut self, cell: &FormCell, form: Form) {
        if !self.writes.iter().chain(&self.reads).any(|(known, _)| known.is(cell)) {
            self.reads.push((cell.clone(), form));
        }
    }

    pub fn note_write(&mut self, cell: &FormCell, form: Form) {
        match self.writes.iter_mut().find(|(known, _)| known.is(cell)) {
            Some((_, last)) => *last = form,
            None => self.writes.push((cell.clone(), form)),
        }
    }

    /// Whether the buffers are as the work found them.
    fn fits(&self) -> bool {
        self.reads.iter().all(|(cell, form)| cell.get() == *form)
    }

    /// Leaves the buffers' forms as the work did.
    fn leave(&self) {
        self.writes.iter().for_each(|(cell, form)| cell.set(*form));
    }
}

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
    taken: Taken,
}

// SAFETY: a graph may be used by any thread, by one at a time; `&mut Recording` and the queue's lock see to that.
unsafe impl Send for Graph {}

impl Recording {
    /// Why the work runs piece by piece; nothing when it is a graph, or will be.
    pub fn why_plain(&self) -> Option<&str> {
        match &self.state {
            State::Plain(reason) => Some(reason),
            _ => None,
        }
    }

    /// Runs the work, in whatever way is due.
    pub(crate) fn replay(&mut self, engine: &Engine, work: &mut dyn FnMut()) {
        self.state = match mem::take(&mut self.state) {
            State::New => {
                work();
                State::Ran
            }
            State::Graph(graph) if graph.taken.fits() => graph.run(engine),
            // Recorded now; anew where the buffers are not as they were.
            State::Ran | State::Graph(_) => match record(engine, work) {
                Ok(graph) => graph.run(engine),
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
    fn run(self, engine: &Engine) -> State {
        engine.run(|_| self.graph.launch().map_err(driver_error("running a recorded step")));
        self.taken.leave();
        State::Graph(self)
    }
}

/// Records the work, which does not run. A failure on the way is the recording's alone: it leaves nothing behind.
fn record(engine: &Engine, work: &mut dyn FnMut()) -> Result<Graph, Error> {
    engine.queue().tell_failure()?;
    let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
    engine.stream.begin_capture(mode).map_err(driver_error("beginning to record a step"))?;
    engine.queue().taken = Some(Taken::default());
    work();
    let graph = engine.stream.end_capture(sys::CUgraphInstantiate_flags(0));
    let mut queue = engine.queue();
    let taken = queue.taken.take().unwrap_or_default();
    queue.tell_failure()?;
    let nothing = || Error::Unavailable("a recorded step holds nothing".into());
    let graph = graph.map_err(driver_error("recording a step"))?.ok_or_else(nothing)?;
    Ok(Graph { graph, taken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_knows_what_it_needs_and_what_it_leaves() {
        let [images, hidden] = [FormCell::default(), FormCell::default()];
        let mut taken = Taken::default();
        taken.note_read(&images, Form::F32);
        taken.note_write(&hidden, Form::F32);
        taken.note_write(&hidden, Form::Bf16);
        taken.note_read(&hidden, Form::Bf16);
        // What it writes itself is no condition, whatever the host did to it in between.
        hidden.set(Form::F32);
        assert!(taken.fits());
        taken.leave();
        assert_eq!((images.get(), hidden.get()), (Form::F32, Form::Bf16));
        images.set(Form::Bf16);
        assert!(!taken.fits());
    }
}
