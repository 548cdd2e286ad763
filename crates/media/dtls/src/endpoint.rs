//! One DTLS association.

use core::fmt;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::backend::dimpl::DimplBackend;
use crate::record::{MAX_HANDSHAKE_MESSAGE, RecordFront};
use crate::transmit::TransmitQueue;
use crate::{
    BackendOutput, Certificate, DtlsBackend, DtlsError, Keying, MAX_DATAGRAM, ProfileSet,
    SrtpProfileId,
};

/// A DTLS client or server. The crate documentation says how to drive it.
pub struct DtlsEndpoint {
    role: DtlsRole,
    backend: Box<dyn DtlsBackend>,
    profiles: ProfileSet,
    state: State,
    /// What came out of the handshake before it was over.
    certificate: Option<Vec<u8>>,
    keying: Option<(Keying, SrtpProfileId)>,
    scratch: Vec<u8>,
    transmits: TransmitQueue,
    events: VecDeque<DtlsEvent>,
    deadline: Option<Instant>,
    /// The latest time that was told.
    now: Instant,
    malformed_datagrams: u64,
}

/// Which side of the handshake an endpoint is (`passive` and `active` in SDP).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are two sides")]
pub enum DtlsRole {
    /// Sends the first message.
    Client,
    /// Waits for it.
    Server,
}

/// What an endpoint may agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DtlsSettings {
    /// SRTP profiles to offer or take. Narrowing them costs a few copies per handshake; all by default.
    pub profiles: ProfileSet,
}

impl DtlsSettings {
    /// Only these profiles.
    pub fn with_profiles(profiles: &[SrtpProfileId]) -> Self {
        Self {
            profiles: ProfileSet::of(profiles),
        }
    }
}

impl Default for DtlsSettings {
    fn default() -> Self {
        Self {
            profiles: ProfileSet::ALL,
        }
    }
}

/// What happened to an association.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DtlsEvent {
    /// Bytes from the peer: a data channel's SCTP packet.
    ApplicationData(Vec<u8>),
    /// The peer said goodbye. Nothing follows.
    Closed,
    /// The handshake is over. The peer is nobody until its certificate is [verified](crate::verify).
    Connected {
        /// The SRTP profile agreed on.
        profile: SrtpProfileId,
        /// Exporter output: the SRTP master keys and salts of both directions.
        keying: Keying,
        /// The certificate whose key the peer holds.
        remote_certificate_der: Vec<u8>,
    },
    /// The association failed; the same error was returned by the call that found it. Nothing follows.
    Failed(DtlsError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Handshaking,
    Connected,
    Ended,
}

impl DtlsEndpoint {
    /// An endpoint with default settings. A client's first message is ready at once.
    pub fn new(role: DtlsRole, certificate: &Certificate, now: Instant) -> Result<Self, DtlsError> {
        Self::with_settings(role, certificate, &DtlsSettings::default(), now)
    }

    /// An endpoint with its own settings.
    pub fn with_settings(
        role: DtlsRole,
        certificate: &Certificate,
        settings: &DtlsSettings,
        now: Instant,
    ) -> Result<Self, DtlsError> {
        let backend = DimplBackend::new(role, certificate, settings.profiles, now)
            .map_err(DtlsError::of_backend)?;
        Self::with_backend(role, Box::new(backend), settings, now)
    }

    /// An endpoint on another library.
    pub fn with_backend(
        role: DtlsRole,
        backend: Box<dyn DtlsBackend>,
        settings: &DtlsSettings,
        now: Instant,
    ) -> Result<Self, DtlsError> {
        let mut endpoint = Self {
            role,
            backend,
            profiles: settings.profiles,
            state: State::Handshaking,
            certificate: None,
            keying: None,
            scratch: Vec::new(),
            transmits: TransmitQueue::default(),
            events: VecDeque::new(),
            deadline: None,
            now,
            malformed_datagrams: 0,
        };
        if role == DtlsRole::Client {
            endpoint.handle_timeout(now)?;
        }
        Ok(endpoint)
    }

    /// Takes a datagram from the peer. An error is final; noise is none.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsError> {
        if self.state == State::Ended {
            return Ok(());
        }
        if RecordFront::parse(datagram).is_err() {
            self.malformed_datagrams += 1;
            return Ok(());
        }
        self.now = now;
        self.drive(|backend| {
            // Time first, as the backend stamps what it receives with it.
            backend.handle_timeout(now)?;
            backend.handle_datagram(datagram)
        })
    }

    /// Moves time on; call at [`Self::poll_timeout`]. An error is final.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        if self.state == State::Ended {
            return Ok(());
        }
        self.now = now;
        self.drive(|backend| backend.handle_timeout(now))
    }

    /// Sends bytes to the peer, at most [`MAX_APPLICATION_DATA`].
    pub fn send_application_data(&mut self, data: &[u8]) -> Result<(), DtlsError> {
        if self.state != State::Connected {
            return Err(DtlsError::NotConnected);
        }
        if data.len() > MAX_APPLICATION_DATA {
            return Err(DtlsError::TooLong);
        }
        if data.is_empty() {
            return Ok(());
        }
        self.drive(|backend| backend.send_application_data(data))
    }

    /// Ends the association; a connected peer is told once, by a datagram to be polled.
    pub fn close(&mut self) {
        if self.state == State::Ended {
            return;
        }
        // Whatever goes wrong now, the association is over.
        let _ = self.drive(|backend| backend.close());
        self.end();
        self.events.clear();
    }

    /// Writes the next datagram for the peer into `buf` and returns its length. `buf` must hold
    /// [`MAX_DATAGRAM`] bytes; what does not fit stays queued.
    pub fn poll_transmit(&mut self, buf: &mut [u8]) -> Option<usize> {
        self.transmits.pop_into(buf)
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; none while nothing is waited for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The endpoint's side.
    pub fn role(&self) -> DtlsRole {
        self.role
    }

    /// Whether the handshake is over and nobody said goodbye.
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Datagrams dropped because they were no well-formed DTLS.
    pub fn malformed_datagrams(&self) -> u64 {
        self.malformed_datagrams
    }

    /// Lets the backend do something, then takes everything out of it.
    fn drive(
        &mut self,
        run: impl FnOnce(&mut dyn DtlsBackend) -> Result<(), crate::BackendError>,
    ) -> Result<(), DtlsError> {
        let ran = run(self.backend.as_mut()).map_err(DtlsError::of_backend);
        // Also after an error: an alert for the peer may be waiting.
        let drained = self.drain();
        let result = ran.and(drained);
        if let Err(error) = &result {
            self.end();
            self.events.push_back(DtlsEvent::Failed(error.clone()));
        }
        result
    }

    fn drain(&mut self) -> Result<(), DtlsError> {
        let mut connected = false;
        self.prepare_scratch();
        loop {
            match self.backend.poll(&mut self.scratch) {
                BackendOutput::ApplicationData(data) => {
                    // The caller did not poll for very long; SCTP sends again what is lost.
                    if self.events.len() < MAX_EVENTS {
                        self.events
                            .push_back(DtlsEvent::ApplicationData(data.to_vec()));
                    }
                }
                BackendOutput::BufferTooSmall(needed) => {
                    if needed <= self.scratch.len() {
                        break;
                    }
                    self.scratch.resize(needed, 0);
                }
                BackendOutput::CloseNotify => {
                    self.events.push_back(DtlsEvent::Closed);
                    self.state = State::Ended;
                }
                BackendOutput::Connected => connected = true,
                BackendOutput::Keying(keying, profile) => self.keying = Some((keying, profile)),
                BackendOutput::Packet(packet) => {
                    if self.transmits.len() < MAX_TRANSMITS {
                        self.transmits.push(packet);
                    }
                }
                BackendOutput::PeerCertificate(der) => self.certificate = Some(der.to_vec()),
                BackendOutput::Timeout(at) => {
                    self.deadline = Some(at).filter(|at| *at < self.now + NEVER);
                    break;
                }
            }
        }
        if connected {
            self.connected()?;
        }
        if self.state == State::Ended {
            self.end();
        }
        Ok(())
    }

    fn connected(&mut self) -> Result<(), DtlsError> {
        let (keying, profile) = self.keying.take().ok_or(DtlsError::NoSrtpProfile)?;
        if !self.profiles.contains(profile) {
            return Err(DtlsError::ProfileNotAllowed(profile));
        }
        let remote_certificate_der = self
            .certificate
            .take()
            .ok_or(DtlsError::NoPeerCertificate)?;
        // Before application data and goodbyes that came out of the same call.
        self.events.push_front(DtlsEvent::Connected {
            profile,
            keying,
            remote_certificate_der,
        });
        if self.state == State::Handshaking {
            self.state = State::Connected;
        }
        Ok(())
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.deadline = None;
        self.keying = None;
        self.certificate = None;
        self.scratch = Vec::new();
    }

    /// A peer's certificate needs much room, but only once.
    fn prepare_scratch(&mut self) {
        match self.state {
            State::Handshaking => self.scratch.resize(MAX_HANDSHAKE_MESSAGE as usize, 0),
            State::Connected if self.scratch.len() > MAX_DATAGRAM => {
                self.scratch = vec![0; MAX_DATAGRAM];
            }
            State::Connected | State::Ended => {}
        }
    }
}

impl fmt::Debug for DtlsEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsEndpoint")
            .field("role", &self.role)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Longest application data taken: an SCTP packet for a path MTU of 1280 and the record's 37 bytes.
pub const MAX_APPLICATION_DATA: usize = 1200;

/// Events kept while nobody polls. A datagram gives at most eight.
const MAX_EVENTS: usize = 256;

/// Datagrams kept while nobody polls; a handshake flight has a handful.
const MAX_TRANSMITS: usize = 256;

/// Deadlines further away than this mean that nothing is waited for.
const NEVER: Duration = Duration::from_hours(24);
