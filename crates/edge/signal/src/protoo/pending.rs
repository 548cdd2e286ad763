//! Requests of ours that the client has not answered yet.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// What was asked, by message id, with its deadline. All requests of a connection have the same patience, so deadlines
/// come in the order of asking.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    waiting: HashMap<u64, T>,
    deadlines: VecDeque<(Instant, u64)>,
    /// Whose time is over, oldest first. Their answers still count: a phone that slept says yes when it wakes.
    late: VecDeque<(u64, T)>,
    next_id: u64,
    timeout: Duration,
}

/// Questions whose time is over and whose answers still count. A client that sleeps for minutes in a busy room is asked
/// some dozens of times; who never answers costs a few kilobytes.
const MAX_LATE: usize = 256;

impl<T: Copy> Pending<T> {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            waiting: HashMap::new(),
            deadlines: VecDeque::new(),
            late: VecDeque::new(),
            next_id: 1,
            timeout,
        }
    }

    /// Remembers a request and gives it its id.
    pub(crate) fn insert(&mut self, now: Instant, what: T) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.insert(id, what);
        self.deadlines.push_back((now + self.timeout, id));
        id
    }

    /// What the answer with this id answers; `None` if nothing waits for it.
    pub(crate) fn take(&mut self, id: u64) -> Option<T> {
        let Some(what) = self.waiting.remove(&id) else {
            let place = self.late.iter().position(|(late, _)| *late == id)?;
            return self.late.remove(place).map(|(_, what)| what);
        };
        self.forget_answered();
        Some(what)
    }

    /// Forgets all questions. Their ids are not used again: late answers find nothing.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.deadlines.clear();
        self.late.clear();
    }

    /// The latest id that was given; 0: none.
    pub(crate) const fn last_id(&self) -> u64 {
        self.next_id.saturating_sub(1)
    }

    /// The same as one that has given ids up to this one.
    pub(crate) const fn after(mut self, last_id: u64) -> Self {
        self.next_id = last_id.saturating_add(1);
        self
    }

    /// Of all questions, in the order of asking.
    pub(crate) fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<_> = self.waiting.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// When the next request runs out of time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// A request whose time is over, one per call. An answer still finds it.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<T> {
        self.forget_answered();
        let (deadline, id) = *self.deadlines.front()?;
        if deadline > now {
            return None;
        }
        self.deadlines.pop_front();
        let what = self.waiting.remove(&id)?;
        if self.late.len() >= MAX_LATE {
            self.late.pop_front();
        }
        self.late.push_back((id, what));
        Some(what)
    }

    fn forget_answered(&mut self) {
        while let Some((_, id)) = self.deadlines.front()
            && !self.waiting.contains_key(id)
        {
            self.deadlines.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_question_once() {
        let now = Instant::now();
        let mut pending = Pending::new(Duration::from_secs(30));
        let a = pending.insert(now, "a");
        let b = pending.insert(now, "b");
        assert_ne!(a, b);
        assert_eq!(pending.take(b), Some("b"));
        assert_eq!(pending.take(b), None);
        assert_eq!(pending.take(99), None);
        assert_eq!(pending.take(a), Some("a"));
        assert_eq!(pending.deadline(), None);
    }

    #[test]
    fn what_is_cleared_finds_no_answer_and_its_id_no_second_use() {
        let now = Instant::now();
        let mut pending = Pending::new(Duration::from_secs(30));
        let a = pending.insert(now, "a");
        pending.clear();
        assert_eq!((pending.take(a), pending.deadline()), (None, None));
        assert_ne!(pending.insert(now, "b"), a);
    }

    #[test]
    fn late_answers_find_their_question_and_so_many_are_kept() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut pending = Pending::new(second);
        let ids: Vec<_> = (0..=MAX_LATE).map(|it| pending.insert(now, it)).collect();
        while pending.expire(now + second).is_some() {}
        assert_eq!(pending.take(ids[0]), None, "forgotten");
        assert_eq!(pending.take(ids[1]), Some(1));
        assert_eq!(pending.take(ids[1]), None, "once");
        assert_eq!(pending.late.len(), MAX_LATE - 1);
        pending.clear();
        assert_eq!(pending.take(ids[2]), None);
    }

    #[test]
    fn the_unanswered_expire_in_order() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut pending = Pending::new(30 * second);
        pending.insert(now, "a");
        let b = pending.insert(now + second, "b");
        pending.insert(now + 2 * second, "c");
        assert_eq!(pending.deadline(), Some(now + 30 * second));
        assert_eq!(pending.expire(now + 29 * second), None);
        assert_eq!(pending.expire(now + 30 * second), Some("a"));
        assert_eq!(pending.take(b), Some("b"));
        assert_eq!(pending.expire(now + 31 * second), None);
        assert_eq!(pending.deadline(), Some(now + 32 * second));
        assert_eq!(pending.expire(now + 32 * second), Some("c"));
        assert_eq!(pending.deadline(), None);
    }
}
