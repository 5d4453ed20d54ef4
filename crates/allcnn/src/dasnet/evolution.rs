//! Separable natural evolution strategies (SNES: Wierstra et al. 2014, JMLR 15).

use allcnn_device::random::{Purpose, Stream};

/// A normal distribution with independent components, moved towards what is fit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Evolution {
    pub(super) mean: Vec<f32>,
    pub(super) deviation: Vec<f32>,
    /// Generations done.
    pub(super) generation: u64,
    pub(super) seed: u64,
}

impl Evolution {
    pub(super) fn new(len: usize, deviation: f32, seed: u64) -> Self {
        Self { mean: vec![0.0; len], deviation: vec![deviation; len], generation: 0, seed }
    }

    /// The standard normal numbers of a member of the next generation.
    fn normals(&self, member: usize) -> impl Iterator<Item = f32> {
        let mut numbers =
            Stream::new(self.seed, Purpose::Evolution, self.generation, member as u32).sequence();
        std::iter::repeat_with(move || numbers.normal())
    }

    /// A member of the next generation.
    pub(super) fn member(&self, member: usize) -> Vec<f32> {
        let each = self.mean.iter().zip(&self.deviation).zip(self.normals(member));
        each.map(|((&mean, &deviation), z)| mean + deviation * z).collect()
    }

    /// Ends the generation, whose members had this fitness: mean += deviation g, deviation *= exp(rate / 2 h), with g the sum of u z
    /// and h that of u (z^2 - 1) over the members, u the utilities of their ranks and rate = (3 + ln d) / (5 sqrt(d)) for d
    /// components.
    pub(super) fn end_generation(&mut self, fitness: &[f64]) {
        let len = self.mean.len();
        let (mut g, mut h) = (vec![0.0; len], vec![0.0; len]);
        for (member, utility) in utilities(fitness).into_iter().enumerate() {
            for ((g, h), z) in g.iter_mut().zip(&mut h).zip(self.normals(member)) {
                *g += utility * z;
                *h += utility * (z * z - 1.0);
            }
        }
        let rate = ((3.0 + (len as f64).ln()) / (5.0 * (len as f64).sqrt())) as f32;
        for (((mean, deviation), g), h) in self.mean.iter_mut().zip(&mut self.deviation).zip(g).zip(h) {
            *mean += *deviation * g;
            *deviation *= (0.5 * rate * h).exp();
        }
        self.generation += 1;
    }
}

/// The utility of each member: max(0, ln(n / 2 + 1) - ln(rank)), ranks from 1 for the fittest, scaled to the sum 1, less 1 / n.
fn utilities(fitness: &[f64]) -> Vec<f32> {
    let n = fitness.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| fitness[b].total_cmp(&fitness[a]));
    let raw = |rank: usize| ((n as f64 / 2.0 + 1.0).ln() - (rank as f64 + 1.0).ln()).max(0.0);
    let sum: f64 = (0..n).map(raw).sum();
    let mut utilities = vec![0.0; n];
    for (rank, member) in order.into_iter().enumerate() {
        utilities[member] = (raw(rank) / sum - 1.0 / n as f64) as f32;
    }
    utilities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_climbs_a_hill() {
        let target = [0.7f32, -1.2, 0.3, 0.0, 2.0];
        let distance =
            |at: &[f32]| at.iter().zip(target).map(|(a, b)| f64::from((a - b).powi(2))).sum::<f64>();
        let mut evolution = Evolution::new(target.len(), 0.5, 3);
        for _ in 0..200 {
            let fitness: Vec<f64> = (0..12).map(|member| -distance(&evolution.member(member))).collect();
            evolution.end_generation(&fitness);
        }
        assert!(distance(&evolution.mean) < 1e-3, "{:?}", evolution.mean);
        assert!(evolution.deviation.iter().all(|&deviation| deviation < 0.1));
    }

    #[test]
    fn utilities_depend_on_the_ranks_alone() {
        let some = utilities(&[0.1, -5.0, 3.0, 0.2]);
        assert_eq!(some, utilities(&[10.0, -1.0, 99.0, 11.0]));
        assert!(some.iter().sum::<f32>().abs() < 1e-6);
        assert!(some[2] > some[3] && some[3] > some[0] && some[0] >= some[1], "{some:?}");
    }
}
