//! What was used last, and is kept for that.

/// At most so many things, the one that was used last first.
#[derive(Debug)]
pub(crate) struct Recent<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> Default for Recent<T, MOST> {
    fn default() -> Self {
        Self(vec![])
    }
}

impl<T, const MOST: usize> Recent<T, MOST> {
    /// The one that `is_it`, made if there is none; the one that was not used for longest goes if there are too many.
    ///
    /// # Errors
    /// That of `make`.
    pub(crate) fn find_or_make<E>(
        &mut self,
        is_it: impl Fn(&T) -> bool,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&mut T, E> {
        let found = match self.0.iter().position(is_it) {
            Some(index) => self.0.remove(index),
            None => make()?,
        };
        self.0.insert(0, found);
        self.0.truncate(MOST);
        Ok(&mut self.0[0])
    }

    /// Keeps those that `is_kept`.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        self.0.retain(is_kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes() {
        let mut recent: Recent<u32, 2> = Recent::default();
        let mut made = vec![];
        for wanted in [1, 2, 1, 3, 1, 2] {
            let make = || {
                made.push(wanted);
                Ok::<u32, ()>(wanted)
            };
            assert_eq!(recent.find_or_make(|&known| known == wanted, make), Ok(&mut wanted.clone()));
        }
        assert_eq!(made, [1, 2, 3, 2]);
        assert_eq!(recent.find_or_make(|&known| known == 9, || Err("none")), Err("none"));
    }
}
