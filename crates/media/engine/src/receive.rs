//! From a datagram to a kept packet: which transport, which stream, decrypt, keep.

use std::{net::SocketAddr, time::Instant};

use plenum_dtls::{DtlsEvent, DtlsRole, SrtpProfileId};
use plenum_ice::{IceEvent, IceLite, IceOutcome, UfragCode, peek_username};
use plenum_params::{
    data::SctpState,
    event::Event,
    media::HeaderExtension,
    transport::{DtlsState, IceState},
};
use plenum_rtp::{PacketKind, RtpHeader, classify};
use plenum_srtp::{InboundStream, Opener, Sealer, SrtpError, SrtpKeys, SrtpProfile};
use slab::Slab;

use crate::{
    batch::Datagram,
    engine::Engine,
    packet::{ExtensionTable, PacketMeta},
    producer::{Arrival, Producer},
    transport::{SrtpSession, StreamTarget, Transport},
};

/// Room for one DTLS datagram or RTCP compound: what fits an Ethernet frame with room for tunnels.
pub(crate) const MAX_CONTROL_DATAGRAM: usize = plenum_dtls::MAX_DATAGRAM;

impl Engine {
    /// Takes one datagram. Whatever cannot be used is counted and dropped.
    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let Datagram { socket, from, data } = datagram;
        let kind = classify(data);
        if kind == PacketKind::Stun {
            return self.handle_stun(now, socket, from, data);
        }
        // Nothing but STUN is read from an address that has not passed an ICE check and is no trunk's.
        let Some(&key) = self.addresses.get(&(socket, from)) else {
            return self.handle_stranger(now, (socket, from), kind, data);
        };
        let used = match kind {
            PacketKind::Rtp => self.handle_rtp(now, key, data),
            PacketKind::Rtcp => self.handle_srtcp(now, key, data),
            PacketKind::Dtls => self.handle_dtls(now, key, data),
            _ => None,
        };
        if used.is_none() {
            self.counters.discarded += 1;
            if let Some(transport) = self.transports.get_mut(key) {
                transport.discarded += 1;
            }
        }
    }

    fn handle_stun(&mut self, now: Instant, socket: u16, from: SocketAddr, data: &[u8]) {
        let code = peek_username(data).and_then(|(local, _)| UfragCode::decode(local));
        let ours =
            code.filter(|code| code.node == self.config.node && code.worker == self.config.worker);
        let key = ours.map(|code| code.transport as usize);
        // A socket of one transport must not become the path of another, which would outlive it.
        let owner = self.sockets.owner(socket);
        let key = key.filter(|key| owner.is_none_or(|owner| owner == *key));
        let key = key.filter(|key| !self.is_path_of_another(*key, socket, from));
        let found = key.and_then(|key| Some((key, self.transports.get_mut(key)?)));
        let Some((
            key,
            Transport {
                ice: Some(ice),
                received,
                sent,
                ..
            },
        )) = found
        else {
            self.counters.discarded += 1;
            return;
        };
        let mut answered = false;
        let len =
            self.control
                .push_with(
                    socket,
                    from,
                    plenum_ice::agent::MAX_RESPONSE_LEN,
                    |out| match ice.handle_binding_request(now, from, socket, data, out) {
                        IceOutcome::Respond { len } => {
                            answered = true;
                            len
                        }
                        IceOutcome::Ignore(_) => 0,
                    },
                );
        if answered {
            received.count_other(now, data.len());
            sent.count_other(now, len);
            if ice.is_valid_tuple(socket, from) {
                // Also an address that was valid before: another transport may have had it in between.
                self.addresses.insert((socket, from), key);
            }
            if let Some(deadline) = ice.poll_timeout() {
                self.timers.schedule(key, deadline);
            }
            self.handle_ice_events(now, key);
        } else {
            self.counters.discarded += 1;
        }
    }

    /// Whether media of another transport takes this path. Then it stays with that transport for as long as its consent
    /// lasts, and with a trunk for good: a peer that writes another's address on its checks would cut that one off from
    /// its own transport.
    fn is_path_of_another(&self, key: usize, socket: u16, from: SocketAddr) -> bool {
        self.addresses.get(&(socket, from)).is_some_and(|&owner| {
            let owned = self.transports.get(owner);
            owner != key && owned.is_some_and(|owned| owned.path == Some((socket, from)))
        })
    }

    /// Carries out what the ICE agent of a transport decided.
    pub(crate) fn handle_ice_events(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let (mut selected, mut unblocked) = (false, false);
        while let Some(event) = transport.ice.as_mut().and_then(IceLite::poll_event) {
            match event {
                // The address may belong to a younger transport by now.
                IceEvent::TupleRemoved(tuple)
                    if self.addresses.get(&(tuple.socket, tuple.remote)) == Some(&key) =>
                {
                    self.addresses.remove(&(tuple.socket, tuple.remote));
                    self.sockets.close_path(tuple.socket, tuple.remote);
                }
                IceEvent::SelectedTuple(tuple) => {
                    // Another port of the same address is most likely the same path behind a NAT that forgot.
                    if transport.path.map(|(_, remote)| remote.ip()) != Some(tuple.remote.ip()) {
                        transport.congestion.handle_new_path(now);
                    }
                    transport.path = Some((tuple.socket, tuple.remote));
                    unblocked |= std::mem::take(&mut transport.blocked);
                    selected = true;
                }
                IceEvent::StateChanged(state) => {
                    transport.ice_state = match state {
                        plenum_ice::IceState::New => IceState::New,
                        plenum_ice::IceState::Connected => IceState::Connected,
                        plenum_ice::IceState::Completed => IceState::Completed,
                        plenum_ice::IceState::Disconnected => IceState::Disconnected,
                        plenum_ice::IceState::Closed => IceState::Closed,
                    };
                    if transport.ice_state == IceState::Disconnected {
                        // RFC 7675 §5.1: without consent nothing more is sent.
                        transport.path = None;
                        self.counters.media.ice_disconnected += 1;
                    }
                    let tuple = transport.tuple(&self.sockets);
                    let event = Event::IceState {
                        transport: transport.id,
                        state: transport.ice_state,
                        tuple,
                    };
                    self.events.push_back(event);
                }
                _ => {}
            }
        }
        if selected {
            // Reports rest while there is no path.
            self.timers.schedule(key, now);
        }
        if selected && transport.dtls_state == DtlsState::Connecting {
            // A handshake that we start ourselves has waited for an address to send to.
            self.drive_dtls(now, key);
        }
        if unblocked {
            // What stopped the old connection does not concern the new path.
            self.handle_flowing(now, key);
        }
    }

    fn handle_dtls(&mut self, now: Instant, key: usize, data: &[u8]) -> Option<()> {
        let transport = self.transports.get_mut(key)?;
        transport.received.count_other(now, data.len());
        if transport.dtls.is_none() {
            return transport.keep_early_dtls(data);
        }
        self.take_dtls(now, key, data)
    }

    /// Has the handshake go on with what the peer says.
    pub(crate) fn take_dtls(&mut self, now: Instant, key: usize, data: &[u8]) -> Option<()> {
        let endpoint = self.transports.get_mut(key)?.dtls.as_mut()?;
        let result = endpoint.handle_datagram(now, data);
        self.drive_dtls(now, key);
        if result.is_err() {
            self.set_dtls_state(key, DtlsState::Failed);
            return None;
        }
        Some(())
    }

    /// Sends what the handshake wants to send and acts on what it achieved.
    pub(crate) fn drive_dtls(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let Some(endpoint) = transport.dtls.as_mut() else {
            return;
        };
        self.control
            .push_dtls(now, transport.path, endpoint, &mut transport.sent);
        if let Some(deadline) = endpoint.poll_timeout() {
            self.timers.schedule(key, deadline);
        }
        let mut state = None;
        let mut packets = Vec::new();
        while let Some(event) = endpoint.poll_event() {
            match event {
                DtlsEvent::Connected {
                    profile,
                    keying,
                    remote_certificate_der,
                } => {
                    let verified =
                        plenum_dtls::verify(&remote_certificate_der, &transport.fingerprints);
                    let keys = if verified {
                        srtp_session(endpoint.role(), profile, keying.as_bytes())
                    } else {
                        None
                    };
                    state = Some(if keys.is_some() {
                        DtlsState::Connected
                    } else {
                        DtlsState::Failed
                    });
                    transport.srtp = keys;
                }
                DtlsEvent::Closed => state = Some(DtlsState::Closed),
                DtlsEvent::Failed(_) => state = Some(DtlsState::Failed),
                DtlsEvent::ApplicationData(packet) if transport.data.is_some() => {
                    packets.push(packet);
                }
                // Without data channels, bytes on them have nowhere to go.
                _ => {}
            }
        }
        if let Some(state) = state {
            self.set_dtls_state(key, state);
            if state == DtlsState::Connected {
                self.handle_connected(now, key);
            }
        }
        for packet in packets {
            // There is no association before the peer's certificate was verified, and none after DTLS is over.
            if self.handle_sctp(now, key, packet.into()).is_none() {
                self.counters.discarded += 1;
            }
        }
    }

    pub(crate) fn set_dtls_state(&mut self, key: usize, state: DtlsState) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if matches!(state, DtlsState::Failed | DtlsState::Closed) {
            transport.srtp = None;
            transport.dtls = None;
            let ended = if state == DtlsState::Failed {
                SctpState::Failed
            } else {
                SctpState::Closed
            };
            self.end_association(key, ended);
        }
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if transport.dtls_state != state {
            transport.dtls_state = state;
            match state {
                DtlsState::Connected => self.counters.media.dtls_connected += 1,
                DtlsState::Failed => self.counters.media.dtls_failed += 1,
                _ => {}
            }
            self.events.push_back(Event::DtlsState {
                transport: transport.id,
                state,
            });
        }
    }

    pub(crate) fn handle_rtp(&mut self, now: Instant, key: usize, data: &mut [u8]) -> Option<()> {
        let transport = self.transports.get_mut(key)?;
        let header = RtpHeader::parse(data).ok()?;
        let wire_len = data.len();
        let session = transport.srtp.as_mut()?;
        let (transport, opened, target) = if let Some(entry) = transport.receive.find(header.ssrc) {
            let opened = session
                .opener
                .open_rtp(&mut entry.inbound, data, header.header_len);
            if matches!(opened, Err(SrtpError::TooOld)) {
                let begins = self.begins_anew(now, key, header.ssrc, header.sequence_number);
                return if begins {
                    self.handle_rtp(now, key, data)
                } else {
                    None
                };
            }
            let target = entry.target;
            (transport, opened.ok()?, target)
        } else if transport.trunk.is_some() {
            // The node declares all of a trunk's.
            return None;
        } else {
            // An SSRC is remembered only after its packet authenticated and led to a producer.
            let mut inbound = InboundStream::new();
            let opened = session
                .opener
                .open_rtp(&mut inbound, data, header.header_len)
                .ok()?;
            let target = resolve(transport, &self.producers, &header, data)?;
            let producer = self.producers.get(target.producer)?;
            let stream = producer.streams.get(usize::from(target.stream))?;
            if !target.retransmission && !stream.may_change_ssrc(now) {
                return None;
            }
            if !transport.receive.insert(header.ssrc, inbound, target) {
                return None;
            }
            if learn(&mut self.producers, now, target, header.ssrc) {
                self.restart_consumers(now, target.producer);
            }
            (self.transports.get_mut(key)?, opened, target)
        };
        transport
            .received
            .count_rtp(now, wire_len, target.retransmission);
        self.counters.media.rtp_received += 1;
        self.counters.media.retransmissions_received += u64::from(target.retransmission);
        let mut meta = PacketMeta {
            timestamp: header.timestamp,
            marker: header.marker,
            ..PacketMeta::default()
        };
        let mut descriptor = &[][..];
        for (id, value) in header.extensions(data) {
            match transport.extensions.get(id) {
                Some(HeaderExtension::DependencyDescriptor) => descriptor = value,
                Some(HeaderExtension::TransportWideCc) => {
                    if let Ok(sequence) = value.try_into().map(u16::from_be_bytes) {
                        transport.twcc_media_ssrc = header.ssrc;
                        if let Some(due) = transport.twcc_receiver.handle_packet(now, sequence) {
                            self.timers.schedule(key, due);
                        }
                    }
                }
                Some(extension) => meta.extensions.set(extension, value),
                None => {}
            }
        }
        let plain = data.get(..opened.len)?;
        let payload = plain.get(header.payload(plain).ok()?)?;
        let producer = self.producers.get_mut(target.producer)?;
        let stream = producer.streams.get_mut(usize::from(target.stream))?;
        let first = stream.last_packet.is_none();
        let (arrival, payload) = if target.retransmission {
            stream.counters.retransmitted += 1;
            // RFC 4588 §4: the original sequence number comes first. Bare padding probes the path and carries none.
            let Some((osn, payload)) = payload.split_first_chunk() else {
                return Some(());
            };
            let sequence = stream.extend(u16::from_be_bytes(*osn))?;
            let (media_type, _) = producer
                .codec(header.payload_type)
                .filter(|(_, is_rtx)| *is_rtx)?;
            let payload_type = media_type.payload_type;
            (
                Arrival {
                    now,
                    sequence,
                    payload_type,
                    retransmission: true,
                },
                payload,
            )
        } else {
            let sequence = opened.packet_index;
            (
                Arrival {
                    now,
                    sequence,
                    payload_type: header.payload_type,
                    retransmission: false,
                },
                payload,
            )
        };
        let was_touched = !producer.fresh.is_empty();
        let new = producer.handle_media(target.stream, arrival, meta, descriptor, payload);
        if new && !was_touched {
            self.touched.push(target.producer);
        }
        if new
            && let Some(levels) = &mut producer.levels
            && let Some(level) = meta.extensions.audio_level
            && !producer.paused
        {
            levels.handle_packet(now, level);
        }
        let is_traced = !producer.trace.is_empty();
        let stream = producer.streams.get(usize::from(target.stream))?;
        let layers_changed = producer.layers_changed;
        if let Some(due) = stream.nacks.poll_timeout() {
            self.note_asking(due, target.producer);
        }
        if first && new {
            self.handle_first_packet(now, target.producer, target.stream);
        } else if layers_changed {
            self.update_live(now, target.producer);
        }
        if is_traced {
            self.trace_received(now, target, arrival.sequence, &header, plain);
        }
        Some(())
    }
}

/// The keys of both directions, seen from our side of the handshake.
fn srtp_session(role: DtlsRole, profile: SrtpProfileId, keying: &[u8]) -> Option<SrtpSession> {
    let profile = SrtpProfile::from_iana_id(profile.iana_id())?;
    let (client, server) = SrtpKeys::from_exporter(profile, keying).ok()?;
    let (ours, theirs) = match role {
        DtlsRole::Server => (server, client),
        DtlsRole::Client => (client, server),
    };
    let sealer = Sealer::new(profile, &ours).ok()?;
    let opener = Opener::new(profile, &theirs).ok()?;
    Some(SrtpSession {
        profile,
        sealer,
        opener,
    })
}

/// Finds the stream of an SSRC that was not signalled: by MID and RID, else by payload type (SIGNALLING §7.1).
fn resolve(
    transport: &Transport,
    producers: &Slab<Producer>,
    header: &RtpHeader,
    packet: &[u8],
) -> Option<StreamTarget> {
    let names = Names::read(&transport.extensions, header, packet);
    let candidates = transport
        .producers
        .iter()
        .filter_map(|&key| Some((key, producers.get(key)?)));
    let mut matching = candidates.filter(|(_, producer)| {
        producer.codec(header.payload_type).is_some()
            && names.mid.is_none_or(|mid| {
                producer
                    .parameters
                    .mid
                    .as_deref()
                    .is_none_or(|own| own.as_bytes() == mid)
            })
    });
    let (key, producer) = matching.next()?;
    if names.mid.is_none()
        && names.rid.is_none()
        && names.repaired.is_none()
        && matching.next().is_some()
    {
        return None;
    }
    let (_, is_rtx_type) = producer.codec(header.payload_type)?;
    let by_rid = |rid: &[u8]| {
        let position = producer.parameters.encodings.iter().position(|encoding| {
            encoding
                .rid
                .as_deref()
                .is_some_and(|own| own.as_bytes() == rid)
        });
        position.map(|index| index as u8)
    };
    let (stream, retransmission) = match (names.repaired, names.rid) {
        (Some(repaired), _) if is_rtx_type => (by_rid(repaired)?, true),
        (_, Some(rid)) => (by_rid(rid)?, is_rtx_type),
        _ if producer.parameters.encodings.len() == 1 => (0, is_rtx_type),
        _ => return None,
    };
    if names.mid.is_none() && names.rid.is_none() && names.repaired.is_none() {
        // A payload type alone may find a stream that waits for its SSRC, and never take one over: these may be late
        // packets of a producer that was just closed.
        let known = producer.streams.get(usize::from(stream))?;
        let owned = if retransmission {
            known.rtx_ssrc
        } else {
            known.ssrc
        };
        if owned.is_some() {
            return None;
        }
    }
    Some(StreamTarget {
        producer: key,
        stream,
        retransmission,
    })
}

/// Names that a packet gives of its stream.
#[derive(Default)]
struct Names<'a> {
    mid: Option<&'a [u8]>,
    rid: Option<&'a [u8]>,
    repaired: Option<&'a [u8]>,
}

impl<'a> Names<'a> {
    fn read(table: &ExtensionTable, header: &RtpHeader, packet: &'a [u8]) -> Self {
        let mut names = Self::default();
        for (id, value) in header.extensions(packet) {
            match table.get(id) {
                Some(HeaderExtension::Mid) => names.mid = Some(value),
                Some(HeaderExtension::Rid) => names.rid = Some(value),
                Some(HeaderExtension::RepairedRid) => names.repaired = Some(value),
                _ => {}
            }
        }
        names
    }
}

/// Tells a producer's stream its SSRC; `true` when it had another one before.
fn learn(producers: &mut Slab<Producer>, now: Instant, target: StreamTarget, ssrc: u32) -> bool {
    let Some(producer) = producers.get_mut(target.producer) else {
        return false;
    };
    let kind = producer.parameters.kind;
    let encoding = producer
        .parameters
        .encodings
        .get(usize::from(target.stream));
    let Some(stream) = producer.streams.get_mut(usize::from(target.stream)) else {
        return false;
    };
    if target.retransmission {
        stream.rtx_ssrc = Some(ssrc);
        return false;
    }
    let replaced = stream.ssrc.replace(ssrc).is_some_and(|old| old != ssrc);
    if replaced {
        stream.ssrc_changed = Some(now);
        if let Some(encoding) = encoding {
            stream.restart(kind, encoding);
        }
    }
    replaced
}
