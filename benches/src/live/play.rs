//! Sending what the tracks say, when they say it.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use plenum_srtp::{Sealer, SrtpProfile};
use plenum_udp::{Message, Sender, UdpSocket};

use super::Cast;
use crate::{
    bare::{BareLoop, Mode, frame},
    node,
    receivers::Receivers,
    score::{Note, Score},
    sink::{self, Sink},
    stream::Stream,
};

/// Far above what everybody receives, so that no picture is taken away.
pub(super) const PATH_BITRATE: u32 = 200_000_000;

/// Packets that are due within so short a time leave together: a thread sleeps no less.
const GRAIN: Duration = Duration::from_micros(50);

/// Between two looks whether receivers have something to report.
const REPORT_EVERY: Duration = Duration::from_millis(5);

/// Nothing more is on its way when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(100);

/// How the tracks are played.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the rows of a benchmark")]
pub struct Tempo {
    /// 1 is real time.
    pub speed: f64,
    /// Rooms in which something is sent.
    pub rooms: usize,
    /// Senders of each that send.
    pub active: usize,
}

/// What became of it.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain figures")]
pub struct Played {
    /// How long it took.
    pub time: Duration,
    /// Packets that receivers ought to have got, and did not.
    pub missing: u64,
    /// From sending to arrival, of a sample.
    pub delays: Vec<Duration>,
}

pub(super) struct Player {
    score: Score,
    /// Of the score.
    position: Duration,
    sending: Vec<Sending>,
    receivers: Option<Receivers>,
    sink: Sink,
    to: SocketAddr,
    sender: Sender,
    next_report: Instant,
    /// In each room.
    senders: usize,
    hearers: u64,
    profile: SrtpProfile,
}

pub(super) struct Sending {
    socket: UdpSocket,
    sealer: Sealer,
    overhead: usize,
    streams: Vec<Stream>,
    /// Transport-wide, the next.
    number: u16,
}

impl Sending {
    pub(super) const fn new(
        socket: UdpSocket,
        sealer: Sealer,
        overhead: usize,
        streams: Vec<Stream>,
    ) -> Self {
        Self {
            socket,
            sealer,
            overhead,
            streams,
            number: 0,
        }
    }
}

impl Player {
    pub(super) fn new(
        cast: &Cast,
        sending: Vec<Sending>,
        receivers: Option<Receivers>,
        sink: Sink,
        to: SocketAddr,
        profile: SrtpProfile,
    ) -> Self {
        Self {
            score: Score::new(cast.tracks.clone(), cast.rooms * cast.senders),
            position: Duration::ZERO,
            sending,
            receivers,
            sink,
            to,
            sender: Sender::new(),
            next_report: Instant::now(),
            senders: cast.senders,
            hearers: cast.receivers as u64,
            profile,
        }
    }

    pub(super) fn checked(&self) -> (u64, u64) {
        self.sink.checked()
    }

    pub(super) fn bare(&self, frames: usize, near: IpAddr) -> Result<f64> {
        let socket = node::bind_at(near)?;
        let mut bare = BareLoop::new(self.profile, self.sink.addresses())?;
        let packets = frame();
        let (mut sent, mut cpu) = (0, Duration::ZERO);
        for _ in 0..frames {
            let before = self.sink.received();
            let (datagrams, time) = bare.send_frame(&socket, Mode::Gso, &packets);
            (sent, cpu) = (sent + datagrams, cpu + time);
            self.sink.wait_for(before + datagrams);
        }
        Ok(cpu.as_secs_f64() * 1e6 / sent.max(1) as f64)
    }

    pub(super) fn play(&mut self, tempo: Tempo, time: Duration) -> Result<Played> {
        let (start, from, before) = (Instant::now(), self.position, self.sink.media());
        self.sink.take_delays();
        let until = from + time.mul_f64(tempo.speed);
        let mut packets = 0;
        while self.score.next_at() < until {
            let at = self.score.next_at().saturating_sub(from);
            let due = start + at.div_f64(tempo.speed);
            self.pass(due)?;
            let late = Instant::now().saturating_duration_since(due) + GRAIN;
            for note in self.score.take_within(late.mul_f64(tempo.speed)) {
                let (room, place) = (note.member / self.senders, note.member % self.senders);
                if room < tempo.rooms && place < tempo.active {
                    self.publish(&note)?;
                    packets += 1;
                }
            }
        }
        self.position = until;
        let time = start.elapsed();
        let expected = packets * self.hearers;
        self.settle(before + expected)?;
        Ok(Played {
            time,
            missing: expected.saturating_sub(self.sink.media() - before),
            delays: self.sink.take_delays(),
        })
    }

    /// Sleeps until then; receivers report meanwhile.
    fn pass(&mut self, until: Instant) -> Result<()> {
        loop {
            let now = Instant::now();
            self.report(now)?;
            if now >= until {
                return Ok(());
            }
            let wake = if self.receivers.is_some() {
                until.min(self.next_report)
            } else {
                until
            };
            std::thread::sleep(wake.saturating_duration_since(now));
        }
    }

    fn report(&mut self, now: Instant) -> Result<()> {
        let Some(receivers) = &mut self.receivers else {
            return Ok(());
        };
        if now < self.next_report {
            return Ok(());
        }
        self.next_report = now + REPORT_EVERY;
        receivers.note(&self.sink, now);
        for chunk in receivers.due(now) {
            receivers.report(&chunk, &self.sink, self.to)?;
        }
        Ok(())
    }

    /// Until all have arrived, or nothing comes any more.
    fn settle(&mut self, total: u64) -> Result<()> {
        let mut last = (self.sink.media(), Instant::now());
        while self.sink.media() < total && last.1.elapsed() < QUIET {
            self.pass(Instant::now() + GRAIN)?;
            if self.sink.media() != last.0 {
                last = (self.sink.media(), Instant::now());
            }
        }
        Ok(())
    }

    fn publish(&mut self, note: &Note) -> Result<()> {
        let sending = &mut self.sending[note.member];
        let number = self.receivers.is_some().then(|| {
            sending.number = sending.number.wrapping_add(1);
            sending.number
        });
        let (sealer, overhead) = (&mut sending.sealer, sending.overhead);
        let stream = &mut sending.streams[note.kind];
        let packet = stream.packet(note, number, sink::now(), sealer, overhead)?;
        let message = Message {
            to: self.to,
            segment_size: packet.len() as u16,
            data: &packet,
        };
        let report = self.sender.send(&sending.socket, std::iter::once(message));
        ensure!(report.datagrams == 1, "a packet was not sent");
        Ok(())
    }
}
