//! A VP8 call in memory: one sender, any number of receivers, no sockets.

use std::{
    collections::HashMap,
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use plenum_dtls::SrtpProfileId;
use plenum_engine::{Datagram, Engine, SendBatch};
use plenum_harness::{
    World, WorldConfig,
    parameters::{encoding, received, vp8, vp8_receiver},
};
use plenum_ice::controlling::BindingRequest;
use plenum_ids::ConsumerId;
use plenum_params::{event::Layers, media::HeaderExtension, transport::WebRtcTransportInfo};
use plenum_rtp::{
    HeaderFields, RtpHeader, RtpWriter,
    rtcp::{RtcpWriter, TwccHead},
};
use plenum_srtp::Sealer;

/// Packets of a frame.
pub(super) const PACKETS: usize = 8;

/// Payload bytes of a packet, VP8 descriptor included.
const PAYLOAD: usize = 1200;

/// Time from frame to frame. Above the interval within which a packet is not sent again twice.
pub(super) const FRAME_TIME: Duration = Duration::from_millis(33);

/// Of the first stream; others are ten apart.
const SENDER_SSRC: u32 = 1000;
const RECEIVER_SSRC: u32 = 5000;

/// Frames from key frame to key frame where there are several streams.
const KEY_FRAME_EVERY: usize = 9;

/// The tag of both AEAD profiles.
const TAG: usize = 16;

const fn ssrc(stream: usize) -> u32 {
    SENDER_SSRC + 10 * stream as u32
}

/// An engine with everybody connected to it.
pub(super) struct Call {
    engine: Engine,
    pub(super) now: Instant,
    batch: SendBatch,
    sender: (SocketAddr, Sealer),
    receivers: Vec<(SocketAddr, Sealer)>,
    sender_info: WebRtcTransportInfo,
    streams: usize,
}

/// One datagram to come.
#[derive(Clone, Debug)]
pub(super) struct Arriving {
    from: SocketAddr,
    data: Vec<u8>,
}

/// What the engine sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) messages: usize,
    pub(super) datagrams: usize,
}

impl Call {
    /// Connects a sender and this many receivers.
    pub(super) fn connect(receivers: usize) -> Result<Self> {
        Self::connect_streams(receivers, 1)
    }

    /// The same with a sender of several streams.
    pub(super) fn connect_streams(receivers: usize, streams: usize) -> Result<Self> {
        let mut world = World::with_config(WorldConfig {
            srtp_profiles: vec![SrtpProfileId::AeadAes128Gcm],
            consent_timeout: Duration::from_hours(1),
            ..WorldConfig::default()
        });
        for _ in 0..=receivers {
            let index = world.add_peer();
            world.connect_at_once(index);
        }
        let mut sent = vp8((0..streams).map(|stream| encoding(ssrc(stream))).collect());
        // What `Self::packet` writes.
        let is_written = |extension| {
            matches!(
                extension,
                HeaderExtension::Mid | HeaderExtension::TransportWideCc
            )
        };
        sent.extensions.retain(|one| is_written(one.extension));
        let producer = world.produce(0, 1, sent);
        for index in 1..=receivers {
            world.consume(index, index as u128, producer, vp8_receiver(RECEIVER_SSRC));
        }
        let World {
            engine,
            now,
            peers,
            mut infos,
            ..
        } = world;
        let mut keys = Vec::with_capacity(receivers + 1);
        for peer in peers {
            let overhead = peer.profile().context("connected")?.rtp_overhead();
            ensure!(overhead == TAG, "another profile than asked for");
            let address = peer.address;
            keys.push((address, peer.into_keys().context("connected")?.0));
        }
        let receivers = keys.split_off(1);
        Ok(Self {
            engine,
            now,
            batch: SendBatch::new(),
            sender: keys.pop().context("the sender")?,
            receivers,
            sender_info: infos.swap_remove(0),
            streams,
        })
    }

    /// Protected packets of one frame of each stream. The first frame is a key frame; where there are several streams, each
    /// has more of them, at its own time.
    pub(super) fn frame(&mut self, number: usize) -> Result<Vec<Arriving>> {
        (0..self.streams * PACKETS)
            .map(|index| self.packet(number, index / PACKETS, index % PACKETS))
            .collect()
    }

    fn packet(&mut self, frame: usize, stream: usize, index: usize) -> Result<Arriving> {
        let sequence = (frame * PACKETS + index) as u64;
        let is_key =
            frame == 0 || self.streams > 1 && (frame + 3 * stream).is_multiple_of(KEY_FRAME_EVERY);
        let numbered = (frame * self.streams + stream) * PACKETS + index;
        let mut data = vec![0; 64];
        let fields = HeaderFields {
            marker: index + 1 == PACKETS,
            payload_type: 96,
            sequence_number: sequence as u16,
            timestamp: frame as u32 * 2970,
            ssrc: ssrc(stream),
            padding: false,
        };
        let mut writer = RtpWriter::begin(&mut data, fields)?;
        writer.push_extension(4, b"1")?;
        writer.push_extension(3, &(numbered as u16).to_be_bytes())?;
        let header = writer.finish();
        data.truncate(header);
        let [high, low] = (0x8000 | frame as u16).to_be_bytes();
        data.extend([
            0x80 | u8::from(index == 0) << 4,
            0x80,
            high,
            low,
            u8::from(!is_key),
        ]);
        data.resize(header + PAYLOAD, 0x5a);
        let plain = data.len();
        data.resize(plain + TAG, 0);
        let (from, sealer) = &mut self.sender;
        sealer.seal_rtp(sequence, &mut data, header, plain)?;
        Ok(Arriving { from: *from, data })
    }

    /// A receiver's request for these packets of its stream, by distance from the last one of frame `number`.
    pub(super) fn nack(&mut self, first: u16, number: usize, behind: &[u16]) -> Result<Arriving> {
        let last = first.wrapping_add((number * PACKETS + PACKETS - 1) as u16);
        let lost = behind.iter().map(|distance| last.wrapping_sub(*distance));
        let (from, sealer) = self.receivers.first_mut().context("no receiver")?;
        let mut data = vec![0; 256];
        let mut writer = RtcpWriter::new(&mut data);
        writer.receiver_report(1, [])?;
        writer.nack(1, RECEIVER_SSRC, lost)?;
        let plain = writer.written().len();
        let len = sealer.seal_rtcp(&mut data, plain)?;
        data.truncate(len);
        Ok(Arriving { from: *from, data })
    }

    /// A receiver's report of when packets arrived, by their transport-wide numbers from `first` on: in groups of a frame.
    pub(super) fn report(&mut self, receiver: usize, first: u16, count: u8) -> Result<Arriving> {
        let (from, sealer) = self.receivers.get_mut(receiver).context("no receiver")?;
        let mut data = vec![0; 256];
        let mut writer = RtcpWriter::new(&mut data);
        let head = TwccHead {
            sender_ssrc: 1,
            media_ssrc: RECEIVER_SSRC,
            base_sequence_number: first,
            feedback_count: 0,
        };
        let arrivals = (0..u32::from(count)).map(|number| {
            let frame = number / PACKETS as u32;
            Some(FRAME_TIME * (frame + 1) + Duration::from_micros(250) * number)
        });
        writer.transport_feedback(head, arrivals)?;
        let plain = writer.written().len();
        let len = sealer.seal_rtcp(&mut data, plain)?;
        data.truncate(len);
        Ok(Arriving { from: *from, data })
    }

    /// A receiver wants this stream of several from now on.
    pub(super) fn prefer(&mut self, receiver: usize, stream: u8) -> Result<()> {
        let layers = Layers {
            spatial: stream,
            temporal: None,
        };
        // Consumers are numbered like peers, of which the first is the sender.
        let consumer = ConsumerId::from_u128(receiver as u128 + 1);
        self.engine
            .set_preferred_layers(self.now, consumer, layers)?;
        Ok(())
    }

    /// A connectivity check of the sender, which is connected already.
    pub(super) fn binding_request(&self, number: usize) -> Result<Arriving> {
        let mut transaction_id = [9; 12];
        transaction_id[..8].copy_from_slice(&number.to_be_bytes());
        let ice = &self.sender_info.ice_parameters;
        let request = BindingRequest {
            remote_username_fragment: &ice.username_fragment,
            local_username_fragment: "peer20000",
            transaction_id,
            priority: 1,
            tie_breaker: 1,
            use_candidate: true,
            nomination: None,
        };
        let mut data = vec![0; 256];
        let len = request.write(&ice.password, &mut data)?;
        data.truncate(len);
        Ok(Arriving {
            from: self.sender.0,
            data,
        })
    }

    /// Lets some time pass, and the engine do what is due by then.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.engine.handle_timeout(self.now);
    }

    /// Gives the engine what arrives and takes what it sends.
    pub(super) fn exchange(&mut self, arriving: &mut [Arriving]) -> Sent {
        let datagrams = arriving.iter_mut().map(|one| Datagram {
            socket: 0,
            from: one.from,
            data: &mut one.data,
        });
        self.engine.handle_datagrams(self.now, datagrams);
        let mut sent = Sent::default();
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            for transmit in self.batch.transmits() {
                sent.messages += 1;
                sent.datagrams += transmit
                    .data
                    .len()
                    .div_ceil(usize::from(transmit.segment_size));
            }
            black_box(self.batch.transmits().count());
            self.batch.clear();
            if !more {
                return sent;
            }
        }
    }

    /// Forwards the first frame and returns the number that its first packet got towards the first receiver. Without
    /// keys for that direction it is read from the header, which SRTP leaves readable.
    pub(super) fn first_number(&mut self) -> Result<u16> {
        let mut first = None;
        let to = self.receivers.first().context("no receiver")?.0;
        self.forward_first(|at, packet| {
            if at == to {
                first.get_or_insert_with(|| u16::from_be_bytes([packet[2], packet[3]]));
            }
        })?;
        first.context("the first frame was not forwarded")
    }

    /// Forwards the first frame and returns the transport-wide number that its first packet got towards each receiver.
    pub(super) fn first_transport_numbers(&mut self) -> Result<Vec<u16>> {
        let mut numbers = HashMap::new();
        self.forward_first(|to, packet| {
            let number = RtpHeader::parse(packet).ok().and_then(|header| {
                let mut extensions = header.extensions(packet);
                let (_, value) = extensions.find(|(id, _)| *id == received::TRANSPORT_CC)?;
                value.try_into().ok().map(u16::from_be_bytes)
            });
            if let Some(number) = number {
                numbers.entry(to).or_insert(number);
            }
        })?;
        let number = |(at, _): &(SocketAddr, Sealer)| numbers.get(at).copied();
        let all: Option<_> = self.receivers.iter().map(number).collect();
        all.context("the first frame was not forwarded")
    }

    fn forward_first(&mut self, mut see: impl FnMut(SocketAddr, &[u8])) -> Result<()> {
        let mut frame = self.frame(0)?;
        let datagrams = frame.iter_mut().map(|one| Datagram {
            socket: 0,
            from: one.from,
            data: &mut one.data,
        });
        self.engine.handle_datagrams(self.now, datagrams);
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            for transmit in self.batch.transmits() {
                if transmit.data[1] & 0x7f == 101 {
                    see(transmit.to, transmit.data);
                }
            }
            self.batch.clear();
            if !more {
                return Ok(());
            }
        }
    }
}
