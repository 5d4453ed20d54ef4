//! Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
//!
//! A number is a pure function of (seed, purpose, major, minor, index), so a dropout mask, a shuffle or an
//! augmentation is the same on any device, with any number of threads, and after a resumed run.

/// What a stream of numbers is drawn for. Streams of different purposes never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Dropout masks: major = training step, minor = layer.
    Dropout = 1,
    /// Weight initialisation: major = 0, minor = layer.
    Initialization = 2,
    /// The order of the images: major = epoch; minor = 0, and others where classes are sampled.
    Shuffle = 3,
    /// Augmentation: major = epoch, minor = image.
    Augmentation = 4,
    /// The embedded `shapes` data set, which `allcnn-data` draws by itself: major = split, minor = image.
    Shapes = 5,
    /// Test inputs and benchmarks.
    Test = 6,
    /// The regions of fractional poolings: major = training step, minor = 2 * layer for rows, one more for columns.
    Regions = 7,
    /// Which images of a batch are mixed, and how much: major = training step, minor = process.
    Mixup = 8,
    /// Noise added to pictures: major = 0, minor = copy.
    Noise = 9,
    /// Which value of each window a pooling takes: major = training step, minor = layer.
    Choice = 10,
    /// What evolution tries: major = generation, minor = member.
    Evolution = 11,
}

/// One stream of random numbers that can be read at any index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 3],
}

impl Stream {
    /// The stream of `purpose` under `seed`. `major` is below 2^56 (a step or an epoch), `minor` a layer or an image.
    pub fn new(seed: u64, purpose: Purpose, major: u64, minor: u32) -> Self {
        assert!(major < 1 << 56, "major {major} must be below 2^56");
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [minor, major as u32, (purpose as u32) << 24 | (major >> 32) as u32],
        }
    }

    /// Four independent numbers: block `index` of the stream.
    pub fn block(&self, index: u32) -> [u32; 4] {
        philox(self.key, [index, self.counter[0], self.counter[1], self.counter[2]])
    }

    /// The key and the three fixed counter words, for vectorised and device implementations of [`Stream::block`].
    pub fn words(&self) -> ([u32; 2], [u32; 3]) {
        (self.key, self.counter)
    }

    /// Number `index` of the stream: word `index % 4` of block `index / 4`.
    pub fn at(&self, index: u64) -> u32 {
        self.block((index / 4) as u32)[(index % 4) as usize]
    }

    /// Reads the stream from its start, one number after the other.
    pub fn sequence(&self) -> Sequence {
        self.sequence_from(0)
    }

    /// Reads the stream from number `index` on.
    pub fn sequence_from(&self, index: u64) -> Sequence {
        Sequence { stream: *self, index, block: self.block((index / 4) as u32) }
    }
}

/// Successive numbers of a [`Stream`].
#[derive(Clone, Debug)]
pub struct Sequence {
    stream: Stream,
    index: u64,
    block: [u32; 4],
}

impl Sequence {
    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        let word = (self.index % 4) as usize;
        if word == 0 {
            self.block = self.stream.block((self.index / 4) as u32);
        }
        self.index += 1;
        self.block[word]
    }

    /// Uniform in [0, 1), with 24 random bits.
    pub fn uniform(&mut self) -> f32 {
        unit_interval(self.next_u32())
    }

    /// Uniform in `low..high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// A whole number in `0..bound`, without bias (Lemire 2019). Panics when `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "bound must be above 0");
        loop {
            let wide = u64::from(self.next_u32()) * u64::from(bound);
            if wide as u32 >= bound.wrapping_neg() % bound {
                return (wide >> 32) as u32;
            }
        }
    }

    /// Standard normal (Box and Muller 1958; one number for two draws).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - f64::from(self.uniform())).ln()).sqrt();
        let angle = std::f64::consts::TAU * f64::from(self.uniform());
        (radius * angle.cos()) as f32
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

/// Maps 32 random bits to [0, 1) through their upper 24 bits.
pub fn unit_interval(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// The ten rounds of Philox4x32.
fn philox(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let low = u64::from(counter[0]) * 0xD251_1F53;
        let high = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 2], [u32::MAX; 4]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn a_sequence_reads_the_stream_in_order() {
        let stream = Stream::new(7, Purpose::Test, 3, 5);
        let mut sequence = stream.sequence();
        for index in 0..11 {
            assert_eq!(sequence.next_u32(), stream.at(index));
            assert_eq!(stream.sequence_from(index).next_u32(), stream.at(index));
        }
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let mut sequence = Stream::new(1, Purpose::Test, 0, 0).sequence();
        let n = 200_000;
        let mean = (0..n).map(|_| f64::from(sequence.uniform())).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.003, "uniform mean {mean}");
        let normals: Vec<f64> = (0..n).map(|_| f64::from(sequence.normal())).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(
            mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02,
            "normal mean {mean}, variance {variance}"
        );
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_below_stays_below() {
        let mut sequence = Stream::new(2, Purpose::Shuffle, 9, 0).sequence();
        let mut items: Vec<u32> = (0..1000).collect();
        sequence.shuffle(&mut items);
        assert_ne!(items[..10], (0..10).collect::<Vec<u32>>()[..]);
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<u32>>());
        assert!((0..1000).all(|_| sequence.below(7) < 7));
    }
}
