//! The control socket: requests in, answers and events out, neither ever blocking the loop.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use plenum_ipc::{
    Answer, Decoder, ErrorCode, Event, FrameError, NodeToWorker, Request, RequestError,
    WorkerConfig, WorkerHello, WorkerToNode, encode,
};
use plenum_udp::Interest;

use crate::WorkerError;

/// Above this many waiting bytes the node is behind: no more requests are read, and events that a later one replaces are
/// left out.
const BEHIND_BYTES: usize = 1024 * 1024;

/// Traces are left out above this many, so that what they take delays nothing else by more than the node needs to read a
/// buffer of a socket.
const MAX_TRACED_BYTES: usize = 64 * 1024;

/// Above this many the node is believed dead. It is some eighty thousand state changes: every consumer of a full worker
/// changed several times, and the node read nothing.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// The worker's end of the conversation.
pub(crate) struct Control {
    stream: UnixStream,
    decoder: Decoder,
    buffer: Box<[u8]>,
    outgoing: Vec<u8>,
    /// Bytes of `outgoing` that were written.
    written: usize,
    /// Events left out because the node was behind.
    pub(crate) events_dropped: u64,
}

/// Whether the node is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Alive,
    Gone,
}

impl Control {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: Decoder::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            outgoing: Vec::new(),
            written: 0,
            events_dropped: 0,
        }
    }

    /// Waits for the node's first frame; nothing blocks afterwards.
    pub(crate) fn wait_for_hello(&mut self) -> Result<WorkerConfig, WorkerError> {
        loop {
            match self.decoder.next_frame()? {
                Some(NodeToWorker::Hello(config)) => {
                    let nonblocking = self.stream.set_nonblocking(true);
                    nonblocking.map_err(WorkerError::Control)?;
                    return Ok(*config);
                }
                Some(NodeToWorker::Request { .. }) => {
                    return Err(WorkerError::Protocol("a request came before its hello"));
                }
                None => {
                    if self.read()? == Peer::Gone {
                        return Err(WorkerError::Control(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
    }

    /// Reads once. All requests that came before must have been taken.
    pub(crate) fn read(&mut self) -> Result<Peer, WorkerError> {
        match self.stream.read(&mut self.buffer) {
            Ok(0) => {
                self.decoder.finish()?;
                return Ok(Peer::Gone);
            }
            Ok(length) => {
                let bytes = self.buffer.get(..length).unwrap_or_default();
                self.decoder.feed(bytes)?;
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
                io::ErrorKind::ConnectionReset => return Ok(Peer::Gone),
                _ => return Err(WorkerError::Control(error)),
            },
        }
        Ok(Peer::Alive)
    }

    /// The next request, if a whole one has arrived.
    pub(crate) fn next_request(&mut self) -> Result<Option<(u64, Request)>, WorkerError> {
        match self.decoder.next_frame()? {
            Some(NodeToWorker::Request { id, body }) => Ok(Some((id, body))),
            Some(NodeToWorker::Hello(_)) => Err(WorkerError::Protocol("a second hello")),
            None => Ok(None),
        }
    }

    pub(crate) fn say_hello(&mut self, hello: WorkerHello) -> Result<(), WorkerError> {
        self.enqueue(&WorkerToNode::Hello(hello))
    }

    pub(crate) fn respond(
        &mut self,
        id: u64,
        result: Result<Answer, RequestError>,
    ) -> Result<(), WorkerError> {
        let response = WorkerToNode::Response { id, result };
        match encode(&response, &mut self.outgoing) {
            Err(FrameError::TooLarge { length }) => {
                let refusal = RequestError {
                    code: ErrorCode::Limit,
                    reason: format!("the answer would be {length} bytes long"),
                };
                let result = Err(refusal);
                self.enqueue(&WorkerToNode::Response { id, result })
            }
            result => Ok(result?),
        }
    }

    /// Passes on an event, or leaves it out if the node is behind and a later one will say the same better, or nothing
    /// depends on it.
    pub(crate) fn send_event(&mut self, event: Event) -> Result<(), WorkerError> {
        let replaceable = matches!(
            event,
            Event::ProducerScore { .. } | Event::ConsumerScore { .. } | Event::Volumes { .. }
        );
        let is_traced = matches!(event, Event::Trace(_));
        if replaceable && self.is_behind() || is_traced && self.waiting() > MAX_TRACED_BYTES {
            self.events_dropped += 1;
            return Ok(());
        }
        self.enqueue(&WorkerToNode::Event(event))
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self) -> Result<Peer, WorkerError> {
        while let Some(rest) = self.outgoing.get(self.written..)
            && !rest.is_empty()
        {
            match self.stream.write(rest) {
                Ok(length) => self.written += length,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                        return Ok(Peer::Gone);
                    }
                    _ => return Err(WorkerError::Control(error)),
                },
            }
        }
        // Moved only when most of it was written, so that each byte is moved at most once.
        if self.written * 2 >= self.outgoing.len() {
            self.outgoing.drain(..self.written);
            self.written = 0;
        }
        let waiting = self.waiting();
        if waiting > MAX_WAITING_BYTES {
            return Err(WorkerError::NodeStuck { waiting });
        }
        Ok(Peer::Alive)
    }

    /// Whether the node reads too slowly to be given more work.
    pub(crate) fn is_behind(&self) -> bool {
        self.waiting() > BEHIND_BYTES
    }

    /// What to wait for on the socket.
    pub(crate) fn interest(&self) -> Interest {
        if self.is_behind() {
            Interest::Writable
        } else if self.waiting() > 0 {
            Interest::ReadableOrWritable
        } else {
            Interest::Readable
        }
    }

    /// Bytes that wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.outgoing.len() - self.written
    }

    fn enqueue(&mut self, frame: &WorkerToNode) -> Result<(), WorkerError> {
        Ok(encode(frame, &mut self.outgoing)?)
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::{ConsumerId, TransportId};
    use plenum_params::{
        event::ConsumerScore,
        trace::{TraceEvent, TraceInfo, TraceObject, TracedPacket},
        transport::DtlsState,
    };

    use super::*;

    fn pair() -> (Control, UnixStream) {
        let (ours, node) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("open");
        node.set_nonblocking(true).expect("open");
        (Control::new(ours), node)
    }

    fn score() -> Event {
        let consumer = ConsumerId::from_u128(1);
        let score = ConsumerScore::default();
        Event::ConsumerScore { consumer, score }
    }

    fn state() -> Event {
        let transport = TransportId::from_u128(1);
        let state = DtlsState::Connected;
        Event::DtlsState { transport, state }
    }

    #[test]
    fn requests_are_taken_and_answered() {
        let (mut control, mut node) = pair();
        let mut bytes = Vec::new();
        let body = Request::WorkerStats;
        encode(&NodeToWorker::Request { id: 4, body }, &mut bytes).expect("small");
        for byte in bytes {
            node.write_all(&[byte]).expect("open");
            assert_eq!(control.next_request().expect("no error"), None);
            assert_eq!(control.read().expect("open"), Peer::Alive);
        }
        let request = control.next_request().expect("whole");
        assert_eq!(request, Some((4, Request::WorkerStats)));

        control.respond(4, Ok(Answer::Done)).expect("small");
        assert_eq!(control.interest(), Interest::ReadableOrWritable);
        assert_eq!(control.flush().expect("open"), Peer::Alive);
        assert_eq!(control.interest(), Interest::Readable);
        let mut buffer = [0; 100];
        let length = node.read(&mut buffer).expect("an answer");
        let mut decoder = Decoder::new();
        decoder.feed(&buffer[..length]).expect("little");
        let response = WorkerToNode::Response {
            id: 4,
            result: Ok(Answer::Done),
        };
        assert_eq!(decoder.next_frame().expect("well-formed"), Some(response));
    }

    #[test]
    fn the_end_of_the_node_is_seen_reading_and_writing() {
        let (mut control, node) = pair();
        drop(node);
        assert_eq!(control.read().expect("no error"), Peer::Gone);
        control.send_event(state()).expect("room");
        assert_eq!(control.flush().expect("no error"), Peer::Gone);
    }

    #[test]
    fn a_node_that_does_not_read_loses_scores_first_and_the_worker_last() {
        let (mut control, mut node) = pair();
        while !control.is_behind() {
            control.send_event(score()).expect("room");
            control.flush().expect("room");
        }
        assert_eq!(control.interest(), Interest::Writable);
        let waiting = control.waiting();
        control.send_event(score()).expect("left out");
        assert_eq!((control.waiting(), control.events_dropped), (waiting, 1));
        control.send_event(state()).expect("kept");
        assert!(control.waiting() > waiting);

        // Everything kept arrives when the node reads again, in order.
        let mut decoder = Decoder::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut last = None;
        while control.waiting() > 0 {
            control.flush().expect("room");
            let length = node.read(&mut buffer).expect("something");
            decoder.feed(&buffer[..length]).expect("drained");
            while let Some(frame) = decoder.next_frame().expect("well-formed") {
                last = Some(frame);
            }
        }
        while let Ok(length) = node.read(&mut buffer) {
            decoder.feed(&buffer[..length]).expect("drained");
            while let Some(frame) = decoder.next_frame().expect("well-formed") {
                last = Some(frame);
            }
        }
        assert_eq!(last, Some(WorkerToNode::Event(state())));

        while control.waiting() <= MAX_WAITING_BYTES {
            control.send_event(state()).expect("room");
        }
        control.flush().expect("the socket took some");
        while control.waiting() <= MAX_WAITING_BYTES {
            control.send_event(state()).expect("room");
        }
        let stuck = control.flush();
        assert!(matches!(stuck, Err(WorkerError::NodeStuck { .. })));
    }

    #[test]
    fn traces_leave_room_for_everything_else() {
        let (mut control, _node) = pair();
        let trace = || {
            Event::Trace(Box::new(TraceEvent {
                object: TraceObject::Consumer(ConsumerId::from_u128(1)),
                timestamp: 1,
                outgoing: true,
                dropped: 0,
                info: TraceInfo::Rtp(TracedPacket::default()),
            }))
        };
        for _ in 0..100_000 {
            control.send_event(trace()).expect("room, or left out");
            assert!(control.waiting() <= MAX_TRACED_BYTES + 200);
        }
        assert!(control.events_dropped > 90_000);
        let waiting = control.waiting();
        control.send_event(state()).expect("room");
        assert!(control.waiting() > waiting);
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error() {
        let (mut control, mut node) = pair();
        node.write_all(&[9, 0, 0, 0, 1]).expect("open");
        drop(node);
        assert_eq!(control.read().expect("bytes"), Peer::Alive);
        assert_eq!(control.next_request().expect("not yet"), None);
        let ended = control.read();
        let error = FrameError::Truncated { waiting: 5 };
        assert!(matches!(ended, Err(WorkerError::Frame(found)) if found == error));
    }

    #[test]
    fn noise_ends_the_conversation() {
        let (mut control, mut node) = pair();
        node.write_all(&[0xff; 64]).expect("open");
        control.read().expect("open");
        assert!(matches!(control.next_request(), Err(WorkerError::Frame(_))));
    }
}
