//! `plenum load` against clusters: through nodes that have not got the room, and through dispatchers.

use serde_json::Value;

use super::{end, start, text, url, went_well};
use crate::cluster::{Cluster, Place, ROOM};

/// Every protocol that there is.
const DIALECTS: [&str; 3] = ["fast", "classic", "socketio"];

async fn run(urls: &[String], words: &str) -> Value {
    let output = end(start(urls, &format!("{words} --json"))).await;
    let said = text(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Joins that ended at each node.
fn joins(load: &Value) -> Vec<u64> {
    let servers = load["server"].as_array().expect("a list");
    let joins = servers.iter().filter_map(|server| server["joins"].as_u64());
    joins.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_of_every_protocol_meet_through_all_nodes() {
    let cluster = Cluster::three(ROOM).await;
    let urls: Vec<_> = (0..3).map(|index| url(cluster.node(index))).collect();
    for dialect in DIALECTS {
        let words = format!(
            "meeting --peers 3 --duration 5s --video-bitrate 150k --room {dialect} --dialect {dialect}"
        );
        let load = run(&urls, &words).await;
        went_well(&words, &load, 3);
        let mut joins = joins(&load);
        joins.sort_unstable();
        let redirects = load["reconnects"]["redirects"].as_u64();
        if dialect == "fast" {
            // All to the node that has the room.
            assert_eq!((joins, redirects), (vec![0, 0, 3], Some(2)), "{words}");
        } else {
            // Everybody's connection stays where it is, and is passed on.
            assert_eq!((joins, redirects), (vec![1, 1, 1], Some(0)), "{words}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_is_asked_and_its_answer_followed_in_every_protocol() {
    let places = [Place::with(&["node.role=signal"]), Place::HERE, Place::HERE];
    let cluster = Cluster::at(ROOM, &places).await;
    let dispatcher = url(cluster.node(0));
    for dialect in DIALECTS {
        let words = format!(
            "meeting --peers 3 --duration 5s --video-bitrate 150k --room {dialect} --dialect {dialect}"
        );
        let load = run(&[format!("{dispatcher}/dispatch")], &words).await;
        went_well_at(&words, &load, 1);
        assert_eq!(load["reconnects"]["redirects"], 3, "{words}");
        // Nobody is at the dispatcher, and whoever is elsewhere is seen there.
        let servers = load["server"].as_array().expect("a list");
        assert_eq!(servers[0]["url"], dispatcher, "{words}");
        assert_eq!(joins(&load), [0, 3], "{words}: {servers:?}");
    }
}

/// The same as [`went_well`] where the first server has no workers.
fn went_well_at(words: &str, load: &Value, index: usize) {
    let mut load = load.clone();
    load["server"] = Value::from(vec![load["server"][index].clone()]);
    went_well(words, &load, 3);
}
