//! One transport on a media thread: its socket, its state machine, its sources and sinks, and the network around it.

use std::{net::IpAddr, time::Instant};

use plenum_dtls::Certificate;
use plenum_ids::ConsumerId;
use plenum_params::media::MediaKind;
use plenum_udp::{MAX_SEGMENTS, Message, UdpSocket};
use tokio::sync::mpsc::UnboundedSender;

pub(crate) use super::running::SourceSetup;
use super::{
    running::Running,
    thread::{LineCommand, Shared},
};
use crate::{
    Network, Received, Sent,
    network::Pipe,
    peer::{Direction, ReceiveStream, StreamKey, Transport, TransportConfig, TransportEvent},
    sink::{ReceivedPacket, Sink},
    source::stamp::{age, capture_age},
    stats::TransportState,
};

/// What a transport begins with.
pub(crate) struct LineSetup {
    pub(crate) direction: Direction,
    pub(crate) certificate: Certificate,
    pub(crate) transport: TransportConfig,
    pub(crate) network: Network,
    pub(crate) local_ip: Option<IpAddr>,
    /// Where it tells what happens. Tells little, so that nothing needs a bound.
    pub(crate) events: UnboundedSender<LineEvent>,
    /// Which of the client's transports it is, for what it tells.
    pub(crate) number: u64,
}

/// A stream to be received, and where it goes.
pub(crate) struct StreamSetup {
    pub(crate) consumer: ConsumerId,
    pub(crate) stream: ReceiveStream,
    pub(crate) sink: Option<Box<dyn Sink>>,
}

/// What happens on a media thread and the client's task is to know.
#[derive(Debug)]
pub(crate) struct LineEvent {
    pub(crate) number: u64,
    pub(crate) direction: Direction,
    pub(crate) at: Instant,
    pub(crate) what: LineNews,
}

#[derive(Debug)]
pub(crate) enum LineNews {
    /// ICE was done at this time, and had begun at that one.
    Ice(Instant),
    Connected,
    Lost,
    Closed(Option<&'static str>),
    FirstPacket(ConsumerId, MediaKind),
    FirstKeyFrame(ConsumerId),
}

/// The figures of a transport.
#[derive(Debug, Default)]
pub(crate) struct LineStats {
    pub(crate) state: TransportState,
    pub(crate) sent: Sent,
    pub(crate) received: Received,
    pub(crate) sending: Vec<crate::SentStream>,
    /// By the client's number of the publication.
    pub(crate) publications: Vec<u64>,
    pub(crate) receiving: Vec<crate::ReceivedStream>,
}

pub(super) struct Line {
    socket: UdpSocket,
    transport: Transport,
    reporter: Reporter,
    /// By the index of the stream's key.
    consumers: Vec<Option<Consuming>>,
    sources: Vec<Running>,
    up: Option<Pipe>,
    down: Option<Pipe>,
    dropped: u64,
    /// The entry in the thread's heap that counts.
    pub(super) scheduled: Option<Instant>,
}

/// Tells the client's task what happens on a line.
struct Reporter {
    events: UnboundedSender<LineEvent>,
    number: u64,
    direction: Direction,
}

struct Consuming {
    consumer: ConsumerId,
    key: StreamKey,
    kind: MediaKind,
    sink: Option<Box<dyn Sink>>,
    has_packets: bool,
    has_key_frame: bool,
}

impl Line {
    /// `None`: the server has no address that can be tried; its client has been told.
    pub(super) fn new(now: Instant, socket: UdpSocket, setup: LineSetup) -> Option<Self> {
        let seed = |which: u8| setup.transport.seed.map(|byte| byte ^ which);
        let up = Pipe::new(setup.network.up, seed(0x55));
        let down = Pipe::new(setup.network.down, seed(0xaa));
        let reporter = Reporter {
            events: setup.events,
            number: setup.number,
            direction: setup.direction,
        };
        let transport = Transport::new(now, setup.certificate, setup.transport);
        let Ok(transport) = transport else {
            reporter.tell(now, LineNews::Closed(Some("ice")));
            return None;
        };
        Some(Self {
            socket,
            transport,
            reporter,
            consumers: Vec::new(),
            sources: Vec::new(),
            up,
            down,
            dropped: 0,
            scheduled: None,
        })
    }

    /// Takes what has come.
    pub(super) fn receive(&mut self, shared: &mut Shared) {
        // What fails here shows as silence.
        if self.socket.recv(&mut shared.batch).unwrap_or(0) == 0 {
            return;
        }
        let now = Instant::now();
        let Shared {
            batch, out, delays, ..
        } = shared;
        let mut inlet = Inlet {
            now,
            consumers: &mut self.consumers,
            reporter: &self.reporter,
            delays,
        };
        for received in batch.datagrams_mut() {
            if let Some(down) = &mut self.down {
                down.push(now, received.from, received.data);
            } else {
                self.transport
                    .handle_datagram(now, received.data, out, &mut |key, packet| {
                        inlet.take(key, packet);
                    });
            }
        }
        if self.down.is_none() {
            self.flush(now, shared);
        }
    }

    /// Does what is due.
    pub(super) fn serve(&mut self, now: Instant, shared: &mut Shared) {
        self.take_delayed(now, shared);
        self.transport.handle_timeout(now, &mut shared.out);
        if self.transport.state() == TransportState::Connected {
            for source in &mut self.sources {
                source.write(now, &mut self.transport, shared);
            }
        }
        self.flush(now, shared);
        self.send_delayed(now, shared);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let pipes = [&self.up, &self.down].into_iter().flatten();
        let is_connected = self.transport.state() == TransportState::Connected;
        let sources = self.sources.iter().filter(|_| is_connected);
        let sources = sources.filter_map(Running::poll_timeout);
        pipes
            .filter_map(Pipe::poll_timeout)
            .chain(sources)
            .chain(self.transport.poll_timeout())
            .min()
    }

    pub(super) fn handle(&mut self, now: Instant, command: LineCommand, shared: &mut Shared) {
        match command {
            LineCommand::AddSource(setup) => {
                let mut source = Running::new(*setup, &mut self.transport, now);
                source.begin_if(now, self.transport.state());
                self.sources.push(source);
            }
            LineCommand::AddStream(setup) => self.add_stream(now, *setup, shared),
            // The thread closes.
            LineCommand::Close => {}
            LineCommand::Release => self.transport.release(now, &mut shared.out),
            LineCommand::RemoveStream(consumer) => self.remove_stream(consumer),
            LineCommand::RequestKeyFrame(consumer) => {
                if let Some(key) = self.key_of(consumer) {
                    self.transport.request_key_frame(now, key);
                }
            }
            LineCommand::SetDemand(publication, encodings) => {
                if let Some(source) = self.source_mut(publication) {
                    source.set_demand(&encodings);
                }
            }
            LineCommand::SetPaused(publication, paused) => {
                if let Some(source) = self.source_mut(publication) {
                    source.set_paused(now, paused);
                }
            }
            LineCommand::Stats(answer) => {
                // Who asked may have gone.
                let _ = answer.send(self.stats());
            }
            LineCommand::TakeSource(publication, answer) => {
                let mut sources = self.sources.iter();
                let found = sources.position(|it| it.setup.publication == publication);
                let taken = found.map(|index| {
                    let source = self.sources.swap_remove(index);
                    for key in source.keys {
                        self.transport.remove_sender(key);
                    }
                    Box::new(source.setup)
                });
                // Who asked may have gone.
                let _ = answer.send(taken);
            }
        }
    }

    /// Tells the server, and all sinks.
    pub(super) fn close(&mut self, shared: &mut Shared) {
        self.transport.close(&mut shared.out);
        let now = Instant::now();
        self.flush(now, shared);
        for consuming in self.consumers.iter_mut().flatten() {
            if let Some(sink) = &mut consuming.sink {
                sink.closed();
            }
        }
    }

    /// Sends what waits to be sent, and looks what has happened.
    pub(super) fn flush(&mut self, now: Instant, shared: &mut Shared) {
        let out = &mut shared.out;
        if let Some(up) = &mut self.up {
            for datagram in out.iter() {
                up.push(now, datagram.to, datagram.data);
            }
        } else if !out.is_empty() {
            let messages = out.runs(MAX_SEGMENTS).map(|(run, segment_size)| Message {
                to: run.to,
                data: run.data,
                segment_size,
            });
            self.dropped += shared.sender.send(&self.socket, messages).dropped;
        }
        out.clear();
        while let Some(event) = self.transport.poll_event() {
            self.handle_event(now, &event);
        }
    }

    /// Takes what the network on the way here lets out.
    fn take_delayed(&mut self, now: Instant, shared: &mut Shared) {
        let Some(down) = &mut self.down else {
            return;
        };
        let mut inlet = Inlet {
            now,
            consumers: &mut self.consumers,
            reporter: &self.reporter,
            delays: &mut shared.delays,
        };
        while let Some(mut one) = down.pop(now) {
            let take = &mut |key, packet: &ReceivedPacket<'_>| inlet.take(key, packet);
            self.transport
                .handle_datagram(now, &mut one.data, &mut shared.out, take);
            down.give_back(one.data);
        }
    }

    /// Sends what the network on the way from here lets out.
    fn send_delayed(&mut self, now: Instant, shared: &mut Shared) {
        let Some(up) = &mut self.up else {
            return;
        };
        while let Some(one) = up.pop(now) {
            shared.out.push(one.address, &one.data);
            up.give_back(one.data);
        }
        let messages = shared.out.iter().map(|datagram| Message {
            to: datagram.to,
            data: datagram.data,
            segment_size: datagram.data.len() as u16,
        });
        self.dropped += shared.sender.send(&self.socket, messages).dropped;
        shared.out.clear();
    }

    fn handle_event(&mut self, now: Instant, event: &TransportEvent) {
        let what = match *event {
            TransportEvent::IceConnected { began } => LineNews::Ice(began),
            TransportEvent::Connected => {
                for source in &mut self.sources {
                    source.begin_if(now, TransportState::Connected);
                }
                LineNews::Connected
            }
            TransportEvent::IceLost => LineNews::Lost,
            TransportEvent::Closed => LineNews::Closed(None),
            TransportEvent::Failed(_) => LineNews::Closed(Some("dtls")),
            TransportEvent::WrongCertificate => LineNews::Closed(Some("certificate")),
            TransportEvent::KeyFrameRequested(key) => {
                for source in &mut self.sources {
                    source.request_key_frame(key);
                }
                return;
            }
        };
        self.reporter.tell(now, what);
    }

    fn add_stream(&mut self, now: Instant, setup: StreamSetup, shared: &mut Shared) {
        let kind = setup.stream.kind;
        let key = self.transport.add_stream(now, setup.stream);
        if self.consumers.len() <= key.index() {
            self.consumers.resize_with(key.index() + 1, || None);
        }
        if let Some(slot) = self.consumers.get_mut(key.index()) {
            *slot = Some(Consuming {
                consumer: setup.consumer,
                key,
                kind,
                sink: setup.sink,
                has_packets: false,
                has_key_frame: false,
            });
        }
        let mut inlet = Inlet {
            now,
            consumers: &mut self.consumers,
            reporter: &self.reporter,
            delays: &mut shared.delays,
        };
        self.transport
            .take_early(now, &mut |key, packet| inlet.take(key, packet));
    }

    fn remove_stream(&mut self, consumer: ConsumerId) {
        let Some(key) = self.key_of(consumer) else {
            return;
        };
        self.transport.remove_stream(key);
        let slot = self.consumers.get_mut(key.index()).and_then(Option::take);
        if let Some(mut sink) = slot.and_then(|consuming| consuming.sink) {
            sink.closed();
        }
    }

    fn key_of(&self, consumer: ConsumerId) -> Option<StreamKey> {
        let mut consumers = self.consumers.iter().flatten();
        consumers
            .find(|one| one.consumer == consumer)
            .map(|one| one.key)
    }

    fn source_mut(&mut self, publication: u64) -> Option<&mut Running> {
        let mut sources = self.sources.iter_mut();
        sources.find(|source| source.setup.publication == publication)
    }

    pub(super) fn totals(&self) -> (Sent, Received) {
        let (mut sent, mut received) = (self.transport.sent(), self.transport.received());
        sent.dropped += self.dropped + self.up.as_ref().map_or(0, Pipe::dropped);
        received.dropped += self.down.as_ref().map_or(0, Pipe::dropped);
        (sent, received)
    }

    pub(super) fn stats(&self) -> LineStats {
        let (sent, received) = self.totals();
        let mut stats = LineStats {
            state: self.transport.state(),
            sent,
            received,
            ..LineStats::default()
        };
        for source in &self.sources {
            let streams = source.keys.iter().zip(&source.setup.streams).enumerate();
            for (encoding, (key, stream)) in streams {
                let Some((sent, fraction_lost, round_trip)) = self.transport.stream_sent(*key)
                else {
                    continue;
                };
                stats.publications.push(source.setup.publication);
                stats.sending.push(crate::SentStream {
                    producer_id: None,
                    kind: source.setup.kind,
                    encoding,
                    ssrc: stream.ssrc,
                    sent,
                    fraction_lost,
                    round_trip,
                });
            }
        }
        for consuming in self.consumers.iter().flatten() {
            if let Some((received, jitter)) = self.transport.stream_received(consuming.key) {
                stats.receiving.push(crate::ReceivedStream {
                    consumer_id: consuming.consumer,
                    kind: consuming.kind,
                    received,
                    jitter,
                });
            }
        }
        stats
    }
}

impl Reporter {
    fn tell(&self, at: Instant, what: LineNews) {
        // Its client may have gone.
        let _ = self.events.send(LineEvent {
            number: self.number,
            direction: self.direction,
            at,
            what,
        });
    }
}

/// Takes packets of a transport to their sinks.
struct Inlet<'a> {
    now: Instant,
    consumers: &'a mut [Option<Consuming>],
    reporter: &'a Reporter,
    /// Of sound and of pictures.
    delays: &'a mut [crate::Histogram; 2],
}

impl Inlet<'_> {
    fn take(&mut self, key: StreamKey, packet: &ReceivedPacket<'_>) {
        let Some(Some(consuming)) = self.consumers.get_mut(key.index()) else {
            return;
        };
        let captured = packet.captured;
        let age = captured.map_or_else(
            || age(self.now, packet.payload),
            |at| capture_age(self.now, at),
        );
        if let Some(age) = age {
            let [audio, video] = &mut *self.delays;
            match consuming.kind {
                MediaKind::Audio => audio.record(age),
                MediaKind::Video => video.record(age),
            }
        }
        if let Some(sink) = &mut consuming.sink {
            sink.packet(packet);
        }
        let mut first = None;
        if !consuming.has_packets {
            consuming.has_packets = true;
            first = Some(LineNews::FirstPacket(consuming.consumer, consuming.kind));
        }
        let mut first_key = None;
        if packet.is_key && !consuming.has_key_frame {
            consuming.has_key_frame = true;
            first_key = Some(LineNews::FirstKeyFrame(consuming.consumer));
        }
        for what in first.into_iter().chain(first_key) {
            self.reporter.tell(self.now, what);
        }
    }
}
