//! The loop that a worker spends its life in.

use std::{
    os::fd::OwnedFd,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use plenum_dtls::{Certificate, SrtpProfileId};
use plenum_engine::{Engine, EngineConfig, SocketConfig};
use plenum_ids::{DataProducerId, ProducerId, TransportId};
use plenum_ipc::{
    Answer, DataMessage, PacketKind, Request, SocketOptions, WorkerConfig, WorkerHello,
};
use plenum_params::{stats::DelayHistogram, transport::Protocol};
use plenum_udp::{
    Events, Interest, Poller, TcpListener, UdpSocket, open_descriptors, process_cpu_time,
    process_usage,
};
use rand::{TryRng, rngs::SysRng};

use crate::{
    WorkerError,
    bootstrap::Bootstrap,
    control::{Control, Peer},
    hold::Hold,
    log::{self, Log},
    media::{Media, Socket},
    packets::Packets,
    requests,
};

/// Batches taken from one socket before the others have their turn: 128 messages, which is some milliseconds of work.
const BATCHES_A_TURN: usize = 4;

/// A turn takes no further batch after so long: with hundreds of receivers a single packet is a millisecond of work, and
/// requests and timers wait for the end of the turn.
const TURN: Duration = Duration::from_millis(10);

/// Requests carried out in one turn, so that a burst of joins does not hold up media: one takes some 20 µs.
const REQUESTS_A_TURN: usize = 32;

/// Sockets and connections are numbered from 0 by `media`.
const CONTROL_TOKEN: u64 = u64::MAX;

const PACKETS_TOKEN: u64 = u64::MAX - 1;

/// Sources that one wait reports; more are reported by the next.
const EVENTS_A_TURN: usize = 256;

/// A worker's state.
pub(crate) struct EventLoop {
    poller: Rc<Poller>,
    events: Events,
    control: Control,
    /// What the poller was last told about the control socket.
    interest: Interest,
    /// Requests were left over from the last turn.
    requests_waiting: bool,
    packets: Packets,
    packets_ready: bool,
    media: Media,
    engine: Engine,
    hold: Hold,
    log: Log,
    /// Sockets and connections with something to read, and connections with room to write.
    ready: Vec<u64>,
    with_room: Vec<u64>,
    wakeups: u64,
    /// When the last wait for something to do ended, and how long it was.
    woken: Instant,
    rested: Duration,
    /// Of datagrams that left at once.
    forwarding_delay: DelayHistogram,
}

/// What a worker's loop did in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopCounters {
    /// Turns of the loop.
    pub wakeups: u64,
    /// System calls that received datagrams.
    pub receive_calls: u64,
    /// Those that failed.
    pub receive_errors: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// System calls that sent datagrams.
    pub send_calls: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Datagrams that the kernel refused.
    pub datagrams_dropped: u64,
    /// Events left out because the node did not keep up.
    pub events_dropped: u64,
}

impl EventLoop {
    /// Learns from the node what to be, makes the engine and says that it is ready.
    pub(crate) fn new(bootstrap: Bootstrap) -> Result<Self, WorkerError> {
        let Bootstrap {
            mut control,
            packets,
            sockets,
        } = bootstrap;
        let config = control.wait_for_hello()?;
        if config.sockets.len() != sockets.len() {
            return Err(WorkerError::Protocol(
                "sockets and their settings do not match",
            ));
        }
        let poller = Rc::new(Poller::new().map_err(WorkerError::System)?);
        let interest = Interest::Readable;
        let added = poller.add(&control, CONTROL_TOKEN, interest);
        added.map_err(WorkerError::System)?;
        let added = poller.add(&packets, PACKETS_TOKEN, interest);
        added.map_err(WorkerError::PacketSocket)?;
        let given = sockets.into_iter().zip(&config.sockets).enumerate();
        let sockets = given.map(|(index, (descriptor, options))| {
            let opened = open(descriptor, options);
            let failed = |source| WorkerError::Socket { index, source };
            let socket = opened.map_err(failed)?;
            socket.register(&poller, index).map_err(failed)?;
            Ok(socket)
        });
        let sockets: Vec<Socket> = sockets.collect::<Result<_, WorkerError>>()?;
        let log = Log::new(config.worker, config.log_json, &config.log);
        let engine = Engine::new(engine_config(&config, &sockets)?, Instant::now());
        let media = Media::new(Rc::clone(&poller), sockets, config.own_ports);
        control.say_hello(WorkerHello {
            pid: std::process::id(),
            gso: media.supports_gso(),
        })?;
        Ok(Self {
            poller,
            events: Events::with_capacity(EVENTS_A_TURN),
            control,
            interest,
            requests_waiting: true,
            packets,
            packets_ready: false,
            ready: Vec::with_capacity(EVENTS_A_TURN),
            with_room: Vec::with_capacity(EVENTS_A_TURN),
            media,
            engine,
            hold: Hold::new(config.max_hold, Instant::now()),
            log,
            wakeups: 0,
            woken: Instant::now(),
            rested: Duration::ZERO,
            forwarding_delay: DelayHistogram::default(),
        })
    }

    /// Works until the node closes the control socket.
    pub(crate) fn run(mut self) -> Result<LoopCounters, WorkerError> {
        // Those that came together with the node's hello: no readable socket will tell of them.
        self.handle_requests()?;
        loop {
            if self.finish_turn()? == Peer::Gone {
                return Ok(self.counters());
            }
            self.handle_packets()?;
            let mut control_readable = self.wait()?;
            if !control_readable && !self.ready.is_empty() {
                control_readable = self.wait_for_more()?;
            }
            self.handle_room()?;
            self.handle_sockets()?;
            self.handle_deadline()?;
            if control_readable && !self.requests_waiting && !self.control.is_behind() {
                if self.control.read()? == Peer::Gone {
                    return Ok(self.counters());
                }
                self.requests_waiting = true;
            }
            self.handle_requests()?;
        }
    }

    /// Waits for something to do and notes what it is; whether control has something.
    fn wait(&mut self) -> Result<bool, WorkerError> {
        let before = Instant::now();
        let timeout = self.timeout(before);
        let waited = self.poller.wait(timeout, &mut self.events);
        waited.map_err(WorkerError::System)?;
        self.woken = Instant::now();
        self.rested = self.woken.saturating_duration_since(before);
        self.hold.rested(self.rested, self.woken);
        self.wakeups += 1;
        Ok(self.note_events())
    }

    fn note_events(&mut self) -> bool {
        let mut control_readable = false;
        self.packets_ready = false;
        self.ready.clear();
        self.with_room.clear();
        for event in self.events.iter() {
            match event.token {
                CONTROL_TOKEN => control_readable = event.readable,
                PACKETS_TOKEN => self.packets_ready = true,
                token => {
                    if event.readable {
                        self.ready.push(token);
                    }
                    if event.writable {
                        self.with_room.push(token);
                    }
                }
            }
        }
        control_readable
    }

    /// Under load, lets more packets come before those are taken that are there; whether control has something then.
    fn wait_for_more(&mut self) -> Result<bool, WorkerError> {
        let now = self.woken;
        let Some(until) = self.hold.until(self.rested, now) else {
            return Ok(false);
        };
        let deadlines = [self.engine.poll_timeout(), self.media.poll_timeout()];
        let end = deadlines.into_iter().flatten().fold(until, Instant::min);
        std::thread::sleep(end.saturating_duration_since(now));
        let waited = self.poller.wait(Some(Duration::ZERO), &mut self.events);
        waited.map_err(WorkerError::System)?;
        self.woken = Instant::now();
        self.hold
            .rested(self.woken.saturating_duration_since(now), self.woken);
        let control_readable = self.note_events();
        if end < until {
            // A deadline is first; the packets wait on.
            self.ready.clear();
        }
        Ok(control_readable)
    }

    /// How long to sleep at most.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        if self.requests_waiting && !self.control.is_behind() {
            return Some(Duration::ZERO);
        }
        let deadlines = [self.engine.poll_timeout(), self.media.poll_timeout()];
        let deadline = deadlines.into_iter().flatten().min()?;
        Some(deadline.saturating_duration_since(now))
    }

    /// Writes what waits on connections that have room.
    fn handle_room(&mut self) -> Result<(), WorkerError> {
        if self.with_room.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        while let Some(token) = self.with_room.pop() {
            self.media.handle_room(now, &mut self.engine, token);
        }
        self.drain(now)
    }

    /// Takes what arrived, a batch from each ready socket in turn.
    fn handle_sockets(&mut self) -> Result<(), WorkerError> {
        if !self.ready.is_empty() {
            self.hold.take(self.woken);
        }
        let mut end = None;
        for _ in 0..BATCHES_A_TURN {
            let mut next = 0;
            while let Some(&token) = self.ready.get(next) {
                let now = Instant::now();
                if now > *end.get_or_insert(now + TURN) {
                    return Ok(());
                }
                if self.media.receive(now, &mut self.engine, token) {
                    next += 1;
                } else {
                    self.ready.swap_remove(next);
                }
                self.forward(now)?;
            }
            if self.ready.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn handle_deadline(&mut self) -> Result<(), WorkerError> {
        let now = Instant::now();
        if self
            .engine
            .poll_timeout()
            .is_some_and(|deadline| deadline <= now)
        {
            self.engine.handle_timeout(now);
            self.drain(now)?;
        }
        if self.media.poll_timeout().is_some_and(|due| due <= now) {
            self.media.handle_timeout(now, &self.engine);
        }
        Ok(())
    }

    /// Carries out some of the requests that have arrived.
    fn handle_requests(&mut self) -> Result<(), WorkerError> {
        if !self.requests_waiting {
            return Ok(());
        }
        for _ in 0..REQUESTS_A_TURN {
            if self.control.is_behind() {
                return Ok(());
            }
            let Some((id, request)) = self.control.next_request()? else {
                self.requests_waiting = false;
                return Ok(());
            };
            let now = Instant::now();
            let result = match request {
                Request::WorkerStats => Ok(self.stats()),
                Request::SetLog { options } => {
                    self.log.set(&options);
                    Ok(Answer::Done)
                }
                request => requests::answer(&mut self.engine, &mut self.media, now, request),
            };
            // Before the events that it caused, and after all earlier ones.
            self.control.respond(id, result)?;
            self.drain(now)?;
        }
        Ok(())
    }

    /// Sends what came of a batch that arrived at `now`, and notes how long that took: one look at the clock a batch.
    fn forward(&mut self, now: Instant) -> Result<(), WorkerError> {
        let (sent, paced) = (
            self.media.counters.datagrams_sent,
            self.engine.paced_packets(),
        );
        self.drain(now)?;
        let sent = self.media.counters.datagrams_sent - sent;
        if sent > 0 {
            // The engine knows how long those waited that had to.
            let paced = self.engine.paced_packets() - paced;
            let at_once = sent.saturating_sub(paced);
            self.forwarding_delay.add(now.elapsed(), at_once);
        }
        Ok(())
    }

    /// Takes everything that the engine has to say.
    fn drain(&mut self, now: Instant) -> Result<(), WorkerError> {
        self.media
            .transmit(now, &mut self.engine, &mut self.packets);
        self.packets.transmit(&mut self.engine);
        while let Some(event) = self.engine.poll_event() {
            log::event(&event);
            self.control.send_event(event)?;
        }
        Ok(())
    }

    /// Writes answers and events, and waits for the control socket as far as it is of use.
    fn finish_turn(&mut self) -> Result<Peer, WorkerError> {
        let peer = self.control.flush()?;
        let interest = self.control.interest();
        if interest != self.interest {
            let changed = self.poller.modify(&self.control, CONTROL_TOKEN, interest);
            changed.map_err(WorkerError::System)?;
            self.interest = interest;
        }
        Ok(peer)
    }

    /// Takes some packets from the node. What control had to do in this turn is done and its answers are written, so that
    /// however many packets come, control waits for one bounded helping of them at most.
    fn handle_packets(&mut self) -> Result<(), WorkerError> {
        if self.packets_ready {
            let (engine, now) = (&mut self.engine, Instant::now());
            let received = self.packets.receive(|kind, object, packet| match kind {
                PacketKind::Message => DataMessage::parse(packet).is_ok_and(|message| {
                    let producer = DataProducerId::from_u128(object);
                    engine.handle_message(now, producer, &message)
                }),
                PacketKind::Rtp => {
                    engine.handle_direct_rtp(now, ProducerId::from_u128(object), packet)
                }
                PacketKind::Rtcp => {
                    engine.handle_direct_rtcp(now, TransportId::from_u128(object), packet)
                }
                _ => false,
            });
            let peer = received.map_err(WorkerError::PacketSocket)?;
            self.engine.handle_direct_end();
            self.drain(now)?;
            // What came of them shall not wait for the next turn; a node that is gone shows there again.
            self.finish_turn()?;
            // The control socket tells whether the node itself is gone; this one would only wake the loop for ever.
            if peer == Peer::Gone {
                let removed = self.poller.remove(&self.packets);
                removed.map_err(WorkerError::PacketSocket)?;
            }
        }
        Ok(())
    }

    /// The engine's counters, completed by what only this process knows.
    fn stats(&self) -> Answer {
        let mut stats = self.engine.stats();
        self.packets.fill(&mut stats);
        self.media.fill(&mut stats);
        stats.cpu_time_us = u64::try_from(process_cpu_time().as_micros()).unwrap_or(u64::MAX);
        // Without /proc there is no figure of memory and descriptors, which is no reason to withhold the others.
        stats.forwarding_delay.merge(&self.forwarding_delay);
        stats.hold_us = u32::try_from(self.hold.length().as_micros()).unwrap_or(u32::MAX);
        stats.events_dropped = self.control.events_dropped;
        stats.control_bytes_waiting = self.control.waiting() as u64;
        stats.descriptors = open_descriptors().unwrap_or(0);
        stats.memory = process_usage(std::process::id()).map_or(0, |usage| usage.memory);
        Answer::WorkerStats(Box::new(stats))
    }

    fn counters(&self) -> LoopCounters {
        let media = &self.media.counters;
        LoopCounters {
            wakeups: self.wakeups,
            receive_calls: media.receive_calls,
            receive_errors: media.receive_errors,
            datagrams_received: self.engine.stats().datagrams_received,
            send_calls: media.send_calls,
            datagrams_sent: media.datagrams_sent,
            datagrams_dropped: media.datagrams_dropped,
            events_dropped: self.control.events_dropped,
        }
    }
}

/// Takes over a socket from the node.
fn open(descriptor: OwnedFd, options: &SocketOptions) -> std::io::Result<Socket> {
    Ok(match options.protocol {
        Protocol::Tcp => Socket::Tcp(TcpListener::from_fd(descriptor)?),
        Protocol::Udp => {
            let socket = UdpSocket::from_fd(descriptor)?;
            if options.disable_gso {
                socket.disable_gso();
            }
            Socket::Udp(socket)
        }
    })
}

fn engine_config(config: &WorkerConfig, sockets: &[Socket]) -> Result<EngineConfig, WorkerError> {
    let mut seed = [0; 32];
    SysRng
        .try_fill_bytes(&mut seed)
        .map_err(|error| WorkerError::System(std::io::Error::other(error)))?;
    let sockets = sockets.iter().zip(&config.sockets);
    let sockets = sockets.map(|(socket, options)| SocketConfig {
        announced: options.announced.clone(),
        expose_internal: options.expose_internal,
        ..socket.config()
    });
    Ok(EngineConfig {
        node: config.node,
        worker: config.worker.0,
        seed,
        certificate: Certificate::generate()
            .map_err(|error| WorkerError::Certificate(error.into()))?,
        sockets: sockets.collect(),
        consent_timeout: config.consent_timeout,
        unix_time: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
        srtp_profiles: srtp_profiles(&config.srtp_profiles)?,
    })
}

/// Profiles by their IANA names, with or without the prefix that all of them share.
fn srtp_profiles(names: &[String]) -> Result<Vec<SrtpProfileId>, WorkerError> {
    let find = |name: &String| {
        SrtpProfileId::ALL
            .into_iter()
            .find(|profile| {
                profile.name() == name || profile.name().strip_prefix("SRTP_") == Some(name)
            })
            .ok_or_else(|| WorkerError::SrtpProfile(name.clone()))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_by_name() {
        let names = ["SRTP_AEAD_AES_128_GCM", "AES128_CM_HMAC_SHA1_80"].map(String::from);
        let found = srtp_profiles(&names).expect("both exist");
        assert_eq!(
            found,
            [SrtpProfileId::AeadAes128Gcm, SrtpProfileId::Aes128CmSha1_80]
        );
        let error = srtp_profiles(&["NULL".into()]).expect_err("not offered");
        assert!(error.to_string().contains("NULL"));
    }
}
