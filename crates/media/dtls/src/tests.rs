//! Whole associations on a virtual clock.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// A client and a server with a path between them. Nothing takes time but waiting for a timer.
struct Pair {
    now: Instant,
    client: Side,
    server: Side,
    /// Decides the fate of datagram number `n`: it returns what arrives instead of it.
    path: Box<Path>,
    sent: usize,
}

/// From a datagram's number and contents to what arrives.
type Path = dyn FnMut(usize, &[u8]) -> Vec<Vec<u8>>;

struct Side {
    endpoint: DtlsEndpoint,
    inbox: VecDeque<Vec<u8>>,
    events: Vec<DtlsEvent>,
    error: Option<DtlsError>,
}

impl Side {
    fn new(role: DtlsRole, settings: DtlsSettings, now: Instant) -> Self {
        let endpoint =
            DtlsEndpoint::with_settings(role, certificate(role), &settings, now).unwrap();
        Self {
            endpoint,
            inbox: VecDeque::new(),
            events: Vec::new(),
            error: None,
        }
    }

    fn outbox(&mut self) -> Vec<Vec<u8>> {
        let mut buf = [0; MAX_DATAGRAM];
        std::iter::from_fn(|| {
            let len = self.endpoint.poll_transmit(&mut buf)?;
            Some(buf[..len].to_vec())
        })
        .collect()
    }

    fn handle(&mut self, now: Instant) {
        while let Some(datagram) = self.inbox.pop_front() {
            if let Err(error) = self.endpoint.handle_datagram(now, &datagram) {
                self.error = Some(error);
            }
        }
        self.events
            .extend(std::iter::from_fn(|| self.endpoint.poll_event()));
    }

    fn connected(&self) -> (SrtpProfileId, Keying, Vec<u8>) {
        match self.events.first() {
            Some(DtlsEvent::Connected {
                profile,
                keying,
                remote_certificate_der,
            }) => (*profile, keying.clone(), remote_certificate_der.clone()),
            other => panic!("not connected: {other:?}, {:?}", self.error),
        }
    }

    fn data(&self) -> Vec<Vec<u8>> {
        let data = self.events.iter().filter_map(|event| match event {
            DtlsEvent::ApplicationData(data) => Some(data.clone()),
            _ => None,
        });
        data.collect()
    }
}

impl Pair {
    fn new(client: DtlsSettings, server: DtlsSettings) -> Self {
        let now = Instant::now();
        Self {
            now,
            client: Side::new(DtlsRole::Client, client, now),
            server: Side::new(DtlsRole::Server, server, now),
            path: Box::new(|_, datagram| vec![datagram.to_vec()]),
            sent: 0,
        }
    }

    fn default() -> Self {
        Self::new(DtlsSettings::default(), DtlsSettings::default())
    }

    fn through(mut self, path: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>> + 'static) -> Self {
        self.path = Box::new(path);
        self
    }

    /// Carries datagrams until none is left.
    fn exchange(&mut self) {
        loop {
            let (from_client, from_server) = (self.client.outbox(), self.server.outbox());
            if from_client.is_empty() && from_server.is_empty() {
                break;
            }
            for datagram in from_client {
                self.sent += 1;
                self.server.inbox.extend((self.path)(self.sent, &datagram));
            }
            for datagram in from_server {
                self.sent += 1;
                self.client.inbox.extend((self.path)(self.sent, &datagram));
            }
            self.server.handle(self.now);
            self.client.handle(self.now);
        }
    }

    /// Lets timers run until both sides are connected or ended, or `limit` is over. Returns the time taken.
    fn connect(&mut self, limit: Duration) -> Duration {
        let start = self.now;
        loop {
            self.exchange();
            let settled = |side: &Side| side.endpoint.is_connected() || side.error.is_some();
            if settled(&self.client) && settled(&self.server) {
                break;
            }
            let deadlines = [&self.client, &self.server].map(|side| side.endpoint.poll_timeout());
            let Some(next) = deadlines.into_iter().flatten().min() else {
                break;
            };
            if next > start + limit {
                break;
            }
            self.now = self.now.max(next);
            for side in [&mut self.client, &mut self.server] {
                if side
                    .endpoint
                    .poll_timeout()
                    .is_some_and(|at| at <= self.now)
                    && let Err(error) = side.endpoint.handle_timeout(self.now)
                {
                    side.error = Some(error);
                }
                side.handle(self.now);
            }
        }
        self.now - start
    }

    fn assert_connected(&self, profile: SrtpProfileId) {
        let (client, server) = (self.client.connected(), self.server.connected());
        assert_eq!((client.0, server.0), (profile, profile));
        assert!(client.1 == server.1, "both sides export the same keys");
        assert_eq!(client.2, certificate(DtlsRole::Server).der());
        assert_eq!(server.2, certificate(DtlsRole::Client).der());
    }

    fn assert_data_passes(&mut self) {
        for (at, data) in [&b"ping"[..], &[7; MAX_APPLICATION_DATA]]
            .into_iter()
            .enumerate()
        {
            self.client.endpoint.send_application_data(data).unwrap();
            self.server.endpoint.send_application_data(data).unwrap();
            self.exchange();
            assert_eq!(self.client.data().len(), at + 1);
            assert_eq!(self.client.data()[at], data);
            assert_eq!(self.server.data()[at], data);
        }
    }
}

/// A certificate for each side, the same in all tests.
pub(crate) fn certificate(role: DtlsRole) -> &'static Certificate {
    static CERTIFICATES: OnceLock<[Certificate; 2]> = OnceLock::new();
    let [client, server] = CERTIFICATES.get_or_init(|| {
        [
            Certificate::generate().unwrap(),
            Certificate::generate().unwrap(),
        ]
    });
    match role {
        DtlsRole::Client => client,
        DtlsRole::Server => server,
    }
}

/// Long enough for any handshake that can succeed.
const LIMIT: Duration = Duration::from_mins(2);

#[test]
fn connects_without_a_cookie_and_prefers_gcm() {
    let mut pair = Pair::default();
    assert_eq!(pair.connect(LIMIT), Duration::ZERO);
    pair.assert_connected(SrtpProfileId::AeadAes256Gcm);
    let (_, keying, _) = pair.client.connected();
    assert_eq!(keying.as_bytes().len(), 2 * (32 + 12));
    assert_eq!(format!("{keying:?}"), "Keying { .. }");
    // Two flights each way; a cookie would add one.
    assert!(pair.sent <= 8, "{} datagrams", pair.sent);
    pair.assert_data_passes();
    assert_eq!(pair.client.endpoint.poll_timeout(), None);
    assert_eq!(pair.server.endpoint.poll_timeout(), None);
}

#[test]
fn either_side_can_force_a_profile() {
    for profile in SrtpProfileId::ALL {
        let only = DtlsSettings::with_profiles(&[profile]);
        let any = DtlsSettings::default();
        for (client, server) in [(only, any), (any, only), (only, only)] {
            let mut pair = Pair::new(client, server);
            pair.connect(LIMIT);
            pair.assert_connected(profile);
            pair.assert_data_passes();
        }
    }
}

#[test]
fn the_servers_preference_counts_among_what_both_allow() {
    let client = DtlsSettings::with_profiles(&[
        SrtpProfileId::Aes128CmSha1_80,
        SrtpProfileId::AeadAes128Gcm,
    ]);
    let mut pair = Pair::new(client, DtlsSettings::default());
    pair.connect(LIMIT);
    pair.assert_connected(SrtpProfileId::AeadAes128Gcm);
}

#[test]
fn nothing_in_common_ends_both() {
    let client = DtlsSettings::with_profiles(&[SrtpProfileId::Aes128CmSha1_80]);
    let server = DtlsSettings::with_profiles(&[SrtpProfileId::AeadAes256Gcm]);
    let mut pair = Pair::new(client, server);
    pair.connect(LIMIT);
    for side in [&pair.client, &pair.server] {
        assert_eq!(side.error, Some(DtlsError::NoSrtpProfile));
        assert_eq!(side.events, [DtlsEvent::Failed(DtlsError::NoSrtpProfile)]);
        assert_eq!(side.endpoint.poll_timeout(), None);
    }
}

#[test]
fn loss_is_repaired_by_timers() {
    for every in 3..=7 {
        for phase in 0..every {
            let mut pair = Pair::default().through(move |n, datagram| {
                if n % every == phase {
                    Vec::new()
                } else {
                    vec![datagram.to_vec()]
                }
            });
            let taken = pair.connect(LIMIT);
            assert!(
                taken < Duration::from_secs(10),
                "every {every}, phase {phase}: {taken:?}"
            );
            pair.assert_connected(SrtpProfileId::AeadAes256Gcm);
        }
    }
}

#[test]
fn a_lossy_path_is_crossed() {
    for seed in 0..50_u64 {
        let mut random = seed;
        // 30 % loss, from the upper bits of a linear congruential sequence (Knuth's MMIX constants).
        let mut pair = Pair::default().through(move |_, datagram| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            if (random >> 33) % 100 < 30 {
                Vec::new()
            } else {
                vec![datagram.to_vec()]
            }
        });
        let taken = pair.connect(LIMIT);
        assert!(taken < Duration::from_secs(30), "seed {seed}: {taken:?}");
        pair.assert_connected(SrtpProfileId::AeadAes256Gcm);
    }
}

#[test]
fn a_lost_first_flight_is_sent_again_soon() {
    let mut pair = Pair::default().through(|n, datagram| {
        if n == 1 {
            Vec::new()
        } else {
            vec![datagram.to_vec()]
        }
    });
    let taken = pair.connect(LIMIT);
    assert!(taken <= Duration::from_millis(250), "{taken:?}");
}

#[test]
fn duplicates_and_reordering_do_no_harm() {
    let mut held: Option<Vec<u8>> = None;
    let mut pair = Pair::default().through(move |n, datagram| {
        if n % 3 == 1 {
            return held.replace(datagram.to_vec()).into_iter().collect();
        }
        let mut arrives = vec![datagram.to_vec(), datagram.to_vec()];
        arrives.extend(held.take());
        arrives
    });
    pair.connect(LIMIT);
    pair.assert_connected(SrtpProfileId::AeadAes256Gcm);
}

/// Cuts the handshake message of a one-record datagram into two datagrams, as a client with large key
/// shares does.
fn in_fragments(datagram: &[u8]) -> Vec<Vec<u8>> {
    let (head, body) = datagram.split_at(13 + 12);
    let half = body.len() / 2;
    let fragment = |sequence: u8, offset: usize, part: &[u8]| {
        let mut bytes = head.to_vec();
        bytes[10] = sequence;
        bytes[11..13].copy_from_slice(&(12 + part.len() as u16).to_be_bytes());
        bytes[19..22].copy_from_slice(&(offset as u32).to_be_bytes()[1..]);
        bytes[22..25].copy_from_slice(&(part.len() as u32).to_be_bytes()[1..]);
        bytes.extend(part);
        bytes
    };
    vec![
        fragment(0, 0, &body[..half]),
        fragment(200, half, &body[half..]),
    ]
}

#[test]
fn a_hello_may_come_in_fragments() {
    let path = |n: usize, datagram: &[u8]| {
        if n == 1 {
            in_fragments(datagram)
        } else {
            vec![datagram.to_vec()]
        }
    };
    let mut pair = Pair::default().through(path);
    pair.connect(LIMIT);
    pair.assert_connected(SrtpProfileId::AeadAes256Gcm);

    // A server cannot narrow the profiles of such a hello, but it does not take what it must not.
    let server = DtlsSettings::with_profiles(&[SrtpProfileId::Aes128CmSha1_80]);
    let mut pair = Pair::new(DtlsSettings::default(), server).through(path);
    pair.connect(LIMIT);
    let refused = DtlsError::ProfileNotAllowed(SrtpProfileId::AeadAes256Gcm);
    assert_eq!(pair.server.error, Some(refused));
}

#[test]
fn silence_times_out() {
    let mut pair = Pair::default().through(|_, _| Vec::new());
    let taken = pair.connect(LIMIT);
    assert_eq!(
        pair.client.error,
        Some(DtlsError::Backend(BackendError::Timeout))
    );
    assert!((25..35).contains(&taken.as_secs()), "{taken:?}");
    assert_eq!(pair.client.endpoint.poll_timeout(), None);
    // The server never heard anything and waits for nothing.
    assert_eq!(pair.server.error, None);
    assert_eq!(pair.server.endpoint.poll_timeout(), None);
}

/// Datagrams that are not DTLS, and such that only their headers are.
fn noise() -> Vec<Vec<u8>> {
    let mut junk_record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 30];
    junk_record.extend([0xaa; 30]);
    let mut protected = vec![23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 40];
    protected.extend([0x55; 40]);
    let mut finished = protected.clone();
    finished[0] = 22;
    let mut goodbye = protected.clone();
    goodbye[0] = 21;
    vec![
        vec![],
        vec![22],
        vec![0x80; 100],
        vec![22; 100],
        vec![0; MAX_DATAGRAM + 1],
        junk_record,
        protected,
        finished,
        goodbye,
        // Unprotected application data.
        vec![23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 7],
        // Unprotected warning that says goodbye.
        vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0],
        // A record of a later DTLS version.
        vec![0x2f; 60],
    ]
}

#[test]
fn noise_before_during_and_after_the_handshake_is_ignored() {
    let mut pair = Pair::default().through(|_, datagram| {
        let mut arrives = noise();
        arrives.push(datagram.to_vec());
        arrives.extend(noise());
        arrives
    });
    assert_eq!(pair.connect(LIMIT), Duration::ZERO);
    pair.assert_connected(SrtpProfileId::AeadAes256Gcm);
    pair.assert_data_passes();
    assert!(pair.client.endpoint.malformed_datagrams() > 0);
    assert_eq!(pair.server.error, None);
}

#[test]
fn unprotected_alerts_do_not_end_a_connection() {
    let mut pair = Pair::default();
    pair.connect(LIMIT);
    for level in [1, 2] {
        for description in [0, 20, 40] {
            let alert = vec![
                21,
                0xfe,
                0xfd,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                50,
                0,
                2,
                level,
                description,
            ];
            pair.client.inbox.push_back(alert.clone());
            pair.server.inbox.push_back(alert);
        }
    }
    pair.client.handle(pair.now);
    pair.server.handle(pair.now);
    pair.assert_data_passes();
}

#[test]
fn altered_and_replayed_records_are_ignored_once_connected() {
    let mut pair = Pair::default();
    pair.connect(LIMIT);
    pair.path = Box::new(|_, datagram| {
        let mut altered = datagram.to_vec();
        *altered.last_mut().unwrap() ^= 1;
        vec![altered, datagram.to_vec(), datagram.to_vec()]
    });
    pair.assert_data_passes();
}

#[test]
fn goodbye_ends_both() {
    let mut pair = Pair::default();
    pair.connect(LIMIT);
    pair.client.endpoint.close();
    pair.exchange();
    assert_eq!(pair.server.events.last(), Some(&DtlsEvent::Closed));
    for side in [&mut pair.client, &mut pair.server] {
        assert!(!side.endpoint.is_connected());
        assert_eq!(
            side.endpoint.send_application_data(b"x"),
            Err(DtlsError::NotConnected)
        );
        assert_eq!(side.endpoint.poll_timeout(), None);
        assert_eq!(side.error, None);
        // Whatever comes later is ignored.
        side.endpoint.handle_datagram(pair.now, &[22; 40]).unwrap();
        side.endpoint.handle_timeout(pair.now + LIMIT).unwrap();
        side.endpoint.close();
        assert_eq!(side.endpoint.poll_event(), None);
    }
}

#[test]
fn closing_during_the_handshake_is_silent() {
    let mut pair = Pair::default();
    pair.client.outbox();
    pair.client.endpoint.close();
    assert!(pair.client.outbox().is_empty());
    assert_eq!(pair.client.endpoint.poll_timeout(), None);
}

#[test]
fn data_is_refused_before_the_handshake_and_over_its_length() {
    let mut pair = Pair::default();
    let early = pair.client.endpoint.send_application_data(b"x");
    assert_eq!(early, Err(DtlsError::NotConnected));
    pair.connect(LIMIT);
    let long = pair
        .client
        .endpoint
        .send_application_data(&[0; MAX_APPLICATION_DATA + 1]);
    assert_eq!(long, Err(DtlsError::TooLong));
    pair.client.endpoint.send_application_data(&[]).unwrap();
    pair.assert_data_passes();
}

#[test]
fn certificates_are_shared_and_keep_their_key_to_themselves() {
    let certificate = certificate(DtlsRole::Server);
    assert_eq!(
        certificate.clone().der().as_ptr(),
        certificate.der().as_ptr()
    );
    assert_ne!(certificate.der(), Certificate::generate().unwrap().der());
    assert!(!format!("{certificate:?}").contains("private_key"));
}

#[test]
fn endpoints_can_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<DtlsEndpoint>();
    assert_send::<Certificate>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bytes altered on the way may stop a handshake but must not panic, and never connect two sides
    /// that disagree.
    #[test]
    fn altered_datagrams_do_not_panic(
        number in 1_usize..8,
        at in any::<proptest::sample::Index>(),
        flip in 1_u8..,
        cut in any::<bool>(),
    ) {
        let mut pair = Pair::default().through(move |n, datagram| {
            let mut altered = datagram.to_vec();
            if n == number {
                let at = at.index(altered.len());
                altered[at] ^= flip;
                if cut {
                    altered.truncate(at);
                }
            }
            vec![altered]
        });
        pair.connect(LIMIT);
        if pair.client.endpoint.is_connected() && pair.server.endpoint.is_connected() {
            pair.assert_connected(SrtpProfileId::AeadAes256Gcm);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::fuzz_record_front(&data);
        fuzzing::fuzz_fingerprint(&data);
        let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, data.len() as u8];
        record.extend(&data);
        fuzzing::fuzz_record_front(&record);
        let now = Instant::now();
        for role in [DtlsRole::Client, DtlsRole::Server] {
            let mut side = Side::new(role, DtlsSettings::default(), now);
            side.inbox.extend([data.clone(), record.clone()]);
            side.handle(now);
        }
    }

    #[test]
    fn fingerprints_of_any_text(algorithm in "(sha-1|sha-256|x)", value in "[0-9A-Fa-f:]{0,100}") {
        fuzzing::fuzz_fingerprint(format!("{algorithm} {value}").as_bytes());
    }
}

#[test]
fn fuzz_targets_take_sample_datagrams() {
    let mut pair = Pair::default().through(|_, datagram| {
        for len in 0..=datagram.len() {
            fuzzing::fuzz_record_front(&datagram[..len]);
        }
        vec![datagram.to_vec()]
    });
    pair.connect(LIMIT);
    let fingerprint = format!("sha-256 {}", certificate(DtlsRole::Client).fingerprint());
    fuzzing::fuzz_fingerprint(fingerprint.as_bytes());
}
