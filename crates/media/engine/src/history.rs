//! What holds now, and what held before, for packets that were sent before.

use std::collections::VecDeque;

/// Values that followed one another, at most `LIMIT` of them.
///
/// The newest lies apart from the others, in the owner itself. Nearly every packet asks for that one, and with hundreds of
/// receivers whatever lies elsewhere is not in the processor's cache: looking there takes as long as encrypting half a
/// packet.
#[derive(Clone, Debug)]
pub(crate) struct History<T, const LIMIT: usize> {
    newest: Option<T>,
    /// Empty without a newest one.
    older: VecDeque<T>,
}

impl<T, const LIMIT: usize> Default for History<T, LIMIT> {
    fn default() -> Self {
        Self {
            newest: None,
            older: VecDeque::new(),
        }
    }
}

impl<T, const LIMIT: usize> History<T, LIMIT> {
    /// The value in force.
    #[inline]
    pub(crate) fn newest(&self) -> Option<&T> {
        self.newest.as_ref()
    }

    /// All values, newest first.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.newest.iter().chain(self.older.iter().rev())
    }

    /// The newest value of which something is true.
    #[inline]
    pub(crate) fn find(&self, mut is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        let newest = self.newest.as_ref()?;
        if is_it(newest) {
            return Some(newest);
        }
        self.older.iter().rev().find(|value| is_it(value))
    }

    /// Makes a value the newest one; the oldest is forgotten when there are too many.
    pub(crate) fn push(&mut self, value: T) {
        if self.is_full() {
            self.older.pop_front();
        }
        self.older.extend(self.newest.replace(value));
    }

    /// Takes the newest value back.
    pub(crate) fn pop(&mut self) {
        self.newest = self.older.pop_back();
    }

    pub(crate) fn len(&self) -> usize {
        self.older.len() + usize::from(self.newest.is_some())
    }

    /// Whether the oldest value may have been forgotten.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_newest_first_and_forgotten_oldest_first() {
        let mut history = History::<u32, 3>::default();
        assert_eq!((history.newest(), history.len()), (None, 0));
        assert_eq!(history.find(|_| true), None);
        for value in 1..=4 {
            history.push(value);
        }
        assert!(history.is_full());
        assert!(history.iter().eq(&[4, 3, 2]));
        assert_eq!(history.find(|value| *value < 4), Some(&3));
        assert_eq!(history.find(|value| *value < 2), None, "forgotten");
        history.pop();
        assert!(history.iter().eq(&[3, 2]));
        assert!(!history.is_full());
    }
}
