//! What only a registry in memory can do: faults by hand, and hours in no time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use plenum_ids::{NodeEpoch, RoomEpoch};
use plenum_registry::{
    Bus, BusEvent, ClaimRequest, Memory, PartMark, Registry, RegistryError, Sweep,
};

use crate::place::{LONG, node, record, register, request, room, seen};

#[tokio::test]
async fn a_handle_that_is_cut_off_reaches_nothing_and_the_others_do() {
    let here = Memory::new();
    let there = here.handle();
    let mut subscription = there.subscribe("t").expect("a subscription");
    assert_eq!(subscription.try_next(), Some(BusEvent::Resubscribed));
    there.cut(true);
    let mut late = there.subscribe("t").expect("a subscription");
    let cut_off = there.leases().await.expect_err("cut off");
    assert!(matches!(cut_off, RegistryError::Unreachable { .. }));
    assert!(there.publish("t", "x".into()).await.is_err());
    register(&here, &["a"]).await;
    here.publish("t", "missed".into()).await.expect("published");
    here.restart();
    assert_eq!((subscription.try_next(), late.try_next()), (None, None));

    there.cut(false);
    assert_eq!(subscription.try_next(), Some(BusEvent::Resubscribed));
    assert_eq!(late.try_next(), Some(BusEvent::Resubscribed));
    assert_eq!(subscription.try_next(), None);
    assert_eq!(there.leases().await.expect("leases").leases.len(), 1);
    there.cut(false);
    assert_eq!(subscription.try_next(), None, "nothing was interrupted");
}

#[tokio::test]
async fn a_store_that_is_started_again_with_everything_is_another_incarnation() {
    let memory = Memory::new();
    register(&memory, &["a"]).await;
    let before = memory.incarnation();
    memory.restart();
    let leases = memory.leases().await.expect("leases");
    assert_ne!(leases.incarnation, before);
    assert_eq!(leases.leases.len(), 1);
    let claim = memory.claim(request(&before, "r", &["a"])).await;
    let now = leases.incarnation;
    assert_eq!(claim, Err(RegistryError::Restarted { now }));
}

#[test]
fn answers_are_there_without_a_runtime() {
    let memory = Memory::with_clock(|| Duration::ZERO);
    let registered = memory.register(node("a"), NodeEpoch(0), record(false));
    let registered = registered.now_or_never().expect("at once");
    assert_eq!(registered.expect("registered").epoch, NodeEpoch(1));
}

/// A store and its clock, in hours.
fn by_the_hour() -> (Memory, Arc<AtomicU64>) {
    let hours = Arc::new(AtomicU64::new(0));
    let clock = hours.clone();
    let memory = Memory::with_clock(move || Duration::from_hours(clock.load(Ordering::SeqCst)));
    (memory, hours)
}

#[tokio::test]
async fn epochs_of_what_is_gone_for_long_are_forgotten() {
    let (memory, hours) = by_the_hour();
    register(&memory, &["a", "b"]).await;
    let seen = seen(&memory).await;
    let empty = async |name: &str| {
        let claim = memory
            .claim(request(&seen, name, &["b"]))
            .await
            .expect("a home");
        let (of, epoch) = (claim.home_epoch, claim.epoch);
        let released = memory.release(room(name), claim.home, of, epoch).await;
        assert_eq!(released, Ok(true));
        epoch
    };
    let live = async || {
        let renewed = memory.renew(node("b"), NodeEpoch(1), record(false)).await;
        renewed.expect("renewed");
    };
    assert_eq!(empty("r").await, RoomEpoch(1));
    hours.store(1, Ordering::SeqCst);
    live().await;
    assert_eq!(empty("r").await, RoomEpoch(2), "an hour is not over");
    hours.store(3, Ordering::SeqCst);
    live().await;
    // Something else makes it look.
    empty("other").await;
    assert_eq!(empty("r").await, RoomEpoch(1));

    memory
        .resign(node("a"), NodeEpoch(1))
        .await
        .expect("resigned");
    hours.store(24 * 30, Ordering::SeqCst);
    assert_eq!(register(&memory, &["a"]).await, [NodeEpoch(2)]);
    memory
        .resign(node("a"), NodeEpoch(2))
        .await
        .expect("resigned");
    hours.store(24 * 90, Ordering::SeqCst);
    memory
        .resign(node("b"), NodeEpoch(1))
        .await
        .expect("resigned");
    assert_eq!(
        register(&memory, &["a", "b"]).await,
        [NodeEpoch(1), NodeEpoch(2)]
    );
}

/// Whatever nodes do in whatever order: no epoch of a room has two homes, and none comes twice.
#[tokio::test]
async fn no_epoch_of_a_room_has_two_homes() {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng, rngs::StdRng};

    const NODES: [&str; 4] = ["a", "b", "c", "d"];
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let (memory, hours) = by_the_hour();
        let mut epochs = register(&memory, &NODES).await;
        let mut seen = seen(&memory).await;
        let mut homes = BTreeMap::new();
        let mut highest = RoomEpoch(0);
        for _ in 0..200 {
            let which = random.random_range(0..NODES.len());
            let (name, epoch) = (NODES[which], epochs[which]);
            match random.random_range(0..8) {
                0 => {
                    let registered = memory.register(node(name), epoch, record(false)).await;
                    epochs[which] = registered.expect("registered").epoch;
                }
                1 => {
                    hours.fetch_add(1, Ordering::SeqCst);
                }
                2 => {
                    let sweep = Sweep {
                        node: node(name),
                        epoch,
                        lease: Duration::from_mins(90),
                        seen: seen.clone(),
                    };
                    let _ = memory.sweep(sweep).await;
                }
                3 => {
                    let mark = PartMark::default();
                    let _ = memory
                        .put_part(room("r"), node(name), epoch, mark, LONG)
                        .await;
                }
                4 => memory.forget(),
                5 | 6 => {
                    let renewed = memory.renew(node(name), epoch, record(false)).await;
                    if let Ok(renewed) = renewed {
                        seen = renewed.incarnation;
                    }
                }
                _ => {
                    let request = ClaimRequest {
                        at_least: highest,
                        lease: if random.random() {
                            LONG
                        } else {
                            Duration::from_mins(90)
                        },
                        ..request(&seen, "r", &[name, NODES[(which + 1) % 4]])
                    };
                    let Ok(claim) = memory.claim(request).await else {
                        continue;
                    };
                    assert!(claim.epoch >= highest, "seed {seed}: an epoch goes back");
                    assert!(
                        !claim.created || claim.epoch > highest,
                        "seed {seed}: it came before"
                    );
                    highest = claim.epoch;
                    let home = (claim.home, claim.home_epoch);
                    let first = homes.entry(claim.epoch).or_insert_with(|| home.clone());
                    assert_eq!(*first, home, "seed {seed}: two homes of {}", claim.epoch);
                }
            }
        }
    }
}
