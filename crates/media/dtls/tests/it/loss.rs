//! Handshakes while three datagrams in ten are lost.

use std::time::{Duration, Instant};

use plenum_dtls::{BackendError, DtlsError, DtlsRole};

use crate::interop::{Mixed, ROLES, Sender};
use crate::openssl_peer::OpenSslSettings;
use crate::ours::{Dice, Ours, Pair, clean};

const LOSS_PERCENT: u64 = 30;

/// How a path treats what it does not lose.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Clean,
    /// Every third datagram comes twice, and every third one late.
    Disordered,
}

#[test]
fn most_handshakes_of_ours_succeed_and_the_others_time_out() {
    for rest in [Rest::Clean, Rest::Disordered] {
        let mut taken: Vec<_> = (0..400).filter_map(|seed| handshake(seed, rest)).collect();
        taken.sort();
        // Virtual time. The waits between retransmissions are random, so these are statistics, with room.
        // Of 3000 clean ones 7 failed; with every third datagram late some more do.
        assert!(taken.len() >= 380, "{rest:?}: {} of 400", taken.len());
        let (half, most) = (taken[taken.len() / 2], taken[taken.len() * 9 / 10]);
        assert!(half < Duration::from_millis(400), "{rest:?}: {half:?}");
        assert!(most < Duration::from_secs(3), "{rest:?}: {most:?}");
    }
}

/// One handshake over a path with loss; the time it took, if it did not fail.
fn handshake(seed: u64, rest: Rest) -> Option<Duration> {
    let mut dice = Dice::new(seed);
    let mut held = Vec::new();
    let mut pair = Pair::new();
    let taken = pair.connect(&mut |from, datagram| {
        let mut arrives = if dice.percent(LOSS_PERCENT) {
            Vec::new()
        } else {
            clean(from, datagram)
        };
        if matches!(rest, Rest::Disordered) {
            // What is held comes after the sender's next datagram.
            let (mine, others) = std::mem::take(&mut held)
                .into_iter()
                .partition(|(sender, _)| *sender == from);
            held = others;
            let late: Vec<(DtlsRole, Vec<u8>)> = mine;
            if dice.percent(33) {
                held.extend(arrives.drain(..).map(|datagram| (from, datagram)));
            } else if dice.percent(50) {
                arrives.extend_from_within(..);
            }
            arrives.extend(late.into_iter().map(|(_, datagram)| datagram));
        }
        arrives
    });
    for error in [&pair.client.error, &pair.server.error]
        .into_iter()
        .flatten()
    {
        assert_eq!(*error, DtlsError::Backend(BackendError::Timeout));
    }
    pair.is_connected().then_some(taken)
}

#[test]
fn handshakes_with_openssl_survive_loss() {
    // OpenSSL repeats after one second, then two, then four, on the computer's clock: the only thing here
    // that takes real time. All handshakes wait together.
    let mut lossy: Vec<_> = ROLES
        .into_iter()
        .flat_map(|role| (0..12).map(move |seed| Lossy::new(role, seed)))
        .collect();
    let start = Instant::now();
    while lossy.iter().any(|handshake| !handshake.is_done()) {
        let now = Instant::now();
        // Far over what the longest run of losses can take.
        assert!(now - start < Duration::from_mins(2), "not connected");
        for handshake in lossy.iter_mut().filter(|handshake| !handshake.is_done()) {
            handshake.step(now);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    for mut handshake in lossy {
        let Ours { error, .. } = &handshake.mixed.ours;
        assert_eq!(*error, None, "{:?}", handshake.mixed.theirs.error);
        handshake.mixed.assert_connected();
        handshake.mixed.assert_data_passes();
    }
}

/// A handshake with OpenSSL, each side's datagrams under their own loss.
struct Lossy {
    mixed: Mixed,
    dice: [Dice; 2],
    /// Whether the last datagram of each side was lost.
    lost: [bool; 2],
}

impl Lossy {
    fn new(role: DtlsRole, seed: u64) -> Self {
        Self {
            mixed: Mixed::with(role, &OpenSslSettings::default()),
            dice: [Dice::new(2 * seed), Dice::new(2 * seed + 1)],
            lost: [false; 2],
        }
    }

    fn step(&mut self, now: Instant) {
        let Self { mixed, dice, lost } = self;
        mixed.now = now;
        mixed.ours.tick(now);
        mixed.theirs.run();
        while mixed.carry(&mut |from| {
            let side = usize::from(from == Sender::Theirs);
            // Never two running: OpenSSL's wait doubles each time.
            lost[side] = dice[side].percent(LOSS_PERCENT) && !lost[side];
            !lost[side]
        }) {}
    }

    fn is_done(&self) -> bool {
        let Mixed { ours, theirs, .. } = &self.mixed;
        ours.error.is_some() || theirs.connected && ours.endpoint.is_connected()
    }
}
