//! Room for the values of a pixel's channels while a kernel computes them.

/// Channels whose values stand on the stack: a training step takes no memory for them.
const ON_THE_STACK: usize = 1024;

/// Values that begin as 0.
pub(super) struct Scratch {
    near: [f32; ON_THE_STACK],
    /// All of them where they are more.
    far: Vec<f32>,
    len: usize,
}

impl Scratch {
    #[inline(always)]
    pub(super) fn new(len: usize) -> Self {
        let far = if len > ON_THE_STACK { vec![0.0; len] } else { Vec::new() };
        Self { near: [0.0; ON_THE_STACK], far, len }
    }

    #[inline(always)]
    pub(super) fn values(&mut self) -> &mut [f32] {
        if self.len > ON_THE_STACK { &mut self.far } else { &mut self.near[..self.len] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_values_has_room() {
        for len in [0, 1, ON_THE_STACK, ON_THE_STACK + 1] {
            let mut scratch = Scratch::new(len);
            assert_eq!(scratch.values(), vec![0.0; len]);
            scratch.values().fill(1.0);
            assert_eq!(scratch.values(), vec![1.0; len]);
        }
    }
}
