//! The windows of fractional max-pooling (Graham 2015, arXiv 1412.6071, section 2).
//!
//! Along each side an input of n rows becomes round(n / alpha), alpha being between 1 and 2. Borders a_0 = 0 to a_count
//! whose increments are all 1 or 2 cut the rows into regions: `a_i` to `a_(i+1) - 1` when they are disjoint (the last
//! border is n), `a_i` to `a_(i+1)` when neighbours share a row (the last border is n - 1). Graham counts from 1.

use std::ops::Range;

use crate::Error;
use crate::random::{Purpose, Sequence, Stream};

/// Bits of the number u that draws a pseudorandom sequence.
const BITS: u32 = 24;

/// How the increments of the borders follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionSequence {
    /// As evenly as can be: a_i = ceil(a (i + u)) - ceil(a u), with u drawn from [0, 1) and a = a_count / count.
    Pseudorandom,
    /// Ones and twos in a random order.
    Random,
}

/// The windows of a fractional pooling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fractional {
    /// How many times fewer rows (and columns) come out; between 1 and 2.
    pub alpha: f32,
    /// The order of the increments.
    pub sequence: RegionSequence,
    /// Whether neighbouring regions share a row (and a column).
    pub overlapping: bool,
}

impl Fractional {
    /// How many regions `size` rows (or columns) are cut into: size / alpha, to the nearest whole number.
    pub(crate) fn count(&self, size: usize) -> usize {
        (size as f64 / f64::from(self.alpha)).round() as usize
    }

    /// The last border of `size` rows.
    fn last_border(&self, size: usize) -> usize {
        size - usize::from(self.overlapping)
    }

    /// Checks that increments of 1 and 2 can cut both sides.
    pub(crate) fn checked_on(&self, height: usize, width: usize) -> Result<(), Error> {
        let refuse = |given: String, expected| {
            Err(Error::InvalidShape { what: "fractional pooling", given, expected })
        };
        if !(self.alpha > 1.0 && self.alpha < 2.0) {
            return refuse(format!("alpha {}", self.alpha), "an alpha between 1 and 2");
        }
        let fits = |size| (1..=self.last_border(size)).contains(&self.count(size));
        if !fits(height) || !fits(width) {
            let given = format!("alpha {} on {height}x{width}", self.alpha);
            return refuse(given, "an input large enough to become smaller, or a larger alpha");
        }
        Ok(())
    }

    /// The most rows that `count` neighbouring regions of `size` rows hold, whatever is drawn.
    pub fn extent(&self, count: usize, size: usize) -> usize {
        let (last, all) = (self.last_border(size), self.count(size));
        let borders = match self.sequence {
            RegionSequence::Pseudorandom => (count * last).div_ceil(all),
            RegionSequence::Random => count + count.min(last - all),
        };
        borders + usize::from(self.overlapping)
    }

    /// Rows from a region to the next, on average, in an input of `size` rows.
    pub fn mean_increment(&self, size: usize) -> f64 {
        self.last_border(size) as f64 / self.count(size) as f64
    }

    /// Draws the regions of `size` rows.
    pub(crate) fn draw(&self, size: usize, numbers: &mut Sequence, regions: &mut [Range<usize>]) {
        let (last, count, shared) = (self.last_border(size), regions.len(), usize::from(self.overlapping));
        match self.sequence {
            RegionSequence::Pseudorandom => {
                // In whole numbers, so that every machine rounds alike: sizes are below 2^17, so nothing overflows.
                let u = (numbers.next_u32() >> (32 - BITS)) as usize;
                let border = |at: usize| (((at << BITS) + u) * last).div_ceil(count << BITS);
                for (at, region) in regions.iter_mut().enumerate() {
                    *region = border(at) - border(0)..border(at + 1) - border(0) + shared;
                }
            }
            RegionSequence::Random => {
                for (at, region) in regions.iter_mut().enumerate() {
                    *region = 0..1 + usize::from(at < last - count);
                }
                numbers.shuffle(regions);
                let mut border = 0;
                for region in regions {
                    let next = border + region.len();
                    *region = border..next + shared;
                    border = next;
                }
            }
        }
    }
}

/// What the regions of a fractional pooling are drawn from, beside the number of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionDraw {
    /// The seed of the training.
    pub seed: u64,
    /// Which pooling of the network this is.
    pub layer: u32,
}

impl RegionDraw {
    /// The draw, at step 0, that a prepared pooling begins with.
    pub const FIRST: Self = Self { seed: 0, layer: 0 };

    /// The numbers that decide about one side: 0 for rows, 1 for columns.
    pub fn stream(&self, step: u64, side: u32) -> Stream {
        Stream::new(self.seed, Purpose::Regions, step, 2 * self.layer + side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEQUENCES: [RegionSequence; 2] = [RegionSequence::Pseudorandom, RegionSequence::Random];

    fn drawn(fractional: Fractional, size: usize, step: u64) -> Vec<Range<usize>> {
        let mut regions = vec![0..0; fractional.count(size)];
        let mut numbers = RegionDraw { seed: 5, layer: 1 }.stream(step, 0).sequence();
        fractional.draw(size, &mut numbers, &mut regions);
        regions
    }

    #[test]
    fn regions_cover_every_row_in_steps_of_one_and_two() {
        for (sequence, overlapping) in SEQUENCES.into_iter().flat_map(|s| [(s, false), (s, true)]) {
            for (alpha, size) in [(1.26, 93), (1.414, 35), (1.05, 40), (1.99, 7), (1.5, 3), (1.9, 65_536)] {
                let fractional = Fractional { alpha, sequence, overlapping };
                fractional.checked_on(size, size).unwrap();
                for step in 0..20 {
                    let regions = drawn(fractional, size, step);
                    let shared = usize::from(overlapping);
                    assert_eq!((regions[0].start, regions[regions.len() - 1].end), (0, size));
                    assert!(regions.iter().all(|region| (1..=2).contains(&(region.len() - shared))));
                    assert!(regions.windows(2).all(|pair| pair[0].end == pair[1].start + shared));
                    for count in 1..regions.len().min(9) {
                        let rows = regions.windows(count).map(|run| run[count - 1].end - run[0].start).max();
                        assert!(rows.unwrap() <= fractional.extent(count, size), "{fractional:?} {count}");
                    }
                }
            }
        }
    }

    #[test]
    fn pseudorandom_borders_are_grahams_formula() {
        let fractional =
            Fractional { alpha: 1.5, sequence: RegionSequence::Pseudorandom, overlapping: false };
        for step in 0..50 {
            let u = RegionDraw { seed: 5, layer: 1 }.stream(step, 0).sequence().uniform();
            let border = |at: usize| (1.5 * (at as f64 + f64::from(u))).ceil() as usize;
            let expected = (0..20).map(|at| border(at) - border(0)..border(at + 1) - border(0));
            assert_eq!(drawn(fractional, 30, step), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn draws_differ_from_step_to_step_and_random_ones_are_uneven() {
        for sequence in SEQUENCES {
            let fractional = Fractional { alpha: 1.26, sequence, overlapping: true };
            let draws: std::collections::HashSet<_> =
                (0..40).map(|step| drawn(fractional, 35, step)).collect();
            assert!(draws.len() > 10, "{sequence:?}: {} draws", draws.len());
            let uneven = draws.iter().flatten().collect::<Vec<_>>();
            let runs = uneven.windows(3).filter(|run| run.iter().all(|region| region.len() == 3));
            assert_eq!(runs.count() > 0, sequence == RegionSequence::Random);
        }
    }

    #[test]
    fn what_cannot_be_cut_is_refused_with_the_numbers() {
        let message = |alpha, size| {
            let sequence = RegionSequence::Random;
            let fractional = Fractional { alpha, sequence, overlapping: true };
            fractional.checked_on(size, 9).unwrap_err().to_string()
        };
        for alpha in [1.0, 2.0, 0.5, -1.3, f32::NAN, f32::INFINITY] {
            assert!(message(alpha, 9).contains(&format!("alpha {alpha}; expected an alpha between 1 and 2")));
        }
        assert!(message(1.05, 9).contains("alpha 1.05 on 9x9; expected an input large enough"));
        assert!(message(1.5, 1).contains("alpha 1.5 on 1x9"));
    }
}
