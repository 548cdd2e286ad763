//! Whole clusters in virtual time: nodes, a registry, a bus and links that delay, lose and break, under one seed.
//!
//! What lives on the nodes is a [`Part`] of one room: sets of numbers in the tests of `plenum-cluster`, whole rooms with their
//! workers in those of `plenum-room`. Everything between the parts is here: a [`Process`] runs the real protocol and does for its
//! part what a node does; a [`World`] carries out what processes want, late, twice or never, and notices what must never be.
//! [`play`] is what happens to a cluster; [`World::quiet`] ends all trouble, after which everybody must agree within a bound.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "a seed that is run again tells its story"
)]

use std::sync::atomic::{AtomicU64, Ordering};

mod checks;
mod links;
mod part;
mod process;
mod registry;
mod script;
mod seat;
mod world;

pub use part::{Beginning, Failure, HomeIs, News, Part, Start, Wish};
pub use process::Process;
pub use script::play;
pub use seat::Seat;
pub use world::{Trouble, World};

/// Runs a seed, or many on all processors, and says how to run one again. `PLENUM_SEED` chooses one, which then tells its story;
/// `PLENUM_LONG_TESTS` runs ten times as many.
///
/// # Panics
///
/// When a seed finds something.
pub fn run_seeds(count: u64, again: &str, run: impl Fn(u64, bool) -> Result<(), Trouble> + Sync) {
    if let Ok(seed) = std::env::var("PLENUM_SEED") {
        let seed = seed.parse();
        let trouble = seed.map(|seed| run(seed, true).err()).unwrap_or_default();
        assert!(trouble.is_none(), "{}", trouble.unwrap_or_default());
        return;
    }
    let many = std::env::var_os("PLENUM_LONG_TESTS").is_some();
    let count = count * if many { 10 } else { 1 };
    let next = AtomicU64::new(0);
    let run_some = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return;
            }
            let replay = Replay {
                seed,
                again,
                others: &next,
                count,
            };
            if let Err(trouble) = run(seed, false) {
                panic!("{trouble}");
            }
            std::mem::forget(replay);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(run_some);
        }
    });
    println!("{count} seeds");
}

/// Says how to run a seed again, should it end badly, and lets no further one begin.
struct Replay<'a> {
    seed: u64,
    again: &'a str,
    others: &'a AtomicU64,
    count: u64,
}

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        self.others.store(self.count, Ordering::Relaxed);
        println!("again: PLENUM_SEED={} {}", self.seed, self.again);
    }
}
