//! What makes one state of a peer into another one. Whoever tells of it and whoever catches up use the same words.

use std::collections::BTreeMap;

use crate::remote::{PartChange, RemotePeer, RoomState};

/// The facts that lead from one state of a peer to another; `None`: it is not there.
pub(crate) fn differences(
    before: Option<&RemotePeer>,
    now: Option<&RemotePeer>,
) -> Vec<PartChange> {
    let mut changes = Vec::new();
    let known = match (before, now) {
        (Some(before), Some(now)) if before.outline.joined_at == now.outline.joined_at => {
            if before.outline != now.outline {
                let peer = now.outline.clone();
                changes.push(PartChange::PeerChanged { peer });
            }
            Some(before)
        }
        (before, now) => {
            if let Some(before) = before {
                let peer = before.outline.peer.clone();
                changes.push(PartChange::PeerLeft { peer });
            }
            if let Some(now) = now {
                let peer = now.outline.clone();
                changes.push(PartChange::PeerJoined { peer });
            }
            None
        }
    };
    if let Some(now) = now {
        compare_sent(known, now, &mut changes);
        compare_written(known, now, &mut changes);
    }
    changes
}

fn compare_sent(before: Option<&RemotePeer>, now: &RemotePeer, changes: &mut Vec<PartChange>) {
    let peer = &now.outline.peer;
    let before = before.into_iter().flat_map(|it| &it.producers);
    let mut had: BTreeMap<_, _> = before.map(|it| (it.producer, it)).collect();
    let mut added = Vec::new();
    for producer in &now.producers {
        let (peer, id) = (peer.clone(), producer.producer);
        let Some(before) = had.remove(&id) else {
            let producer = Box::new(producer.clone());
            added.push(PartChange::ProducerAdded { peer, producer });
            continue;
        };
        if before.paused != producer.paused {
            changes.push(PartChange::ProducerPaused {
                peer: peer.clone(),
                producer: id,
                paused: producer.paused,
            });
        }
        if before.scores != producer.scores {
            changes.push(PartChange::ProducerScored {
                peer,
                producer: id,
                scores: producer.scores.clone(),
            });
        }
    }
    changes.extend(had.into_keys().map(|producer| PartChange::ProducerClosed {
        peer: peer.clone(),
        producer,
    }));
    changes.append(&mut added);
}

fn compare_written(before: Option<&RemotePeer>, now: &RemotePeer, changes: &mut Vec<PartChange>) {
    let peer = &now.outline.peer;
    let before = before.into_iter().flat_map(|it| &it.data_producers);
    let mut had: BTreeMap<_, _> = before.map(|it| (it.data_producer, it)).collect();
    let mut added = Vec::new();
    for producer in &now.data_producers {
        if had.remove(&producer.data_producer).is_none() {
            added.push(PartChange::DataProducerAdded {
                peer: peer.clone(),
                data_producer: Box::new(producer.clone()),
            });
        }
    }
    changes.extend(had.into_keys().map(|data_producer| {
        let peer = peer.clone();
        PartChange::DataProducerClosed {
            peer,
            data_producer,
        }
    }));
    changes.append(&mut added);
}

/// Whether what was decided about a room comes after what is known.
pub(crate) fn is_newer(state: &RoomState, than: Option<&RoomState>) -> bool {
    let order = |it: &RoomState| (it.epoch, it.version);
    than.is_none_or(|than| order(state) > order(than))
}
