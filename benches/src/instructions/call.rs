//! A VP8 call in memory: one sender, any number of receivers, no sockets.

use std::{
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use plenum_dtls::SrtpProfileId;
use plenum_engine::{Datagram, Engine, SendBatch};
use plenum_harness::{
    World, WorldConfig,
    parameters::{encoding, vp8, vp8_receiver},
};
use plenum_ice::controlling::BindingRequest;
use plenum_params::{media::HeaderExtension, transport::WebRtcTransportInfo};
use plenum_rtp::{HeaderFields, RtpWriter, rtcp::RtcpWriter};
use plenum_srtp::Sealer;

/// Packets of a frame.
pub(super) const PACKETS: usize = 8;

/// Payload bytes of a packet, VP8 descriptor included.
const PAYLOAD: usize = 1200;

/// Time from frame to frame. Above the interval within which a packet is not sent again twice.
pub(super) const FRAME_TIME: Duration = Duration::from_millis(33);

const SENDER_SSRC: u32 = 1000;
const RECEIVER_SSRC: u32 = 5000;

/// The tag of both AEAD profiles.
const TAG: usize = 16;

/// An engine with everybody connected to it.
pub(super) struct Call {
    engine: Engine,
    pub(super) now: Instant,
    batch: SendBatch,
    sender: (SocketAddr, Sealer),
    receivers: Vec<(SocketAddr, Sealer)>,
    sender_info: WebRtcTransportInfo,
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
        let mut world = World::with_config(WorldConfig {
            srtp_profiles: vec![SrtpProfileId::AeadAes128Gcm],
            consent_timeout: Duration::from_hours(1),
            ..WorldConfig::default()
        });
        for _ in 0..=receivers {
            let index = world.add_peer();
            world.connect_at_once(index);
        }
        let mut sent = vp8(vec![encoding(SENDER_SSRC)]);
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
        })
    }

    /// Protected packets of one frame; the first frame is a key frame.
    pub(super) fn frame(&mut self, number: usize) -> Result<Vec<Arriving>> {
        (0..PACKETS)
            .map(|index| self.packet(number, index))
            .collect()
    }

    fn packet(&mut self, frame: usize, index: usize) -> Result<Arriving> {
        let sequence = (frame * PACKETS + index) as u64;
        let mut data = vec![0; 64];
        let fields = HeaderFields {
            marker: index + 1 == PACKETS,
            payload_type: 96,
            sequence_number: sequence as u16,
            timestamp: frame as u32 * 2970,
            ssrc: SENDER_SSRC,
            padding: false,
        };
        let mut writer = RtpWriter::begin(&mut data, fields)?;
        writer.push_extension(4, b"1")?;
        writer.push_extension(3, &(sequence as u16).to_be_bytes())?;
        let header = writer.finish();
        data.truncate(header);
        let [high, low] = (0x8000 | frame as u16).to_be_bytes();
        data.extend([
            0x80 | u8::from(index == 0) << 4,
            0x80,
            high,
            low,
            u8::from(frame > 0),
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
        let mut frame = self.frame(0)?;
        let to = self.receivers.first().context("no receiver")?.0;
        let datagrams = frame.iter_mut().map(|one| Datagram {
            socket: 0,
            from: one.from,
            data: &mut one.data,
        });
        self.engine.handle_datagrams(self.now, datagrams);
        let mut first = None;
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            for transmit in self.batch.transmits().filter(|transmit| transmit.to == to) {
                if transmit.data[1] & 0x7f == 101 {
                    let number = u16::from_be_bytes([transmit.data[2], transmit.data[3]]);
                    first = first.or(Some(number));
                }
            }
            self.batch.clear();
            if !more {
                return first.context("the first frame was not forwarded");
            }
        }
    }
}
