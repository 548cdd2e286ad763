//! Workers under a real supervisor.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use plenum_ice::controlling::{BindingRequest, BindingResponse, parse_response};
use plenum_ids::{RouterId, TransportId, WorkerId};
use plenum_ipc::{Answer, ErrorCode, Event, Request};
use plenum_params::transport::{IceParameters, ListenInfo, OutgoingLimits, WebRtcTransportOptions};
use plenum_supervisor::{
    RouterHandle, Supervisor, SupervisorConfig, WorkerError, WorkerEvent, WorkerFault, WorkerState,
};
use rustix::process::Signal;
use tokio::{
    net::UdpSocket,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use crate::node::{PATIENCE, send_signal};

pub(crate) fn config(worker_count: u16) -> SupervisorConfig {
    SupervisorConfig {
        worker_count,
        listen: vec![ListenInfo {
            announced: vec![IpAddr::from([192, 0, 2, 1]).into()],
            ..ListenInfo::new(Ipv4Addr::LOCALHOST.into())
        }],
        min_port: 0,
        executable: env!("CARGO_BIN_EXE_plenum-worker").into(),
        ..SupervisorConfig::default()
    }
}

/// Where clients of this machine are.
pub(crate) fn with_clients_here(worker_count: u16) -> SupervisorConfig {
    listening_on(Ipv4Addr::LOCALHOST, worker_count)
}

/// Listening on one address that is told as it is.
pub(crate) fn listening_on(ip: Ipv4Addr, worker_count: u16) -> SupervisorConfig {
    SupervisorConfig {
        listen: vec![ListenInfo::new(ip.into())],
        ..config(worker_count)
    }
}

pub(crate) async fn start(worker_count: u16) -> (Supervisor, UnboundedReceiver<WorkerEvent>) {
    start_with(config(worker_count)).await
}

pub(crate) async fn start_with(
    config: SupervisorConfig,
) -> (Supervisor, UnboundedReceiver<WorkerEvent>) {
    let (sender, events) = unbounded_channel();
    let supervisor = Supervisor::start(config, sender).await.expect("workers");
    (supervisor, events)
}

pub(crate) async fn next(events: &mut UnboundedReceiver<WorkerEvent>) -> WorkerEvent {
    let event = timeout(PATIENCE, events.recv()).await;
    event.expect("in time").expect("the supervisor lives")
}

fn addresses(supervisor: &Supervisor) -> Vec<SocketAddr> {
    let workers = supervisor.workers().into_iter();
    workers.flat_map(|worker| worker.addresses).collect()
}

/// Waits until a process is gone, with a bound on the turns of the scheduler rather than a sleep.
async fn wait_until_gone(pid: u32) {
    let gone = async {
        while Path::new(&format!("/proc/{pid}")).exists() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the process ends");
}

#[tokio::test]
async fn every_worker_answers_on_its_own_ports() {
    let (supervisor, _events) = start(3).await;
    let workers = supervisor.running();
    assert_eq!(workers.len(), 3);
    for (index, worker) in workers.iter().enumerate() {
        assert_eq!(usize::from(worker.id().0), index);
        let Ok(Answer::WorkerStats(stats)) = worker.request(Request::WorkerStats).await else {
            panic!("the counters");
        };
        assert_eq!(stats.routers, 0);
    }
    let mut ports = addresses(&supervisor);
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 3);
    let infos = supervisor.workers();
    assert!(infos.iter().all(|info| info.state == WorkerState::Running));
    assert!(
        infos
            .iter()
            .all(|info| info.restarts == 0 && info.pid.is_some())
    );
    supervisor.shutdown().await;
}

#[tokio::test]
async fn handles_close_their_objects_when_dropped() {
    let (supervisor, _events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let id = RouterId::random();
    let router = RouterHandle::create(&worker, id).await.expect("new");

    let again = RouterHandle::create(&worker, id).await;
    let Err(WorkerError::Refused(refusal)) = again else {
        panic!("the identifier is taken");
    };
    assert_eq!(refusal.code, ErrorCode::Conflict);

    // The refused handle must not have closed the first one's router.
    let transport = TransportId::random();
    let options = WebRtcTransportOptions::default();
    let created = router.create_webrtc_transport(transport, options).await;
    let (transport, info) = created.expect("the router is there");
    let address = addresses(&supervisor)[0];
    assert!(info.ice_candidates.iter().any(|candidate| {
        candidate.port == address.port() && candidate.address == IpAddr::from([192, 0, 2, 1]).into()
    }));
    assert_eq!(transport.stats().await.map(|stats| stats.discarded), Ok(0));

    let counts = async || {
        let answer = worker.request(Request::WorkerStats).await;
        let Ok(Answer::WorkerStats(stats)) = answer else {
            panic!("{answer:?}");
        };
        (stats.routers, stats.transports)
    };
    assert_eq!(counts().await, (1, 1));
    drop(transport);
    assert_eq!(counts().await, (1, 0));
    drop(router);
    assert_eq!(counts().await, (0, 0));
    supervisor.shutdown().await;
}

#[tokio::test]
async fn bounds_of_a_transport_are_set_through_its_handle_and_shown() {
    let (supervisor, _events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let options = WebRtcTransportOptions {
        min_outgoing_bitrate: Some(40_000),
        max_outgoing_bitrate: Some(3_000_000),
        max_incoming_bitrate: Some(500_000),
        ..WebRtcTransportOptions::default()
    };
    let created = router.create_webrtc_transport(TransportId::random(), options);
    let (transport, _) = created.await.expect("new");
    let shown = async || {
        let stats = transport.stats().await.expect("the counters");
        (
            stats.min_outgoing_bitrate,
            stats.max_outgoing_bitrate,
            stats.max_incoming_bitrate,
        )
    };
    let first = (Some(40_000), Some(3_000_000), Some(500_000));
    assert_eq!(shown().await, first);
    let limits = OutgoingLimits {
        min: None,
        max: Some(900_000),
    };
    transport.set_outgoing_limits(limits).await.expect("set");
    transport.set_max_incoming_bitrate(None).await.expect("set");
    assert_eq!(shown().await, (None, Some(900_000), None));
    supervisor.shutdown().await;
}

#[tokio::test]
async fn a_connectivity_check_is_answered_and_reported() {
    let (supervisor, mut events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let id = TransportId::random();
    let options = WebRtcTransportOptions::default();
    let created = router.create_webrtc_transport(id, options).await;
    let (_transport, info) = created.expect("new");

    let address = addresses(&supervisor)[0];
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let client = client.expect("a free port");
    let IceParameters {
        username_fragment,
        password,
    } = &info.ice_parameters;
    let transaction_id = [7; 12];
    let check = BindingRequest {
        remote_username_fragment: username_fragment,
        local_username_fragment: "them",
        transaction_id,
        priority: 1,
        tie_breaker: 1,
        use_candidate: true,
        nomination: None,
    };
    let mut packet = [0; 500];
    let length = check.write(password, &mut packet).expect("room");
    client
        .send_to(&packet[..length], address)
        .await
        .expect("loopback");
    let answer = timeout(PATIENCE, client.recv_from(&mut packet)).await;
    let (length, from) = answer.expect("in time").expect("an answer");
    assert_eq!(from, address);
    let response = parse_response(&packet[..length], &transaction_id, password);
    let seen = client.local_addr().expect("bound");
    assert_eq!(response, Ok(BindingResponse::Success(seen)));

    let WorkerEvent::Media { worker, event } = next(&mut events).await else {
        panic!("the transport has news");
    };
    assert_eq!(worker, WorkerId(0));
    let Event::IceState {
        transport, tuple, ..
    } = event
    else {
        panic!("{event:?}");
    };
    assert_eq!(transport, id);
    assert_eq!(tuple.map(|tuple| tuple.remote), Some(seen));
    supervisor.shutdown().await;
}

#[tokio::test]
async fn a_killed_worker_is_announced_and_replaced_on_its_ports() {
    let (supervisor, mut events) = start(2).await;
    let before = addresses(&supervisor);
    let victim = supervisor.worker(WorkerId(1)).expect("running");
    let bystander = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&victim, RouterId::random()).await;
    let router = router.expect("new");

    send_signal(victim.pid(), Signal::KILL);
    let WorkerEvent::Died {
        worker,
        status,
        fault: None,
    } = next(&mut events).await
    else {
        panic!("its death comes first");
    };
    assert_eq!(worker, WorkerId(1));
    assert!(!status.expect("a child of ours").success());
    assert!(victim.is_closed());
    assert_eq!(
        victim.request(Request::WorkerStats).await,
        Err(WorkerError::Gone)
    );
    assert!(bystander.request(Request::WorkerStats).await.is_ok());
    drop(router);

    let started = WorkerEvent::Started {
        worker: WorkerId(1),
    };
    assert_eq!(next(&mut events).await, started);
    let replacement = supervisor.worker(WorkerId(1)).expect("running again");
    assert!(!replacement.is_same(&victim));
    let answer = replacement.request(Request::WorkerStats).await;
    let Ok(Answer::WorkerStats(stats)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(stats.routers, 0, "everything in the old process is gone");
    assert_eq!(addresses(&supervisor), before);
    assert_eq!(supervisor.workers()[1].restarts, 1);
    supervisor.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_stops_answering_is_replaced() {
    let config = SupervisorConfig {
        hang_timeout: Duration::from_secs(1),
        ..config(1)
    };
    let (supervisor, mut events) = start_with(config).await;
    let victim = supervisor.worker(WorkerId(0)).expect("running");
    send_signal(victim.pid(), Signal::STOP);
    let died = next(&mut events).await;
    let WorkerEvent::Died { fault, .. } = died else {
        panic!("{died:?}");
    };
    let after = Duration::from_secs(1);
    assert_eq!(fault, Some(WorkerFault::NotAnswering { after }));
    wait_until_gone(victim.pid()).await;
    let started = next(&mut events).await;
    assert!(
        matches!(started, WorkerEvent::Started { .. }),
        "{started:?}"
    );
    supervisor.shutdown().await;
}

#[tokio::test]
async fn many_requests_at_once_each_get_their_answer() {
    let (supervisor, _events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let worker = worker.clone();
        tasks.spawn(async move {
            let router = RouterHandle::create(&worker, RouterId::random()).await?;
            for _ in 0..20 {
                let options = WebRtcTransportOptions::default();
                let id = TransportId::random();
                router.create_webrtc_transport(id, options).await?;
            }
            Ok::<_, WorkerError>(router)
        });
    }
    let routers = tasks.join_all().await;
    assert!(routers.iter().all(Result::is_ok));
    let answer = worker.request(Request::WorkerStats).await;
    let Ok(Answer::WorkerStats(stats)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((stats.routers, stats.transports), (50, 0));
    supervisor.shutdown().await;
}

#[tokio::test]
async fn workers_end_with_their_supervisor() {
    for orderly in [true, false] {
        let (supervisor, mut events) = start(2).await;
        let workers = supervisor.running();
        if orderly {
            supervisor.shutdown().await;
            assert!(supervisor.running().is_empty());
        }
        drop(supervisor);
        for worker in workers {
            wait_until_gone(worker.pid()).await;
        }
        // Ending on purpose is no death.
        assert_eq!(events.try_recv().ok(), None);
    }
}
