//! A log beside a prompt: its lines are printed above what is being written.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
};

use reedline::ExternalPrinter;

/// Lines that wait while a command is carried out; whoever writes more waits, too, and should be a thread of its own.
const MAX_WAITING: usize = 1024;

/// The lines of a log on their way to the prompt. Before there is one, and when it has gone, they go to standard error.
#[derive(Debug)]
pub struct LogLines {
    printer: ExternalPrinter<String>,
    is_open: Arc<AtomicBool>,
}

/// Where a log is written to.
#[derive(Clone, Debug)]
struct Writer {
    lines: SyncSender<String>,
    is_open: Arc<AtomicBool>,
    /// The beginning of a line.
    begun: Vec<u8>,
}

/// A line that never ends is printed in pieces.
const MAX_LINE: usize = 64 * 1024;

impl LogLines {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, impl Write + Clone + Send + 'static) {
        let printer = ExternalPrinter::new(MAX_WAITING);
        let is_open = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            lines: printer.sender(),
            is_open: Arc::clone(&is_open),
            begun: Vec::new(),
        };
        (Self { printer, is_open }, writer)
    }

    /// From now on lines are printed above the prompt, until the result is dropped.
    pub(crate) fn open(self) -> (ExternalPrinter<String>, Open) {
        self.is_open.store(true, Ordering::Relaxed);
        (self.printer, Open(self.is_open))
    }
}

/// See [`LogLines::open`].
pub(crate) struct Open(Arc<AtomicBool>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.begun.len() > MAX_LINE {
                let line = std::mem::take(&mut self.begun);
                self.print(&line)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writer {
    fn print(&self, line: &[u8]) -> io::Result<()> {
        if self.is_open.load(Ordering::Relaxed) {
            let text = String::from_utf8_lossy(line).trim_end().to_owned();
            if self.lines.send(text).is_ok() {
                return Ok(());
            }
        }
        io::stderr().write_all(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_come_to_the_prompt_while_there_is_one() {
        let (lines, mut writer) = LogLines::new();
        writer.write_all(b"to standard error\n").expect("taken");
        let (printer, open) = lines.open();
        writer.write_all(b"one\ntwo, ").expect("taken");
        writer.write_all(b"in pieces\nnot yet").expect("taken");
        assert_eq!(printer.get_line().as_deref(), Some("one"));
        assert_eq!(printer.get_line().as_deref(), Some("two, in pieces"));
        assert_eq!(printer.get_line(), None);
        drop(open);
        writer.write_all(b" to standard error\n").expect("taken");
        assert_eq!(printer.get_line(), None);
    }
}
