//! What can be said: one table, from which lines are understood, completed and explained.

mod specs;

use crate::{
    table::Table,
    words::{self, Unclosed},
};

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Admit,
    CloseConsumer,
    CloseProducer,
    CloseRoom,
    CloseTransport,
    Consumers,
    DeadLetters,
    Drain,
    Exit,
    Help,
    Kick,
    Lobby,
    Lock,
    Log,
    LogWorker,
    Mute,
    MuteAll,
    Namespaces,
    Node,
    Nodes,
    Open,
    Peer,
    Peers,
    Producers,
    Refuse,
    Restart,
    Restarting,
    Retry,
    Role,
    Room,
    Rooms,
    Stats,
    StatsOf,
    Status,
    Trace,
    Traces,
    Transports,
    Undrain,
    Unlock,
    Webhooks,
    Why,
    Worker,
    Workers,
}

/// What a word names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Command,
    Consumer,
    DeadLetter,
    Filter,
    Level,
    Medium,
    Namespace,
    Node,
    /// A transport, producer or consumer.
    Object,
    Peer,
    Producer,
    Role,
    Room,
    Switch,
    Tag,
    TraceType,
    Transport,
    Worker,
}

/// A part of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// This word.
    Is(&'static str),
    /// A word that has to be there.
    One(Kind),
    /// A word that may be there; nothing else follows but the same.
    Maybe(Kind),
    /// Any number of words.
    Rest(Kind),
}

/// A command.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) action: Action,
    pub(crate) parts: &'static [Part],
    pub(crate) help: &'static str,
}

use Part::{Is, Maybe, One, Rest};
pub(crate) use specs::SPECS;

/// A line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) action: Action,
    /// The word after its name, if it is a fixed one.
    pub(crate) what: Option<&'static str>,
    /// What stands at the places of the command that are no fixed words.
    pub(crate) values: Vec<String>,
    /// The answer as it came.
    pub(crate) json: bool,
}

/// Why a line was not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCommand {
    #[error("there is no command {given:?}{hint}; \"help\" lists all")]
    Unknown { given: String, hint: String },
    #[error(transparent)]
    Unclosed(#[from] Unclosed),
    #[error("usage: {}", .0.join("\n       "))]
    Usage(Vec<String>),
}

/// What a line says; `None`: nothing.
pub(crate) fn parse(line: &str) -> Result<Option<Invocation>, NoCommand> {
    if line.trim_start().starts_with('#') {
        return Ok(None);
    }
    let words: Vec<String> = words::split(line)?.into_iter().map(|it| it.text).collect();
    let json = words.iter().any(|word| word == JSON);
    let words: Vec<String> = words.into_iter().filter(|word| word != JSON).collect();
    let Some(first) = words.first() else {
        return Ok(None);
    };
    let first = alias(first);
    let same: Vec<_> = SPECS.iter().filter(|spec| spec.name() == first).collect();
    if same.is_empty() {
        return Err(unknown(first));
    }
    let matching = same.iter().find_map(|spec| {
        let values = spec.values(&words)?;
        Some(Invocation {
            action: spec.action,
            what: spec.what(),
            values,
            json,
        })
    });
    let usage = || NoCommand::Usage(same.iter().map(|spec| spec.usage()).collect());
    matching.map(Some).ok_or_else(usage)
}

/// Asks for the answer as it comes.
pub(crate) const JSON: &str = "--json";

/// Other names that people try.
fn alias(name: &str) -> &str {
    match name {
        "quit" | "q" => "exit",
        "?" => "help",
        name => name,
    }
}

fn unknown(given: &str) -> NoCommand {
    let near = SPECS.iter().map(Spec::name).find(|name| {
        let common = name.chars().zip(given.chars()).take_while(|(a, b)| a == b);
        let common = common.count();
        common >= 3 || common == given.chars().count()
    });
    NoCommand::Unknown {
        given: given.to_owned(),
        hint: near.map_or_else(String::new, |name| format!(" (did you mean {name:?}?)")),
    }
}

impl Spec {
    /// Its first word.
    pub(crate) fn name(&self) -> &'static str {
        match self.parts.first() {
            Some(Is(word)) => word,
            _ => "",
        }
    }

    /// Its second word, if it is a fixed one.
    fn what(&self) -> Option<&'static str> {
        match self.parts.get(1) {
            Some(Is(word)) => Some(word),
            _ => None,
        }
    }

    /// What stands at its places, if these words are such a command.
    fn values(&self, words: &[String]) -> Option<Vec<String>> {
        let mut values = Vec::new();
        let mut words = words.iter();
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Is(fixed) => {
                    let word = words.next()?;
                    // The first one was found by its aliases, too.
                    if index > 0 && word != fixed {
                        return None;
                    }
                }
                One(_) => values.push(words.next()?.clone()),
                Maybe(_) => values.extend(words.next().cloned()),
                Rest(_) => values.extend(words.by_ref().cloned()),
            }
        }
        words.next().is_none().then_some(values)
    }

    /// What may stand at a place, if these words may stand before it.
    pub(crate) fn part_after(&self, words: &[String]) -> Option<Part> {
        let fits = self
            .parts
            .iter()
            .zip(words)
            .enumerate()
            .all(|(index, (part, word))| {
                let name = if index == 0 { alias(word) } else { word };
                !matches!(part, Is(fixed) if *fixed != name)
            });
        if !fits {
            return None;
        }
        let last = self
            .parts
            .last()
            .copied()
            .filter(|part| matches!(part, Rest(_)));
        self.parts.get(words.len()).copied().or(last)
    }

    /// How it is written.
    pub(crate) fn usage(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Is(word) => (*word).to_owned(),
            One(kind) => kind.name().to_owned(),
            Maybe(kind) => format!("[{}]", kind.name()),
            Rest(kind) => format!("[{}…]", kind.name()),
        });
        parts.collect::<Vec<_>>().join(" ")
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Command => "COMMAND",
            Self::Consumer | Self::DeadLetter | Self::Object | Self::Producer | Self::Transport => {
                "ID"
            }
            Self::Filter => "FILTER",
            Self::Level => "LEVEL",
            Self::Medium => "audio|video",
            Self::Namespace => "NAMESPACE",
            Self::Node => "NODE",
            Self::Peer => "PEER",
            Self::Role => "host|speaker|listener",
            Self::Room => "ROOM",
            Self::Switch => "on|off",
            Self::Tag => "TAG",
            Self::TraceType => "TYPE",
            Self::Worker => "WORKER",
        }
    }

    /// The words that there are, where they are always the same.
    pub(crate) const fn fixed(self) -> &'static [&'static str] {
        match self {
            Self::Filter | Self::Level => &["error", "warn", "info", "debug", "trace"],
            Self::Medium => &["audio", "video"],
            Self::Role => &["host", "speaker", "listener"],
            Self::Switch => &["on", "off"],
            Self::Tag => &[
                "info",
                "ice",
                "dtls",
                "rtp",
                "srtp",
                "rtcp",
                "rtx",
                "bwe",
                "score",
                "simulcast",
                "svc",
                "sctp",
            ],
            Self::TraceType => &[
                "rtp",
                "keyframe",
                "nack",
                "pli",
                "fir",
                "sr",
                "probation",
                "bwe",
            ],
            _ => &[],
        }
    }
}

/// What `help` says.
pub(crate) fn help(command: Option<&str>, width: usize) -> Result<String, NoCommand> {
    let Some(command) = command else {
        let mut table = Table::new(&["", ""]);
        for spec in SPECS {
            table.push([spec.usage(), spec.help.to_owned()]);
        }
        return Ok(format!("{}\n{NOTES}", table.render(width)));
    };
    let command = alias(command);
    let about: Vec<_> = SPECS.iter().filter(|spec| spec.name() == command).collect();
    if about.is_empty() {
        return Err(unknown(command));
    }
    let lines = about
        .iter()
        .map(|spec| format!("{}\n    {}\n", spec.usage(), spec.help));
    Ok(lines.collect())
}

const NOTES: &str = "\
ROOM is a name, or NAMESPACE/NAME outside the namespace \"default\". Names with spaces stand in quotes.
--json with any command prints the node's answer as it is. The Tab key completes commands and names.
";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::words::quote;

    fn said(line: &str) -> (Action, Vec<String>) {
        let invocation = parse(line).expect("a command").expect("something");
        (invocation.action, invocation.values)
    }

    #[test]
    fn commands_are_understood() {
        assert_eq!(said("workers"), (Action::Workers, vec![]));
        assert_eq!(said("rooms acme").1, ["acme"]);
        assert_eq!(
            said("close producer 'my room' p1"),
            (Action::CloseProducer, vec!["my room".into(), "p1".into()])
        );
        assert_eq!(
            said("log-worker 0 debug ice dtls").1,
            ["0", "debug", "ice", "dtls"]
        );
        assert_eq!(said("log-worker 0").1, ["0"]);
        assert_eq!(said("q").0, Action::Exit);
        assert_eq!(said("?").0, Action::Help);
        assert!(
            parse("--json rooms")
                .expect("a command")
                .expect("something")
                .json
        );
        for nothing in ["", "   ", "# a comment"] {
            assert_eq!(parse(nothing), Ok(None));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        let text = |line: &str| parse(line).expect_err("no command").to_string();
        assert_eq!(
            text("worke"),
            "there is no command \"worke\" (did you mean \"workers\"?); \"help\" lists all"
        );
        assert_eq!(text("kick room"), "usage: kick ROOM PEER");
        assert_eq!(text("workers all"), "usage: workers");
        assert!(
            text("close it")
                .starts_with("usage: close room ROOM\n       close transport ROOM ID\n")
        );
        assert_eq!(text("kick 'room"), "a quote is not closed");
    }

    #[test]
    fn help_names_every_command_once() {
        let all = help(None, 100).expect("the list");
        for spec in SPECS {
            let begins = |line: &&str| line.starts_with(&format!("{}  ", spec.usage()));
            assert_eq!(all.lines().filter(begins).count(), 1, "{}", spec.usage());
            let own = help(Some(spec.name()), 100).expect("known");
            assert!(own.contains(spec.help));
        }
        assert!(help(Some("dance"), 100).is_err());
    }

    proptest! {
        #[test]
        fn every_command_with_any_names_is_understood(index in 0..SPECS.len(), names in proptest::collection::vec("[^-].{0,8}", 8), json: bool) {
            let spec = &SPECS[index];
            let mut names = names.into_iter();
            let mut values = Vec::new();
            let mut line: Vec<String> = Vec::new();
            for part in spec.parts {
                if let Is(word) = part {
                    line.push((*word).to_owned());
                } else {
                    let name = names.next().expect("enough");
                    line.push(quote(&name));
                    values.push(name);
                }
            }
            if json {
                line.push(JSON.to_owned());
            }
            let parsed = parse(&line.join(" "));
            prop_assert_eq!(parsed, Ok(Some(Invocation { action: spec.action, what: spec.what(), values, json })));
        }

        #[test]
        fn no_line_panics(line in any::<String>()) {
            let _ = parse(&line);
        }
    }
}
