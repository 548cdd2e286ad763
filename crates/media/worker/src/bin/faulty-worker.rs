//! A worker that breaks the protocol, for tests of who has to live with it. The fault is named by the argument; those that
//! are not part of the opening happen when the node creates a router. Everything else is answered properly.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

use plenum_ipc::{
    Answer, Decoder, MAX_FRAME_BYTES, NodeToWorker, PREAMBLE_BYTES, Preamble, Request, WorkerHello,
    WorkerToNode, encode,
};
use plenum_params::{event::Event, transport::DtlsState};
use plenum_udp::recv_fds;
use plenum_worker::standard_input;

/// Requests that are collected before they are answered in the opposite order.
const REORDERED: usize = 10;

fn main() -> io::Result<()> {
    let fault = std::env::args().nth(1).unwrap_or_default();
    if fault == "starts-once" {
        let marker = std::env::args().nth(2).unwrap_or_default();
        // The second one finds that the file is there.
        if std::fs::File::create_new(marker).is_err() {
            std::process::exit(7);
        }
    }
    let input = standard_input().map_err(io::Error::other)?;
    let mut worker = Faulty {
        stream: input.into(),
        fault,
        decoder: Decoder::new(),
        held: Vec::new(),
    };
    worker.open()?;
    while let Some(frame) = worker.receive()? {
        if let NodeToWorker::Request { id, body } = frame {
            worker.handle_request(id, &body)?;
        }
    }
    Ok(())
}

struct Faulty {
    stream: UnixStream,
    fault: String,
    decoder: Decoder,
    /// Requests that are not answered yet.
    held: Vec<u64>,
}

impl Faulty {
    /// The opening, as far as the fault lets it go well.
    fn open(&mut self) -> io::Result<()> {
        let mut preamble = [0; PREAMBLE_BYTES];
        let (length, _descriptors) = recv_fds(&self.stream, &mut preamble)?;
        self.stream
            .read_exact(preamble.get_mut(length..).unwrap_or_default())?;
        let mut ours = Preamble::OURS;
        match self.fault.as_str() {
            "other-version" => ours.protocol_version += 1,
            "other-build" => ours.build_hash = !ours.build_hash,
            "no-preamble" => return self.stream.write_all(b"HTTP/1.1 400 Bad"),
            _ => {}
        }
        self.stream.write_all(&ours.to_bytes())?;
        self.receive()?;
        match self.fault.as_str() {
            "event-before-hello" => self.send(&event())?,
            "noise-for-hello" => self
                .stream
                .write_all(&[4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])?,
            "half-a-hello" => {
                self.stream.write_all(&[9, 0, 0, 0, 0])?;
                std::process::exit(3);
            }
            _ => {}
        }
        self.send(&hello())
    }

    fn handle_request(&mut self, id: u64, body: &Request) -> io::Result<()> {
        if !matches!(body, Request::CreateRouter { .. }) {
            return self.answer(id, body);
        }
        match self.fault.as_str() {
            "oversized" => {
                let length = MAX_FRAME_BYTES as u32 + 1;
                self.stream.write_all(&length.to_le_bytes())
            }
            "noise" => self.stream.write_all(&[4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
            "trailing" => self.stream.write_all(&[5, 0, 0, 0, 1, 0, 0, 0, 0]),
            "truncated" => {
                self.stream.write_all(&[9, 0, 0, 0, 1])?;
                std::process::exit(3);
            }
            "second-hello" => self.send(&hello()),
            "deaf" => Ok(()),
            "late" => {
                self.held.push(id);
                let [first, second] = self.held[..] else {
                    return Ok(());
                };
                self.held.clear();
                // Late, never asked for, and twice: none of it is an answer to what is open.
                for id in [first, u64::MAX, id + 1000, first, second] {
                    self.answer(id, body)?;
                }
                // The second is answered by now: this refusal changes nothing.
                self.answer(second, &Request::WorkerStats)
            }
            "reordered" => {
                self.held.push(id);
                if self.held.len() < REORDERED {
                    return Ok(());
                }
                // Every other answer is of another kind, so that a mix-up would show.
                while let Some(id) = self.held.pop() {
                    let odd = self.held.len() % 2 == 1;
                    self.answer(id, if odd { &Request::WorkerStats } else { body })?;
                }
                Ok(())
            }
            _ => self.answer(id, body),
        }
    }

    fn answer(&mut self, id: u64, body: &Request) -> io::Result<()> {
        let answer = match body {
            Request::WorkerStats => Answer::WorkerStats(Box::default()),
            _ => Answer::Done,
        };
        let result = Ok(answer);
        self.send(&WorkerToNode::Response { id, result })
    }

    fn send(&mut self, frame: &WorkerToNode) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes).map_err(io::Error::other)?;
        self.stream.write_all(&bytes)
    }

    /// The next frame of the node; nothing when it has ended.
    fn receive(&mut self) -> io::Result<Option<NodeToWorker>> {
        let mut buffer = [0; 4096];
        loop {
            let frame = self.decoder.next_frame().map_err(io::Error::other)?;
            if frame.is_some() {
                return Ok(frame);
            }
            let length = self.stream.read(&mut buffer)?;
            if length == 0 {
                return Ok(None);
            }
            let bytes = buffer.get(..length).unwrap_or_default();
            self.decoder.feed(bytes).map_err(io::Error::other)?;
        }
    }
}

fn hello() -> WorkerToNode {
    WorkerToNode::Hello(WorkerHello {
        pid: std::process::id(),
        gso: false,
    })
}

fn event() -> WorkerToNode {
    WorkerToNode::Event(Event::DtlsState {
        transport: "00000000-0000-4000-8000-000000000000"
            .parse()
            .expect("an identifier"),
        state: DtlsState::Connected,
    })
}
