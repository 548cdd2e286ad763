//! Seeing to a broadcaster until it is over.

use std::time::{Duration, Instant};

use plenum_room::{PeerReply, PeerRequest};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tracing::debug;

use super::registry::{Broadcaster, Place};
use crate::{
    edge::OpenConnection,
    guest::{Guest, GuestEvent},
};

/// Who only receives may send nothing at all, if its program knows no RTCP; requests are all that is heard of it then. As
/// long as rooms go on in which nobody but broadcasters is.
const RECEIVER_PATIENCE: u32 = 10;

/// Looks within the time after which a broadcaster is gone.
const LOOKS: u32 = 4;

/// A broadcaster's task.
pub(super) struct Watch {
    pub(super) guest: Guest,
    pub(super) events: mpsc::Receiver<GuestEvent>,
    pub(super) place: Place,
    pub(super) ended: oneshot::Receiver<()>,
    pub(super) idle_timeout: Duration,
    pub(super) open: OpenConnection,
}

impl Watch {
    pub(super) async fn run(mut self) {
        let mut looks = interval((self.idle_timeout / LOOKS).max(Duration::from_millis(50)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = (Instant::now(), 0);
        let why = loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    // What others do is of no interest; to follow a room that moves it would need other ports.
                    Some(GuestEvent::Notify(_)) => {}
                    Some(GuestEvent::Ask { ask, .. }) => self.guest.answer(ask, false).await,
                    Some(GuestEvent::End(_) | GuestEvent::Move) | None => break "the room ended it",
                },
                _ = &mut self.ended => break "it ended",
                _ = looks.tick() => {
                    let Some(broadcaster) = self.place.broadcaster() else {
                        break "it ended";
                    };
                    let bytes = received(&broadcaster).await;
                    if bytes != heard.1 {
                        heard = (Instant::now(), bytes);
                    }
                    if heard.0.max(broadcaster.used()).elapsed() > self.patience(&broadcaster) {
                        break "nothing was heard of it";
                    }
                }
            }
        };
        debug!(why, "broadcaster gone");
        drop(self.open);
    }

    fn patience(&self, broadcaster: &Broadcaster) -> Duration {
        if broadcaster.consumes() {
            self.idle_timeout * RECEIVER_PATIENCE
        } else {
            self.idle_timeout
        }
    }
}

/// Bytes that came in on all its transports.
async fn received(broadcaster: &Broadcaster) -> u64 {
    let mut sum = 0_u64;
    for transport in broadcaster.transports() {
        let body = PeerRequest::GetTransportStats { transport };
        if let Ok(PeerReply::TransportStats { stats, .. }) = broadcaster.guest.request(body).await {
            sum = sum.wrapping_add(stats.received.bytes);
        }
    }
    sum
}
