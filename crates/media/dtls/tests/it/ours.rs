//! Our side of an association, and two of ours facing each other on a virtual clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use plenum_dtls::{
    Certificate, DtlsEndpoint, DtlsError, DtlsEvent, DtlsRole, DtlsSettings, Keying, MAX_DATAGRAM,
    SrtpProfileId,
};

/// An endpoint with everything that came out of it.
pub(crate) struct Ours {
    pub(crate) endpoint: DtlsEndpoint,
    pub(crate) events: Vec<DtlsEvent>,
    pub(crate) error: Option<DtlsError>,
}

impl Ours {
    pub(crate) fn new(role: DtlsRole, settings: DtlsSettings, now: Instant) -> Self {
        let endpoint =
            DtlsEndpoint::with_settings(role, certificate(role), &settings, now).unwrap();
        Self {
            endpoint,
            events: Vec::new(),
            error: None,
        }
    }

    pub(crate) fn outbox(&mut self) -> Vec<Vec<u8>> {
        let mut buf = [0; MAX_DATAGRAM];
        std::iter::from_fn(|| {
            let len = self.endpoint.poll_transmit(&mut buf)?;
            Some(buf[..len].to_vec())
        })
        .collect()
    }

    pub(crate) fn handle(&mut self, now: Instant, datagram: &[u8]) {
        let result = self.endpoint.handle_datagram(now, datagram);
        self.note(result);
    }

    /// Tells the time if the endpoint waits for it.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            let result = self.endpoint.handle_timeout(now);
            self.note(result);
        }
    }

    fn note(&mut self, result: Result<(), DtlsError>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
        self.events
            .extend(std::iter::from_fn(|| self.endpoint.poll_event()));
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.endpoint.is_connected() || self.error.is_some()
    }

    /// What the handshake gave: profile, exported keys, the peer's certificate.
    pub(crate) fn connected(&self) -> (SrtpProfileId, Keying, Vec<u8>) {
        match self.events.first() {
            Some(DtlsEvent::Connected {
                profile,
                keying,
                remote_certificate_der,
            }) => (*profile, keying.clone(), remote_certificate_der.clone()),
            other => panic!("not connected: {other:?}, {:?}", self.error),
        }
    }

    pub(crate) fn data(&self) -> Vec<Vec<u8>> {
        let data = self.events.iter().filter_map(|event| match event {
            DtlsEvent::ApplicationData(data) => Some(data.clone()),
            _ => None,
        });
        data.collect()
    }
}

/// A client and a server of ours.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) client: Ours,
    pub(crate) server: Ours,
}

/// What a path does with a datagram of the named sender: it returns what arrives instead.
pub(crate) type Path<'a> = dyn FnMut(DtlsRole, &[u8]) -> Vec<Vec<u8>> + 'a;

impl Pair {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let settings = DtlsSettings::default();
        Self {
            now,
            client: Ours::new(DtlsRole::Client, settings, now),
            server: Ours::new(DtlsRole::Server, settings, now),
        }
    }

    /// Carries datagrams until none is left.
    pub(crate) fn exchange(&mut self, path: &mut Path<'_>) {
        loop {
            let (from_client, from_server) = (self.client.outbox(), self.server.outbox());
            if from_client.is_empty() && from_server.is_empty() {
                break;
            }
            let mut carry = |from: DtlsRole, sent: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
                sent.iter()
                    .flat_map(|datagram| path(from, datagram))
                    .collect()
            };
            for datagram in carry(DtlsRole::Client, from_client) {
                self.server.handle(self.now, &datagram);
            }
            for datagram in carry(DtlsRole::Server, from_server) {
                self.client.handle(self.now, &datagram);
            }
        }
    }

    /// Lets timers run until both sides are connected or failed, or neither waits for anything. Returns
    /// the time taken.
    pub(crate) fn connect(&mut self, path: &mut Path<'_>) -> Duration {
        let start = self.now;
        loop {
            self.exchange(path);
            if self.client.is_settled() && self.server.is_settled() {
                break;
            }
            let deadlines = [&self.client, &self.server].map(|side| side.endpoint.poll_timeout());
            let Some(next) = deadlines.into_iter().flatten().min() else {
                break;
            };
            self.now = self.now.max(next);
            assert!(self.now < start + Duration::from_mins(5), "waits for ever");
            self.client.tick(self.now);
            self.server.tick(self.now);
        }
        self.now - start
    }

    /// Whether both sides are connected; if so, with each other.
    pub(crate) fn is_connected(&self) -> bool {
        let both = self.client.endpoint.is_connected() && self.server.endpoint.is_connected();
        if both {
            let (client, server) = (self.client.connected(), self.server.connected());
            assert_eq!(client.0, server.0);
            assert!(client.1 == server.1, "both sides export the same keys");
            assert_eq!(client.2, certificate(DtlsRole::Server).der());
            assert_eq!(server.2, certificate(DtlsRole::Client).der());
        }
        both
    }
}

/// A path that changes nothing.
pub(crate) fn clean(_: DtlsRole, datagram: &[u8]) -> Vec<Vec<u8>> {
    vec![datagram.to_vec()]
}

/// A certificate for each side, the same in all tests.
pub(crate) fn certificate(role: DtlsRole) -> &'static Certificate {
    static CERTIFICATES: [OnceLock<Certificate>; 2] = [const { OnceLock::new() }; 2];
    CERTIFICATES[usize::from(role == DtlsRole::Client)]
        .get_or_init(|| Certificate::generate().unwrap())
}

/// Random numbers for fates of datagrams (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Spreads neighbouring seeds; zero would stay zero.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Whether something of this chance happens.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % 100 < chance
    }
}
