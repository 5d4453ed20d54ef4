//! Threads that play the processes of a training. They work one at a time: the emulated GPU has one thread.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Condvar, Mutex};

use super::support::{Data, classes, last};
use allcnn::input::Samples;
use allcnn::observer::Event;
use allcnn::parameters::{Kind, Tensor};
use allcnn::recipe::Recipe;
use allcnn::run::{Checkpoint, RunFolder};
use allcnn::train::{Limits, Task, Trainer};
use allcnn_device::{Collective, Device, Error};

/// What threads that play the processes of a training exchange.
struct Board {
    written: Vec<Mutex<Vec<u8>>>,
    together: Barrier,
    /// Whether one of them works.
    busy: Mutex<bool>,
    rests: Condvar,
}

impl Board {
    fn new(processes: usize) -> Self {
        Self {
            written: (0..processes).map(|_| Mutex::default()).collect(),
            together: Barrier::new(processes),
            busy: Mutex::default(),
            rests: Condvar::new(),
        }
    }

    /// Waits until no other thread works.
    fn work(&self) {
        let mut busy = self.rests.wait_while(self.busy.lock().unwrap(), |busy| *busy).unwrap();
        *busy = true;
    }

    /// Lets another thread work.
    fn rest(&self) {
        *self.busy.lock().unwrap() = false;
        self.rests.notify_one();
    }

    /// Waits, resting, until all have come here.
    fn meet(&self) {
        self.rest();
        self.together.wait();
        self.work();
    }
}

/// One of them.
struct Process<'b> {
    rank: usize,
    board: &'b Board,
}

impl Process<'_> {
    /// What all have written, for those who read it.
    fn exchanged(&self, own: &[u8], mut read: impl FnMut(usize, &[u8])) {
        *self.board.written[self.rank].lock().unwrap() = own.to_vec();
        self.board.meet();
        for (rank, written) in self.board.written.iter().enumerate() {
            read(rank, &written.lock().unwrap());
        }
        self.board.meet();
    }
}

impl Collective for Process<'_> {
    fn rank(&self) -> usize {
        self.rank
    }
    fn size(&self) -> usize {
        self.board.written.len()
    }
    fn name(&self) -> String {
        format!("thread {}", self.rank)
    }
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), Error> {
        let distances = std::iter::successors(Some(1), |distance| Some(2 * distance));
        for distance in distances.take_while(|&distance| distance < self.size()) {
            let own: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.exchanged(&own, |rank, written| {
                if rank == self.rank ^ distance {
                    let others =
                        written.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap()));
                    values.iter_mut().zip(others).for_each(|(value, other)| *value += other);
                }
            });
        }
        Ok(())
    }
    fn broadcast(&self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let own = bytes.clone();
        self.exchanged(&own, |rank, written| {
            if rank == 0 {
                *bytes = written.to_vec();
            }
        });
        Ok(())
    }
    fn gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let mut all = vec![];
        self.exchanged(&bytes, |_, written| all.push(written.to_vec()));
        Ok(if self.rank == 0 { all } else { vec![] })
    }
}

fn by_name(mut tensors: Vec<Tensor>) -> Vec<Tensor> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

/// The last checkpoint of a training by so many processes, from another one or its beginning; the others' weights are checked to
/// be the same.
pub(crate) fn trained_by<D: Device>(
    processes: usize,
    device: impl Fn() -> D + Sync,
    data: &Data,
    recipe: &Recipe,
    run: &Path,
    from: Option<&Checkpoint>,
    steps: u64,
) -> Checkpoint {
    let board = Board::new(processes);
    let (network, classes) = (recipe.with_dropout("tiny", &data.network).unwrap(), classes());
    let process = |rank: usize| {
        board.work();
        let [train, test] =
            [&data.train, &data.test].map(|images| Samples::new(images, &data.preprocessor).unwrap());
        let (network, classes, train, test, begun) = (&network, &classes[..], &train, &test, &[][..]);
        let task = Task { network, classes, recipe, train, validation: None, test, begun, frozen: 0 };
        let process = Process { rank, board: &board };
        let device = device();
        let mut trainer = Trainer::new(&device, &process, task).unwrap();
        if let Some(checkpoint) = from {
            trainer.resume(checkpoint).unwrap();
        }
        if rank > 0 {
            trainer.follow().unwrap();
        } else {
            let stop = AtomicBool::new(false);
            let mut observer = |event: Event<'_>| {
                if matches!(event, Event::Step { step, .. } if step == steps) {
                    stop.store(true, Ordering::Relaxed);
                }
            };
            let folder = RunFolder::create(run).or_else(|_| RunFolder::go_on(run)).unwrap();
            trainer.run(&folder, &Limits::until(&stop), &mut observer).unwrap();
            std::fs::write(run.join("run.toml"), "").unwrap();
        }
        let weights = by_name(trainer.parameters().tensors(&device, Kind::Value).unwrap());
        drop(trainer);
        drop(device);
        board.rest();
        weights
    };
    std::thread::scope(|scope| {
        let process = &process;
        let running: Vec<_> = (0..processes).map(|rank| scope.spawn(move || process(rank))).collect();
        let weights: Vec<_> = running.into_iter().map(|process| process.join().unwrap()).collect();
        let checkpoint = last(run);
        assert!(
            weights.iter().all(|weights| *weights == by_name(checkpoint.values.clone())),
            "{processes} processes"
        );
        checkpoint
    })
}
