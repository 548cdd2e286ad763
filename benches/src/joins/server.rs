//! A node as a process of its own, and what it and its workers use.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// What a node is started with.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "two plain settings")]
pub struct ServerOptions {
    /// Of signalling; 0 takes a free one.
    pub port: u16,
    /// How many worker processes.
    pub workers: u16,
}

/// A running node; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    workers: Vec<u32>,
}

/// What the processes of a server have used or use.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "two plain figures")]
pub struct Use<T> {
    /// The process that speaks to clients.
    pub node: T,
    /// All that move media.
    pub workers: T,
}

/// First port of media: below the ports that the system gives to outgoing connections.
const MEDIA_PORT: u16 = 21_000;

impl Server {
    /// Starts one and waits until it says that it is ready.
    pub fn start(options: ServerOptions) -> Result<Self> {
        let mut server = Self::launch(options)?;
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Starts one that may not be ready yet.
    pub fn launch(options: ServerOptions) -> Result<Self> {
        let child = Command::new(executable()?)
            .args(["serve", "--port", &options.port.to_string()])
            .args(["--workers", &options.workers.to_string()])
            .args(["--set", &format!("rtc.min_port={MEDIA_PORT}")])
            .args(["--set", "rtc.ports_per_worker=2"])
            // The generator takes its share of the cores, which is no reason to turn anybody away.
            .args(["--set", "workers.max_cpu_percent=0"])
            .args(["--set", "node.drain_timeout_s=0"])
            .args(["--set", "log.level=error"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start plenum")?;
        Ok(Self {
            child,
            port: options.port,
            workers: Vec::new(),
        })
    }

    /// Until it has said so.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let output = self.child.stdout.take().context("it was asked already")?;
        let ready = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains("is ready"))
            .context("plenum ended before it was ready")?;
        let address = ready.split("://").nth(1);
        let port = address.and_then(|rest| rest.split(' ').next()?.rsplit(':').next());
        self.port = port.context("no port is named")?.parse()?;
        self.workers = children_of(self.child.id())?;
        ensure!(!self.workers.is_empty(), "it has no workers");
        Ok(())
    }

    /// Where its clients come to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Processor time so far, of all threads that live: those of a node and a worker live as long as they do, but for
    /// the few that look names up.
    pub fn cpu(&self) -> Result<Use<Duration>> {
        let mut workers = Duration::ZERO;
        for worker in &self.workers {
            workers += cpu_of(*worker)?;
        }
        Ok(Use {
            node: cpu_of(self.child.id())?,
            workers,
        })
    }

    /// Memory of their own in bytes: what a process shares with others of the same file does not count.
    pub fn memory(&self) -> Result<Use<u64>> {
        let mut workers = 0;
        for worker in &self.workers {
            workers += memory_of(*worker, "RssAnon:")?;
        }
        Ok(Use {
            node: memory_of(self.child.id(), "RssAnon:")?,
            workers,
        })
    }

    /// Memory of one worker: its own, and all that is resident, with the pages of the program that it has touched.
    pub fn resident(&self) -> Result<(u64, u64)> {
        let worker = *self.workers.first().context("no worker")?;
        Ok((memory_of(worker, "RssAnon:")?, memory_of(worker, "VmRSS:")?))
    }

    /// Ends it as a service manager does, or as a lack of memory does, and waits for that.
    pub fn end(&mut self, gently: bool) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        let signal = if gently { Signal::TERM } else { Signal::KILL };
        kill_process(pid, signal)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Use<Duration> {
    /// Since then.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            node: self.node.saturating_sub(before.node),
            workers: self.workers.saturating_sub(before.workers),
        }
    }

    /// All processes together, in milliseconds.
    pub fn milliseconds(self) -> f64 {
        (self.node + self.workers).as_secs_f64() * 1000.0
    }
}

fn executable() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("plenum");
    ensure!(
        path.exists(),
        "{} is missing: cargo build --release --package plenum",
        path.display()
    );
    Ok(path)
}

/// Processes whose parent this one is.
fn children_of(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that has ended meanwhile is nobody's child.
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name stands in brackets and may have brackets in it.
        let rest = status.rsplit(')').next().unwrap_or_default();
        let found = rest.split_whitespace().nth(1);
        if found.and_then(|ppid| ppid.parse().ok()) == Some(parent) {
            children.push(pid);
        }
    }
    children.sort_unstable();
    Ok(children)
}

/// Processor time of the threads of a process.
pub fn cpu_of(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // One that has ended meanwhile is not counted.
        sum += on_cpu(&entry?.path()).unwrap_or_default();
    }
    Ok(Duration::from_nanos(sum))
}

/// The first number of `schedstat` is the time on a processor, in nanoseconds.
fn on_cpu(task: &Path) -> Option<u64> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn memory_of(pid: u32, what: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(what));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
    Ok(kilobytes.context("no such figure")?.parse::<u64>()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_uses_and_whose_it_is() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("starts");
        let children = children_of(std::process::id()).expect("readable");
        assert!(children.contains(&child.id()));
        child.kill().expect("runs");
        child.wait().expect("is ours");
        let own = std::process::id();
        assert!(cpu_of(own).expect("readable") > Duration::ZERO);
        let anonymous = memory_of(own, "RssAnon:").expect("readable");
        assert!(anonymous > 0 && anonymous < memory_of(own, "VmRSS:").expect("readable"));
    }
}
