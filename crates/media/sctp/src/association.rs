//! One association.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use sctp_proto::{
    ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ServerConfig, StreamEvent, TransportConfig,
};

use crate::{
    MAX_PACKET,
    admission::{Admission, Refusal},
    packet::{Chunks, SACK, init_chunk, split, u32_at},
};

/// The library's first retransmission timeout: dcSCTP's, as in every Chromium.
const RTO_INITIAL: Duration = Duration::from_millis(500);

/// The least one: dcSCTP's, too. RFC 9260 §16 has a second, which on the paths of today is an eternity.
const RTO_MIN: Duration = Duration::from_millis(400);

/// RFC 9260 §16.
const RTO_MAX: Duration = Duration::from_mins(1);

/// Bytes of a DATA chunk's payload. The library counts neither the header of the last chunk of a packet nor any padding,
/// so that this is what makes one large chunk and a small one behind it fit.
const PAYLOAD: u32 = MAX_PACKET as u32 - 12 - 2 * 16 - 4;

/// Streams that are reset in a [`RESET_TURN`]: the library puts all that wait into one request, which has to fit into a
/// packet even if the last one was not answered yet.
const RESETS_A_TURN: usize = 256;

/// More than the round trip of any path that is of use.
const RESET_TURN: Duration = Duration::from_secs(1);

/// The library wants an address. There is none here.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no other way to begin")]
pub enum Role {
    /// The peer does.
    Passive,
    /// We do. A peer that does so as well is not listened to: it hears us.
    Active,
    /// Nobody: both ends know each other's first words, because somebody told them these tags, ours and theirs. Neither
    /// is zero, and they differ.
    Agreed(u32, u32),
}

/// Limits of an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers choose every one")]
pub struct Settings {
    /// Longest message in either direction. A longer one from the peer ends the association.
    pub max_message: u32,
    /// Bytes kept of messages that are not complete or not in turn. More than `max_message`.
    pub receive_buffer: u32,
    /// Streams in either direction.
    pub streams: u16,
}

/// How messages of a stream travel to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "RFC 8831 §6.4 knows no more")]
pub struct Reliability {
    /// In any order.
    pub unordered: bool,
    /// Given up after so many milliseconds.
    pub max_life_time: Option<u16>,
    /// Given up after so many repetitions.
    pub max_retransmits: Option<u16>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SctpEvent {
    /// The handshake is over.
    Connected,
    /// The peer ended it. Nothing follows.
    Closed,
    /// It broke. Nothing follows.
    Failed,
    /// A message arrived.
    Message {
        /// On which stream.
        stream: u16,
        /// Payload protocol identifier.
        ppid: u32,
        /// The message, which has at least one byte.
        data: Bytes,
    },
    /// The peer closed a stream in both directions.
    StreamClosed {
        /// Which.
        stream: u16,
    },
    /// No more bytes wait on a stream than its threshold says, after more did.
    BufferedAmountLow {
        /// Which.
        stream: u16,
    },
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The association is not connected (any more).
    #[error("the association is not connected")]
    NotConnected,
    /// The stream is being closed, or the peer has closed it.
    #[error("the stream is closed")]
    StreamClosed,
    /// The message is longer than either side allows, or empty.
    #[error("the message has a length that cannot be sent")]
    Length,
    /// The PPID is none of those of data channels.
    #[error("the message is no data channel's")]
    Ppid,
}

/// What arrived and was not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssociationCounters {
    /// Packets that make no sense.
    pub malformed: u64,
    /// Packets that would have gone beyond a bound.
    pub refused: u64,
    /// Panics of the library, of which one is the end.
    pub panics: u64,
}

/// An SCTP association with one peer. The crate's documentation says how to drive it.
pub struct Association {
    settings: Settings,
    library: Option<Library>,
    admission: Admission,
    clock: Clock,
    connected: bool,
    events: VecDeque<SctpEvent>,
    packets: VecDeque<Bytes>,
    /// Streams that are to be closed, how many of them were in this turn, and when that is over.
    closing: VecDeque<u16>,
    closed: usize,
    turn_ends: Instant,
    counters: AssociationCounters,
}

struct Library {
    endpoint: Endpoint,
    /// `None` until the peer has begun.
    association: Option<sctp_proto::Association>,
}

impl Association {
    /// An association that does what its role says. `now` is when.
    #[must_use]
    pub fn new(role: Role, settings: Settings, now: Instant) -> Self {
        let mut association = Self {
            settings,
            library: None,
            admission: Admission::new(settings.streams, role == Role::Active),
            clock: Clock::default(),
            connected: false,
            events: VecDeque::new(),
            packets: VecDeque::new(),
            closing: VecDeque::new(),
            closed: 0,
            turn_ends: now,
            counters: AssociationCounters::default(),
        };
        let begun = catch_unwind(|| Library::new(role, &settings)).unwrap_or_default();
        if let Some(library) = &begun
            && role == Role::Active
        {
            association.clock = Clock::of(library, now);
        }
        if let Role::Agreed(_, theirs) = role {
            association.admission.begin(theirs);
        }
        association.library = begun;
        if association.library.is_none() {
            association.end(SctpEvent::Failed);
        }
        association.settle(now);
        association
    }

    /// Takes a packet of the peer.
    pub fn handle_packet(&mut self, now: Instant, packet: Bytes) {
        if self.library.is_none() {
            return;
        }
        match self.admission.admit(&packet) {
            Ok(()) => {}
            Err(Refusal::TooMuch) => {
                self.counters.refused += 1;
                return;
            }
            Err(Refusal::Malformed) => {
                self.counters.malformed += 1;
                return;
            }
        }
        let at = self.clock.theirs(now);
        self.guarded(|library| library.handle(at, packet));
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let at = self.clock.theirs(now);
        self.guarded(|library| {
            if let Some(association) = &mut library.association {
                association.handle_timeout(at);
            }
        });
        self.settle(now);
    }

    /// The next packet for the peer, at most [`MAX_PACKET`] bytes.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Bytes> {
        if self.packets.is_empty() {
            self.gather(now);
        }
        self.packets.pop_front()
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<SctpEvent> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let association = self.library.as_ref()?.association.as_ref()?;
        let own = association.poll_timeout().map(|at| self.clock.ours(at));
        let turn = (!self.closing.is_empty()).then_some(self.turn_ends);
        own.into_iter().chain(turn).min()
    }

    /// Whether messages can be sent.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Chooses how messages travel on a stream from now on, and makes it if there is none.
    pub fn open(&mut self, stream: u16, reliability: Reliability) -> Result<(), SendError> {
        self.stream(stream, |stream| {
            let (kind, value) = match (reliability.max_life_time, reliability.max_retransmits) {
                (Some(time), _) => (sctp_proto::ReliabilityType::Timed, time),
                (None, Some(count)) => (sctp_proto::ReliabilityType::Rexmit, count),
                (None, None) => (sctp_proto::ReliabilityType::Reliable, 0),
            };
            stream.set_reliability_params(reliability.unordered, kind, u32::from(value))
        })
    }

    /// Chooses when [`SctpEvent::BufferedAmountLow`] is told for an open stream.
    pub fn set_buffered_amount_low(&mut self, stream: u16, threshold: u32) {
        // Without the stream nothing waits.
        let _ = self.stream(stream, |stream| {
            stream.set_buffered_amount_low_threshold(threshold as usize)
        });
    }

    /// Queues a message on an open stream.
    pub fn send(&mut self, stream: u16, ppid: u32, message: Bytes) -> Result<(), SendError> {
        let ppid = match PayloadProtocolIdentifier::from(ppid) {
            PayloadProtocolIdentifier::Unknown => return Err(SendError::Ppid),
            ppid => ppid,
        };
        if message.is_empty() || message.len() > self.settings.max_message as usize {
            return Err(SendError::Length);
        }
        self.stream(stream, |stream| {
            stream.set_default_payload_type(ppid)?;
            stream.write_chunks(&mut [message]).map(|_| ())
        })
    }

    /// Bytes that wait on a stream, for being sent or acknowledged.
    pub fn buffered(&mut self, stream: u16) -> usize {
        let amount = self.guarded(|library| {
            let association = library.association.as_mut()?;
            association.stream(stream).ok()?.buffered_amount().ok()
        });
        amount.flatten().unwrap_or(0)
    }

    /// Closes a stream in both directions, if there is one.
    pub fn close_stream(&mut self, now: Instant, stream: u16) {
        let exists = self.guarded(|library| {
            let association = library.association.as_mut();
            association.is_some_and(|association| association.stream(stream).is_ok())
        });
        if exists == Some(true) && self.connected && !self.closing.contains(&stream) {
            self.closing.push_back(stream);
            self.settle(now);
        }
    }

    /// What arrived and was not used.
    pub fn counters(&self) -> AssociationCounters {
        self.counters
    }

    /// DATA chunks kept of messages that are not complete or not in turn, at most.
    pub fn held(&self) -> u32 {
        self.admission.held()
    }

    /// Lets the library do something. Should it panic, this association has failed.
    fn guarded<T>(&mut self, run: impl FnOnce(&mut Library) -> T) -> Option<T> {
        let library = self.library.as_mut()?;
        let result = catch_unwind(AssertUnwindSafe(|| run(library)));
        if result.is_err() {
            self.counters.panics += 1;
            self.end(SctpEvent::Failed);
        }
        result.ok()
    }

    fn stream(
        &mut self,
        id: u16,
        run: impl FnOnce(&mut sctp_proto::Stream<'_>) -> Result<(), sctp_proto::Error>,
    ) -> Result<(), SendError> {
        if !self.connected {
            return Err(SendError::NotConnected);
        }
        if id >= self.settings.streams || self.closing.contains(&id) {
            return Err(SendError::StreamClosed);
        }
        let done = self.guarded(|library| {
            let association = library.association.as_mut()?;
            if association.stream(id).is_err() {
                let ppid = PayloadProtocolIdentifier::default();
                association.open_stream(id, ppid).ok()?;
            }
            Some(run(&mut association.stream(id).ok()?))
        });
        match done {
            Some(Some(Ok(()))) => Ok(()),
            Some(_) => Err(SendError::StreamClosed),
            None => Err(SendError::NotConnected),
        }
    }

    /// Takes everything out of the library that it has to say.
    fn settle(&mut self, now: Instant) {
        self.take_events(now);
        if now >= self.turn_ends {
            self.closed = 0;
        }
        while self.closed < RESETS_A_TURN {
            let Some(stream) = self.closing.pop_front() else {
                return;
            };
            if self.closed == 0 {
                self.turn_ends = now + RESET_TURN;
            }
            self.closed += 1;
            // Without the stream there is nothing to close.
            let _ = self.guarded(|library| {
                let association = library.association.as_mut()?;
                association.stream(stream).ok()?.close().ok()
            });
        }
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.guarded(Library::poll).flatten() {
            match event {
                Event::Connected => {
                    self.connected = true;
                    self.admission.establish();
                    self.events.push_back(SctpEvent::Connected);
                }
                Event::AssociationLost { .. } | Event::HandshakeFailed { .. } => {
                    // What it has to say to the peer about that.
                    self.gather(now);
                    self.end(if self.admission.goodbye {
                        SctpEvent::Closed
                    } else {
                        SctpEvent::Failed
                    });
                }
                Event::Stream(StreamEvent::Readable { id }) => self.read(id),
                Event::Stream(StreamEvent::Finished { id }) => {
                    self.events
                        .push_back(SctpEvent::StreamClosed { stream: id });
                }
                Event::Stream(StreamEvent::BufferedAmountLow { id }) => {
                    self.events
                        .push_back(SctpEvent::BufferedAmountLow { stream: id });
                }
                _ => {}
            }
        }
    }

    /// Takes the whole messages of a stream.
    fn read(&mut self, id: u16) {
        while let Some(message) = self
            .guarded(|library| {
                let association = library.association.as_mut()?;
                association.stream(id).ok()?.read_sctp().ok().flatten()
            })
            .flatten()
        {
            self.admission.deliver(message.chunks.len());
            let length = message.len();
            let ppid = message.ppi as u32;
            let is_known = message.ppi != PayloadProtocolIdentifier::Unknown;
            let mut message = message;
            // Copied also when it came in one piece, so that it does not keep the packet that it came in.
            if let Some(whole) = message.next(length)
                && is_known
                && !whole.bytes.is_empty()
            {
                self.events.push_back(SctpEvent::Message {
                    stream: id,
                    ppid,
                    data: whole.bytes,
                });
            }
        }
    }

    /// Takes the packets that are to be sent.
    fn gather(&mut self, now: Instant) {
        let at = self.clock.theirs(now);
        loop {
            let packets = self.guarded(|library| {
                let transmit = library.association.as_mut()?.poll_transmit(at)?;
                match transmit.payload {
                    Payload::RawEncode(packets) => Some(packets),
                    Payload::PartialDecode(_) => None,
                }
            });
            let Some(packets) = packets.flatten() else {
                return;
            };
            for packet in packets {
                self.note_own(&packet);
                split(packet, |part| self.packets.push_back(part));
            }
        }
    }

    /// Reads from our own SACKs what became of the peer's chunks.
    fn note_own(&mut self, packet: &[u8]) {
        for chunk in Chunks::of(packet).into_iter().flatten().flatten() {
            if chunk.kind == SACK
                && let (Some(cumulative), Some(window)) =
                    (u32_at(chunk.value, 0), u32_at(chunk.value, 4))
            {
                let kept = self.settings.receive_buffer.saturating_sub(window);
                self.admission.acknowledge(cumulative, kept);
            }
        }
    }

    fn end(&mut self, event: SctpEvent) {
        self.library = None;
        self.connected = false;
        self.closing = VecDeque::new();
        self.events.push_back(event);
    }
}

impl Library {
    fn new(role: Role, settings: &Settings) -> Option<Self> {
        let mut config = EndpointConfig::new();
        config.max_payload_size(PAYLOAD);
        let transport = TransportConfig::default()
            .with_max_receive_buffer_size(settings.receive_buffer)
            .with_max_receive_message_size(settings.max_message)
            .with_max_send_message_size(settings.max_message)
            .with_max_num_inbound_streams(settings.streams)
            .with_max_num_outbound_streams(settings.streams)
            // ICE tells when a peer is gone.
            .with_max_init_retransmits(None)
            .with_max_data_retransmits(None)
            .with_rto_initial_ms(RTO_INITIAL.as_millis() as u64)
            .with_rto_min_ms(RTO_MIN.as_millis() as u64)
            .with_rto_max_ms(RTO_MAX.as_millis() as u64);
        let transport = Arc::new(transport);
        let mut server = ServerConfig::new();
        server.transport = Arc::clone(&transport);
        let mut endpoint = Endpoint::new(Arc::new(config), Some(Arc::new(server)));
        let mut association = None;
        if role != Role::Passive {
            let mut client = ClientConfig::new();
            client.transport = transport;
            if let Role::Agreed(ours, theirs) = role {
                let init = |tag| init_chunk(tag, settings.receive_buffer, settings.streams);
                client = client.with_snap(init(ours), init(theirs));
            }
            association = Some(endpoint.connect(client, PEER).ok()?.1);
            endpoint.reject_new_associations();
        }
        Some(Self {
            endpoint,
            association,
        })
    }

    fn handle(&mut self, at: Instant, packet: Bytes) {
        match self.endpoint.handle(at, PEER, None, None, packet) {
            Some((_, DatagramEvent::NewAssociation(association))) => {
                self.endpoint.reject_new_associations();
                if self.association.is_none() {
                    self.association = Some(association);
                }
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some(association) = &mut self.association {
                    association.handle_event(event);
                }
            }
            None => {}
        }
    }

    fn poll(&mut self) -> Option<Event> {
        let association = self.association.as_mut()?;
        while association.poll_endpoint_event().is_some() {}
        while association.accept_stream().is_some() {}
        association.poll()
    }
}

/// The difference between the clock that the library has looked at and the one of our caller.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    ahead: Duration,
    behind: Duration,
}

impl Clock {
    /// The library's first deadline is a known time after the present that it believes in.
    fn of(library: &Library, now: Instant) -> Self {
        let association = library.association.as_ref();
        let deadline = association.and_then(sctp_proto::Association::poll_timeout);
        let present = deadline.and_then(|deadline| deadline.checked_sub(RTO_INITIAL));
        let present = present.unwrap_or(now);
        Self {
            ahead: present.saturating_duration_since(now),
            behind: now.saturating_duration_since(present),
        }
    }

    fn theirs(self, ours: Instant) -> Instant {
        let at = ours + self.ahead;
        at.checked_sub(self.behind).unwrap_or(at)
    }

    fn ours(self, theirs: Instant) -> Instant {
        let at = theirs + self.behind;
        at.checked_sub(self.ahead).unwrap_or(at)
    }
}

impl std::fmt::Debug for Association {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Association")
            .field("connected", &self.connected)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
