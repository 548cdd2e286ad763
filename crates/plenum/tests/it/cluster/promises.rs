//! What is promised when something dies, and how it was kept: shown, compared, and written down for those who ask.

use std::{fmt::Write as _, fs::OpenOptions, io::Write as _, time::Duration};

use crate::{chaos::summary, node::report};

/// Where results are written down; none: nowhere. A line for each: the promise, its bound, and what its rounds took, in ms.
const LIST: &str = "PLENUM_PROMISES";

/// A promise, and how long it took to keep it in each round.
pub(crate) struct Promise {
    what: &'static str,
    bound: Option<Duration>,
    rounds: Vec<Duration>,
}

/// The bounds of the design.
pub(crate) const MEDIA_AGAIN: Duration = Duration::from_secs(2);
pub(crate) const GONE: Duration = Duration::from_secs(4);
pub(crate) const WRITTEN: Duration = Duration::from_secs(2);
pub(crate) const MERGED: Duration = Duration::from_secs(4);

impl Promise {
    /// To be kept within this time.
    pub(crate) const fn within(bound: Duration, what: &'static str) -> Self {
        Self {
            what,
            bound: Some(bound),
            rounds: Vec::new(),
        }
    }

    /// Nobody has promised a time; it is told all the same.
    pub(crate) const fn told(what: &'static str) -> Self {
        Self {
            what,
            bound: None,
            rounds: Vec::new(),
        }
    }

    /// What one round took.
    pub(crate) fn note(&mut self, took: Duration) {
        self.rounds.push(took);
    }

    /// It was kept, other than by a machine that had no time: in most of its rounds.
    pub(crate) fn check(self) {
        let Some(bound) = self.bound else { return };
        let kept = self.rounds.iter().filter(|took| **took <= bound).count();
        assert!(
            2 * kept >= self.rounds.len(),
            "{}: within {bound:?} in {kept} of {:?}",
            self.what,
            self.rounds
        );
    }
}

impl Drop for Promise {
    /// Also of a test that fails after some rounds.
    fn drop(&mut self) {
        if self.rounds.is_empty() {
            return;
        }
        let told = summary(self.what, self.rounds.clone());
        let bound = self.bound.map(|bound| bound.as_millis());
        report(&bound.map_or_else(
            || told.clone(),
            |bound| format!("{told}; promised: {bound} ms"),
        ));
        let Some(list) = std::env::var_os(LIST) else {
            return;
        };
        let mut line = format!("{}\t{}\t", self.what, bound.unwrap_or_default());
        for took in &self.rounds {
            let _ = write!(line, "{} ", took.as_millis());
        }
        let file = OpenOptions::new().create(true).append(true).open(list);
        // A line at a time, so that tests beside each other do not mix theirs.
        if let Ok(mut file) = file {
            let _ = file.write_all(format!("{}\n", line.trim_end()).as_bytes());
        }
    }
}
