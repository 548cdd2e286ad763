//! A node as a process of its own, and a minimal HTTP client.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, timeout},
};

/// Generous: many tests share few cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What nodes of tests are told before anything else.
pub(crate) const HASTE: [&str; 4] = [
    // An unoptimised worker on few cores is busy, and takes rooms all the same.
    "--set",
    "workers.max_cpu_percent=0",
    // Tests that end a node have clients in it.
    "--set",
    "node.drain_timeout_s=0",
];

/// A running node; killed when dropped.
pub(crate) struct Node {
    pub(crate) child: Child,
    /// Where this machine reaches it.
    pub(crate) ip: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) ready_line: String,
}

impl Node {
    /// Two workers, any signalling port.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::start_workers(2, arguments).await
    }

    pub(crate) async fn start_workers(count: u16, arguments: &[&str]) -> Self {
        Self::start_on(count, rtc_ports(count), arguments).await
    }

    /// One worker with ports enough for plain transports.
    pub(crate) async fn start_roomy() -> Self {
        Self::start_roomy_with(&[]).await
    }

    /// The same, with more to say to `plenum serve`.
    pub(crate) async fn start_roomy_with(arguments: &[&str]) -> Self {
        Self::start_on(1, rtc_ports_each(1, 16), arguments).await
    }

    async fn start_on(count: u16, ports: Vec<String>, arguments: &[&str]) -> Self {
        let workers = count.to_string();
        let mut process = command();
        process
            .args(["serve", "--port", "0", "--workers", &workers])
            .args(HASTE)
            .args(ports)
            .args(arguments);
        Self::launch(process).await
    }

    /// What is to become a node, with its flags.
    pub(crate) async fn launch(mut process: Command) -> Self {
        let mut child = process
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary was built for this test");
        let stdout = child.stdout.take().expect("piped above");
        let mut lines = BufReader::new(stdout).lines();
        let ready_line = timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.expect("readable");
                let line = line.expect("the node says that it is ready before it ends");
                if line.contains("is ready") {
                    return line;
                }
            }
        })
        .await
        .expect("ready in time");
        let address = ready_line.split("://").nth(1);
        let address = address.and_then(|rest| rest.split(' ').next()?.rsplit_once(':'));
        let (host, port) = address.expect("the ready line names the port");
        Self {
            child,
            ip: host.parse().unwrap_or(Ipv4Addr::LOCALHOST),
            port: port.parse().expect("a port"),
            ready_line,
        }
    }

    /// Where its clients connect to.
    pub(crate) fn door(&self) -> SocketAddr {
        SocketAddr::from((self.ip, self.port))
    }

    pub(crate) fn pid(&self) -> i32 {
        let pid = self.child.id().expect("not waited for yet");
        i32::try_from(pid).expect("process ids are small")
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("ends in time")
            .expect("is our child")
    }

    /// Status code and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.call("GET", path, "").await
    }

    /// Status code and JSON of a request that has these header lines besides.
    pub(crate) async fn admin(&self, method: &str, path: &str, headers: &str) -> (u16, Value) {
        let (code, body) = self.call(method, path, headers).await;
        (code, serde_json::from_str(&body).expect("JSON"))
    }

    /// Status code and body of a request with these header lines besides.
    pub(crate) async fn call(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let response = timeout(PATIENCE, call(self.door(), method, path, headers))
            .await
            .expect("answers in time");
        let (head, body) = response.split_once("\r\n\r\n").expect("a header");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (code.expect("a status line"), body.to_owned())
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let (code, body) = self.get(path).await;
        assert_eq!(code, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// `/stats` as soon as it satisfies a condition.
    pub(crate) async fn stats_when(&self, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.get_json("/stats").await;
            if condition(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "never came true: {stats}");
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn worker_pids(&self) -> Vec<i32> {
        let stats = self.get_json("/workers").await;
        let workers = stats["workers"].as_array().expect("a list").iter();
        workers
            .map(|worker| worker["pid"].as_i64().expect("alive"))
            .map(|pid| i32::try_from(pid).expect("process ids are small"))
            .collect()
    }
}

/// The built binary, away from the settings of the machine it runs on.
pub(crate) fn command() -> Command {
    away_from_settings(Command::new(BINARY))
}

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_plenum");

pub(crate) fn away_from_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PLENUM_")
            || [
                "PORT",
                "ANNOUNCED_IP",
                "WEBRTC_LISTEN_IP",
                "MEDIASOUP_WORKER_COUNT",
            ]
            .contains(&text.as_ref())
        {
            command.env_remove(&name);
        }
    }
    command.kill_on_drop(true);
    command
}

pub(crate) fn signal(pid: i32, name: &str) {
    let done = std::process::Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .expect("kill exists");
    assert!(done.success(), "kill -{name} {pid}");
}

/// Figures for people, shown with `--nocapture`.
#[expect(
    clippy::print_stdout,
    reason = "what a test measured is part of what it says"
)]
pub(crate) fn report(text: &str) {
    println!("{text}");
}

/// Ends a process or makes it hang.
pub(crate) fn strike(pid: i32, name: &str) {
    signal(pid, name);
    if name == "SEGV" {
        // Rust's runtime takes the first one for a fault of its own, puts the system's handling back, and expects the
        // fault to happen again. On a busy machine two that come before it has run are one.
        let deadline = Instant::now() + PATIENCE;
        while is_alive(pid) && Instant::now() < deadline {
            let _ = std::process::Command::new("kill")
                .args(["-SEGV", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Ended processes that nobody has waited for yet count as gone.
pub(crate) fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(") ").next().map(|rest| !rest.starts_with('Z')))
        .unwrap_or(false)
}

pub(crate) async fn all_gone(pids: &[i32]) {
    let deadline = Instant::now() + PATIENCE;
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(Instant::now() < deadline, "still alive: {pids:?}");
        tokio::task::yield_now().await;
    }
}

/// A range of UDP ports for so many workers that nobody uses, as flags.
pub(crate) fn rtc_ports(workers: u16) -> Vec<String> {
    rtc_ports_each(workers, 2)
}

pub(crate) fn rtc_ports_each(workers: u16, each: u16) -> Vec<String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = each * workers;
    let base = 11_000 + (std::process::id() % 400) as u16 * 50;
    for _ in 0..1000 {
        let first = base.wrapping_add(NEXT.fetch_add(count, Ordering::Relaxed) % 20_000);
        if (first..first + count).all(|port| UdpSocket::bind(("0.0.0.0", port)).is_ok()) {
            return vec![
                "--set".to_owned(),
                format!("rtc.min_port={first}"),
                "--set".to_owned(),
                format!("rtc.ports_per_worker={each}"),
            ];
        }
    }
    panic!("no free UDP ports");
}

pub(crate) async fn raw_get(port: u16, path: &str) -> String {
    raw_call(port, "GET", path, "").await
}

pub(crate) async fn raw_call(port: u16, method: &str, path: &str, headers: &str) -> String {
    call(door(port), method, path, headers).await
}

/// Where a node is that only this machine reaches.
pub(crate) fn door(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

async fn call(door: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(door).await.expect("listens");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.expect("reads");
    String::from_utf8_lossy(&response).into_owned()
}
