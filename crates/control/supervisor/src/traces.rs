//! What workers traced and nobody has fetched yet.

use std::collections::VecDeque;

use plenum_params::trace::TraceEvent;

/// Events that are kept of one worker: two seconds of the most that it tells, some 600 kB.
const MAX_KEPT: usize = 4096;

/// What a worker traced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traces {
    /// The newest ones, oldest first.
    pub events: Vec<TraceEvent>,
    /// How many before them nobody fetched in time.
    pub lost: u64,
}

/// Keeps the newest.
#[derive(Debug, Default)]
pub(crate) struct TraceLog {
    events: VecDeque<TraceEvent>,
    lost: u64,
}

impl TraceLog {
    pub(crate) fn push(&mut self, event: TraceEvent) {
        if self.events.len() >= MAX_KEPT {
            self.events.pop_front();
            self.lost += 1;
        }
        self.events.push_back(event);
    }

    pub(crate) fn take(&mut self) -> Traces {
        Traces {
            events: std::mem::take(&mut self.events).into(),
            lost: std::mem::take(&mut self.lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::ProducerId;
    use plenum_params::trace::{TraceInfo, TraceObject};

    use super::*;

    #[test]
    fn the_newest_are_kept_and_the_others_counted() {
        let mut log = TraceLog::default();
        for ssrc in 0..10_000 {
            log.push(TraceEvent {
                object: TraceObject::Producer(ProducerId::from_u128(1)),
                timestamp: 1,
                outgoing: true,
                dropped: 0,
                info: TraceInfo::Pli { ssrc },
            });
        }
        let traces = log.take();
        assert_eq!(traces.events.len(), MAX_KEPT);
        assert_eq!(traces.lost, 10_000 - MAX_KEPT as u64);
        let last = traces.events.last().map(|event| event.info);
        assert_eq!(last, Some(TraceInfo::Pli { ssrc: 9_999 }));
        assert_eq!(log.take(), Traces::default());
    }
}
