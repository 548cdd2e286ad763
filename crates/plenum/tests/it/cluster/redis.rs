//! Servers of Redis, and the Sentinels that watch them.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{Place, free_port, until};
use crate::node::signal;

/// An answer that takes longer does not come.
const ANSWER: Duration = Duration::from_secs(2);

/// What a Sentinel has begun is given up after this, and begun again after twice as much: two seconds were too little for a replica
/// that has no processor to say that it is the master now.
const FAILOVER_MS: u32 = 4000;

/// A Sentinel that had no processor for two seconds does nothing for so long, instead of half a minute.
const TILT_MS: &str = "1000";

/// A server, ended with the test.
pub(crate) struct Redis {
    child: Child,
    place: Place,
    pub(crate) port: u16,
    dir: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Redis {
    pub(crate) async fn start(place: &Place) -> Self {
        Self::start_with(place, &[]).await
    }

    /// It remembers nothing when it is started again.
    pub(crate) async fn start_with(place: &Place, arguments: &[&str]) -> Self {
        let arguments = ["--save", "", "--appendonly", "no"].iter().chain(arguments);
        let dir = tempfile::tempdir().expect("a directory");
        Self::launch(place, dir, arguments.map(ToString::to_string).collect()).await
    }

    /// Which watches the server at a port of the same place.
    pub(crate) async fn sentinel(
        place: &Place,
        master: &str,
        port: u16,
        quorum: usize,
        guard: &str,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("sentinel.conf");
        let lines = [
            format!("sentinel monitor {master} {} {port} {quorum}", place.ip),
            format!("sentinel down-after-milliseconds {master} 500"),
            format!("sentinel failover-timeout {master} {FAILOVER_MS}"),
            guard.to_owned(),
        ];
        std::fs::write(&file, lines.join("\n") + "\n").expect("written");
        let file = file.to_str().expect("plain names").to_owned();
        let sentinel = Self::launch(place, dir, vec![file, "--sentinel".to_owned()]).await;
        sentinel
            .tell(&["sentinel", "debug", "tilt-period", TILT_MS])
            .await;
        sentinel
    }

    async fn launch(place: &Place, dir: tempfile::TempDir, arguments: Vec<String>) -> Self {
        let port = free_port();
        let server = Self {
            child: spawn(place, port, dir.path(), &arguments),
            place: place.clone(),
            port,
            dir,
            arguments,
        };
        server.answers().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}:{}", self.place.ip, self.port)
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(i32::try_from(self.child.id()).expect("small"), name);
    }

    /// As a power cut does it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("our own process");
        self.child.wait().expect("our own process");
    }

    /// On the same port, empty.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(&self.place, self.port, self.dir.path(), &self.arguments);
        self.answers().await;
    }

    async fn answers(&self) {
        let at = (self.place.ip, self.port);
        until("a server of Redis", async || {
            TcpStream::connect(at).await.ok()
        })
        .await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(place: &Place, port: u16, dir: &Path, arguments: &[String]) -> Child {
    // A file of settings comes before everything else.
    let has_file = arguments.first().is_some_and(|it| !it.starts_with("--"));
    let (file, arguments) = arguments.split_at(usize::from(has_file));
    let mut command = match &place.network {
        None => Command::new("redis-server"),
        Some(network) => {
            let mut inside = Command::new("ip");
            inside.args(["netns", "exec", network, "redis-server"]);
            inside
        }
    };
    command
        .args(file)
        .args(["--port", &port.to_string()])
        .args(["--bind", &place.ip.to_string(), "--protected-mode", "no"])
        .arg("--dir")
        .arg(dir)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

impl Redis {
    /// The answer to a command, its words without what they are nested in; nothing while there is no answer.
    pub(crate) async fn ask(&self, words: &[&str]) -> Vec<String> {
        let answer = timeout(ANSWER, self.exchange(words)).await;
        let answer = answer.ok().and_then(Result::ok).unwrap_or_default();
        // Lengths and types stand on lines of their own, which begin with a sign.
        answer
            .lines()
            .filter(|line| !line.starts_with(['*', '$', ':', '-', '+']))
            .map(str::to_owned)
            .collect()
    }

    /// A command that does something and has no more to say about it.
    pub(crate) async fn tell(&self, words: &[&str]) {
        until("a server that does what it is told", async || {
            let answer = timeout(ANSWER, self.exchange(words)).await;
            answer.ok()?.ok()?.starts_with("+OK").then_some(())
        })
        .await;
    }

    async fn exchange(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((self.place.ip, self.port)).await?;
        let command = format!("{}\r\n", words.join(" "));
        stream.write_all(command.as_bytes()).await?;
        // It answers what it has been asked before it closes.
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
