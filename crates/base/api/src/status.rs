//! Bodies of `GET /stats`, `/workers`, `/healthz` and `/readyz`, and of what operators ask of workers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /stats` and `GET /workers`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// One entry per worker slot, in order of `workerId`.
    pub workers: Vec<WorkerStatus>,
    /// Names of the rooms on each worker; every worker has an entry.
    pub distribution: BTreeMap<u16, Vec<String>>,
    /// Rooms of this node.
    pub total_rooms: usize,
    /// Peers of this node that have joined.
    pub total_peers: usize,
    /// Where each room is and why it was put there.
    pub placements: BTreeMap<String, RoomPlacement>,
}

/// Why a room is where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomPlacement {
    /// Number of its worker.
    pub worker_id: u16,
    /// What decided when it was opened, for people.
    pub reason: String,
    /// Further workers that it went to since, because one was not enough.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub further: Vec<Self>,
}

/// One worker in [`Stats`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// Number of the worker, from 0.
    pub worker_id: u16,
    /// Rooms on it.
    pub room_count: usize,
    /// Share of a core used lately; 1.0 is one full core.
    pub cpu_usage: f64,
    /// Process id; `null` while there is no process.
    pub pid: Option<u32>,
    /// Whether it takes no rooms because its process is gone.
    pub closed: bool,
    /// `running`; `draining` or `drained` on an operator's request; `restarting`, or `held` when it died too often and
    /// waits for up to a minute.
    pub state: String,
    /// Rooms that were moved away, while it is drained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms_moved: Option<usize>,
    /// Why the rooms that are left on a worker that is drained could not be moved yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_obstacle: Option<String>,
    /// What ran out, while it takes no new rooms for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
    /// Why its last process died or could not be started: with `held`, the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_trouble: Option<String>,
    /// Seconds in this state.
    pub uptime: u64,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Routers.
    pub routers: u32,
    /// Transports.
    pub transports: u32,
    /// Producers.
    pub producers: u32,
    /// Consumers.
    pub consumers: u32,
    /// How often the process was started again after it died.
    pub restarts: u32,
    /// Datagrams received by this process.
    pub packets_received: u64,
    /// Datagrams sent by this process.
    pub packets_sent: u64,
    /// Datagrams that the kernel refused to send.
    pub packets_dropped: u64,
    /// Bytes received by this process, as UDP payload.
    pub bytes_received: u64,
    /// Bytes sent by this process, as UDP payload.
    pub bytes_sent: u64,
    /// Over about the last second.
    pub packets_received_per_second: u64,
    /// Over about the last second.
    pub packets_sent_per_second: u64,
    /// Over about the last second.
    pub bytes_received_per_second: u64,
    /// Over about the last second.
    pub bytes_sent_per_second: u64,
    /// Datagrams that left in one message on average, over about the last second; 0: none left.
    pub group_size: f64,
    /// How many messages left with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 datagrams in them.
    pub group_sizes: [u64; 6],
    /// Share of the packets of senders that did not come in time, 0 to 1, over about the last second.
    pub packet_loss_received: f64,
    /// Share of the packets sent that receivers reported as lost, 0 to 1, over about the last second.
    pub packet_loss_sent: f64,
    /// Whether the kernel segments for it.
    pub gso: bool,
    /// From where on it takes no new rooms.
    pub limits: WorkerLimits,
}

/// The answer to `POST` and `DELETE /api/v1/workers/{id}/drain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerDrain {
    /// Number of the worker.
    pub worker_id: u16,
    /// `draining`, `drained`, or `running` when it takes rooms.
    pub state: &'static str,
    /// Rooms on it.
    pub rooms_left: usize,
    /// Rooms that were moved away.
    pub rooms_moved: usize,
    /// Why the rooms that are left could not be moved yet; it is tried again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
}

/// The body of `POST /api/v1/nodes/{node}/drain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DrainRequest {
    /// In how much time everybody is to be elsewhere.
    #[schema(minimum = 1000, maximum = 86_400_000)]
    pub within_ms: u64,
}

impl Default for DrainRequest {
    /// Long enough for a thousand people without a rush, short enough to wait for it.
    fn default() -> Self {
        Self {
            within_ms: 2 * 60 * 1000,
        }
    }
}

/// The answer to `POST`, `GET` and `DELETE /api/v1/nodes/{node}/drain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDrain {
    /// The node.
    pub node: String,
    /// `draining`, `drained`, or `running` when it takes people.
    pub state: String,
    /// Rooms that have somebody's media here.
    pub rooms_left: usize,
    /// Clients whose media is here.
    pub clients_left: usize,
    /// Clients who were asked to go elsewhere.
    pub clients_asked: usize,
    /// Connections here of clients whose room is at another node. Of a node that is drained they are closed one after another.
    pub clients_relayed: usize,
    /// How much is left of the time that it was given.
    pub time_left_ms: u64,
    /// Why those who are left are not asked to go; it is looked at again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
}

/// The answer to `POST` and `GET /api/v1/workers/restart`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingRestart {
    /// `never` asked for since the node started, `running`, `done` or `stopped`.
    pub state: &'static str,
    /// The worker whose turn it is.
    pub current: Option<u16>,
    /// Workers that were started anew.
    pub done: Vec<u16>,
    /// Workers that were not yet, or will not be.
    pub left: Vec<u16>,
    /// Why it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Default for RollingRestart {
    fn default() -> Self {
        Self {
            state: "never",
            current: None,
            done: Vec::new(),
            left: Vec::new(),
            trouble: None,
        }
    }
}

/// Limits of a worker in [`WorkerStatus`]; `null`: none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerLimits {
    /// As [`WorkerStatus::cpu_usage`].
    pub cpu_usage: Option<f64>,
    /// Consumers.
    pub consumers: Option<u64>,
    /// Resident memory in bytes.
    pub memory: Option<u64>,
    /// Bytes sent a second, as UDP payload.
    pub bytes_sent_per_second: Option<u64>,
}

/// Body of `PUT /api/v1/workers/{id}/log`, and the answer to it and to `GET`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerLog {
    /// `none`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Parts of the worker of which everything up to the level is logged.
    pub tags: Vec<String>,
}

/// Body of `PUT /api/v1/log`, and the answer to it and to `GET`: what the node itself logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeLevel {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`; or a filter by module: `info,plenum_signal=debug`.
    pub level: String,
}

/// `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Whether joins are taken.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Numbers of workers that died too often and wait for up to a minute: an operator should look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_workers: Vec<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_have_the_classic_shape() {
        let stats = Stats {
            workers: vec![WorkerStatus {
                worker_id: 0,
                room_count: 1,
                cpu_usage: 0.25,
                pid: Some(12345),
                ..WorkerStatus::default()
            }],
            distribution: BTreeMap::from([(0, vec!["room1".to_owned()])]),
            total_rooms: 1,
            total_peers: 2,
            ..Stats::default()
        };
        let json = serde_json::to_value(&stats).expect("plain data");
        assert_eq!(json["workers"][0]["workerId"], 0);
        assert_eq!(json["workers"][0]["roomCount"], 1);
        assert_eq!(json["workers"][0]["cpuUsage"], 0.25);
        assert_eq!(json["workers"][0]["pid"], 12345);
        assert_eq!(json["workers"][0]["closed"], false);
        assert_eq!(
            json["workers"][0]["groupSizes"],
            serde_json::json!([0, 0, 0, 0, 0, 0])
        );
        assert_eq!(json["distribution"], serde_json::json!({"0": ["room1"]}));
        assert_eq!(json["totalRooms"], 1);
    }
}
