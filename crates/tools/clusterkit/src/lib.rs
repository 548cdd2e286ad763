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

/// Runs a seed, or many, and says how to run one again. `PLENUM_SEED` chooses one, which then tells its story;
/// `PLENUM_LONG_TESTS` runs ten times as many.
///
/// # Panics
///
/// When a seed finds something.
pub fn run_seeds(count: u64, again: &str, run: impl Fn(u64, bool) -> Result<(), Trouble>) {
    if let Ok(seed) = std::env::var("PLENUM_SEED") {
        let Ok(seed) = seed.parse() else {
            panic!("PLENUM_SEED is to be a number: {seed:?}");
        };
        if let Err(trouble) = run(seed, true) {
            panic!("{trouble}");
        }
        return;
    }
    let many = std::env::var_os("PLENUM_LONG_TESTS").is_some();
    let count = count * if many { 10 } else { 1 };
    for seed in 0..count {
        let replay = Replay { seed, again };
        if let Err(trouble) = run(seed, false) {
            panic!("{trouble}");
        }
        std::mem::forget(replay);
    }
    println!("{count} seeds");
}

/// Says how to run a seed again, should it end badly.
struct Replay<'a> {
    seed: u64,
    again: &'a str,
}

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        println!("again: PLENUM_SEED={} {}", self.seed, self.again);
    }
}
