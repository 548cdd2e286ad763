//! Division of the bandwidth among consumers.
//!
//! Protected requests (audio) come first and always get all they ask for. Of the rest, everybody's lowest option comes
//! before anybody's second; after that a higher priority is served to its highest option before a lower one, and
//! requests of one priority climb side by side, one step each per round. A step that does not fit is passed over, so
//! that one big step does not keep small ones of others from being taken.
//!
//! Hysteresis is on the total: what is spent already may stay as long as it fits, but more than that is spent only
//! with [`HEADROOM`]. A switch between requests that does not spend more (somebody's priority rose) needs no headroom.

use crate::Bitrate;

/// What one consumer could be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the caller fills every field")]
pub struct Request<'a> {
    /// 1 to 255; more is more important.
    pub priority: u8,
    /// What each step costs in all, lowest first. Only the first 255 count.
    pub options: &'a [Bitrate],
    /// The option that is sent now.
    pub current: Option<u8>,
    /// Is sent at its highest option whatever the budget: audio.
    pub protected: bool,
}

/// How much larger than the new total the budget must be before more is spent.
///
/// An estimate that is right sways by 5 % to both sides (a probe settles at 95 % of what it measured), and
/// 1.05 / 0.95 is 1.105: with less, the sway would switch layers.
pub(crate) const HEADROOM: f64 = 1.12;

/// Divides `budget`: writes to `out` the option of each request, in their order; `None` is nothing at all.
pub fn allocate(budget: Bitrate, requests: &[Request<'_>], out: &mut Vec<Option<u8>>) {
    out.clear();
    out.extend(requests.iter().map(|request| {
        if request.protected {
            request.highest()
        } else {
            None
        }
    }));
    let mut division = Division {
        limit: spendable(budget, requests),
        spent: total(requests, |index| out.get(index).copied().flatten()),
        requests,
        out,
    };
    let mut order: Vec<usize> = (0..requests.len())
        .filter(|&index| !requests[index].protected && !requests[index].options.is_empty())
        .collect();
    order.sort_by_key(|&index| std::cmp::Reverse(requests[index].priority));
    let equals = || order.chunk_by(|&a, &b| requests[a].priority == requests[b].priority);
    for peers in equals() {
        division.round(peers, 0);
    }
    for peers in equals() {
        let mut option = 1;
        while division.round(peers, option) {
            option += 1;
        }
    }
}

/// What may be spent: all of the budget on what is sent now, less on more than that.
fn spendable(budget: Bitrate, requests: &[Request<'_>]) -> Bitrate {
    let current = total(requests, |index| {
        let request = requests.get(index)?;
        if request.protected {
            return request.highest();
        }
        // An option that is gone (a layer ended) was spent at no more than what is highest now.
        request.current.min(request.highest())
    });
    current.max(budget.scaled(1.0 / HEADROOM)).min(budget)
}

fn total(requests: &[Request<'_>], chosen: impl Fn(usize) -> Option<u8>) -> Bitrate {
    let costs = requests.iter().enumerate();
    costs
        .map(|(index, request)| request.cost(chosen(index)))
        .sum()
}

impl Request<'_> {
    fn highest(&self) -> Option<u8> {
        let last = self.options.len().checked_sub(1)?;
        Some(u8::try_from(last).unwrap_or(LAST_OPTION))
    }

    fn cost(&self, option: Option<u8>) -> Bitrate {
        let cost = option.and_then(|option| self.options.get(usize::from(option)));
        cost.copied().unwrap_or_default()
    }
}

/// The highest option there can be: one less than `u8::MAX`, so that counting rounds ends.
const LAST_OPTION: u8 = u8::MAX - 1;

struct Division<'a> {
    limit: Bitrate,
    spent: Bitrate,
    requests: &'a [Request<'a>],
    out: &'a mut Vec<Option<u8>>,
}

impl Division<'_> {
    /// Offers `option` to everybody who has the one below; those who have it now go first, so that nobody is switched
    /// without need. Whether anybody took it.
    fn round(&mut self, peers: &[usize], option: u8) -> bool {
        let mut taken = false;
        for keep in [true, false] {
            for &index in peers {
                let kept = self.requests[index]
                    .current
                    .is_some_and(|current| current >= option);
                if kept == keep {
                    taken |= self.offer(index, option);
                }
            }
        }
        taken
    }

    fn offer(&mut self, index: usize, option: u8) -> bool {
        let request = &self.requests[index];
        let has = self.out[index];
        if has != option.checked_sub(1) || request.highest() < Some(option) {
            return false;
        }
        let spent = self.spent - request.cost(has) + request.cost(Some(option));
        if spent > self.limit {
            return false;
        }
        self.spent = spent;
        self.out[index] = Some(option);
        true
    }
}

#[cfg(test)]
mod tests;
