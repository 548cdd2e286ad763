//! `plenum console`, and the console of `plenum serve --interactive`.

use std::{
    env,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use plenum_console::{Console, Conversation, Ended, LogLines, Options, quote};
use plenum_ids::TransportId;
use plenum_signal::{ApiKey, Scope};
use rustix::process::{Signal, getpid, kill_process};
use tracing::{debug, warn};

use crate::cli::{ConsoleArgs, WhyArgs};

pub(crate) fn run(args: &ConsoleArgs) -> anyhow::Result<ExitCode> {
    let console = Console::new(&Options {
        json: args.json,
        ..args.node.options()
    })?;
    let (mut output, mut errors) = (io::stdout(), io::stderr());
    let outcome = match &args.command {
        Some(command) => console.run(command.as_bytes(), &mut output, &mut errors)?,
        None if io::stdin().is_terminal() && io::stderr().is_terminal() => {
            console.talk(Conversation {
                history: history(),
                ..Conversation::default()
            })?;
            return Ok(ExitCode::SUCCESS);
        }
        None => console.run(io::stdin().lock(), &mut output, &mut errors)?,
    };
    Ok(ExitCode::from(outcome.status()))
}

/// `plenum why`: one question to the node.
pub(crate) fn why(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let console = Console::new(&Options {
        json: args.json,
        ..args.node.options()
    })?;
    let room = format!("{}/{}", args.namespace, args.room);
    let line = format!("why {} {}", quote(&room), quote(&args.peer));
    let (mut output, mut errors) = (io::stdout(), io::stderr());
    let outcome = console.run(line.as_bytes(), &mut output, &mut errors)?;
    Ok(ExitCode::from(outcome.status()))
}

/// Where lines are remembered.
fn history() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/state")));
    Some(state?.join("plenum/console_history"))
}

/// The console of a node that is about to start.
pub(crate) struct Beside {
    lines: LogLines,
    /// Where workers write.
    pub(crate) workers: Arc<OwnedFd>,
    /// Shown to the node, and to nobody else.
    key: String,
}

impl Beside {
    /// With it, a place to write the node's log to.
    pub(crate) fn new() -> anyhow::Result<(Self, impl Write + Send + 'static)> {
        anyhow::ensure!(
            io::stdin().is_terminal() && io::stderr().is_terminal(),
            "--interactive needs a terminal; \"plenum console\" takes commands from files and pipes"
        );
        let (lines, writer) = LogLines::new();
        let (reader, pipe) = io::pipe().context("cannot make a pipe for the log of workers")?;
        let mut of_workers = writer.clone();
        let copy = move || {
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                // There is nobody left to tell.
                let _ = of_workers.write_all(&line);
                line.clear();
            }
        };
        thread::Builder::new()
            .name("worker-log".into())
            .spawn(copy)?;
        let workers = Arc::new(OwnedFd::from(pipe));
        let key = random_key();
        let beside = Self {
            lines,
            workers,
            key,
        };
        Ok((beside, writer))
    }

    /// What this prompt may, and nobody else's: everything, whatever the settings say of other programs.
    pub(crate) fn key(&self) -> ApiKey {
        ApiKey::new(
            "the node's own console".to_owned(),
            &self.key,
            Scope::Admin,
            None,
        )
    }

    /// Opens the prompt, for as long as the result lives.
    pub(crate) fn start(self, scheme: &str, address: SocketAddr) -> anyhow::Result<Prompt> {
        let console = Console::new(&own_node(local_url(scheme, address), self.key))?;
        let stop = Arc::new(AtomicBool::new(false));
        let conversation = Conversation {
            history: history(),
            log: Some(self.lines),
            own_node: true,
            stop: Arc::clone(&stop),
        };
        let talk = move || match console.talk(conversation) {
            Ok(Ended::Interrupted) => {
                // The way of Ctrl-C at a terminal without a prompt.
                if let Err(err) = kill_process(getpid(), Signal::INT) {
                    warn!(%err, "the node cannot be told to end");
                }
            }
            Ok(Ended::Left) => {}
            Err(err) => warn!(%err, "the console failed; the node goes on"),
        };
        let thread = thread::Builder::new().name("console".into()).spawn(talk);
        Ok(Prompt {
            stop,
            thread: Some(thread.context("cannot start the console")?),
        })
    }
}

/// A key that holds as long as this process: 122 random bits, twice.
fn random_key() -> String {
    format!("{}{}", TransportId::random(), TransportId::random())
}

fn own_node(url: String, key: String) -> Options {
    Options {
        url,
        key: Some(key),
        own_node: true,
        ..Options::default()
    }
}

/// Where the node reaches itself.
fn local_url(scheme: &str, address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

/// A prompt that is open. Dropped, it leaves the terminal as it was.
pub(crate) struct Prompt {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A prompt looks ten times a second whether it shall end. While a command is carried out the terminal is as it was.
const END_LIMIT: Duration = Duration::from_millis(500);

impl Drop for Prompt {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.stop.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + END_LIMIT;
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        if !thread.is_finished() {
            debug!("the console is busy to the end");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_finds_itself() {
        for (address, url) in [
            ("0.0.0.0:3000", "http://127.0.0.1:3000"),
            ("[::]:1", "http://[::1]:1"),
            ("192.0.2.1:2", "http://192.0.2.1:2"),
        ] {
            assert_eq!(local_url("http", address.parse().expect("an address")), url);
        }
    }
}
