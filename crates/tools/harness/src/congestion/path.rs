//! Links that a receiver may be behind.

use std::time::Duration;

use plenum_testkit::netem::{
    Capacity, ChannelAccess, CrossFlow, CrossKind, Link, Loss, NetemConfig,
};

use super::Ladder;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// One way of what a datagram takes without any queue.
const DELAY: Duration = Duration::from_millis(25);

/// What home routers and base stations hold: a third of a second at their rate, so that there is room for overuse to show
/// as delay before it shows as loss.
const QUEUE: Duration = Duration::from_millis(300);

/// A link towards the receiver, and what is sent through it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests make paths of their own")]
pub struct Path {
    /// Short, for files.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// The narrowest link towards the receiver.
    pub link: Link,
    /// What else happens to datagrams on the way to the receiver.
    pub towards: NetemConfig,
    /// What happens to those of the receiver.
    pub back: NetemConfig,
    /// What the camera sends.
    pub ladder: Ladder,
    /// Whether the receiver alone uses a link that stays as it is, so that the true value of the estimate is known.
    pub is_steady: bool,
    /// Seed of everything that is random.
    pub seed: u64,
}

impl Path {
    /// A link of this capacity that nobody else uses.
    pub fn new(name: &'static str, title: &'static str, capacity: Capacity) -> Self {
        let delay = NetemConfig {
            delay: DELAY,
            ..NetemConfig::default()
        };
        Self {
            name,
            title,
            is_steady: capacity.changes().len() == 1,
            link: Link {
                capacity,
                ..Link::constant(0, QUEUE)
            },
            towards: delay,
            back: delay,
            ladder: Ladder::HD,
            seed: 7,
        }
    }

    fn steady(name: &'static str, title: &'static str, kilobits: u64) -> Self {
        Self::new(name, title, Capacity::constant(kilobits * 1000))
    }
}

/// The links that the project is judged by.
pub fn paths() -> Vec<Path> {
    vec![
        Path::steady("steady-300k", "300 kb/s", 300),
        Path::steady("steady-1m", "1 Mb/s", 1000),
        Path::steady("steady-3m", "3 Mb/s", 3000),
        Path {
            ladder: Ladder::HD_SHARP,
            ..Path::steady("steady-3m-sharp", "3 Mb/s, highest stream 2.5 Mb/s", 3000)
        },
        step_down(),
        narrow(),
        step_up(),
        lossy(),
        bloated(),
        wifi(),
        competing(),
    ]
}

fn step_down() -> Path {
    let steps = [
        (Duration::ZERO, 3_000_000),
        (20 * S, 1_000_000),
        (40 * S, 500_000),
    ];
    Path::new("step-down", "3 → 1 → 0.5 Mb/s", Capacity::steps(&steps))
}

/// Somebody walks away from the window: only the lowest stream fits, and its key frames hardly.
fn narrow() -> Path {
    let steps = [
        (Duration::ZERO, 3_000_000),
        (20 * S, 200_000),
        (40 * S, 3_000_000),
    ];
    let mut path = Path::new("narrow", "3 → 0.2 → 3 Mb/s", Capacity::steps(&steps));
    path.link.max_queue = 250 * MS;
    path
}

fn step_up() -> Path {
    let steps = [(Duration::ZERO, 500_000), (25 * S, 3_000_000)];
    Path::new("step-up", "0.5 → 3 Mb/s", Capacity::steps(&steps))
}

fn lossy() -> Path {
    let mut path = Path::steady("loss-5", "3 Mb/s, 5 % loss", 3000);
    path.towards.loss = Loss::Random(0.05);
    path
}

/// A router that holds a second, into which somebody sends a photograph every ten seconds: 200 ms at once.
fn bloated() -> Path {
    let mut path = Path::steady(
        "bufferbloat",
        "2 Mb/s, 1 s of queue, 200 ms of others' bursts in it",
        2000,
    );
    path.link.max_queue = S;
    path.is_steady = false;
    // 200 ms of 2 Mb/s within 20 ms.
    path.link.others = (1..6)
        .map(|number| CrossFlow {
            kind: CrossKind::Constant(20_000_000),
            from: number * 10 * S,
            until: number * 10 * S + 20 * MS,
        })
        .collect();
    path
}

/// 3 Mb/s of a Wi-Fi that others use: turns come up to 30 ms apart, and now and then only after some 80 ms.
fn wifi() -> Path {
    let mut path = Path::steady("wifi", "3 Mb/s over busy Wi-Fi", 3000);
    path.is_steady = false;
    path.link.access = Some(ChannelAccess {
        gap: 30 * MS,
        stall_every: 2 * S,
        stall: 80 * MS,
    });
    path
}

/// A download that fills the link from the tenth to the fortieth second.
fn competing() -> Path {
    let mut path = Path::steady("competing", "3 Mb/s, a download from 10 s to 40 s", 3000);
    path.is_steady = false;
    path.link.others = vec![CrossFlow {
        kind: CrossKind::Reno(50 * MS),
        from: 10 * S,
        until: 40 * S,
    }];
    path
}
