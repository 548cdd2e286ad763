//! What the peers of a node send and receive.

use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use plenum_api::admin::{BitrateSummary, PeerBitrates};
use plenum_ids::TransportId;
use plenum_ipc::{Answer, Request};
use plenum_params::stats::TransportBitrate;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{host::Host, room_task::Input};

/// Workers and rooms answer at once; of one that does not nothing is known this time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Of everybody who is in a room here.
pub(super) async fn of_peers(host: &Host) -> PeerBitrates {
    let rooms: Vec<_> = {
        let rooms = host.shared.rooms();
        let entries = rooms.by_id.values();
        entries.map(|entry| entry.sender.clone()).collect()
    };
    let (peers, bitrates) = tokio::join!(join_all(rooms.into_iter().map(peers)), all(host));
    summary(peers.into_iter().flatten(), &bitrates)
}

/// The transports of each peer of a room.
async fn peers(room: mpsc::Sender<Input>) -> Vec<Vec<TransportId>> {
    let (told, transports) = oneshot::channel();
    let asking = async {
        room.send(Input::Transports(told)).await.ok()?;
        transports.await.ok()
    };
    timeout(PATIENCE, asking)
        .await
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// What goes through all transports.
async fn all(host: &Host) -> HashMap<TransportId, TransportBitrate> {
    let workers = host.shared.supervisor.running();
    let asking = workers.iter().map(async |worker| {
        let asked = timeout(PATIENCE, worker.request(Request::TransportBitrates)).await;
        match asked {
            Ok(Ok(Answer::TransportBitrates(bitrates))) => bitrates,
            _ => Vec::new(),
        }
    });
    let bitrates = join_all(asking).await.into_iter().flatten();
    bitrates.map(|it| (it.transport, it)).collect()
}

fn summary(
    peers: impl Iterator<Item = Vec<TransportId>>,
    bitrates: &HashMap<TransportId, TransportBitrate>,
) -> PeerBitrates {
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    for transports in peers {
        let known = transports.iter().filter_map(|it| bitrates.get(it));
        let (from, to) = known.fold((0, 0), |(from, to), it| {
            (from + u64::from(it.received), to + u64::from(it.sent))
        });
        received.extend((from > 0).then_some(from));
        sent.extend((to > 0).then_some(to));
    }
    PeerBitrates {
        received: spread(received),
        sent: spread(sent),
    }
}

/// By the nearest rank: a figure that somebody really has.
fn spread(mut bitrates: Vec<u64>) -> BitrateSummary {
    bitrates.sort_unstable();
    let at = |percent: usize| {
        let rank = (bitrates.len() * percent).div_ceil(100);
        let value = bitrates.get(rank.saturating_sub(1));
        value.copied().unwrap_or(0)
    };
    BitrateSummary {
        count: u32::try_from(bitrates.len()).unwrap_or(u32::MAX),
        p50: at(50),
        p95: at(95),
        max: at(100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_figures_of_somebody() {
        let hundred: Vec<_> = (1..=100).rev().collect();
        let expected = BitrateSummary {
            count: 100,
            p50: 50,
            p95: 95,
            max: 100,
        };
        assert_eq!(spread(hundred), expected);
        assert_eq!(spread(Vec::new()), BitrateSummary::default());
        let one = spread(vec![7]);
        assert_eq!((one.count, one.p50, one.p95, one.max), (1, 7, 7, 7));
    }

    #[test]
    fn all_transports_of_a_peer_are_one_figure() {
        let ids: Vec<_> = (0..3).map(|_| TransportId::random()).collect();
        let bitrates = ids.iter().zip([(100, 1), (2, 300), (0, 40)]);
        let bitrates = bitrates.map(|(id, (received, sent))| {
            let bitrate = TransportBitrate {
                transport: *id,
                received,
                sent,
            };
            (*id, bitrate)
        });
        let bitrates = bitrates.collect();
        let peers = [vec![ids[0], ids[1]], vec![ids[2]], Vec::new()];
        let summary = summary(peers.into_iter(), &bitrates);
        assert_eq!((summary.received.count, summary.received.max), (1, 102));
        assert_eq!((summary.sent.count, summary.sent.max), (2, 301));
        assert_eq!(summary.sent.p50, 40);
    }
}
