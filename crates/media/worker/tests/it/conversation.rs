//! A worker whose node is played by the test.

use std::net::{Ipv4Addr, UdpSocket as StdUdpSocket};

use plenum_ids::{ConsumerId, RouterId, TransportId};
use plenum_ipc::{Answer, ErrorCode, NodeToWorker, Preamble, Request, WorkerToNode};
use plenum_params::{event::Layers, transport::OutgoingLimits};
use rustix::process::Signal;

use crate::node::{Node, finish, hello, send_signal, socket};

#[test]
fn requests_are_answered_in_order() {
    let mut node = Node::ready(&[socket()]);
    let router = RouterId::random();
    assert_eq!(
        node.request(1, Request::CreateRouter { router }),
        Ok(Answer::Done)
    );
    let refused = node
        .request(2, Request::CreateRouter { router })
        .expect_err("it exists");
    assert_eq!(refused.code, ErrorCode::Conflict);
    for id in 3..200 {
        let body = Request::WorkerStats;
        node.send(&NodeToWorker::Request { id, body });
    }
    for expected in 3..200 {
        let WorkerToNode::Response { id, result } = node.receive() else {
            panic!("no events are expected");
        };
        assert_eq!(id, expected);
        let Ok(Answer::WorkerStats(stats)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(stats.routers, 1);
        assert!(stats.memory > 0 && stats.cpu_time_us > 0);
    }
}

#[test]
fn choices_about_what_does_not_exist_are_refused_by_name() {
    let mut node = Node::ready(&[socket()]);
    let (consumer, transport) = (ConsumerId::random(), TransportId::random());
    let layers = Layers {
        spatial: 0,
        temporal: None,
    };
    for (body, name) in [
        (
            Request::SetPreferredLayers { consumer, layers },
            consumer.to_string(),
        ),
        (
            Request::SetPriority {
                consumer,
                priority: 2,
            },
            consumer.to_string(),
        ),
        (
            Request::SetMaxIncomingBitrate {
                transport,
                bitrate: None,
            },
            transport.to_string(),
        ),
        (
            Request::SetOutgoingLimits {
                transport,
                limits: OutgoingLimits::default(),
            },
            transport.to_string(),
        ),
    ] {
        let refused = node.request(1, body).expect_err("there is no such thing");
        assert_eq!(refused.code, ErrorCode::NotFound);
        assert!(refused.reason.contains(&name), "{refused}");
    }
}

#[test]
fn datagrams_reach_the_engine() {
    let (first, second) = (socket(), socket());
    let addresses = [first.local_addr(), second.local_addr()];
    let mut node = Node::ready(&[first, second]);
    let client = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    for address in addresses {
        for _ in 0..50 {
            client.send_to(&[0xff; 100], address).expect("loopback");
        }
    }
    // Loopback delivers before the send returns, so the worker's next turns find them; each request is a turn.
    let mut stats = None;
    for id in 0..10_000 {
        let Ok(Answer::WorkerStats(now)) = node.request(id, Request::WorkerStats) else {
            panic!("the counters");
        };
        let done = now.datagrams_received == 100;
        stats = Some(now);
        if done {
            break;
        }
    }
    let stats = stats.expect("asked");
    assert_eq!(stats.datagrams_received, 100);
    assert_eq!(stats.bytes_received, 10_000);
    assert_eq!(stats.datagrams_discarded, 100, "noise leads nowhere");
    assert_eq!(stats.datagrams_sent, 0, "and is not answered");
}

#[test]
fn the_worker_ends_well_when_its_node_is_gone() {
    let node = Node::ready(&[socket()]);
    let Node {
        worker, control, ..
    } = node;
    drop(control);
    let (status, said) = finish(worker);
    assert!(status.success(), "{status}: {said}");
}

#[test]
fn the_terminals_signals_are_left_to_the_node() {
    let mut node = Node::ready(&[socket()]);
    for ignored in [Signal::INT, Signal::TERM, Signal::HUP] {
        send_signal(node.worker.id(), ignored);
    }
    assert!(node.request(1, Request::WorkerStats).is_ok());
}

#[test]
fn sockets_and_settings_must_match() {
    let mut node = Node::start(Preamble::OURS, &[socket()]);
    node.send(&hello(0));
    let (status, said) = node.wait_for_end();
    assert!(!status.success());
    assert!(
        said.contains("did not keep to the protocol: sockets"),
        "{said}"
    );
}
