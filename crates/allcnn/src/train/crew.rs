//! Several processes that train one network: rank 0 leads, the others follow its orders.
//!
//! Everything that a clock, a signal or a file decides is decided by rank 0, which runs the [training loop](super::training_loop)
//! as if it were alone. Its [stepper](super::stepper) tells the others each thing that it does, and they do the same with their
//! shards of the batch and their part of the images that are scored.

use std::ops::Range;

use allcnn_device::{Collective, Device, Error, Parameter};

use super::figures::Figures;
use super::pace::StepPace;

/// What all processes do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    /// A step; `is_next`: there will be another.
    Step { number: u64, pace: StepPace, is_next: bool },
    /// Tell the figures of the steps since the last time.
    Read,
    /// Score the images that select the best epoch.
    Score,
    /// Set all velocities to zero.
    Rest,
    /// The training is over.
    End,
}

impl Order {
    /// Tells the others, if this process leads others.
    ///
    /// # Errors
    /// [`Error::Process`].
    pub(super) fn give(self, collective: &dyn Collective) -> Result<(), Error> {
        if collective.rank() > 0 || collective.size() == 1 {
            return Ok(());
        }
        collective.broadcast(&mut self.words().iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    /// Waits for the next order of rank 0.
    ///
    /// # Errors
    /// [`Error::Process`], also for bytes that are no order.
    pub(super) fn take(collective: &dyn Collective) -> Result<Self, Error> {
        let mut bytes = vec![];
        collective.broadcast(&mut bytes)?;
        let words =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
        match words.collect::<Vec<_>>()[..] {
            [0, number, rate, phase, begins_phase, is_next] => {
                let learning_rate = f32::from_bits(rate as u32);
                let pace = StepPace { learning_rate, phase: phase as u32, begins_phase: begins_phase == 1 };
                Ok(Self::Step { number, pace, is_next: is_next == 1 })
            }
            [1, ..] => Ok(Self::Read),
            [2, ..] => Ok(Self::Score),
            [3, ..] => Ok(Self::Rest),
            [4, ..] => Ok(Self::End),
            _ => {
                Err(Error::Process(format!("{}: an order of {} bytes came", collective.name(), bytes.len())))
            }
        }
    }

    fn words(self) -> [u64; 6] {
        let alone = |word| [word, 0, 0, 0, 0, 0];
        match self {
            Self::Step { number, pace: StepPace { learning_rate, phase, begins_phase }, is_next } => {
                [0, number, learning_rate.to_bits().into(), phase.into(), begins_phase.into(), is_next.into()]
            }
            Self::Read => alone(1),
            Self::Score => alone(2),
            Self::Rest => alone(3),
            Self::End => alone(4),
        }
    }
}

/// Gradients on their way between processes.
pub(super) struct Exchange {
    lens: Vec<usize>,
    values: Vec<f32>,
}

impl Exchange {
    /// For parameters of these lengths.
    pub(super) fn new(lens: &[usize]) -> Self {
        Self { lens: lens.to_vec(), values: vec![] }
    }

    /// Replaces each gradient by the sum of those of all processes.
    ///
    /// # Errors
    /// [`Error::Process`]; a failure of the device.
    pub(super) fn sum<D: Device>(
        &mut self,
        collective: &dyn Collective,
        device: &D,
        parameters: &mut [Parameter<D::Buffer>],
    ) -> Result<(), Error> {
        self.values.resize(self.lens.iter().sum(), 0.0);
        let mut rest = &mut self.values[..];
        for (parameter, &len) in parameters.iter().zip(&self.lens) {
            let (gradient, after) = rest.split_at_mut(len);
            device.download(&parameter.gradient, gradient)?;
            rest = after;
        }
        collective.all_reduce(&mut self.values)?;
        let mut rest = &self.values[..];
        for (parameter, &len) in parameters.iter_mut().zip(&self.lens) {
            let (gradient, after) = rest.split_at(len);
            device.upload(gradient, &mut parameter.gradient)?;
            rest = after;
        }
        Ok(())
    }
}

/// The part of `len` items that this process has, when they are dealt out in whole chunks: those of the parts of any number of
/// processes are the same chunks.
pub(super) fn part(collective: &dyn Collective, len: usize, chunk: usize) -> Range<usize> {
    let chunks = len.div_ceil(chunk);
    let edge = |rank: usize| (chunks * rank / collective.size() * chunk).min(len);
    edge(collective.rank())..edge(collective.rank() + 1)
}

/// The figures of steps, from those of their shards in every process: for rank 0; for the others those of their own shards.
///
/// # Errors
/// [`Error::Process`].
pub(super) fn figures(collective: &dyn Collective, own: &[Vec<Figures>]) -> Result<Vec<Figures>, Error> {
    let mut all = vec![];
    if collective.size() > 1 {
        all = collective.gather(own.iter().flatten().flat_map(|figures| figures.to_bytes()).collect())?;
    }
    if all.is_empty() {
        return Ok(own.iter().map(|shards| Figures::sum(shards)).collect());
    }
    let shards = own.first().map_or(0, Vec::len);
    let step = |step: usize| {
        let of = |bytes: &Vec<u8>| {
            let figures = bytes.chunks_exact(Figures::BYTES).skip(step * shards).take(shards);
            figures.map(Figures::from_bytes).collect::<Vec<_>>()
        };
        Figures::sum(&all.iter().flat_map(of).collect::<Vec<_>>())
    };
    Ok((0..own.len()).map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that hears what it said itself.
    struct Echo {
        rank: usize,
        size: usize,
        said: std::sync::Mutex<Vec<u8>>,
    }

    impl Collective for Echo {
        fn rank(&self) -> usize {
            self.rank
        }
        fn size(&self) -> usize {
            self.size
        }
        fn name(&self) -> String {
            "echo".into()
        }
        fn all_reduce(&self, _: &mut [f32]) -> Result<(), Error> {
            Ok(())
        }
        fn broadcast(&self, bytes: &mut Vec<u8>) -> Result<(), Error> {
            let mut said = self.said.lock().expect("a lock");
            if bytes.is_empty() {
                bytes.clone_from(&said)
            } else {
                said.clone_from(bytes)
            }
            Ok(())
        }
        fn gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
            Ok(vec![bytes; self.size])
        }
    }

    fn echo(rank: usize, size: usize) -> Echo {
        Echo { rank, size, said: Default::default() }
    }

    #[test]
    fn an_order_is_taken_as_it_was_given() {
        let lead = echo(0, 2);
        let pace = StepPace { learning_rate: 0.1, phase: 2, begins_phase: true };
        let step = Order::Step { number: u64::MAX - 3, pace, is_next: true };
        for order in [step, Order::Read, Order::Score, Order::Rest, Order::End] {
            order.give(&lead).unwrap();
            assert_eq!(Order::take(&lead).unwrap(), order);
        }
        *lead.said.lock().unwrap() = vec![9; 5];
        assert!(Order::take(&lead).unwrap_err().to_string().contains("an order of 5 bytes"));
        let alone = echo(0, 1);
        Order::End.give(&alone).unwrap();
        assert!(alone.said.lock().unwrap().is_empty());
    }

    #[test]
    fn parts_are_whole_chunks_that_cover_everything_once() {
        for size in [1, 2, 4, 8] {
            for len in [0, 1, 20, 64, 65] {
                let parts: Vec<_> = (0..size).map(|rank| part(&echo(rank, size), len, 8)).collect();
                assert!(parts.iter().all(|part| part.start % 8 == 0 || part.is_empty()), "{parts:?}");
                assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:?}");
                assert_eq!((parts[0].start, parts[size - 1].end), (0, len));
            }
        }
    }

    #[test]
    fn the_figures_of_a_step_are_those_of_all_shards() {
        let figures = |wrong| Figures { images: 3, loss_sum: 0.5, weight: 3.0, wrong };
        let own = [vec![figures(1), figures(2)], vec![figures(0), figures(3)]];
        let all = super::figures(&echo(0, 2), &own).unwrap();
        let expected = |wrong| Figures { images: 12, loss_sum: 2.0, weight: 12.0, wrong };
        assert_eq!(all, [expected(6), expected(6)]);
        assert!(super::figures(&echo(0, 2), &[]).unwrap().is_empty());
    }
}
