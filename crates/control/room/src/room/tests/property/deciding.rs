//! What hosts decide, and what peers choose, in random sequences.

use plenum_api::grants::{Grants, Role};
use plenum_params::{event::Layers, media::MediaKind};

use super::*;
use crate::admission::Door;

/// Sorts of decisions.
pub(super) const DECISIONS: usize = 16;

/// Sorts of what peers choose.
pub(super) const CHOICES: usize = 9;

/// One of [`DECISIONS`] sorts; `None` if there is no object for it.
pub(super) fn decision(room: &Room, what: usize, which: usize) -> Option<AdminCommand> {
    let peers: Vec<_> = room
        .names
        .keys()
        .chain(room.away.names())
        .cloned()
        .collect();
    let peer = || peers.get(which % peers.len().max(1)).cloned();
    let odd = !which.is_multiple_of(2);
    Some(match what {
        0 => AdminCommand::Admit { peer: peer()? },
        1 => AdminCommand::CloseConsumer {
            consumer: pick(&room.dump().consumers, which)?,
        },
        2 => AdminCommand::CloseDataProducer {
            data_producer: pick(&room.dump().data_producers, which)?,
        },
        3 => AdminCommand::CloseProducer {
            producer: pick(&room.dump().producers, which)?,
        },
        4 => AdminCommand::CloseTransport {
            transport: pick(&room.dump().transports, which)?,
        },
        5 => AdminCommand::Kick { peer: peer()? },
        6 => AdminCommand::LowerHand { peer: peer()? },
        7 => AdminCommand::Mute {
            peer: peer().filter(|_| odd),
            kind: which.is_multiple_of(3).then_some(MediaKind::Audio),
        },
        8 => AdminCommand::Refuse { peer: peer()? },
        9 => AdminCommand::SetGrants {
            peer: peer()?,
            grants: grants(which),
        },
        10 => AdminCommand::SetLobby(odd),
        11 => AdminCommand::SetLocked(which.is_multiple_of(8)),
        12 => AdminCommand::SetMaxPeers(odd.then_some(4)),
        13 => AdminCommand::SetMetadata(which.into()),
        _ => AdminCommand::SetRole {
            peer: peer()?,
            role: role(which),
        },
    })
}

fn role(which: usize) -> Role {
    [Role::Host, Role::Speaker, Role::Listener][which % 3]
}

pub(super) fn grants(which: usize) -> Grants {
    let all = Grants::default();
    match which % 6 {
        0 => Grants {
            publish_video: false,
            publish_screen: false,
            ..all
        },
        1 => Grants {
            subscribe: false,
            ..all
        },
        2 => Grants {
            hidden: true,
            ..all
        },
        3 => Grants {
            admin: true,
            publish_data: false,
            ..all
        },
        _ => all,
    }
}

/// What a host says for it.
pub(super) fn as_request(command: AdminCommand) -> Option<PeerRequest> {
    Some(match command {
        AdminCommand::Admit { peer } => PeerRequest::Admit { peer },
        AdminCommand::CloseProducer { producer } => PeerRequest::CloseProducerOf { producer },
        AdminCommand::Kick { peer } => PeerRequest::Kick { peer },
        AdminCommand::LowerHand { peer } => PeerRequest::LowerHand { peer },
        AdminCommand::Mute { peer, kind } => PeerRequest::Mute { peer, kind },
        AdminCommand::Refuse { peer } => PeerRequest::Refuse { peer },
        AdminCommand::SetGrants { peer, grants } => PeerRequest::SetGrants { peer, grants },
        AdminCommand::SetLobby(lobby) => PeerRequest::SetLobby(lobby),
        AdminCommand::SetLocked(locked) => PeerRequest::SetLocked(locked),
        AdminCommand::SetMaxPeers(limit) => PeerRequest::SetMaxPeers(limit),
        AdminCommand::SetMetadata(metadata) => PeerRequest::SetMetadata(metadata),
        AdminCommand::SetRole { peer, role } => PeerRequest::SetRole { peer, role },
        _ => return None,
    })
}

/// One of [`CHOICES`] sorts of requests.
pub(super) fn choice(
    room: &Room,
    session: SessionId,
    what: usize,
    which: usize,
) -> Option<PeerRequest> {
    let consumers = room.consumers.iter();
    let consumers: Vec<_> = consumers.map(|(id, it)| (*id, it.session)).collect();
    let transports = room.transports.iter();
    let transports: Vec<_> = transports.map(|(id, it)| (*id, it.session)).collect();
    let transport = || choose(&transports, session, which);
    let odd = !which.is_multiple_of(2);
    Some(match what {
        0 => PeerRequest::Consume {
            transport: transport().filter(|_| odd),
            producer: pick(&room.dump().producers, which)?,
            rtp_capabilities: odd.then(clients::capabilities),
            paused: which.is_multiple_of(3),
            layers: odd.then_some(Layers {
                spatial: 0,
                temporal: None,
            }),
            numbers: None,
        },
        1 => PeerRequest::CloseConsumer {
            consumer: choose(&consumers, session, which)?,
        },
        2 => PeerRequest::ConsumeData {
            data_producer: pick(&room.dump().data_producers, which)?,
            transport: transport().filter(|_| odd),
        },
        3 => PeerRequest::CreatePlainTransport {
            producing: true,
            consuming: odd,
            rtcp_mux: true,
            comedia: true,
            srtp: None,
        },
        4 => PeerRequest::ConnectPlainTransport {
            transport: transport()?,
            remote: None,
            srtp: None,
        },
        5 => PeerRequest::GetRoom,
        6 => PeerRequest::RaiseHand(odd),
        7 => PeerRequest::Subscribe {
            subscription: subscription(which),
        },
        _ => clients::film(transport()?),
    })
}

fn subscription(which: usize) -> Subscription {
    match which % 6 {
        0 => Subscription::Audio,
        1 => Subscription::None,
        2 => Subscription::Manual,
        3 => Subscription::Speakers(1),
        4 => Subscription::Speakers(2),
        _ => Subscription::All,
    }
}

/// Somebody who comes by one of the doors.
pub(super) fn admission(peer: &str, which: usize) -> Admission {
    let odd = !which.is_multiple_of(2);
    Admission {
        grants: if which.is_multiple_of(5) {
            grants(which / 5)
        } else {
            Grants::default()
        },
        role: which.is_multiple_of(7).then(|| role(which)),
        door: if which.is_multiple_of(11) {
            Door::Broadcaster
        } else {
            Door::Plenum
        },
        keeps_room: !which.is_multiple_of(11),
        catalog: which.is_multiple_of(3),
        batch: odd,
        ..Admission::new(peer.into())
    }
}

pub(super) fn join(which: usize) -> PeerRequest {
    if which.is_multiple_of(2) {
        clients::join_able("somebody")
    } else {
        clients::join_featured("somebody", subscription(which / 2))
    }
}

/// Who is what, and nobody has what it may not have.
pub(in crate::room::tests) fn compare_standing(world: &World) {
    let room = &world.room;
    for session in &room.joined {
        let (role, grants) = room.standing(*session);
        assert_eq!(room.hosts.contains(session), role == Role::Host);
        assert_eq!(
            room.deciders.contains(session),
            role == Role::Host || grants.admin
        );
        assert!(!(grants.hidden && room.announced.contains(session)));
    }
    let heirs = room.joined.iter().filter_map(|it| room.sessions.get(it));
    let mut heirs = heirs.filter(|it| {
        let made = room.made.get(&it.id).and_then(|made| made.role);
        let is_person = it.admission.door != Door::Broadcaster;
        made.is_none() && it.admission.role.is_none() && is_person && !it.admission.grants.hidden
    });
    let is_whole = world.outbox.is_none();
    assert!(!is_whole || !room.hosts.is_empty() || room.away.has_host() || heirs.next().is_none());
    for (session, peer) in &room.sessions {
        assert_eq!(room.knocks.contains(session), peer.knock.is_some());
        assert!(peer.knock.is_none() || peer.membership.is_none());
    }
    let due = room.timers.iter();
    let due = due.filter(|(_, timer)| matches!(timer, Timer::Knock(_)));
    assert_eq!(due.count(), room.knocks.len());
    compare_lists(world);
}

/// Those with a catalog know what there is.
fn compare_lists(world: &World) {
    let room = &world.room;
    for session in &room.catalogs {
        let others = room.announced.iter().filter(|it| *it != session);
        for other in others {
            let sent = room.producing.get(other).into_iter().flatten();
            let sent: BTreeSet<_> = sent.filter(|id| room.producers[id].told).copied().collect();
            let listed = &world.listed[session][room.name_of(*other).expect("known")];
            assert_eq!(*listed, sent);
        }
        // Who is on the way back is seen, and sends nothing.
        for name in room.away.names() {
            assert!(world.listed[session][name].is_empty());
        }
    }
}

/// What is there belongs to those who may have it and want it, and batches wait for nothing but workers.
pub(super) fn compare_choices(room: &Room) {
    for producer in room.producers.values().filter(|it| it.told && !it.is_far()) {
        assert!(
            room.check_publishes(producer.session, producer.source)
                .is_ok()
        );
    }
    for (id, consumer) in &room.consumers {
        assert!(room.subscribes(consumer.session));
        let producer = &room.producers[&consumer.producer];
        let is_chosen = consumer.choice.is_some();
        assert!(is_chosen || producer.session != consumer.session);
        assert!(is_chosen || room.wants(consumer.session, producer), "{id}");
        if let Some(batch) = consumer.batch.filter(|_| !consumer.is_announced()) {
            assert!(room.batches.contains_key(&batch));
        }
    }
    let cameras = room.producers.values().filter(|it| it.told);
    let cameras = cameras.filter(|it| it.source == crate::state::MediaSource::Camera);
    let filmed: BTreeSet<_> = cameras.map(|it| it.session).collect();
    assert_eq!(room.floor.sessions(), filmed);
    if room.ops.is_empty() && room.waiting_sinks().is_empty() {
        assert!(room.batches.is_empty());
    }
}

/// Nobody is on any list.
pub(super) fn is_clean(room: &Room) -> bool {
    room.knocks.is_empty()
        && room.hosts.is_empty()
        && room.deciders.is_empty()
        && room.featured.is_empty()
        && room.catalogs.is_empty()
        && room.selective.is_empty()
        && room.batches.is_empty()
        && room.floor.sessions().is_empty()
        && room.names.is_empty()
        && room.coming.is_empty()
}
