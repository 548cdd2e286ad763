//! Plain transports: made, and told where their other side is.

use std::time::Instant;

use plenum_ids::{RouterId, TransportId};
use plenum_params::transport::{
    PlainRemote, PlainTransportInfo, PlainTransportOptions, Protocol, SrtpParameters, SrtpSuite,
    WebRtcTransportOptions,
};
use plenum_srtp::{KeyingMaterial, Opener, Sealer, SrtpError, SrtpProfile};

use super::Result;
use crate::{
    config::SocketIndex,
    engine::Engine,
    error::EngineError,
    pacer::Pacer,
    plain::Plain,
    transport::{SrtpSession, Transport},
};

impl Engine {
    /// Makes a plain transport on these sockets of its own: one, and one more when RTCP has its own. They are released when
    /// it is closed.
    pub fn create_plain_transport(
        &mut self,
        now: Instant,
        router_id: RouterId,
        id: TransportId,
        options: &PlainTransportOptions,
        own: &[SocketIndex],
    ) -> Result<PlainTransportInfo> {
        self.check_new_transport(router_id, id)?;
        let (socket, rtcp_socket) = self.plain_sockets(options, own)?;
        let keys = options
            .srtp
            .map(|suite| SrtpParameters::random(suite, &mut self.rng));
        let numbers = (self.random_u32(), self.random_u32() as u16);
        let transport = Transport::new(id, now, numbers, &WebRtcTransportOptions::default());
        let transport = Transport {
            // With keys it sends and takes nothing before it has got the other side's.
            srtp: keys.is_none().then(SrtpSession::clear),
            // Whoever has no congestion control has a path that carries what it asked for.
            pacer: Pacer::for_trunk(),
            plain: Some(Box::new(Plain::new(*options, (socket, rtcp_socket), keys))),
            own_sockets: own.into(),
            ..transport
        };
        self.insert_transport(router_id, transport);
        self.plain_info(id)
    }

    /// Tells a plain transport where its other side is, unless that shows by itself, and its keys, if there are to be any.
    /// These may be for another suite than was asked for: then ours are made anew, for that one.
    pub fn connect_plain_transport(
        &mut self,
        now: Instant,
        id: TransportId,
        remote: Option<PlainRemote>,
        srtp: Option<&SrtpParameters>,
    ) -> Result<PlainTransportInfo> {
        let key = self.transport_key(id)?;
        let Some(plain) = &self.transports[key].plain else {
            return Err(is_not_plain(id));
        };
        if plain.is_connected {
            return Err(EngineError::AlreadyConnected(id));
        }
        self.check_remote(plain, remote)?;
        let session = match (&plain.keys, srtp) {
            (None, None) => None,
            (Some(ours), Some(theirs)) => {
                let ours = if ours.suite() == theirs.suite() {
                    ours.clone()
                } else {
                    SrtpParameters::random(theirs.suite(), &mut self.rng)
                };
                Some((srtp_session(&ours, theirs)?, ours))
            }
            (None, Some(_)) => return Err(invalid("the transport was made without SRTP")),
            (Some(_), None) => return Err(invalid("SRTP needs the other side's keys")),
        };
        let transport = &mut self.transports[key];
        let Some(plain) = &mut transport.plain else {
            return Err(is_not_plain(id));
        };
        plain.is_connected = true;
        if let Some((session, keys)) = session {
            transport.srtp = Some(session);
            plain.keys = Some(keys);
        }
        let sockets = (plain.rtcp_socket, plain.socket);
        if let Some(remote) = remote {
            // RTCP first: requests leave with the first path for RTP.
            if let (Some(socket), Some(rtcp)) = (sockets.0, remote.rtcp) {
                self.enter_plain_path(now, key, (socket, rtcp));
            }
            self.enter_plain_path(now, key, (sockets.1, remote.rtp));
        }
        self.plain_info(id)
    }

    fn plain_info(&self, id: TransportId) -> Result<PlainTransportInfo> {
        let transport = &self.transports[self.transport_key(id)?];
        transport
            .plain_info(&self.sockets)
            .ok_or_else(|| is_not_plain(id))
    }

    /// The sockets for RTP and for RTCP of its own.
    fn plain_sockets(
        &self,
        options: &PlainTransportOptions,
        own: &[SocketIndex],
    ) -> Result<(SocketIndex, Option<SocketIndex>)> {
        let carries_datagrams = |&socket: &SocketIndex| {
            let local = self.sockets.local(socket);
            local.is_some_and(|(_, protocol)| protocol == Protocol::Udp)
        };
        if !self.sockets.are_free(own) || !own.iter().all(carries_datagrams) {
            return Err(invalid("sockets that are another's, or not for UDP"));
        }
        match (options.rtcp_mux, own) {
            (true, &[socket]) => Ok((socket, None)),
            (false, &[socket, rtcp]) if socket != rtcp => Ok((socket, Some(rtcp))),
            _ => Err(invalid(
                "a plain transport needs one socket, and another when RTCP has its own",
            )),
        }
    }

    fn check_remote(&self, plain: &Plain, remote: Option<PlainRemote>) -> Result<()> {
        let remote = match (plain.options.comedia, remote) {
            (true, None) => return Ok(()),
            (true, Some(_)) => {
                return Err(invalid(
                    "with comedia the other side's address shows by itself",
                ));
            }
            (false, None) => return Err(invalid("without comedia an address is needed")),
            (false, Some(remote)) => remote,
        };
        if remote.rtcp.is_some() == plain.options.rtcp_mux {
            return Err(invalid(
                "an address for RTCP is needed if, and only if, it has a port of its own",
            ));
        }
        let local = self.sockets.local(plain.socket);
        let is_v4 = local.is_none_or(|(local, _)| local.is_ipv4());
        let mut addresses = std::iter::once(remote.rtp).chain(remote.rtcp);
        let is_reachable = addresses.all(|address| {
            address.is_ipv4() == is_v4 && address.port() != 0 && !address.ip().is_unspecified()
        });
        if is_reachable {
            Ok(())
        } else {
            Err(invalid("no packet can be sent to this address"))
        }
    }
}

impl SrtpSession {
    /// For packets as they are.
    pub(crate) fn clear() -> Self {
        Self {
            profile: SrtpProfile::Clear,
            sealer: Sealer::clear(),
            opener: Opener::clear(),
        }
    }
}

fn srtp_session(ours: &SrtpParameters, theirs: &SrtpParameters) -> Result<SrtpSession> {
    if ours.key() == theirs.key() {
        return Err(invalid("both directions have the same keys"));
    }
    let profile = profile(theirs.suite());
    let made = || -> std::result::Result<SrtpSession, SrtpError> {
        let material =
            |keys: &SrtpParameters| KeyingMaterial::from_key_and_salt(profile, keys.key());
        Ok(SrtpSession {
            profile,
            sealer: Sealer::new(profile, &material(ours)?)?,
            opener: Opener::new(profile, &material(theirs)?)?,
        })
    };
    made().map_err(|error| EngineError::Invalid(format!("unusable keys: {error}")))
}

fn profile(suite: SrtpSuite) -> SrtpProfile {
    match suite {
        SrtpSuite::AeadAes256Gcm => SrtpProfile::AeadAes256Gcm,
        SrtpSuite::AeadAes128Gcm => SrtpProfile::AeadAes128Gcm,
        SrtpSuite::AesCm128HmacSha1_80 => SrtpProfile::AesCm128HmacSha1_80,
        SrtpSuite::AesCm128HmacSha1_32 => SrtpProfile::AesCm128HmacSha1_32,
    }
}

fn invalid(reason: &str) -> EngineError {
    EngineError::Invalid(reason.into())
}

fn is_not_plain(id: TransportId) -> EngineError {
    EngineError::Invalid(format!("transport {id} is no plain transport"))
}
