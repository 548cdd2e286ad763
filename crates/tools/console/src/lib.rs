//! The console of a running node: commands for its HTTP admin API, with tables for people and JSON for scripts.
//!
//! [`Console::run`] carries out single lines, a script, or a conversation at a terminal with history and completion. A
//! console is a client like any other: it knows no more of the node than its API tells, and it may do what its address or
//! its key may do.
#![forbid(unsafe_code)]

mod client;
mod completion;
mod grammar;
mod interactive;
mod log_lines;
mod node;
mod request;
mod show;
mod table;
mod words;

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use reqwest::Method;
use rustix::termios::tcgetwinsize;
use serde_json::Value;

pub use client::Failure;
use client::Request;
use grammar::{Action, Invocation, NoCommand};
pub use log_lines::LogLines;
use node::Node;
pub use words::quote;

/// Where the node is and what the console does.
#[derive(Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Options {
    /// Address of the node, for instance `http://127.0.0.1:3000`.
    pub url: String,
    /// An API key.
    pub key: Option<String>,
    /// Answers as they come, for all commands.
    pub json: bool,
    /// The node runs in this very process: whatever certificate is shown at its address, it is its own.
    pub own_node: bool,
}

/// How a conversation at a terminal is kept.
#[derive(Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Conversation {
    /// File of the history; `None`: it is forgotten.
    pub history: Option<PathBuf>,
    /// Lines of a log that are printed above the prompt.
    pub log: Option<LogLines>,
    /// The node runs in this very process, and ends with Ctrl-C.
    pub own_node: bool,
    /// Ends the conversation when it is set.
    pub stop: Arc<AtomicBool>,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are no more ways out")]
pub enum Ended {
    /// With Ctrl-C, twice: whoever is there wants the node to end.
    Interrupted,
    /// With `exit`, Ctrl-D, or because it was told to.
    Left,
}

/// How lines went, as the status of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "documented for scripts")]
pub enum Outcome {
    /// All of them: 0.
    Done,
    /// The node refused one: 1.
    Refused,
    /// One was no command: 2.
    Misspelt,
    /// No node answered: 3.
    Unreachable,
}

impl Outcome {
    /// The status.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Misspelt => 2,
            Self::Unreachable => 3,
        }
    }
}

/// A console.
pub struct Console {
    node: Arc<Node>,
    json: bool,
}

/// Why a line was not carried out.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    NoCommand(#[from] NoCommand),
    /// The node's answer does not have what was asked for.
    #[error("{0}")]
    NotThere(String),
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl Trouble {
    const fn outcome(&self) -> Outcome {
        match self {
            Self::Failure(Failure::Unreachable { .. } | Failure::NoNode { .. }) => {
                Outcome::Unreachable
            }
            Self::Failure(_) | Self::NotThere(_) => Outcome::Refused,
            Self::NoCommand(_) => Outcome::Misspelt,
            // Whoever reads has read enough.
            Self::Output(_) => Outcome::Done,
        }
    }
}

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Exit,
    GoOn,
}

impl Console {
    /// Not inside an asynchronous runtime: a console waits for answers.
    pub fn new(options: &Options) -> Result<Self, Failure> {
        Ok(Self {
            node: Arc::new(Node::new(options)?),
            json: options.json,
        })
    }

    /// Carries out lines until one fails. What they say goes to `output`, and to `errors` why one failed, with its number if
    /// it was not the first.
    pub fn run(
        &self,
        lines: impl BufRead,
        output: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<Outcome> {
        for (index, line) in lines.lines().enumerate() {
            match self.carry_out(&line?, output) {
                Ok(Then::GoOn) => {}
                Ok(Then::Exit) => break,
                Err(trouble) => {
                    let outcome = trouble.outcome();
                    if outcome != Outcome::Done {
                        let place = match index {
                            0 => String::new(),
                            _ => format!("line {}: ", index + 1),
                        };
                        // If there is nobody to tell, there still is the status.
                        let _ = writeln!(errors, "plenum console: {place}{trouble}");
                    }
                    return Ok(outcome);
                }
            }
        }
        Ok(Outcome::Done)
    }

    /// What the node has under a path of its admin API, for programs that show it in their own way.
    pub fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.node.ask(&api(Method::GET, path))
    }

    /// Asks the node for something to be done.
    pub fn post(&self, path: &[&str], body: Value) -> Result<Value, Failure> {
        self.node.ask(&api(Method::POST, path).with(body))
    }

    /// Asks the node for something to be undone.
    pub fn delete(&self, path: &[&str]) -> Result<Value, Failure> {
        self.node.ask(&api(Method::DELETE, path))
    }

    /// Talks with whoever is at the terminal.
    pub fn talk(&self, conversation: Conversation) -> io::Result<Ended> {
        interactive::talk(self, conversation)
    }

    fn carry_out(&self, line: &str, output: &mut dyn Write) -> Result<Then, Trouble> {
        let Some(mut invocation) = grammar::parse(line)? else {
            return Ok(Then::GoOn);
        };
        invocation.json |= self.json;
        match invocation.action {
            Action::Exit => return Ok(Then::Exit),
            Action::Help => {
                let command = invocation.values.first().map(String::as_str);
                output.write_all(grammar::help(command, width())?.as_bytes())?;
            }
            _ => {
                let text = self.answer(&invocation)?;
                output.write_all(text.as_bytes())?;
            }
        }
        output.flush()?;
        Ok(Then::GoOn)
    }

    fn answer(&self, invocation: &Invocation) -> Result<String, Trouble> {
        let mut answer = self.node.ask(&request::request(invocation)?)?;
        if invocation.action == Action::Status {
            answer = self.status(&answer)?;
        }
        if invocation.json {
            return Ok(format!("{answer}\n"));
        }
        show::show(invocation, &answer, width()).map_err(Trouble::NotThere)
    }

    /// Readiness, and what there is.
    fn status(&self, readiness: &Value) -> Result<Value, Trouble> {
        let stats = self.node.stats()?;
        Ok(show::status(&self.node.place(), readiness, &stats))
    }
}

fn api(method: Method, path: &[&str]) -> Request {
    let base = ["api", "v1"].into_iter();
    Request::new(method, base.chain(path.iter().copied()))
}

/// Columns of the terminal; what is no terminal takes lines of any length.
fn width() -> usize {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => usize::MAX,
    }
}
