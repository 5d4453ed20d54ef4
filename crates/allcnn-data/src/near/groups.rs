//! Groups of things whose hashes differ in few bits and that a closer look finds alike.
//!
//! Every hash is compared with every other one, nearly a billion pairs a second and core: 50,000 things take a second or two, a
//! million some minutes, and no pair is missed. The closer look is for the few pairs that are left.
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Hashes that are compared with all earlier ones before their pairs are joined. Things that are already in one group are
/// not looked at again, so that many alike do not cost the square of their number.
const ROWS: usize = 64;
/// Hashes whose least distance is taken at a time.
const LANES: usize = 32;

/// Things that are alike, directly or by others.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Two or more of them, ascending.
    pub members: Vec<usize>,
    /// The similarity of the weakest pair by which they were joined.
    pub similarity: f32,
}

/// Joins the things whose `hashes` differ in at most `bits` bits and for which `similarity` gives something. `done` is told
/// how many are compared. The result does not depend on threads.
pub fn groups<const N: usize>(
    hashes: &[[u64; N]],
    bits: u32,
    similarity: impl Fn(usize, usize) -> Option<f32> + Sync,
    done: &mut dyn FnMut(usize),
) -> Vec<Group> {
    let mut sets = Sets::new(hashes.len());
    let arch = Arch::new();
    for start in (0..hashes.len()).step_by(ROWS) {
        let end = (start + ROWS).min(hashes.len());
        let pairs_of = |row: usize| {
            let mut joined: Vec<usize> = vec![sets.root(row)];
            let mut pairs = Vec::new();
            for other in arch.dispatch(Close { hash: hashes[row], others: &hashes[..row], bits }) {
                let root = sets.root(other);
                if joined.contains(&root) {
                    continue;
                }
                if let Some(similarity) = similarity(other, row) {
                    joined.push(root);
                    pairs.push((similarity, other, row));
                }
            }
            pairs
        };
        let mut pairs: Vec<(f32, usize, usize)> =
            (start..end).into_par_iter().flat_map_iter(pairs_of).collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for (similarity, one, other) in pairs {
            sets.join(one, other, similarity);
        }
        done(end);
    }
    sets.groups()
}

/// How many bits of two hashes differ.
#[inline(always)]
fn distance<const N: usize>(a: &[u64; N], b: &[u64; N]) -> u32 {
    let mut bits = 0;
    for word in 0..N {
        bits += (a[word] ^ b[word]).count_ones();
    }
    bits
}

/// The indices of the hashes that differ from one in at most `bits` bits.
struct Close<'a, const N: usize> {
    hash: [u64; N],
    others: &'a [[u64; N]],
    bits: u32,
}

impl<const N: usize> WithSimd for Close<'_, N> {
    type Output = Vec<usize>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<usize> {
        let mut close = Vec::new();
        for (block, others) in self.others.chunks(LANES).enumerate() {
            let mut least = u32::MAX;
            for other in others {
                least = least.min(distance(&self.hash, other));
            }
            if least > self.bits {
                continue; // nearly always: the loop above has no branch
            }
            for (lane, other) in others.iter().enumerate() {
                if distance(&self.hash, other) <= self.bits {
                    close.push(block * LANES + lane);
                }
            }
        }
        close
    }
}

/// Disjoint sets, joined by size.
struct Sets {
    parents: Vec<usize>,
    sizes: Vec<usize>,
    weakest: Vec<f32>,
}

impl Sets {
    fn new(things: usize) -> Self {
        Self { parents: (0..things).collect(), sizes: vec![1; things], weakest: vec![f32::INFINITY; things] }
    }

    fn root(&self, mut thing: usize) -> usize {
        while self.parents[thing] != thing {
            thing = self.parents[thing];
        }
        thing
    }

    fn join(&mut self, one: usize, other: usize, similarity: f32) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        let (large, small) = if self.sizes[one] < self.sizes[other] { (other, one) } else { (one, other) };
        self.parents[small] = large;
        self.sizes[large] += self.sizes[small];
        self.weakest[large] = self.weakest[large].min(self.weakest[small]).min(similarity);
    }

    /// The sets of two or more, by their first members.
    fn groups(&self) -> Vec<Group> {
        let mut index = vec![usize::MAX; self.parents.len()];
        let mut groups: Vec<Group> = Vec::new();
        for thing in 0..self.parents.len() {
            let root = self.root(thing);
            if self.sizes[root] < 2 {
                continue;
            }
            if index[root] == usize::MAX {
                index[root] = groups.len();
                groups.push(Group { members: vec![], similarity: self.weakest[root] });
            }
            groups[index[root]].members.push(thing);
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Sequence;

    /// Random hashes of 128 bits.
    fn hashes(count: u32) -> Vec<[u64; 2]> {
        let word =
            |numbers: &mut Sequence| u64::from(numbers.next_u32()) << 32 | u64::from(numbers.next_u32());
        let hash = |thing| {
            let mut numbers = Sequence::new(7, 0, thing);
            [word(&mut numbers), word(&mut numbers)]
        };
        (0..count).map(hash).collect()
    }

    #[test]
    fn hashes_that_differ_in_few_bits_are_found_wherever_they_are() {
        let mut hashes = hashes(1000);
        for (copy, first, bits) in [(10, 0, 0), (250, 0, 5), (999, 3, 6)] {
            hashes[copy] = hashes[3];
            (0..bits).for_each(|bit| hashes[copy][bit % 2] ^= 1 << (first + 7 * bit));
        }
        let mut told = Vec::new();
        let found = groups(&hashes, 5, |_, _| Some(1.0), &mut |done| told.push(done));
        assert_eq!(found, [Group { members: vec![3, 10, 250], similarity: 1.0 }]);
        assert_eq!(told.last(), Some(&1000));
        let found = groups(&hashes, 6, |_, _| Some(1.0), &mut |_| ());
        assert_eq!(found[0].members, [3, 10, 250, 999]);
    }

    #[test]
    fn what_the_closer_look_refuses_is_not_joined() {
        let hashes = [[0u64]; 6];
        // 0, 2 and 4 are alike, 1 and 3, and 5 is like nothing.
        let look =
            |a: usize, b: usize| ((a + b).is_multiple_of(2) && b < 5).then_some(1.0 - (a + b) as f32 / 100.0);
        let found = groups(&hashes, 0, look, &mut |_| ());
        assert_eq!(
            found.iter().map(|group| &group.members[..]).collect::<Vec<_>>(),
            [&[0, 2, 4][..], &[1, 3]]
        );
        assert_eq!(found[1].similarity, 0.96);
    }

    #[test]
    fn many_alike_are_not_all_looked_at() {
        let looks = std::sync::atomic::AtomicUsize::new(0);
        let look = |_, _| {
            looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some(1.0)
        };
        let found = groups(&[[5u64; 4]; 5000], 3, look, &mut |_| ());
        assert_eq!((found.len(), found[0].members.len()), (1, 5000));
        assert!(looks.into_inner() <= 5000 * ROWS);
    }
}
