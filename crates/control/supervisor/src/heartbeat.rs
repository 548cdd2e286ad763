//! Finding out that a worker hangs, and hearing how it is while it does not.

use std::time::Duration;

use plenum_ipc::Answer;
use plenum_params::stats::WorkerStats;
use tokio::time::{MissedTickBehavior, interval};

use crate::{error::WorkerFault, worker::Worker};

/// Heartbeats in the time after which a silent worker counts as dead: death is noticed late by one of them at most, and
/// one costs the worker some tens of microseconds.
const HEARTBEATS: u32 = 8;

/// Asks the worker again and again, and comes back when it has stopped answering, which its process may survive for ever.
/// One that is only behind still answers earlier requests, however late: its rooms are better served by waiting.
///
/// Silence is counted in heartbeats rather than read from a clock, so that a node that stood still itself (suspended,
/// stopped, starved) does not take its own absence for the workers'.
pub(crate) async fn watch(
    worker: &Worker,
    hang_timeout: Duration,
    mut heard: impl FnMut(WorkerStats),
) -> WorkerFault {
    let mut beats = interval(hang_timeout / HEARTBEATS);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.tick().await;
    let mut asking = Some(Box::pin(worker.heartbeat()));
    let (mut answered, mut silent) = (worker.link().answered(), 0);
    loop {
        tokio::select! {
            Some(answer) = async { Some(asking.as_mut()?.await) } => {
                asking = None;
                if let Ok(Answer::WorkerStats(stats)) = answer {
                    heard(*stats);
                }
            }
            _ = beats.tick() => {
                let latest = worker.link().answered();
                silent = if latest == answered { silent + 1 } else { 0 };
                answered = latest;
                if silent >= HEARTBEATS {
                    let after = hang_timeout;
                    return WorkerFault::NotAnswering { after };
                }
                if asking.is_none() {
                    asking = Some(Box::pin(worker.heartbeat()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{pending, poll_fn},
        pin::pin,
        task::Poll,
    };

    use plenum_ids::WorkerId;
    use plenum_ipc::{Decoder, NodeToWorker, Request};
    use plenum_udp::PacketSocket;
    use tokio::time::{Instant, advance, sleep, timeout};

    use super::*;

    const HANG_TIMEOUT: Duration = Duration::from_secs(2);
    const BEAT: Duration = Duration::from_millis(250);

    fn worker() -> Worker {
        let (packets, _) = PacketSocket::pair(4096).expect("a pair");
        Worker::new(WorkerId(0), 1, Duration::from_secs(10), packets)
    }

    /// Answers everything with the number of what it answered.
    async fn answer(worker: &Worker, decoder: &mut Decoder) {
        let mut bytes = Vec::new();
        worker.link().take_outgoing(&mut bytes).await;
        decoder.feed(&bytes).expect("little");
        while let Some(frame) = decoder.next_frame().expect("well-formed") {
            let NodeToWorker::Request { id, .. } = frame else {
                panic!("only requests are queued");
            };
            let stats = WorkerStats {
                datagrams_sent: id,
                ..WorkerStats::default()
            };
            let answer = Answer::WorkerStats(Box::new(stats));
            worker.link().handle_response(id, Ok(answer));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_worker_is_dead_after_the_hang_timeout() {
        let (worker, start) = (worker(), Instant::now());
        let fault = watch(&worker, HANG_TIMEOUT, |_| panic!("it said nothing")).await;
        let after = HANG_TIMEOUT;
        assert_eq!(fault, WorkerFault::NotAnswering { after });
        assert_eq!(start.elapsed(), HANG_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_falls_silent_later_is_noticed_one_beat_later_at_most() {
        let (worker, heard, mut decoder) = (worker(), Cell::new(0), Decoder::new());
        let last_words = Cell::new(Instant::now());
        let living = async {
            for _ in 0..100 {
                answer(&worker, &mut decoder).await;
            }
            last_words.set(Instant::now());
            pending::<()>().await;
        };
        let fault = tokio::select! {
            fault = watch(&worker, HANG_TIMEOUT, |stats| heard.set(stats.datagrams_sent)) => fault,
            () = living => panic!("it hangs for ever"),
        };
        let after = HANG_TIMEOUT;
        assert_eq!(fault, WorkerFault::NotAnswering { after });
        assert_eq!(heard.get(), 100);
        assert_eq!(last_words.get().elapsed(), HANG_TIMEOUT + BEAT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_is_only_behind_lives() {
        let worker = worker();
        let mut watching = pin!(watch(&worker, HANG_TIMEOUT, |_| {}));
        // Requests from before the first heartbeat, answered ever so slowly.
        for _ in 0..100 {
            worker.notify(Request::WorkerStats);
        }
        for id in 1..=100 {
            tokio::select! {
                fault = &mut watching => panic!("{fault} at {id}"),
                () = sleep(BEAT * (HEARTBEATS - 1)) => {}
            }
            worker.link().handle_response(id, Ok(Answer::Done));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_stood_still_does_not_blame_the_worker() {
        let (worker, mut decoder) = (worker(), Decoder::new());
        let mut watching = pin!(watch(&worker, HANG_TIMEOUT, |_| {}));
        for _ in 0..20 {
            // Nothing ran for a minute, neither watching nor reading; then both do, watching first.
            advance(Duration::from_mins(1)).await;
            poll_fn(|context| {
                let polled = watching.as_mut().poll(context);
                assert!(polled.is_pending(), "{polled:?}");
                Poll::Ready(())
            })
            .await;
            // If it was asked: a late tick may have come before the answer to the question before.
            let answering = answer(&worker, &mut decoder);
            timeout(Duration::ZERO, answering).await.ok();
        }
    }
}
