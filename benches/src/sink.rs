//! The receiving end of a benchmark: many sockets drained by a thread of its own, a sample of them decrypted.
//!
//! The sink receives one datagram at a time (`UDP_GRO` off): on loopback the sender's CPU figure depends on how its
//! packets are received, so the mode is fixed and printed with the results.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use plenum_harness::parameters::received;
use plenum_rtp::RtpHeader;
use plenum_srtp::{InboundStream, Opener};
use plenum_udp::{BindOptions, Events, Interest, Poller, RecvBatch, UdpSocket};

use crate::stream::STAMP;

/// Kernel buffer of each sink socket: a few dozen frames of eight packets.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// What takes longer was not stamped.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// Running sink.
pub struct Sink {
    addresses: Vec<SocketAddr>,
    sockets: Arc<Vec<UdpSocket>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    received: AtomicU64,
    /// Packets of media, without retransmissions.
    media: AtomicU64,
    failures: AtomicU64,
    checked: AtomicU64,
    stop: AtomicBool,
    seen: Mutex<Seen>,
}

/// What the draining thread does and finds out.
#[derive(Default)]
struct Seen {
    checks: Vec<Check>,
    /// Transport-wide sequence numbers by socket.
    numbers: Vec<Vec<u16>>,
    /// Times from the stamps of checked packets to their arrival.
    delays: Vec<Duration>,
}

/// What is checked on one sampled socket.
struct Check {
    socket: usize,
    opener: Opener,
    stream: InboundStream,
    ssrc: u32,
    last: Option<u64>,
}

impl Sink {
    /// Opens `count` loopback sockets and starts to drain them.
    pub fn start(count: usize) -> io::Result<Self> {
        Self::drain(Self::bind(Ipv4Addr::LOCALHOST.into(), count)?)
    }

    /// Sockets for a sink, in the network of the calling thread.
    pub fn bind(ip: IpAddr, count: usize) -> io::Result<Vec<UdpSocket>> {
        let options = BindOptions {
            gro: false,
            gso: false,
            recv_buffer: Some(RECEIVE_BUFFER),
            ..BindOptions::default()
        };
        let any = SocketAddr::new(ip, 0);
        (0..count).map(|_| UdpSocket::bind(any, &options)).collect()
    }

    /// Starts to drain these sockets.
    pub fn drain(sockets: Vec<UdpSocket>) -> io::Result<Self> {
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect();
        let poller = Poller::new()?;
        for (token, socket) in sockets.iter().enumerate() {
            poller.add(socket, token as u64, Interest::Readable)?;
        }
        let shared = Arc::new(Shared::default());
        shared.seen().numbers.resize(sockets.len(), Vec::new());
        let sockets = Arc::new(sockets);
        let thread = std::thread::spawn({
            let (sockets, shared) = (Arc::clone(&sockets), Arc::clone(&shared));
            move || drain(&sockets, &poller, &shared)
        });
        Ok(Self {
            addresses,
            sockets,
            shared,
            thread: Some(thread),
        })
    }

    /// Where the sockets are bound.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where receiver `index` sends from.
    pub fn socket(&self, index: usize) -> &UdpSocket {
        &self.sockets[index]
    }

    /// Transport-wide sequence numbers that socket `index` has received since the last call.
    pub fn take_numbers(&self, index: usize) -> Vec<u16> {
        std::mem::take(&mut self.shared.seen().numbers[index])
    }

    /// Decrypts everything with this SSRC that socket `socket` receives from now on, and checks that sequence numbers
    /// have no gap.
    pub fn check_by_ssrc(&self, socket: usize, opener: Opener, ssrc: u32) {
        let check = Check {
            socket,
            opener,
            stream: InboundStream::new(),
            ssrc,
            last: None,
        };
        self.shared.seen().checks.push(check);
    }

    /// Decrypts nothing any more.
    pub fn stop_checks(&self) {
        self.shared.seen().checks.clear();
    }

    /// Datagrams received so far.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Acquire)
    }

    /// Packets of media that have arrived so far, each once.
    pub fn media(&self) -> u64 {
        self.shared.media.load(Ordering::Acquire)
    }

    /// How long checked packets with a stamp were on their way, since the last call.
    pub fn take_delays(&self) -> Vec<Duration> {
        std::mem::take(&mut self.shared.seen().delays)
    }

    /// Sampled packets that were checked, and those that did not decrypt or were out of sequence.
    pub fn checked(&self) -> (u64, u64) {
        (
            self.shared.checked.load(Ordering::Acquire),
            self.shared.failures.load(Ordering::Acquire),
        )
    }

    /// Waits until `total` datagrams have arrived; returns how many are missing when none came for a while.
    pub fn wait_for(&self, total: u64) -> u64 {
        let mut last = (self.received(), Instant::now());
        loop {
            let received = self.received();
            if received >= total {
                return 0;
            }
            if received != last.0 {
                last = (received, Instant::now());
            } else if last.1.elapsed() > Duration::from_millis(200) {
                return total - received;
            }
            std::hint::spin_loop();
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panic of the sink already shows as missing packets.
            let _ = thread.join();
        }
    }
}

fn drain(sockets: &[UdpSocket], poller: &Poller, shared: &Shared) {
    let mut events = Events::with_capacity(256);
    let mut batch = RecvBatch::new();
    while !shared.stop.load(Ordering::Acquire) {
        if poller
            .wait(Some(Duration::from_millis(50)), &mut events)
            .is_err()
        {
            return;
        }
        let mut seen = shared.seen();
        let Seen {
            checks,
            numbers,
            delays,
        } = &mut *seen;
        for event in events.iter() {
            let index = event.token as usize;
            while sockets[index].recv(&mut batch).is_ok_and(|count| count > 0) {
                let (mut count, mut media) = (0, 0);
                for datagram in batch.datagrams_mut() {
                    count += 1;
                    let Ok(header) = RtpHeader::parse(datagram.data) else {
                        continue;
                    };
                    media += u64::from(is_media(&header));
                    numbers[index].extend(transport_number(&header, datagram.data));
                    let mine =
                        |check: &&mut Check| (check.socket, check.ssrc) == (index, header.ssrc);
                    if let Some(check) = checks.iter_mut().find(mine) {
                        shared.checked.fetch_add(1, Ordering::Relaxed);
                        let (is_next, delay) = check.accept(datagram.data, header.header_len);
                        delays.extend(delay);
                        let failures = u64::from(!is_next);
                        shared.failures.fetch_add(failures, Ordering::Relaxed);
                    }
                }
                shared.media.fetch_add(media, Ordering::Release);
                shared.received.fetch_add(count, Ordering::Release);
                if !batch.is_full() {
                    break;
                }
            }
        }
    }
}

fn transport_number(header: &RtpHeader, packet: &[u8]) -> Option<u16> {
    let mut extensions = header.extensions(packet);
    let (_, value) = extensions.find(|(id, _)| *id == received::TRANSPORT_CC)?;
    value.try_into().ok().map(u16::from_be_bytes)
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// Whether it decrypts and is the next one, and how long it was on its way, if it has a stamp.
    fn accept(&mut self, packet: &mut [u8], header_len: usize) -> (bool, Option<Duration>) {
        let now = now();
        let stream = &mut self.stream;
        let Ok(opened) = self.opener.open_rtp(stream, packet, header_len) else {
            return (false, None);
        };
        let is_next = self.last.is_none_or(|last| opened.packet_index == last + 1);
        self.last = Some(opened.packet_index);
        let plain = packet.get(..opened.len);
        let stamp = plain.and_then(|plain| plain.last_chunk::<STAMP>());
        // Packets without one end in a filling that is no time.
        let sent = stamp.map(|stamp| u64::from_be_bytes(*stamp));
        let delay = sent.and_then(|sent| now.checked_sub(sent));
        let delay = delay.map(Duration::from_nanos);
        (is_next, delay.filter(|delay| *delay < MAX_DELAY))
    }
}

/// What a packet is stamped with when it is sent, nanoseconds.
pub(crate) fn now() -> u64 {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = ORIGIN.get_or_init(Instant::now);
    origin.elapsed().as_nanos() as u64
}

/// Neither RTCP, which has payload types of its own (RFC 5761 §4), nor a retransmission: those have odd SSRCs here.
fn is_media(header: &RtpHeader) -> bool {
    !(64..96).contains(&header.payload_type) && header.ssrc.is_multiple_of(2)
}
