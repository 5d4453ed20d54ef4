//! The counter-based generator of [`allcnn_device::random`], many blocks at once.

use allcnn_device::random::Stream;

/// Blocks of four numbers that are computed side by side, a vector register (or two) for each of the four words; half as
/// many at the end of the values.
pub(crate) const BLOCKS: usize = 16;

/// The stream's numbers from number `first` on.
#[inline(always)]
pub(crate) fn numbers(stream: &Stream, first: usize, numbers: &mut [u32]) {
    // Up to the first whole block the scalar rule does.
    let head = (first.next_multiple_of(4) - first).min(numbers.len());
    let (head, body) = numbers.split_at_mut(head);
    for (at, number) in head.iter_mut().enumerate() {
        *number = stream.at((first + at) as u64);
    }
    let mut block = ((first + head.len()) / 4) as u32;
    for numbers in body.chunks_mut(4 * BLOCKS) {
        let words = blocks::<BLOCKS>(stream, block);
        for (at, number) in numbers.iter_mut().enumerate() {
            *number = words[at % 4][at / 4];
        }
        block = block.wrapping_add(BLOCKS as u32);
    }
}

/// Blocks `first..first + N` of the stream, by word: the rounds of [`Stream::block`] in vector form. Words stand in the
/// low halves of wide lanes, where products are formed; what the high halves hold does not matter.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops over all arrays at once become plain vector code
pub(crate) fn blocks<const N: usize>(stream: &Stream, first: u32) -> [[u32; N]; 4] {
    const LOW: u64 = u32::MAX as u64;
    let (mut key, fixed) = stream.words();
    let mut words = [[0; N], [u64::from(fixed[0]); N], [u64::from(fixed[1]); N], [u64::from(fixed[2]); N]];
    for at in 0..N {
        words[0][at] = u64::from(first.wrapping_add(at as u32));
    }
    for _ in 0..10 {
        let [a, b, c, d] = &mut words;
        for at in 0..N {
            let low = (a[at] & LOW) * 0xD251_1F53;
            let high = (c[at] & LOW) * 0xCD9E_8D57;
            a[at] = (high >> 32) ^ b[at] ^ u64::from(key[0]);
            c[at] = (low >> 32) ^ d[at] ^ u64::from(key[1]);
            b[at] = high;
            d[at] = low;
        }
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    let mut numbers = [[0; N]; 4];
    for word in 0..4 {
        for at in 0..N {
            numbers[word][at] = words[word][at] as u32;
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use allcnn_device::random::Purpose;

    #[test]
    fn the_numbers_are_the_streams_from_every_index() {
        let stream = Stream::new(11, Purpose::Test, 3, 5);
        for (first, len) in [(0, 300), (1, 2), (3, 200), (64, 64), (1021, 300)] {
            let mut drawn = vec![0; len];
            numbers(&stream, first, &mut drawn);
            let expected: Vec<u32> = (first..first + len).map(|at| stream.at(at as u64)).collect();
            assert_eq!(drawn, expected, "from {first}");
        }
    }
}
