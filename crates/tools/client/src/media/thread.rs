//! One media thread.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::{Arc, mpsc},
    time::Instant,
};

use plenum_ids::ConsumerId;
use plenum_udp::{Events, Interest, Poller, RecvBatch, Sender, UdpSocket, thread_cpu_time};
use tokio::sync::oneshot;

use super::{
    MediaFigures, ThreadFigures,
    line::{Line, LineSetup, LineStats, SourceSetup, StreamSetup},
};
use crate::{Histogram, peer::Datagrams};

/// Descriptors that one wait reports; the rest comes with the next one.
const MAX_EVENTS: usize = 256;

/// The token of the descriptor that commands are announced by. Lines count from 1.
const COMMANDS: u64 = 0;

/// A thread, seen from outside. It ends when the last of these has gone.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    commands: mpsc::Sender<Command>,
    wake: Arc<UnixStream>,
}

/// What a thread is told.
pub(super) enum Command {
    Open(u64, Box<(UdpSocket, LineSetup)>),
    Line(u64, LineCommand),
    Figures(oneshot::Sender<MediaFigures>),
}

/// What one of its transports is told.
pub(super) enum LineCommand {
    AddSource(Box<SourceSetup>),
    AddStream(Box<StreamSetup>),
    Close,
    Release,
    RemoveStream(ConsumerId),
    RequestKeyFrame(ConsumerId),
    SetDemand(u64, Vec<bool>),
    SetPaused(u64, bool),
    Stats(oneshot::Sender<LineStats>),
    TakeSource(u64, oneshot::Sender<Option<Box<SourceSetup>>>),
}

impl Thread {
    pub(super) fn start(index: usize) -> io::Result<Self> {
        let (commands, received) = mpsc::channel();
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let poller = Poller::new()?;
        poller.add(&woken, COMMANDS, Interest::Readable)?;
        let inside = Inside {
            poller,
            woken,
            commands: received,
            lines: HashMap::default(),
            due: BinaryHeap::new(),
            shared: Shared::new(),
            past: MediaFigures::default(),
        };
        std::thread::Builder::new()
            .name(format!("media-{index}"))
            .spawn(move || inside.run())?;
        Ok(Self {
            commands,
            wake: Arc::new(wake),
        })
    }

    pub(super) fn send(&self, command: Command) {
        // A thread that has ended has nothing to do.
        if self.commands.send(command).is_ok() {
            // Full: it will wake up anyway.
            let _ = (&*self.wake).write(&[1]);
        }
    }
}

/// What all lines of a thread use in turn.
pub(super) struct Shared {
    pub(super) batch: RecvBatch,
    pub(super) out: Datagrams,
    pub(super) sender: Sender,
    /// Of sound and of pictures.
    pub(super) delays: [Histogram; 2],
    pub(super) lateness: Histogram,
    pub(super) skipped_frames: u64,
}

impl Shared {
    fn new() -> Self {
        Self {
            batch: RecvBatch::new(),
            out: Datagrams::new(),
            sender: Sender::new(),
            delays: [Histogram::new(), Histogram::new()],
            lateness: Histogram::new(),
            skipped_frames: 0,
        }
    }
}

struct Inside {
    poller: Poller,
    woken: UnixStream,
    commands: mpsc::Receiver<Command>,
    lines: HashMap<u64, Line, foldhash::fast::RandomState>,
    /// When which line wants to be served. Entries whose time a line does not know any more mean nothing.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    shared: Shared,
    /// What lines that have gone have done.
    past: MediaFigures,
}

impl Inside {
    fn run(mut self) {
        let began = Instant::now();
        let mut events = Events::with_capacity(MAX_EVENTS);
        let mut ready = Vec::with_capacity(MAX_EVENTS);
        loop {
            self.serve_due();
            let next = self.due.peek().map(|Reverse((due, _))| *due);
            let timeout = next.map(|due| due.saturating_duration_since(Instant::now()));
            if self.poller.wait(timeout, &mut events).is_err() {
                return;
            }
            ready.clear();
            ready.extend(events.iter().map(|event| event.token));
            for token in &ready {
                if *token == COMMANDS {
                    if !self.handle_commands(began) {
                        return;
                    }
                } else {
                    self.receive(*token);
                }
            }
        }
    }

    fn serve_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((due, id))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            if let Some(line) = self.lines.get_mut(&id)
                && line.scheduled == Some(due)
            {
                line.scheduled = None;
                line.serve(now, &mut self.shared);
                schedule(&mut self.due, id, line);
            }
        }
    }

    fn receive(&mut self, id: u64) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        line.receive(&mut self.shared);
        schedule(&mut self.due, id, line);
    }

    /// `false`: nobody is there any more who could say anything.
    fn handle_commands(&mut self, began: Instant) -> bool {
        let mut bytes = [0; 256];
        let is_over = loop {
            match self.woken.read(&mut bytes) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(_) => break true,
            }
        };
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Open(id, opening) => self.open(id, *opening),
                Command::Line(id, LineCommand::Close) => self.close(id),
                Command::Line(id, command) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.handle(Instant::now(), command, &mut self.shared);
                        line.flush(Instant::now(), &mut self.shared);
                        schedule(&mut self.due, id, line);
                    }
                }
                Command::Figures(answer) => {
                    // Who asked may have gone.
                    let _ = answer.send(self.figures(began));
                }
            }
        }
        !is_over
    }

    fn open(&mut self, id: u64, (socket, setup): (UdpSocket, LineSetup)) {
        if self.poller.add(&socket, id, Interest::Readable).is_err() {
            return;
        }
        let now = Instant::now();
        if let Some(mut line) = Line::new(now, socket, setup) {
            line.serve(now, &mut self.shared);
            schedule(&mut self.due, id, &mut line);
            self.lines.insert(id, line);
        }
    }

    fn close(&mut self, id: u64) {
        if let Some(mut line) = self.lines.remove(&id) {
            line.close(&mut self.shared);
            let stats = line.stats();
            self.past.sent += stats.sent;
            self.past.received += stats.received;
        }
    }

    fn figures(&self, began: Instant) -> MediaFigures {
        let mut sum = self.past.clone();
        for line in self.lines.values() {
            let (sent, received) = line.totals();
            sum.sent += sent;
            sum.received += received;
        }
        [sum.audio_delay, sum.video_delay] = self.shared.delays.clone();
        sum.threads = vec![ThreadFigures {
            transports: self.lines.len(),
            cpu: thread_cpu_time(),
            elapsed: began.elapsed(),
            lateness: self.shared.lateness.clone(),
            skipped_frames: self.shared.skipped_frames,
        }];
        sum
    }
}

/// Notes when a line wants to be served, unless that is noted already.
fn schedule(due: &mut BinaryHeap<Reverse<(Instant, u64)>>, id: u64, line: &mut Line) {
    let Some(next) = line.poll_timeout() else {
        return;
    };
    if line.scheduled.is_none_or(|scheduled| next < scheduled) {
        line.scheduled = Some(next);
        due.push(Reverse((next, id)));
    }
}
