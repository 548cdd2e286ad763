//! Checks that need more than one setting, and ranges.

use std::net::IpAddr;

use plenum_params::transport::Address;

use crate::{AuthMode, Config, ConfigError, Problem, TlsMode};

impl Config {
    /// Refuses what cannot work or would be dangerous, naming everything at once.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        self.check_addresses(&mut problems);
        self.check_doors(&mut problems);
        self.check_ranges(&mut problems);
        self.check_node(&mut problems);
        if self.cluster.is_on() {
            self.check_cluster(&mut problems);
        } else {
            self.check_alone(&mut problems);
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }

    fn check_addresses(&self, problems: &mut Vec<Problem>) {
        let http = self.http.listen_ip;
        if self.auth.mode == AuthMode::None && !is_loopback(http) && !self.http.insecure {
            problems.push(Problem::PublicWithoutAuth(http));
        }
        let rtc = &self.rtc;
        if !rtc.listen.is_empty() && (rtc.listen_ip.is_some() || rtc.announced_ip.is_some()) {
            problems.push(Problem::ListenTwice);
        }
        let listen = self.rtc_listen();
        for info in &listen {
            let told = info.announced.iter().map(Address::ip);
            let internal =
                (info.announced.is_empty() || info.expose_internal).then_some(Some(info.ip));
            let nowhere = |ip: &IpAddr| ip.is_unspecified();
            if let Some(ip) = told.chain(internal).flatten().find(nowhere) {
                problems.push(Problem::NothingToAnnounce(ip));
            }
            if !info.udp && !info.tcp {
                problems.push(Problem::NoProtocol(info.ip));
            }
        }
        if listen.iter().all(|info| !info.udp) {
            problems.push(Problem::NoUdp);
        }
    }

    fn check_doors(&self, problems: &mut Vec<Problem>) {
        let auth = &self.auth;
        if auth.mode == AuthMode::Token && auth.keys.is_empty() && auth.jwks_url.is_none() {
            problems.push(Problem::NoKeys);
        }
        let tls = &self.tls;
        if tls.mode == TlsMode::Files && (tls.certificate.is_none() || tls.key.is_none()) {
            problems.push(Problem::NoCertificate);
        }
        let ice = &self.ice;
        if !ice.turn.is_empty() && ice.turn_secret.is_some() == ice.turn_secret_file.is_some() {
            problems.push(Problem::NoTurnSecret);
        }
        for (key, urls, schemes) in [
            ("ice.stun", &ice.stun, ["stun:", "stuns:"]),
            ("ice.turn", &ice.turn, ["turn:", "turns:"]),
        ] {
            let is_strange = |url: &&String| !schemes.iter().any(|scheme| url.starts_with(scheme));
            problems.extend(urls.iter().filter(is_strange).map(|url| Problem::IceUrl {
                key,
                given: url.clone(),
            }));
        }
    }

    fn check_ranges(&self, problems: &mut Vec<Problem>) {
        let mut check = |ok: bool, key, range, given: u32| {
            if !ok {
                let given = given.to_string();
                problems.push(Problem::OutOfRange { key, range, given });
            }
        };
        let rtc = &self.rtc;
        let (first, width) = (u32::from(rtc.min_port), u32::from(rtc.ports_per_worker));
        check(first > 0, "rtc.min_port", "at least 1", first);
        check(width > 0, "rtc.ports_per_worker", "at least 1", width);
        // Browsers check every 2.5 to 5 seconds: below 5, one lost packet would end a call.
        let consent = rtc.consent_timeout_s;
        let range = "from 5 to 3600 (seconds)";
        check(
            (5..=3600).contains(&consent),
            "rtc.consent_timeout_s",
            range,
            consent,
        );
        let hold = rtc.max_hold_us;
        let range = "from 0 to 10000 (microseconds)";
        check(hold <= 10_000, "rtc.max_hold_us", range, hold);
        // Below it not even audio gets through.
        let lowest = 30_000;
        let range = "at least 30000 (bit/s)";
        for (key, bitrate) in [
            (
                "rtc.initial_outgoing_bitrate",
                Some(rtc.initial_outgoing_bitrate),
            ),
            ("rtc.min_outgoing_bitrate", Some(rtc.min_outgoing_bitrate)),
            ("rtc.max_outgoing_bitrate", rtc.max_outgoing_bitrate),
            ("rtc.max_incoming_bitrate", rtc.max_incoming_bitrate),
        ] {
            let bitrate = bitrate.unwrap_or(lowest);
            check(bitrate >= lowest, key, range, bitrate);
        }
        let (min, max) = rtc.outgoing_bounds();
        let initial = rtc.initial_outgoing_bitrate;
        let range = "between rtc.min_outgoing_bitrate and rtc.max_outgoing_bitrate";
        check(
            (min..=max).contains(&initial),
            "rtc.initial_outgoing_bitrate",
            range,
            initial,
        );
        let room = &self.room;
        check(
            room.max_rooms > 0,
            "room.max_rooms",
            "at least 1",
            room.max_rooms,
        );
        check(
            room.max_peers > 0,
            "room.max_peers",
            "at least 1",
            room.max_peers,
        );
        let producers = room.max_producers_per_peer;
        check(
            producers > 0,
            "room.max_producers_per_peer",
            "at least 1",
            producers,
        );
        check(
            (250..=5000).contains(&room.volume_interval_ms),
            "room.volume_interval_ms",
            "from 250 to 5000 (milliseconds)",
            room.volume_interval_ms,
        );
        let webhooks = &self.webhooks;
        check(
            (1..=120).contains(&webhooks.timeout_s),
            "webhooks.timeout_s",
            "from 1 to 120 (seconds)",
            webhooks.timeout_s,
        );
        check(
            webhooks.max_attempts > 0,
            "webhooks.max_attempts",
            "at least 1",
            webhooks.max_attempts,
        );
        let limits = &self.limits;
        for (key, figure, lowest, range) in [
            (
                "ice.turn_ttl_s",
                self.ice.turn_ttl_s,
                60,
                "at least 60 (seconds)",
            ),
            (
                "limits.messages_per_peer",
                limits.messages_per_peer,
                1,
                "at least 1",
            ),
            (
                "limits.message_bytes",
                limits.message_bytes,
                65_536,
                "at least 65536",
            ),
            (
                "limits.body_bytes",
                limits.body_bytes,
                65_536,
                "at least 65536",
            ),
            (
                "limits.waiting_messages",
                limits.waiting_messages,
                16,
                "at least 16",
            ),
        ] {
            check(figure >= lowest, key, range, figure);
        }
        if first + width > 1 + u32::from(u16::MAX) {
            problems.push(Problem::PortsBeyondLast(first + width));
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
