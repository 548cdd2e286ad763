//! One direction of a bad network: datagrams go in, and come out later or never.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::Link;

/// Datagrams under way at most, whatever delay and rate say: 100 Mb/s for 300 ms.
const MAX_QUEUED: usize = 4096;

/// What a queue holds unless said otherwise.
const DEFAULT_QUEUE: Duration = Duration::from_millis(300);

/// IP and UDP headers, which a link carries, too.
const HEADERS: usize = 28;

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe {
    link: Link,
    rng: StdRng,
    is_bad: bool,
    /// When what was let in has left the queue in front of the rate.
    busy_until: Option<Instant>,
    queue: VecDeque<UnderWay>,
    spare: Vec<Vec<u8>>,
    dropped: u64,
}

/// A datagram that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    due: Instant,
    pub(crate) address: SocketAddr,
    pub(crate) data: Vec<u8>,
}

impl Pipe {
    /// `None`: the link is perfect, nothing needs to go through a pipe.
    pub(crate) fn new(link: Link, seed: [u8; 32]) -> Option<Self> {
        (!link.is_perfect()).then(|| Self {
            link,
            rng: StdRng::from_seed(seed),
            is_bad: false,
            busy_until: None,
            queue: VecDeque::new(),
            spare: Vec::new(),
            dropped: 0,
        })
    }

    /// Lets a datagram in.
    pub(crate) fn push(&mut self, now: Instant, address: SocketAddr, data: &[u8]) {
        if self.loses() || self.queue.len() >= MAX_QUEUED {
            self.dropped += 1;
            return;
        }
        let Some(sent) = self.transmit(now, data.len()) else {
            self.dropped += 1;
            return;
        };
        let mut due = sent + self.link.delay;
        if !self.link.jitter.is_zero() {
            due += self.link.jitter.mul_f64(self.rng.random_range(0.0..1.0));
        }
        if let Some(last) = self.queue.back() {
            due = due.max(last.due);
        }
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(data);
        self.queue.push_back(UnderWay {
            due,
            address,
            data: copy,
        });
    }

    /// What comes out now.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<UnderWay> {
        if self.queue.front()?.due > now {
            return None;
        }
        self.queue.pop_front()
    }

    /// Takes the memory of something that came out.
    pub(crate) fn give_back(&mut self, memory: Vec<u8>) {
        self.spare.push(memory);
    }

    /// When something comes out.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queue.front().map(|first| first.due)
    }

    /// Datagrams that did not come out.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Two states of which one loses everything (Gilbert), or a coin for each datagram.
    fn loses(&mut self) -> bool {
        let loss = self.link.loss.clamp(0.0, 1.0);
        if loss <= 0.0 || loss >= 1.0 {
            return loss >= 1.0;
        }
        if self.link.burst < 1.0 {
            return self.rng.random_bool(loss);
        }
        let change = if self.is_bad {
            self.link.burst.recip()
        } else {
            // So that the share of time in the bad state is `loss`.
            loss / (self.link.burst * (1.0 - loss))
        };
        if self.rng.random_bool(change.clamp(0.0, 1.0)) {
            self.is_bad = !self.is_bad;
        }
        self.is_bad
    }

    /// When a datagram has left at the link's rate; `None`: the queue is full.
    fn transmit(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.link.rate else {
            return Some(now);
        };
        let queue = if self.link.queue.is_zero() {
            DEFAULT_QUEUE
        } else {
            self.link.queue
        };
        let begins = self.busy_until.map_or(now, |busy| busy.max(now));
        if begins.saturating_duration_since(now) > queue {
            return None;
        }
        let nanos = (len + HEADERS) as u64 * 8 * 1_000_000_000 / rate.max(1);
        let sent = begins + Duration::from_nanos(nanos);
        self.busy_until = Some(sent);
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn pipe(link: Link) -> Pipe {
        Pipe::new(link, [7; 32]).expect("not perfect")
    }

    /// Sends `count` datagrams of 972 bytes a millisecond apart; when which came out.
    fn run(pipe: &mut Pipe, count: u32) -> Vec<(Duration, u32)> {
        let start = Instant::now();
        let address = (Ipv4Addr::LOCALHOST, 1).into();
        for number in 0..count {
            let mut data = vec![0; 972];
            data[..4].copy_from_slice(&number.to_be_bytes());
            pipe.push(start + Duration::from_millis(number.into()), address, &data);
        }
        let mut came = Vec::new();
        while let Some(due) = pipe.poll_timeout() {
            while let Some(one) = pipe.pop(due) {
                let number = one.data.first_chunk().copied().expect("not empty");
                came.push((due - start, u32::from_be_bytes(number)));
                pipe.give_back(one.data);
            }
        }
        came
    }

    #[test]
    fn a_perfect_link_needs_no_pipe() {
        assert!(Pipe::new(Link::default(), [0; 32]).is_none());
    }

    #[test]
    fn delay_and_jitter_keep_the_order() {
        let link = Link {
            delay: Duration::from_millis(40),
            jitter: Duration::from_millis(20),
            ..Link::default()
        };
        let came = run(&mut pipe(link), 200);
        assert_eq!(came.len(), 200);
        for (number, (at, which)) in (0..).zip(&came) {
            assert_eq!(*which, number);
            let delay = at.saturating_sub(Duration::from_millis(number.into()));
            assert!((40..61).contains(&delay.as_millis()), "{delay:?}");
        }
    }

    #[test]
    fn losses_are_as_many_and_as_long_as_said() {
        for (burst, expected) in [(0.0, 1.0..1.3), (5.0, 4.0..6.0)] {
            let link = Link {
                loss: 0.1,
                burst,
                ..Link::default()
            };
            let mut pipe = pipe(link);
            let mut came = Vec::new();
            for round in 0..10 {
                came.extend(
                    run(&mut pipe, 2000)
                        .iter()
                        .map(|(_, number)| round * 2000 + number),
                );
            }
            let lost = 20_000 - came.len();
            assert!((1600..2400).contains(&lost), "{lost}");
            assert_eq!(pipe.dropped(), lost as u64);
            let bursts = came.windows(2).filter(|pair| pair[1] - pair[0] > 1).count();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let mean = lost as f64 / bursts as f64;
            assert!(expected.contains(&mean), "{mean}");
        }
    }

    #[test]
    fn a_rate_delays_and_then_drops() {
        // 1000 bytes with headers every millisecond are 8 Mb/s.
        let link = Link {
            rate: Some(4_000_000),
            queue: Duration::from_millis(50),
            ..Link::default()
        };
        let came = run(&mut pipe(link), 1000);
        assert!((500..=530).contains(&came.len()), "{}", came.len());
        let slowest = came
            .iter()
            .map(|(at, number)| at.saturating_sub(Duration::from_millis((*number).into())));
        let slowest = slowest.max().expect("some came");
        assert!((50..=54).contains(&slowest.as_millis()), "{slowest:?}");
    }
}
