//! Receivers that report arrivals as browsers do.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use plenum_rtp::rtcp::{RtcpWriter, TwccHead};
use plenum_srtp::Sealer;
use plenum_udp::{Message, Sender};

use crate::sink::Sink;

/// Between two reports of a receiver: what libwebrtc does when it sends little or nothing itself.
const INTERVAL: Duration = Duration::from_millis(50);

/// What the way takes.
const DELAY: Duration = Duration::from_millis(20);

/// Between two packets of a frame on a fast link.
const SPACING: Duration = Duration::from_micros(100);

/// Reports that are sent before the engine takes them, so that they fit the buffer of its socket.
const AT_ONCE: usize = 64;

/// All receivers.
pub struct Receivers {
    all: Vec<Receiver>,
    sender: Sender,
    origin: Option<Instant>,
}

struct Receiver {
    sealer: Sealer,
    /// Transport-wide numbers that are not reported yet, and when they came.
    arrived: Vec<(u16, Duration)>,
    next_report: Option<Instant>,
    count: u8,
}

impl Receivers {
    /// Receivers that encrypt with these.
    pub fn new(sealers: Vec<Sealer>) -> Self {
        let receiver = |sealer| Receiver {
            sealer,
            arrived: Vec::new(),
            next_report: None,
            count: 0,
        };
        Self {
            all: sealers.into_iter().map(receiver).collect(),
            sender: Sender::new(),
            origin: None,
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// What receiver `index` encrypts with.
    pub fn sealer(&mut self, index: usize) -> &mut Sealer {
        &mut self.all[index].sealer
    }

    /// Takes what the sink has got of what left at `sent`.
    pub fn note(&mut self, sink: &Sink, sent: Instant) {
        let origin = *self.origin.get_or_insert(sent);
        let count = self.all.len() as u32;
        for (index, receiver) in (0..).zip(&mut self.all) {
            // Everybody has his own time.
            let phase = INTERVAL * index / count.max(1);
            receiver.next_report.get_or_insert(sent + phase);
            let mut at = sent - origin + DELAY;
            for number in sink.take_numbers(index as usize) {
                receiver.arrived.push((number, at));
                at += SPACING;
            }
        }
    }

    /// Receivers who report before `until`, in portions.
    pub fn due(&mut self, until: Instant) -> Vec<Vec<usize>> {
        let mut due = Vec::new();
        for (index, receiver) in self.all.iter_mut().enumerate() {
            let is_due = receiver.next_report.is_some_and(|at| at < until);
            if is_due && !receiver.arrived.is_empty() {
                receiver.next_report = receiver.next_report.map(|at| at + INTERVAL);
                due.push(index);
            }
        }
        due.chunks(AT_ONCE).map(<[usize]>::to_vec).collect()
    }

    /// Sends the reports of these receivers.
    pub fn report(&mut self, who: &[usize], sink: &Sink, to: SocketAddr) -> Result<()> {
        for &index in who {
            let receiver = &mut self.all[index];
            while let Some(datagram) = receiver.report()? {
                let message = Message {
                    to,
                    data: &datagram,
                    segment_size: datagram.len() as u16,
                };
                let report = self
                    .sender
                    .send(sink.socket(index), std::iter::once(message));
                ensure!(report.datagrams == 1, "a report was not sent");
            }
        }
        Ok(())
    }
}

impl Receiver {
    /// Of as much as a packet can say; `None`: nothing is left to report.
    fn report(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(&(base_sequence_number, _)) = self.arrived.first() else {
            return Ok(None);
        };
        let head = TwccHead {
            sender_ssrc: 1,
            media_ssrc: 2,
            base_sequence_number,
            feedback_count: self.count,
        };
        self.count = self.count.wrapping_add(1);
        let mut buffer = vec![0; 1024];
        let mut writer = RtcpWriter::new(&mut buffer);
        let arrivals = self.arrived.iter().map(|(_, at)| Some(*at));
        let reported = writer.transport_feedback(head, arrivals)?;
        ensure!(reported > 0, "a report has room for something");
        self.arrived.drain(..usize::from(reported));
        let plain = writer.len();
        let len = self.sealer.seal_rtcp(&mut buffer, plain)?;
        buffer.truncate(len);
        Ok(Some(buffer))
    }
}
