use std::sync::Arc;

use plenum_api::grants::{Grants, Role};
use plenum_ids::ProducerId;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    command::PlaceId,
    remote::{HostWords, OpenPipe, PipeSource},
};

fn outline() -> PeerOutline {
    PeerOutline {
        peer: "a".into(),
        joined_at: 7,
        display_name: "A".to_owned(),
        device: Arc::default(),
        role: Role::Speaker,
        grants: Grants::default(),
        hand_raised: false,
        remote: None,
        app_data: Arc::new(Map::new()),
        shown: true,
        may_be_host: true,
    }
}

#[test]
fn what_is_sensible_passes() {
    let peer = outline();
    assert_eq!(check_change(&PartChange::PeerJoined { peer }), Ok(()));
    assert_eq!(check_snapshot(&PartSnapshot::default()), Ok(()));
}

#[test]
fn what_is_too_large_or_too_late_is_refused() {
    let long = PeerOutline {
        display_name: "x".repeat(MAX_TEXT + 1),
        ..outline()
    };
    let late = PeerOutline {
        joined_at: u64::MAX,
        ..outline()
    };
    let heavy = PeerOutline {
        device: Arc::new(Value::String("x".repeat(MAX_JSON))),
        ..outline()
    };
    let nameless = PeerOutline {
        peer: "x".repeat(MAX_PEER_ID + 1).into(),
        ..outline()
    };
    for peer in [long, late, heavy, nameless] {
        let change = PartChange::PeerChanged { peer };
        assert_eq!(check_change(&change), Err(Unfit), "{change:?}");
    }
    let volumes = vec![("a".into(), -3); MAX_VOLUMES + 1];
    let dominant = None;
    assert_eq!(
        check_hint(&PartHint::Heard { volumes, dominant }),
        Err(Unfit)
    );
    let wanted = vec![true; MAX_STREAMS + 1];
    let request = NodeRequest::WantStreams {
        life: 0,
        pipe: 1,
        wanted,
    };
    assert_eq!(check_request(&request), Err(Unfit));
    let request = |bytes: usize| {
        NodeRequest::OpenPipe(OpenPipe {
            life: 0,
            pipe: 1,
            source: PipeSource::Producer(ProducerId::from_u128(1)),
            place: PlaceId::FIRST,
            hops: 0,
            near: Vec::new(),
            failures: 0,
            end: HostWords(json!("x".repeat(bytes))),
        })
    };
    assert_eq!(check_request(&request(MAX_JSON / 2)), Ok(()));
    assert_eq!(check_request(&request(MAX_JSON)), Err(Unfit));
    for (count, result) in [(MAX_NEAR, Ok(())), (MAX_NEAR + 1, Err(Unfit))] {
        let mut request = request(1);
        if let NodeRequest::OpenPipe(open) = &mut request {
            open.near = vec!["n".into(); count];
        }
        assert_eq!(check_request(&request), result);
    }
}

#[test]
fn what_another_version_adds_is_passed_over() {
    let mut told = serde_json::to_value(PartChange::PeerJoined { peer: outline() }).expect("JSON");
    told["peer"]["mood"] = json!("good");
    let change: PartChange = serde_json::from_value(told).expect("a fact");
    assert_eq!(change, PartChange::PeerJoined { peer: outline() });
    let newer = json!({ "type": "moodChanged", "peer": "a" });
    let change: PartChange = serde_json::from_value(newer.clone()).expect("a fact");
    assert_eq!(change, PartChange::Unknown);
    let request: NodeRequest = serde_json::from_value(newer.clone()).expect("a request");
    assert_eq!(request, NodeRequest::Unknown);
    let hint: PartHint = serde_json::from_value(newer).expect("a hint");
    assert_eq!(hint, PartHint::Unknown);
}

#[test]
fn everything_survives_the_way() {
    let snapshot = PartSnapshot {
        life: u64::MAX,
        peers: vec![RemotePeer {
            outline: outline(),
            producers: Vec::new(),
            data_producers: Vec::new(),
        }],
        next_pipe: 3,
        ..PartSnapshot::default()
    };
    let text = serde_json::to_string(&snapshot).expect("JSON");
    let back: PartSnapshot = serde_json::from_str(&text).expect("a snapshot");
    assert_eq!(back, snapshot);
    let request = NodeRequest::Decide {
        by: Some("a".into()),
        command: Box::new(AdminCommand::SetLocked(true)),
    };
    let text = serde_json::to_string(&request).expect("JSON");
    let back: NodeRequest = serde_json::from_str(&text).expect("a request");
    assert_eq!(back, request);
}
