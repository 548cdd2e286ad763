//! Bodies of `GET /stats`, `/workers`, `/healthz` and `/readyz`.

use std::collections::BTreeMap;

use serde::Serialize;

/// `GET /stats` and `GET /workers`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
}

/// One worker in [`Stats`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
    /// Resident memory in bytes.
    pub memory: u64,
    /// Transports.
    pub transports: u32,
    /// Producers.
    pub producers: u32,
    /// Consumers.
    pub consumers: u32,
    /// How often the process was started again after it died.
    pub restarts: u32,
    /// How many messages left with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 datagrams in them.
    pub group_sizes: [u64; 6],
}

/// `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Whether joins are taken.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
