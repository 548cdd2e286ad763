//! One node of a cluster, which can die and come back as itself.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::{Place, clocks, free_port};
use crate::node::{BINARY, HASTE, Node, away_from_settings, rtc_ports_each, signal};

/// A node of a cluster, running or not.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) port: u16,
    arguments: Vec<String>,
    /// How far its clock is off, as a file that it reads.
    clock: Option<PathBuf>,
    node: Option<Node>,
}

/// Unless its settings say otherwise.
const WORKERS: u16 = 1;

impl Member {
    /// With these settings, besides those of every node of a test.
    pub(crate) fn new(
        name: &str,
        place: Place,
        port: u16,
        (settings, clock): (&[String], Option<PathBuf>),
    ) -> Self {
        let mut arguments = vec!["serve".to_owned(), "--insecure".to_owned()];
        let own = settings
            .iter()
            .find_map(|it| it.strip_prefix("workers.count="));
        let workers = own.map_or(WORKERS, |own| own.parse().expect("a number"));
        arguments.extend(["--workers".to_owned(), workers.to_string()]);
        // What a test says counts more.
        arguments.extend(HASTE.map(str::to_owned));
        // Its media ports stay with it when it comes back.
        arguments.extend(rtc_ports_each(workers, 4));
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
            clock,
            node: None,
        }
    }

    /// Whether it speaks to clients.
    pub(crate) fn has_doors(&self) -> bool {
        !self.arguments.iter().any(|it| it == "node.role=media")
    }

    pub(crate) async fn start(&mut self) {
        assert!(self.node.is_none(), "{} runs", self.name);
        self.node = Some(Node::launch(self.command()).await);
    }

    /// Another process with the same settings, while this one may still run.
    pub(crate) fn command(&self) -> Command {
        let mut process = match &self.place.network {
            None => Command::new(BINARY),
            Some(network) => {
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", network, BINARY]);
                inside
            }
        };
        process.args(&self.arguments).kill_on_drop(true);
        let mut process = away_from_settings(process);
        if let Some(clock) = &self.clock {
            process.envs(clocks::environment(clock));
        }
        process
    }

    /// Another process with a copy of what this one has in its folder, on ports of its own; the one that runs ends because of that.
    pub(crate) async fn take_over(&mut self) {
        let (port, link) = (free_port(), free_port());
        let ip = self.place.ip;
        let changed = [
            ("http.port=", port.to_string()),
            ("cluster.listen=", format!("{ip}:{link}")),
            ("cluster.address=", format!("{ip}:{link}")),
        ];
        let mut ports = rtc_ports_each(WORKERS, 4).into_iter();
        let ports = ports.find(|it| it.starts_with("rtc.min_port="));
        for argument in &mut self.arguments {
            if argument.starts_with("rtc.min_port=") {
                *argument = ports.clone().expect("a range");
            }
            if let Some(folder) = argument.strip_prefix("node.data_dir=") {
                *argument = format!("node.data_dir={}", copy(folder));
            }
            for (name, value) in &changed {
                if argument.starts_with(name) {
                    *argument = format!("{name}{value}");
                }
            }
        }
        self.port = port;
        let later = Node::launch(self.command()).await;
        let mut earlier = self.node.replace(later).expect("it runs");
        assert!(
            !earlier.ended().await.success(),
            "it says that it was replaced"
        );
    }

    /// From now on its clock is so many seconds off.
    pub(crate) fn set_clock(&self, seconds: i64) {
        let clock = self.clock.as_ref().expect("a clock of its own");
        clocks::set(clock, seconds);
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

    /// As service managers do it. It goes on for a while.
    pub(crate) fn terminate(&mut self) -> Node {
        let node = self.node.take().expect("it runs");
        node.signal("TERM");
        node
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

/// What a node has in its folder, in another one.
fn copy(folder: &str) -> String {
    let new = format!("{folder}+");
    std::fs::create_dir(&new).expect("made");
    for file in std::fs::read_dir(folder).expect("it is there") {
        let file = file.expect("readable");
        let to = Path::new(&new).join(file.file_name());
        std::fs::copy(file.path(), to).expect("copied");
    }
    new
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
