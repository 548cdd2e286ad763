//! Lines on their way to a writer that may block.

use std::{
    io::{self, Write},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait at most, some hundred bytes each: a burst of state changes of a whole worker.
const MAX_LINES: usize = 1024;

/// Takes lines without ever blocking, and loses them when too many wait.
#[derive(Clone, Debug)]
pub(crate) struct LineQueue {
    /// `None`: no thread could be made, and nothing is written.
    lines: Option<SyncSender<Vec<u8>>>,
}

impl LineQueue {
    /// Writes what comes to `writer`, by a thread that ends with the process.
    pub(crate) fn start(mut writer: impl Write + Send + 'static) -> Self {
        let (sender, lines) = sync_channel::<Vec<u8>>(MAX_LINES);
        let write = move || {
            for line in lines {
                // There is nobody left to tell.
                let _ = writer.write_all(&line);
            }
        };
        let started = thread::Builder::new().name("log".into()).spawn(write);
        Self {
            lines: started.is_ok().then_some(sender),
        }
    }
}

impl MakeWriter<'_> for LineQueue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for LineQueue {
    /// A formatter writes a line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(lines) = &self.lines {
            let _ = lines.try_send(line.to_vec());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Gate {
        open: mpsc::Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.open.recv();
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_that_blocks_costs_lines_and_no_time() {
        let (opener, open) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let mut queue = LineQueue::start(Gate { open, written });
        for number in 0..3 * MAX_LINES {
            queue.write_all(number.to_string().as_bytes()).unwrap();
        }
        drop(opener);
        drop(queue);
        let lines: Vec<_> = lines.iter().collect();
        assert!((MAX_LINES..=MAX_LINES + 1).contains(&lines.len()));
        assert_eq!(lines[0], b"0");
    }
}
