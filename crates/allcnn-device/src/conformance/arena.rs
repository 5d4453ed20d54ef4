//! A device's buffers for one case, filled from and read back as plain vectors, and the results of the cases.

use super::report::Outcome;
use crate::Device;
use crate::random::{Purpose, Stream};

/// A device with short ways to fill and read its buffers.
pub(super) struct Arena<'a, D> {
    pub device: &'a D,
}

impl<D: Device> Arena<'_, D> {
    pub(super) fn put(&self, values: &[f32]) -> D::Buffer {
        let mut buffer = self.output(values.len());
        self.device.upload(values, &mut buffer).expect("upload");
        buffer
    }

    /// A buffer to be overwritten, filled with a value that would show.
    pub(super) fn output(&self, len: usize) -> D::Buffer {
        let mut buffer = self.device.alloc(len).expect("memory for a conformance case");
        self.device.upload(&vec![1e30; len], &mut buffer).expect("upload");
        buffer
    }

    pub(super) fn get(&self, buffer: &D::Buffer, len: usize) -> Vec<f32> {
        let mut values = vec![0.0; len];
        self.device.download(buffer, &mut values).expect("download");
        values
    }

    pub(super) fn step(&self, number: u64, learning_rate: f32) -> D::Step {
        let mut step = self.device.new_step().expect("a step");
        self.device.set_step(&mut step, number, learning_rate);
        step
    }
}

/// `len` numbers around zero that are the same in every run; `id` tells vectors of one case apart.
pub(super) fn numbers(len: usize, id: u32) -> Vec<f32> {
    let mut sequence = Stream::new(0, Purpose::Test, len as u64, id).sequence();
    (0..len).map(|_| sequence.range(-1.0, 1.0)).collect()
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// a + factor * b
pub(super) fn moved(a: &[f32], factor: f32, b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + factor * b).collect()
}

/// A device's results in all cases.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// To be compared with the reference's.
    pub compared: Vec<Compared>,
    /// Gradients against finite differences.
    pub differences: Vec<Outcome>,
}

#[derive(Debug)]
pub(super) struct Compared {
    pub name: String,
    pub values: Vec<f32>,
    pub tolerance: f64,
}

impl Results {
    pub(super) fn push(&mut self, name: String, values: Vec<f32>, tolerance: f64) {
        self.compared.push(Compared { name, values, tolerance });
    }

    /// A directional derivative by differences against the one by the gradient along `v`, relative to their lengths.
    pub(super) fn push_difference(
        &mut self,
        name: String,
        difference: f64,
        gradient: &[f32],
        v: &[f32],
        tolerance: f64,
    ) {
        let scale = (dot(gradient, gradient) * dot(v, v)).sqrt().max(1e-30);
        self.differences.push(Outcome {
            name,
            error: (difference - dot(gradient, v)).abs() / scale,
            tolerance,
        });
    }
}
