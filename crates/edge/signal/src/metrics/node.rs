//! The figures of a node and its workers, one table for each kind.

use std::fmt::Error;

use plenum_host::{NodeFigures, WORKER_STATES, WorkerFigures};
use plenum_params::stats::{DELAY_BOUNDS_US, WorkerStats};
use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

type Result = std::result::Result<(), Error>;

/// Name, explanation, and how it is read.
type Row<T> = (&'static str, &'static str, T);

type OfNode = fn(&NodeFigures) -> f64;
type OfWorker = fn(&WorkerFigures) -> f64;
/// `None`: not there for this worker.
type PerhapsOfWorker = fn(&WorkerFigures) -> Option<f64>;

const NODE_GAUGES: &[Row<OfNode>] = &[
    ("plenum_ready", "1 while new joins are taken.", |node| {
        flag(node.ready)
    }),
    (
        "plenum_draining",
        "1 while the node is about to end and takes no new joins.",
        |node| flag(node.closing),
    ),
    ("plenum_rooms", "Rooms.", |node| number(node.rooms)),
    ("plenum_peers", "Peers that have joined a room.", |node| {
        number(node.peers)
    }),
    (
        "plenum_events_waiting",
        "Events of workers that wait for being brought to their rooms.",
        |node| number(node.events_waiting),
    ),
    (
        "process_resident_memory_bytes",
        "Resident memory of the node itself, without its workers.",
        |node| big(node.memory),
    ),
    (
        "process_open_fds",
        "Open file descriptors of the node itself.",
        |node| node.descriptors.into(),
    ),
    (
        "process_max_fds",
        "File descriptors that the node itself may have open.",
        |node| big(node.descriptors_limit),
    ),
];

const NODE_COUNTERS: &[Row<OfNode>] = &[
    (
        "plenum_rooms_opened",
        "Rooms opened since the start.",
        |node| big(node.rooms_opened),
    ),
    (
        "plenum_sessions_opened",
        "Clients let into a room since the start.",
        |node| big(node.sessions_opened),
    ),
    (
        "process_cpu_seconds",
        "Processor time used by the node itself, without its workers.",
        |node| node.cpu_time.as_secs_f64(),
    ),
];

const WORKER_GAUGES: &[Row<PerhapsOfWorker>] = &[
    (
        "plenum_worker_up",
        "1 while the worker's process takes requests.",
        |it| Some(flag(it.state != "held" && it.state != "restarting")),
    ),
    (
        "plenum_worker_full",
        "1 while a limit of the worker is reached, so that it takes no new rooms.",
        |it| Some(flag(it.full)),
    ),
    (
        "plenum_worker_state_age_seconds",
        "How long the worker has been in its state.",
        |it| Some(it.since.as_secs_f64()),
    ),
    (
        "plenum_worker_cpu_usage",
        "Share of a core that the worker used lately, smoothed over some seconds.",
        |it| Some(it.cpu_usage.into()),
    ),
    (
        "plenum_worker_memory_bytes",
        "Resident memory of the worker.",
        |it| Some(big(it.totals.memory)),
    ),
    (
        "plenum_worker_connections",
        "TCP connections that carry media.",
        |it| Some(it.totals.connections.into()),
    ),
    (
        "plenum_worker_open_fds",
        "Open file descriptors of the worker.",
        |it| Some(it.totals.descriptors.into()),
    ),
    ("plenum_worker_rooms", "Rooms on the worker.", |it| {
        Some(number(it.rooms))
    }),
    ("plenum_worker_routers", "Routers in the worker.", |it| {
        Some(it.totals.routers.into())
    }),
    (
        "plenum_worker_transports",
        "Transports in the worker.",
        |it| Some(it.totals.transports.into()),
    ),
    (
        "plenum_worker_producers",
        "Producers in the worker.",
        |it| Some(it.totals.producers.into()),
    ),
    (
        "plenum_worker_consumers",
        "Consumers in the worker.",
        |it| Some(it.totals.consumers.into()),
    ),
    (
        "plenum_worker_data_producers",
        "Data producers in the worker.",
        |it| Some(it.totals.data_producers.into()),
    ),
    (
        "plenum_worker_data_consumers",
        "Data consumers in the worker.",
        |it| Some(it.totals.data_consumers.into()),
    ),
    (
        "plenum_worker_requests_waiting",
        "Requests to the worker that it has not answered.",
        |it| Some(number(it.requests_waiting)),
    ),
    (
        "plenum_worker_hold_seconds",
        "How long packets wait for others to leave with, because the worker is busy.",
        |it| Some(f64::from(it.totals.hold_us) / 1e6),
    ),
    (
        "plenum_worker_gso",
        "1 while the kernel segments for the worker.",
        |it| Some(flag(it.totals.gso)),
    ),
    (
        "plenum_worker_cpu_limit",
        "Share of a core from which on the worker takes no new rooms.",
        |it| it.cpu_limit.map(Into::into),
    ),
    (
        "plenum_worker_consumers_limit",
        "Consumers from which on the worker takes no new rooms.",
        |it| it.consumers_limit.map(big),
    ),
    (
        "plenum_worker_memory_limit_bytes",
        "Memory from which on the worker takes no new rooms.",
        |it| it.memory_limit.map(big),
    ),
    (
        "plenum_worker_egress_limit_bytes_per_second",
        "Media sent from which on the worker takes no new rooms.",
        |it| it.egress_limit.map(big),
    ),
];

const WORKER_COUNTERS: &[Row<OfWorker>] = &[
    (
        "plenum_worker_restarts",
        "Processes of the worker that died and were replaced.",
        |it| it.restarts.into(),
    ),
    (
        "plenum_worker_cpu_seconds",
        "Processor time used by the worker.",
        |it| big(it.totals.cpu_time_us) / 1e6,
    ),
    (
        "plenum_worker_datagrams_dropped",
        "Datagrams that the kernel refused to send.",
        |it| big(it.totals.datagrams_dropped),
    ),
    (
        "plenum_worker_datagrams_discarded",
        "Datagrams received that belonged to nobody, were malformed, replayed or not authentic.",
        |it| big(it.totals.datagrams_discarded),
    ),
    (
        "plenum_worker_ice_disconnects",
        "Transports whose peer gave no sign of life for too long.",
        |it| big(it.totals.media.ice_disconnected),
    ),
    (
        "plenum_worker_messages_dropped",
        "Messages of data channels that a full buffer, or a receiver who was not there, has cost.",
        |it| big(it.totals.media.messages_dropped),
    ),
    (
        "plenum_worker_connections_blocked",
        "Times that a TCP connection did not take what its receiver was sent, so that pictures were left out.",
        |it| big(it.totals.media.connections_blocked),
    ),
    (
        "plenum_worker_connections_refused",
        "TCP connections that were closed before anything valid came from them.",
        |it| big(it.totals.connections_refused),
    ),
    (
        "plenum_worker_events_dropped",
        "Events left out because the node did not keep up.",
        |it| big(it.totals.events_dropped),
    ),
];

/// A label with two values, and how each is read.
struct Pair {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    label: &'static str,
    values: [&'static str; 2],
    read: fn(&WorkerFigures) -> [f64; 2],
}

const fn both(
    name: &'static str,
    help: &'static str,
    read: fn(&WorkerFigures) -> [f64; 2],
) -> Pair {
    Pair {
        name,
        help,
        kind: MetricType::Counter,
        label: "direction",
        values: ["in", "out"],
        read,
    }
}

const WORKER_PAIRS: &[Pair] = &[
    both(
        "plenum_worker_datagrams",
        "Datagrams received (in) and sent (out).",
        |it| {
            [
                big(it.totals.datagrams_received),
                big(it.totals.datagrams_sent),
            ]
        },
    ),
    both(
        "plenum_worker_bytes",
        "Bytes received (in) and sent (out), as UDP payload.",
        |it| [big(it.totals.bytes_received), big(it.totals.bytes_sent)],
    ),
    both(
        "plenum_worker_rtp_packets",
        "RTP packets received (in) and sent (out), retransmissions included.",
        |it| {
            [
                big(it.totals.media.rtp_received),
                big(it.totals.media.rtp_sent),
            ]
        },
    ),
    both(
        "plenum_worker_nacks",
        "NACK messages of receivers (in) and to senders (out).",
        |it| {
            [
                big(it.totals.media.nacks_received),
                big(it.totals.media.nacks_sent),
            ]
        },
    ),
    both(
        "plenum_worker_messages",
        "Messages of data channels received (in) and handed on, once for each data consumer (out).",
        |it| {
            [
                big(it.totals.media.messages_received),
                big(it.totals.media.messages_sent),
            ]
        },
    ),
    both(
        "plenum_worker_key_frame_requests",
        "Requests for key frames (PLI, FIR) of receivers (in) and to senders (out).",
        |it| {
            let media = &it.totals.media;
            [
                big(media.key_frame_requests_received),
                big(media.key_frame_requests_sent),
            ]
        },
    ),
    both(
        "plenum_worker_retransmissions",
        "Packets received again from senders (in) and sent again to receivers (out).",
        |it| {
            let media = &it.totals.media;
            [
                big(media.retransmissions_received),
                big(media.retransmissions_sent),
            ]
        },
    ),
    both(
        "plenum_worker_packets_lost",
        "Packets of senders that did not come in time (in), and that receivers reported as lost (out).",
        |it| {
            [
                big(it.totals.media.lost_received),
                big(it.totals.media.lost_sent),
            ]
        },
    ),
    Pair {
        name: "plenum_worker_dtls_handshakes",
        help: "DTLS handshakes that ended.",
        kind: MetricType::Counter,
        label: "result",
        values: ["connected", "failed"],
        read: |it| {
            let media = &it.totals.media;
            [big(media.dtls_connected), big(media.dtls_failed)]
        },
    },
    Pair {
        name: "plenum_worker_control_bytes_waiting",
        help: "Bytes that wait on the control socket, by who is to read them.",
        kind: MetricType::Gauge,
        label: "reader",
        values: ["node", "worker"],
        read: |it| {
            [
                big(it.totals.control_bytes_waiting),
                number(it.control_bytes_waiting),
            ]
        },
    },
];

/// Upper ends of the classes of [`WorkerStats::group_sizes`].
const GROUP_BOUNDS: [f64; 6] = [1.0, 3.0, 7.0, 15.0, 31.0, 64.0];

/// Writes everything that is known of a node.
pub(super) fn encode(node: &NodeFigures, encoder: &mut DescriptorEncoder<'_>) -> Result {
    for &(name, help, read) in NODE_GAUGES {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        value(metric, MetricType::Gauge, read(node))?;
    }
    for &(name, help, read) in NODE_COUNTERS {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        value(metric, MetricType::Counter, read(node))?;
    }
    let workers: Vec<_> = node
        .workers
        .iter()
        .map(|worker| (worker.id.to_string(), worker))
        .collect();
    encode_workers(&workers, encoder)
}

fn encode_workers(
    workers: &[(String, &WorkerFigures)],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result {
    for &(name, help, read) in WORKER_GAUGES {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (id, worker) in workers {
            if let Some(figure) = read(worker) {
                let labels = [("worker", id.as_str())];
                value(metric.encode_family(&labels)?, MetricType::Gauge, figure)?;
            }
        }
    }
    for &(name, help, read) in WORKER_COUNTERS {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (id, worker) in workers {
            let labels = [("worker", id.as_str())];
            let metric = metric.encode_family(&labels)?;
            value(metric, MetricType::Counter, read(worker))?;
        }
    }
    for pair in WORKER_PAIRS {
        let mut metric = encoder.encode_descriptor(pair.name, pair.help, None, pair.kind)?;
        for (id, worker) in workers {
            for (word, figure) in pair.values.into_iter().zip((pair.read)(worker)) {
                let labels = [("worker", id.as_str()), (pair.label, word)];
                value(metric.encode_family(&labels)?, pair.kind, figure)?;
            }
        }
    }
    encode_states(workers, encoder)?;
    encode_groups(workers, encoder)?;
    encode_delays(workers, encoder)
}

fn encode_states(
    workers: &[(String, &WorkerFigures)],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result {
    let help = "1 for the state that the worker is in.";
    let kind = MetricType::Gauge;
    let mut metric = encoder.encode_descriptor("plenum_worker_state", help, None, kind)?;
    for (id, worker) in workers {
        for state in WORKER_STATES {
            let labels = [("worker", id.as_str()), ("state", state)];
            let metric = metric.encode_family(&labels)?;
            value(metric, kind, flag(worker.state == state))?;
        }
    }
    Ok(())
}

fn encode_groups(
    workers: &[(String, &WorkerFigures)],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result {
    let help = "Datagrams that left in one message.";
    let kind = MetricType::Histogram;
    let mut metric = encoder.encode_descriptor("plenum_worker_group_size", help, None, kind)?;
    for (id, worker) in workers {
        let WorkerStats {
            group_sizes, media, ..
        } = &worker.totals;
        // What leaves in groups is RTP; the rest leaves one by one and is not counted here.
        let bounds = GROUP_BOUNDS.into_iter();
        let buckets: Vec<_> = bounds.zip(group_sizes.iter().copied()).collect();
        histogram(&mut metric, id, big(media.rtp_sent), buckets)?;
    }
    Ok(())
}

fn encode_delays(
    workers: &[(String, &WorkerFigures)],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result {
    let help = "How long datagrams stayed in the worker: from their arrival until the kernel had taken all that left at once of their batch, or until they left the pacer.";
    let kind = MetricType::Histogram;
    let name = "plenum_worker_forwarding_delay_seconds";
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (id, worker) in workers {
        let delays = &worker.totals.forwarding_delay;
        let bounds = DELAY_BOUNDS_US.iter().map(|&bound| f64::from(bound) / 1e6);
        let bounds = bounds.chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(delays.counts).collect();
        histogram(&mut metric, id, big(delays.sum_us) / 1e6, buckets)?;
    }
    Ok(())
}

fn histogram(
    metric: &mut MetricEncoder<'_>,
    worker: &str,
    sum: f64,
    mut buckets: Vec<(f64, u64)>,
) -> Result {
    let count = buckets.iter().map(|(_, count)| count).sum();
    // The last bucket has no bound.
    if buckets
        .last()
        .is_some_and(|(bound, _)| *bound < f64::INFINITY)
    {
        buckets.push((f64::INFINITY, 0));
    }
    let labels = [("worker", worker)];
    let mut metric = metric.encode_family(&labels)?;
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

fn value(mut metric: MetricEncoder<'_>, kind: MetricType, value: f64) -> Result {
    if matches!(kind, MetricType::Counter) {
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
    } else {
        metric.encode_gauge(&value)
    }
}

fn flag(value: bool) -> f64 {
    u8::from(value).into()
}

fn number(count: usize) -> f64 {
    big(count as u64)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format has no other numbers, and 2^53 packets take some centuries"
)]
fn big(count: u64) -> f64 {
    count as f64
}
