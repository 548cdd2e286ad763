//! How a run goes, for whoever watches: a bar on a terminal, a line every few seconds elsewhere.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::{Second, bits};

/// On standard error, so that what is printed at the end can be piped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    ends: Duration,
    lines: u32,
}

/// Without a terminal there is a line for so many seconds.
const SECONDS_PER_LINE: u32 = 5;

impl Progress {
    /// Of a run that ends after so long.
    pub(crate) fn new(ends: Duration) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(ends.as_secs().max(1));
            let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len} s  {msg}");
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self {
            bar,
            ends,
            lines: 0,
        }
    }

    /// Another second has passed.
    pub(crate) fn second(&mut self, second: &Second) {
        let text = line(second);
        if let Some(bar) = &self.bar {
            bar.set_position(Duration::from_secs_f64(second.at_s).as_secs());
            bar.set_message(text);
            return;
        }
        self.lines += 1;
        if self.lines % SECONDS_PER_LINE == 1 {
            let ends = self.ends.as_secs();
            self.say(&format!("{:>4.0}/{ends} s  {text}", second.at_s));
        }
    }

    fn say(&self, text: &str) {
        self.voice().say(text);
    }

    /// For what somebody else has to say meanwhile.
    pub(crate) fn voice(&self) -> Voice {
        Voice(self.bar.clone())
    }

    /// Nothing more follows.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Says lines that stay.
#[derive(Clone, Debug)]
pub(crate) struct Voice(Option<ProgressBar>);

impl Voice {
    /// A line of its own.
    pub(crate) fn say(&self, text: &str) {
        if let Some(bar) = &self.0 {
            bar.println(text);
        } else {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

fn line(second: &Second) -> String {
    let mut text = format!(
        "{} peers, {} joins/s, {}/s in, {}/s out, own CPU {:.0} %",
        second.peers,
        second.joins,
        bits(second.received_bps),
        bits(second.sent_bps),
        second.own_cpu_percent
    );
    if let Some(cpu) = second.server_cpu_percent {
        // Writing to a string does not fail.
        let _ = write!(text, ", servers {cpu:.0} %");
        if let Some(memory) = second.server_memory_bytes {
            let _ = write!(text, " {:.0} MiB", memory / 1_048_576.0);
        }
    }
    for (count, what) in [
        (second.lost, "lost"),
        (second.errors, "errors"),
        (second.reconnects, "reconnected"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_wrong_only_when_something_is() {
        let mut second = Second {
            peers: 10,
            received_bps: 2_500_000.0,
            ..Second::default()
        };
        let text = line(&second);
        assert!(
            text.contains("10 peers") && text.contains("2.5 Mb/s in"),
            "{text}"
        );
        assert!(!text.contains("errors"));
        second.errors = 3;
        second.server_cpu_percent = Some(31.0);
        second.server_memory_bytes = Some(64.0 * 1_048_576.0);
        let text = line(&second);
        assert!(
            text.contains("3 errors") && text.contains("servers 31 % 64 MiB"),
            "{text}"
        );
    }
}
