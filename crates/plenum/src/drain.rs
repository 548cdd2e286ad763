//! `plenum drain`: leads everybody away from a node, and says how that goes.

use std::{
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::Args;
use plenum_api::status::{DrainRequest, NodeDrain};
use plenum_console::{Console, Failure, Outcome};

use crate::{cli::NodeArgs, token::lifetime};

pub(crate) const EXAMPLES: &str = "Examples:
  plenum drain fra-1                                the node itself, two minutes
  plenum drain fra-1 --within 10m --url https://fra-2.example.org
  plenum drain fra-1 --cancel                       it takes people again

Any node of the cluster can be asked. Who ends the command (Ctrl-C) does not end the drain. When the node is drained,
nobody's media is there; it stays so until it is stopped, or the drain is called off.

Exit status: 0 drained (or called off), 1 refused by the node, 3 no node answers.";

/// Which node, and how fast.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// The node's name.
    pub(crate) node: String,
    /// In how much time everybody is to be elsewhere: 90s, 2m, 1h.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = lifetime)]
    pub(crate) within: Duration,
    /// Call the drain off.
    #[arg(long, conflicts_with = "within")]
    pub(crate) cancel: bool,
    #[command(flatten)]
    pub(crate) asked: NodeArgs,
}

/// How often progress is looked at: as often as somebody who watches sees a difference.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The node that is asked may be busy, or the link to the other one break for a moment: the drain goes on meanwhile.
const MAX_FAILURES: u32 = 10;

pub(crate) fn run(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let console = Console::new(&args.asked.options())?;
    let mut errors = io::stderr();
    let is_terminal = errors.is_terminal();
    let followed = follow(args, &console, &mut Progress::new(&mut errors, is_terminal));
    let outcome = match followed {
        Ok(()) => Outcome::Done,
        Err(failure) => {
            // If there is nobody to tell, there still is the status.
            let _ = writeln!(errors, "plenum drain: {failure}");
            match failure {
                Failure::Unreachable { .. } | Failure::NoNode { .. } => Outcome::Unreachable,
                _ => Outcome::Refused,
            }
        }
    };
    Ok(ExitCode::from(outcome.status()))
}

fn follow(args: &DrainArgs, console: &Console, progress: &mut Progress<'_>) -> Result<(), Failure> {
    let path = ["nodes", &args.node, "drain"];
    if args.cancel {
        progress.tell(&read(console.delete(&path)?)?);
        return Ok(());
    }
    let request = DrainRequest {
        within_ms: u64::try_from(args.within.as_millis()).unwrap_or(u64::MAX),
    };
    let body = serde_json::to_value(request).unwrap_or_default();
    let mut drain = read(console.post(&path, body)?)?;
    let mut failures = 0;
    loop {
        progress.tell(&drain);
        if drain.state != "draining" {
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
        match console.get(&path).and_then(read) {
            Ok(now) => (drain, failures) = (now, 0),
            Err(failure) if failures >= MAX_FAILURES => return Err(failure),
            Err(_) => failures += 1,
        }
    }
}

fn read(answer: serde_json::Value) -> Result<NodeDrain, Failure> {
    serde_json::from_value(answer).map_err(|err| Failure::Refused {
        code: 200,
        reason: format!("the node's answer cannot be understood: {err}"),
    })
}

/// One line that changes, on a terminal; elsewhere one for each change.
struct Progress<'a> {
    output: &'a mut dyn Write,
    is_terminal: bool,
    last: String,
}

impl<'a> Progress<'a> {
    fn new(output: &'a mut dyn Write, is_terminal: bool) -> Self {
        Self {
            output,
            is_terminal,
            last: String::new(),
        }
    }

    fn tell(&mut self, drain: &NodeDrain) {
        let line = line(drain);
        let goes_on = drain.state == "draining";
        // If there is nobody to tell, the drain goes on all the same.
        let _ = if self.is_terminal {
            let end = if goes_on { "" } else { "\n" };
            let seconds = drain.time_left_ms.div_ceil(1000);
            let time = if goes_on {
                format!(", {seconds} s left")
            } else {
                String::new()
            };
            write!(self.output, "\r\x1b[K{line}{time}{end}").and_then(|()| self.output.flush())
        } else if line == self.last {
            Ok(())
        } else {
            writeln!(self.output, "{line}")
        };
        self.last = line;
    }
}

fn line(drain: &NodeDrain) -> String {
    let NodeDrain {
        node,
        state,
        rooms_left,
        clients_left,
        clients_relayed,
        ..
    } = drain;
    let left = format!(", {clients_left} clients in {rooms_left} rooms left");
    let relayed = format!(", {clients_relayed} connections to rooms elsewhere");
    let obstacle = drain.obstacle.as_ref().map(|it| format!(" ({it})"));
    let parts = [
        Some(format!("{node}: {state}")),
        (state == "draining").then_some(left),
        (state != "running" && *clients_relayed > 0).then_some(relayed),
        obstacle,
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(state: &str, clients_left: usize) -> NodeDrain {
        NodeDrain {
            node: "fra-1".to_owned(),
            state: state.to_owned(),
            rooms_left: clients_left.min(2),
            clients_left,
            time_left_ms: 1500,
            ..NodeDrain::default()
        }
    }

    fn shown(is_terminal: bool, drains: &[NodeDrain]) -> String {
        let mut output = Vec::new();
        let mut progress = Progress::new(&mut output, is_terminal);
        for drain in drains {
            progress.tell(drain);
        }
        String::from_utf8(output).expect("text")
    }

    #[test]
    fn progress_is_one_line_on_a_terminal_and_one_for_each_change_elsewhere() {
        let steps = [
            drain("draining", 3),
            drain("draining", 3),
            drain("draining", 1),
            drain("drained", 0),
        ];
        assert_eq!(
            shown(false, &steps),
            "fra-1: draining, 3 clients in 2 rooms left\n\
             fra-1: draining, 1 clients in 1 rooms left\n\
             fra-1: drained\n"
        );
        let on_terminal = shown(true, &steps);
        assert_eq!(on_terminal.matches('\n').count(), 1, "{on_terminal:?}");
        assert!(on_terminal.contains("3 clients in 2 rooms left, 2 s left"));
        assert!(on_terminal.ends_with("\r\x1b[Kfra-1: drained\n"));
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        let stuck = NodeDrain {
            obstacle: Some("no other node takes anybody".to_owned()),
            clients_relayed: 4,
            ..drain("draining", 1)
        };
        assert_eq!(
            line(&stuck),
            "fra-1: draining, 1 clients in 1 rooms left, 4 connections to rooms elsewhere \
             (no other node takes anybody)"
        );
    }
}
