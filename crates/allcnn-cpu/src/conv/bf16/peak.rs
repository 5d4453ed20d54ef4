//! Products of blocks alone: the ceiling of what convolutions can reach.

use allcnn_device::Error;

use super::terms;
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::isa::Isa;
use crate::products::bf16::{Factors, Multiplier};
use crate::products::block::{BLOCK, TILE, TILE_BYTES};
use crate::simd::{Kernel, Simd};

/// Blocks, and steps in depth of each: many, since a block's beginning and end cost time.
const BLOCKS: usize = 100;
const STEPS: usize = 64;
/// Terms of a factor; with two the tiles are computed with most often for each that is read.
const TERMS: usize = 2;

/// Factors for products that are computed over and over.
#[derive(Debug)]
pub(crate) struct Peak {
    multiplier: Multiplier,
    offsets: Vec<isize>,
    factors: Buffer,
}

impl Peak {
    /// Where convolutions use products of bf16.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn new(engine: &Engine) -> Result<Option<Self>, Error> {
        if terms::of_engine(engine).is_none() {
            return Ok(None);
        }
        let factors = Buffer::zeros(STEPS * TERMS * 2 * TILE * TILE)?;
        Ok(Some(Self { multiplier: Multiplier::new(engine.isa()), offsets: vec![0; STEPS], factors }))
    }

    /// Multiply-adds of [`Self::compute`].
    pub(crate) fn multiply_adds(&self) -> usize {
        BLOCKS * STEPS * BLOCK * BLOCK * BLOCK * terms::products(TERMS)
    }

    /// Computes the products.
    pub(crate) fn compute(&self, isa: Isa) {
        isa.run(Products(self));
    }
}

struct Products<'a>(&'a Peak);

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Peak { multiplier, ref offsets, ref factors } = *self.0;
        let mut sums = [0.0; BLOCK * BLOCK];
        let session = multiplier.session();
        let left = [factors.as_ptr(), factors[TILE * TILE..].as_ptr()];
        let factors = Factors {
            left,
            left_second: 0,
            offsets,
            right: factors.as_ptr(),
            right_half: TILE_BYTES,
            right_second: 2 * TILE_BYTES,
            right_step: 2 * TERMS * TILE_BYTES,
            terms: TERMS,
        };
        for _ in 0..BLOCKS {
            // SAFETY: there are more than two tiles on the left, where all offsets and the distance of terms are 0, and two tiles of
            // two terms for each step on the right.
            unsafe { session.multiply(simd, &factors, 2, false, &mut sums) };
        }
        std::hint::black_box(&sums);
    }
}
