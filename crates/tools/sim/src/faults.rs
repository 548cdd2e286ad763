//! What goes wrong in a day, and what is done on purpose: the same for everybody who decides.

use crate::{
    crowd::Time,
    rng::Rng,
    simulation::STATUS,
    world::{World, bits, precise},
};

/// Something that happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: Time,
    pub(crate) node: usize,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It is there again, empty.
    Back,
    /// It is to be emptied.
    Drain,
    /// It is gone without a word; the others do not know yet.
    Fail,
    /// The others know that it is gone.
    Judged,
}

const SECOND: Time = 1000;
const MINUTE: Time = 60 * SECOND;
const HOUR: Time = 60 * MINUTE;

/// Of a thousand nodes so many die in an hour by themselves.
const FAILURES: f64 = 2.0;

/// Of a thousand nodes so many are drained in an hour, for a new version.
const DRAINS: f64 = 20.0;

/// A node that is gone is believed dead after three leases.
const JUDGEMENT: Time = 3 * SECOND;

/// How long a machine takes to come back.
const REPAIR: Time = 10 * MINUTE;

/// How long a node is emptied before it starts again; it comes back a minute later.
const DRAIN: Time = 5 * MINUTE;

/// All of a day, in its order. In the middle of it half of the largest region's nodes are gone at once.
pub(crate) fn faults(world: &World, end: Time, seed: u64) -> Vec<Fault> {
    let mut rng = Rng::new(seed, "faults");
    let nodes = world.nodes.len();
    let mut faults = Vec::new();
    // Nothing happens to a node twice a day.
    let mut is_spared = vec![true; nodes];
    let all = world.nodes.iter().enumerate();
    let of_largest = all.filter(|(_, node)| node.area == 0);
    for (node, _) in of_largest.step_by(2) {
        fail(&mut faults, end / 2, node);
        is_spared[node] = false;
    }
    for (rate, is_failure) in [(FAILURES, true), (DRAINS, false)] {
        let mean = f64::from(HOUR) / (rate * precise(nodes as u64) / 1000.0);
        let mut at = rng.exponential(mean);
        while at < f64::from(end) {
            let node = rng.index(nodes);
            let now = bits(at) as Time;
            if is_spared[node] {
                if is_failure {
                    fail(&mut faults, now, node);
                } else {
                    drain(&mut faults, now, node);
                }
                is_spared[node] = false;
            }
            at += rng.exponential(mean);
        }
    }
    faults.sort_by_key(|fault| (fault.at, fault.kind, fault.node));
    faults
}

fn fail(faults: &mut Vec<Fault>, at: Time, node: usize) {
    let kinds = [
        (0, Kind::Fail),
        (JUDGEMENT, Kind::Judged),
        (REPAIR, Kind::Back),
    ];
    faults.extend(kinds.map(|(after, kind)| Fault {
        at: at.saturating_add(after),
        node,
        kind,
    }));
}

fn drain(faults: &mut Vec<Fault>, at: Time, node: usize) {
    let kinds = [(0, Kind::Drain), (DRAIN + MINUTE, Kind::Back)];
    faults.extend(kinds.map(|(after, kind)| Fault {
        at: at.saturating_add(after),
        node,
        kind,
    }));
}

/// Peers of a node that is drained are moved in so many equal parts.
pub(crate) const DRAIN_STEPS: usize = (DRAIN / STATUS) as usize - 1;
