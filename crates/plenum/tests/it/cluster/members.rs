//! One node of a cluster, which can die and come back as itself.

use std::net::SocketAddr;

use tokio::process::Command;

use super::Place;
use crate::node::{BINARY, HASTE, Node, away_from_settings, rtc_ports_each, signal};

/// A node of a cluster, running or not.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) port: u16,
    arguments: Vec<String>,
    node: Option<Node>,
}

impl Member {
    /// With these settings, besides those of every node of a test.
    pub(crate) fn new(name: &str, place: Place, port: u16, settings: &[String]) -> Self {
        let mut arguments = vec!["serve".to_owned(), "--insecure".to_owned()];
        arguments.extend(["--workers".to_owned(), "1".to_owned()]);
        // Its media ports stay with it when it comes back.
        arguments.extend(rtc_ports_each(1, 4));
        let own = [
            format!("node.id={name}"),
            format!("http.listen_ip={}", place.ip),
            format!("http.port={port}"),
            "admin.allow=any".to_owned(),
        ];
        for setting in own.iter().chain(settings) {
            arguments.extend(["--set".to_owned(), setting.clone()]);
        }
        Self {
            name: name.to_owned(),
            place,
            port,
            arguments,
            node: None,
        }
    }

    pub(crate) async fn start(&mut self) {
        assert!(self.node.is_none(), "{} runs", self.name);
        let mut process = match &self.place.network {
            None => Command::new(BINARY),
            Some(network) => {
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", network, BINARY]);
                inside
            }
        };
        process.args(&self.arguments).args(HASTE).kill_on_drop(true);
        self.node = Some(Node::launch(away_from_settings(process)).await);
    }

    pub(crate) fn node(&self) -> &Node {
        let node = self.node.as_ref();
        node.unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    pub(crate) fn runs(&self) -> bool {
        self.node.is_some()
    }

    pub(crate) fn door(&self) -> SocketAddr {
        SocketAddr::from((self.place.ip, self.port))
    }

    /// As a power cut does it to all of its processes.
    pub(crate) async fn kill(&mut self) {
        let mut node = self.node.take().expect("it runs");
        node.signal("KILL");
        node.ended().await;
    }

    /// All processes of the node stand still, or go on.
    pub(crate) async fn pause(&self) -> Paused {
        let node = self.node();
        let mut pids = node.worker_pids().await;
        pids.push(node.pid());
        for pid in &pids {
            signal(*pid, "STOP");
        }
        Paused(pids)
    }
}

/// Processes that stand still until this is dropped.
#[must_use = "they stand still until they are let go"]
pub(crate) struct Paused(Vec<i32>);

impl Drop for Paused {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = std::process::Command::new("kill")
                .args(["-CONT", &pid.to_string()])
                .status();
        }
    }
}
