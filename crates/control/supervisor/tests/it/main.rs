//! Programs that are no workers. Real workers are supervised in the tests of `plenum-worker`.

use std::{error::Error, net::Ipv4Addr};

use plenum_params::transport::ListenInfo;
use plenum_supervisor::{StartError, Supervisor, SupervisorConfig};
use tokio::sync::mpsc;

async fn start(executable: &str) -> StartError {
    let config = SupervisorConfig {
        listen: vec![ListenInfo::new(Ipv4Addr::LOCALHOST.into())],
        min_port: 0,
        executable: executable.into(),
        arguments: Vec::new(),
        ..SupervisorConfig::default()
    };
    let (events, _) = mpsc::unbounded_channel();
    Supervisor::start(config, events)
        .await
        .expect_err("not a worker")
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_named_with_its_status() {
    let error = start("/bin/false").await;
    let StartError::Ended { status, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let error = start("/nonexistent/plenum").await;
    assert!(error.to_string().contains("/nonexistent/plenum"), "{error}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn no_ports_left_is_said_before_anything_starts() {
    let config = SupervisorConfig {
        worker_count: 60,
        listen: vec![ListenInfo::new(Ipv4Addr::LOCALHOST.into())],
        min_port: 10_000,
        ports_per_worker: 10_000,
        ..SupervisorConfig::default()
    };
    let (events, _) = mpsc::unbounded_channel();
    let error = Supervisor::start(config, events).await.expect_err("ports");
    assert!(
        matches!(
            error,
            StartError::PortRange { .. } | StartError::Bind { .. }
        ),
        "{error}"
    );
}
