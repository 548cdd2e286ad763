//! How workers look from outside.

use plenum_api::status::{WorkerDrain, WorkerLimits, WorkerStatus};
use plenum_params::stats::WorkerStats;
use plenum_supervisor::{WorkerInfo, WorkerState};

use crate::placement::{Capacity, Load};

pub(crate) fn load(info: &WorkerInfo) -> Load {
    Load {
        cpu: info.cpu_usage,
        consumers: info.stats.consumers.into(),
        memory: info.memory,
        egress: info.rates.bytes_sent.saturating_mul(8),
    }
}

/// One of [`crate::WORKER_STATES`].
pub(crate) fn state_name(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Running => "running",
        WorkerState::Held => "held",
        _ => "restarting",
    }
}

/// `stats` are the worker's own figures of this moment, if it gave them in time.
pub(crate) fn worker_status(
    info: &WorkerInfo,
    stats: Option<WorkerStats>,
    drain: WorkerDrain,
    capacity: &Capacity,
) -> WorkerStatus {
    let stats = stats.unwrap_or_else(|| info.stats.clone());
    let state = match info.state {
        WorkerState::Running => drain.state,
        state => state_name(state),
    };
    let full = capacity.exhausted_by(&load(info));
    WorkerStatus {
        worker_id: info.id.0,
        room_count: drain.rooms_left,
        cpu_usage: rounded(info.cpu_usage.into()),
        pid: info.pid,
        closed: info.state != WorkerState::Running,
        state: state.to_owned(),
        rooms_moved: (drain.state != "running").then_some(drain.rooms_moved),
        drain_obstacle: drain.obstacle,
        full: full.map(|resource| resource.to_string()),
        last_trouble: info.trouble.clone(),
        uptime: info.since.as_secs(),
        memory: info.memory,
        routers: stats.routers,
        transports: stats.transports,
        producers: stats.producers,
        consumers: stats.consumers,
        restarts: info.restarts,
        packets_received: stats.datagrams_received,
        packets_sent: stats.datagrams_sent,
        packets_dropped: stats.datagrams_dropped,
        bytes_received: stats.bytes_received,
        bytes_sent: stats.bytes_sent,
        packets_received_per_second: info.rates.datagrams_received,
        packets_sent_per_second: info.rates.datagrams_sent,
        bytes_received_per_second: info.rates.bytes_received,
        bytes_sent_per_second: info.rates.bytes_sent,
        group_size: rounded(info.rates.group_size),
        group_sizes: stats.group_sizes,
        packet_loss_received: rounded(info.rates.loss_received),
        packet_loss_sent: rounded(info.rates.loss_sent),
        gso: stats.gso,
        limits: WorkerLimits {
            cpu_usage: capacity.cpu.map(|cpu| rounded(cpu.into())),
            consumers: capacity.consumers,
            memory: capacity.memory,
            bytes_sent_per_second: capacity.egress.map(|bits| bits / 8),
        },
    }
}

/// Three digits are enough for people, and floats in JSON are long.
fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
