//! A node whose workers break the protocol, speak another one, or do not answer.

use std::{
    error::Error as _,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use plenum_ids::{RouterId, TransportId, WorkerId};
use plenum_ipc::{
    Answer, BUILD_HASH, FrameError, HandshakeError, MAX_FRAME_BYTES, PROTOCOL_VERSION, Request,
};
use plenum_params::transport::{DtlsFingerprint, DtlsParameters, DtlsRole};
use plenum_supervisor::{
    StartError, Supervisor, SupervisorConfig, Worker, WorkerError, WorkerEvent, WorkerFault,
    WorkerState,
};
use rustix::process::Signal;
use tokio::{sync::mpsc::unbounded_channel, task::JoinSet, time::timeout};

use crate::{
    node::{PATIENCE, send_signal, stop},
    supervised::{config, next, start, start_with},
};

/// Long enough for a busy machine to answer the supervisor's own requests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

fn faulty(fault: &str) -> SupervisorConfig {
    SupervisorConfig {
        executable: env!("CARGO_BIN_EXE_faulty-worker").into(),
        arguments: vec![fault.into()],
        request_timeout: REQUEST_TIMEOUT,
        ..config(2)
    }
}

async fn start_error(fault: &str) -> StartError {
    let (events, _) = unbounded_channel();
    let result = Supervisor::start(faulty(fault), events).await;
    result.expect_err("the opening fails")
}

async fn create_router(worker: &Worker) -> Result<Answer, WorkerError> {
    let router = RouterId::random();
    worker.request(Request::CreateRouter { router }).await
}

/// Begins a request, so that it is queued, and gives up.
async fn abandon(request: impl Future<Output = Result<Answer, WorkerError>>) {
    let result = poll_once(Box::pin(request).as_mut()).await;
    assert_eq!(result, None);
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn other_builds_are_refused_with_both_named() {
    let error = start_error("other-version").await;
    let StartError::Handshake { source, .. } = &error else {
        panic!("{error}");
    };
    let theirs = PROTOCOL_VERSION + 1;
    assert_eq!(*source, HandshakeError::Version { theirs });
    let text = source.to_string();
    let words = format!("version {theirs}, this build speaks {PROTOCOL_VERSION}");
    assert!(text.contains(&words), "{text}");

    let error = start_error("other-build").await;
    let text = error.source().expect("why").to_string();
    for hash in [BUILD_HASH, !BUILD_HASH] {
        assert!(text.contains(&format!("{hash:016x}")), "{text}");
    }

    let error = start_error("no-preamble").await;
    let source = HandshakeError::NotPlenum;
    assert!(
        matches!(&error, StartError::Handshake { source: found, .. } if *found == source),
        "{error}"
    );
}

#[tokio::test]
async fn an_opening_that_goes_wrong_is_named() {
    let error = start_error("event-before-hello").await;
    assert!(matches!(error, StartError::Protocol { .. }), "{error}");
    let error = start_error("noise-for-hello").await;
    let StartError::Frame { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(source, FrameError::Malformed { length: 4, .. }));
    let error = start_error("half-a-hello").await;
    let StartError::Ended { status, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(status.code(), Some(3));
}

#[tokio::test]
async fn a_worker_that_cannot_be_understood_is_replaced_and_the_others_stay() {
    for fault in [
        "oversized",
        "noise",
        "trailing",
        "truncated",
        "second-hello",
    ] {
        let (supervisor, mut events) = start_with(faulty(fault)).await;
        let victim = supervisor.worker(WorkerId(1)).expect("running");
        let bystander = supervisor.worker(WorkerId(0)).expect("running");
        assert_eq!(create_router(&victim).await, Err(WorkerError::Gone));

        let WorkerEvent::Died {
            worker,
            fault: found,
            ..
        } = next(&mut events).await
        else {
            panic!("its death comes first");
        };
        assert_eq!(worker, WorkerId(1));
        let found = found.expect("the supervisor knows why");
        let expected = match fault {
            "oversized" => {
                let length = MAX_FRAME_BYTES + 1;
                found == WorkerFault::Frame(FrameError::TooLarge { length })
            }
            "noise" => matches!(found, WorkerFault::Frame(FrameError::Malformed { .. })),
            "trailing" => {
                let (length, extra) = (5, 1);
                found == WorkerFault::Frame(FrameError::TrailingBytes { length, extra })
            }
            "truncated" => found == WorkerFault::Frame(FrameError::Truncated { waiting: 5 }),
            _ => matches!(found, WorkerFault::Protocol(_)),
        };
        assert!(expected, "{fault}: {found}");

        let started = WorkerEvent::Started { worker };
        assert_eq!(next(&mut events).await, started);
        let replacement = supervisor.worker(worker).expect("running again");
        assert!(replacement.request(Request::WorkerStats).await.is_ok());
        assert!(bystander.request(Request::WorkerStats).await.is_ok());
        assert!(!bystander.is_closed());
        supervisor.shutdown().await;
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_timeout_of_its_request_alone() {
    let (supervisor, mut events) = start_with(faulty("deaf")).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let result = create_router(&worker).await;
    let after = REQUEST_TIMEOUT;
    let error = WorkerError::Timeout { after };
    assert_eq!(result, Err(error.clone()));
    assert_eq!(error.to_string(), "the worker did not answer within 3s");
    assert!(worker.request(Request::WorkerStats).await.is_ok());
    assert!(events.try_recv().is_err(), "it answers everything else");
    supervisor.shutdown().await;
}

#[tokio::test]
async fn answers_that_are_late_or_unknown_or_repeated_are_ignored() {
    let (supervisor, mut events) = start_with(faulty("late")).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    abandon(create_router(&worker)).await;
    assert_eq!(create_router(&worker).await, Ok(Answer::Done));
    let answer = worker.request(Request::WorkerStats).await;
    assert!(matches!(answer, Ok(Answer::WorkerStats(_))), "{answer:?}");
    assert!(events.try_recv().is_err());
    supervisor.shutdown().await;
}

#[tokio::test]
async fn answers_in_another_order_find_their_requests() {
    let (supervisor, _events) = start_with(faulty("reordered")).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let worker = worker.clone();
        tasks.spawn(async move { create_router(&worker).await });
    }
    let answers = tasks.join_all().await;
    let done = answers.iter().filter(|answer| **answer == Ok(Answer::Done));
    assert_eq!(done.count(), 5);
    assert!(answers.iter().all(Result::is_ok));
    supervisor.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_stood_still_goes_on_and_its_late_answers_are_ignored() {
    let (supervisor, mut events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    stop(worker.pid());
    for _ in 0..100 {
        abandon(create_router(&worker)).await;
    }
    send_signal(worker.pid(), Signal::CONT);
    // Giving up does not take a request back: all were carried out before this one.
    let answer = worker.request(Request::WorkerStats).await;
    let Ok(Answer::WorkerStats(stats)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(stats.routers, 100);
    let now = supervisor.worker(WorkerId(0)).expect("running");
    assert!(now.is_same(&worker));
    assert!(events.try_recv().is_err());
    supervisor.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_hangs_is_replaced_however_much_waits_for_it() {
    let (supervisor, mut events) = start_with(SupervisorConfig {
        hang_timeout: Duration::from_secs(1),
        ..config(1)
    })
    .await;
    let victim = supervisor.worker(WorkerId(0)).expect("running");
    stop(victim.pid());
    let large = || Request::ConnectWebRtcTransport {
        transport: TransportId::from_u128(1),
        dtls: DtlsParameters {
            role: DtlsRole::Client,
            fingerprints: vec![DtlsFingerprint {
                algorithm: "sha-256".into(),
                value: "x".repeat(500_000),
            }],
        },
    };
    // The first filling is taken over by the task that cannot write it, so that a second one stays. Neither lets another task
    // run: the supervisor finds out only afterwards.
    for _ in 0..2 {
        let refused = loop {
            let mut request = Box::pin(victim.request(large()));
            if let Some(result) = poll_once(request.as_mut()).await {
                break result;
            }
        };
        assert_eq!(refused, Err(WorkerError::Overloaded));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    let WorkerEvent::Died { fault, .. } = next(&mut events).await else {
        panic!("its death comes first");
    };
    let after = Duration::from_secs(1);
    assert_eq!(fault, Some(WorkerFault::NotAnswering { after }));
    assert_eq!(create_router(&victim).await, Err(WorkerError::Gone));
    let started = next(&mut events).await;
    assert!(
        matches!(started, WorkerEvent::Started { .. }),
        "{started:?}"
    );
    supervisor.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_cannot_start_again_is_held_with_its_reason() {
    let name = format!("starts-once-{}", RouterId::random());
    let marker = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut config = faulty("starts-once");
    config.arguments.push(marker.clone().into());
    config.worker_count = 1;
    config.restart_pause = Duration::from_millis(1);
    let (supervisor, mut events) = start_with(config).await;
    let victim = supervisor.worker(WorkerId(0)).expect("running");
    send_signal(victim.pid(), Signal::KILL);
    let died = next(&mut events).await;
    assert!(matches!(died, WorkerEvent::Died { .. }), "{died:?}");

    let info = timeout(PATIENCE, async {
        loop {
            let info = supervisor.workers().remove(0);
            if info.state == WorkerState::Held {
                return info;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("five failures are soon over");
    assert_eq!((info.pid, info.restarts), (None, 0));
    let trouble = info.trouble.expect("the reason");
    assert!(trouble.contains("exit status: 7"), "{trouble}");
    assert!(supervisor.running().is_empty());
    assert!(events.try_recv().is_err(), "it never ran again");
    // Holding is no reason to be late at the end.
    let ended = timeout(PATIENCE, supervisor.shutdown()).await;
    assert!(ended.is_ok());
    std::fs::remove_file(marker).expect("made by the first process");
}
