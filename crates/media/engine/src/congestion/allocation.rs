//! Which consumer gets which layer: the engine's side of dividing the bandwidth.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use plenum_bwe::{Bitrate, Demand, Request, allocate};
use plenum_params::media::MediaKind;
use slab::Slab;

use crate::{
    consumer::{Consumer, LayerTarget},
    engine::Engine,
    producer::Producer,
};

/// Between two divisions if nothing urgent happens: feedback does not come more often.
const INTERVAL: Duration = Duration::from_millis(100);

/// While everybody has what is wanted, rates of layers are looked at this often.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// An estimate that changed by more than one part in this many is urgent.
const URGENT_CHANGE: u64 = 16;

/// After somebody got less, nobody gets more for this long: the queue that made it necessary has to drain first, and a
/// picture that changes its size more often is worse than a small one.
const HOLD: Duration = Duration::from_secs(1);

/// More that did not last this long was more than the path carries; the next time is put off twice as long as the last.
const LASTING: Duration = Duration::from_secs(5);

/// Longest time that more is put off: a step up of the path is used within ten seconds.
const MAX_HOLD: Duration = Duration::from_secs(4);

/// What a layer costs on the way, in percent of its payload: headers and tags are 40 to 60 bytes on 1100.
const COST_PERCENT: u64 = 105;

/// What a layer that is sent already is taken to cost, in percent of what it costs. Rates are measured over a second, in
/// which one key frame more or less moves them by as much; that too much is sent for the path is for the estimate to say.
const KEEP_PERCENT: u64 = 95;

/// What may be planned with, in percent of the estimate. The division leaves an eighth of its budget for figures that
/// sway; with costs that include headers, and what is sent counted cheaper, half of that will do: a stream that takes nine
/// tenths of a path is sent on it.
const PLANNED_PERCENT: u64 = 106;

/// If everybody's lowest layer takes no more than this altogether, nobody goes without. A receiver whose machine is busy
/// takes packets late, which looks like a path that carries next to nothing, and an estimate grows only by what arrives:
/// who is sent nothing, or a single small picture, would stay there. Lowest layers of three or four cameras, by what
/// Chromium gives them.
const LEAST: Bitrate = Bitrate::from_kbps(150);

/// While pictures wait for longer than this there is something to be gained, though everything was chosen that is wanted:
/// half of what they may wait.
const STARVING: Duration = Duration::from_secs(1);

/// What has to be there for something to be chosen that is not sent yet, in percent of what it costs: the division's
/// headroom of 1.12, rounded up.
const WITH_HEADROOM_PERCENT: u64 = 113;

/// A stream that is younger than this has no measured rate yet: it is measured over a second.
const MATURITY: Duration = Duration::from_secs(1);

/// Shortest time that a young stream's rate is read from: a few frames, one of them a key frame.
const MIN_AGE: Duration = Duration::from_millis(200);

/// The least that the lowest of several young streams is taken to cost when those above are judged by it: what Chromium
/// gives it at 180 lines. By itself it costs what was measured, so that everybody's lowest stream begins at once.
const YOUNG_LEAST: Bitrate = Bitrate::from_bps(150_000);

/// What a young stream is taken to cost, in percent of the one below: simulcast of browsers goes by twice the width and
/// height and three times the rate.
const YOUNG_PERCENT: u64 = 300;

/// When bandwidth was divided among the consumers of a transport, and when it will be.
#[derive(Debug, Default)]
pub(crate) struct Allocation {
    /// When, and by which estimate.
    done: Option<(Instant, Option<Bitrate>)>,
    /// When to divide again.
    pub(crate) due: Option<Instant>,
    /// When somebody last got more than before, and less.
    last_up: Option<Instant>,
    last_down: Option<Instant>,
    /// For how long nobody gets more after that.
    hold: Duration,
    /// What everything takes that was chosen, if everybody has what is wanted.
    satisfied: Option<Bitrate>,
}

impl Allocation {
    /// Divides bandwidth again at `due`, or earlier if that was asked for.
    pub(crate) fn request(&mut self, due: Instant) {
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Somebody gets less than before.
    fn fall_back(&mut self, now: Instant) {
        // One fall may take several steps: only the first one judges what was before.
        self.hold = match self.last_up.take() {
            Some(up) if now.saturating_duration_since(up) < LASTING => self.hold * 2,
            Some(_) => HOLD,
            None => self.hold,
        };
        self.hold = self.hold.clamp(HOLD, MAX_HOLD);
        self.last_down = Some(now);
    }

    /// The estimate may have changed.
    pub(super) fn handle_estimate(&mut self, now: Instant, estimate: Option<Bitrate>) {
        let Some((at, before)) = self.done else {
            return;
        };
        let is_enough = self
            .satisfied
            .is_some_and(|all| estimate.is_none_or(|estimate| estimate >= all));
        let is_changed = match (before, estimate) {
            (Some(before), Some(after)) => {
                before.bps().abs_diff(after.bps()) > before.bps() / URGENT_CHANGE
            }
            (before, after) => before.is_some() != after.is_some(),
        };
        let interval = match (is_enough, is_changed) {
            (true, _) if estimate.is_none() => return,
            (true, _) => IDLE_INTERVAL,
            (false, true) => Duration::ZERO,
            (false, false) => INTERVAL,
        };
        self.request((at + interval).max(now));
    }
}

/// Memory for one division at a time, reused.
#[derive(Debug, Default)]
pub(crate) struct Division {
    candidates: Vec<Candidate>,
    /// Options of all candidates one after another, each candidate's ascending.
    costs: Vec<Bitrate>,
    targets: Vec<LayerTarget>,
    chosen: Vec<Option<u8>>,
    requests: Vec<Request<'static>>,
    /// What sound takes of what is estimated.
    audio: Bitrate,
}

/// A consumer of video that flows or might.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    key: usize,
    priority: u8,
    /// Its options in `costs` and `targets`.
    first: usize,
    end: usize,
    current: Option<u8>,
}

impl Engine {
    /// Divides the bandwidth of a transport among its consumers.
    pub(crate) fn divide_bandwidth(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let congestion = &mut transport.congestion;
        congestion.allocation.due = None;
        if transport.trunk.is_some() {
            // Every stream on it is wanted as a whole.
            return;
        }
        let estimate = congestion.estimate(now);
        let division = &mut self.division;
        division.gather(now, &transport.consumers, &self.consumers, &self.producers);
        let budget = estimate.map_or(Bitrate::MAX, |estimate| {
            percent(estimate, PLANNED_PERCENT) - division.audio
        });
        division.choose(budget.max(division.least().min(congestion.max())));
        let allocation = &mut congestion.allocation;
        division.hold(now, allocation);
        let starves = transport.pacer.video_age(now) > STARVING;
        let demand = division.demand(starves);
        allocation.done = Some((now, estimate));
        allocation.satisfied = demand.next_step.is_none().then_some(demand.sending);
        congestion.set_granted(division.granted(demand.sending));
        congestion.set_demand(now, demand);
        for index in 0..self.division.candidates.len() {
            let Some((consumer_key, target)) = self.division.choice(index) else {
                continue;
            };
            self.set_target(now, consumer_key, target);
        }
        self.follow_estimate(now, key);
    }
}

impl Engine {
    fn set_target(&mut self, now: Instant, consumer_key: usize, target: Option<LayerTarget>) {
        let Some(consumer) = self.consumers.get_mut(consumer_key) else {
            return;
        };
        let producer = self.producers.get(consumer.producer);
        // Most streams begin with a key frame, and asking for another would cost its sender a second one at once.
        let starts_here = target
            .zip(producer)
            .is_some_and(|(target, producer)| producer.brings_sync_point(target.stream));
        let needs_key_frame = consumer.set_target(target);
        let layers = producer.and_then(|producer| {
            consumer
                .target_layers(producer)
                .zip(consumer.layers(producer))
        });
        let is_lower = layers.is_some_and(|(target, current)| target.spatial < current.spatial);
        if needs_key_frame
            && is_lower
            && let Some(transport) = self.transports.get_mut(consumer.transport)
            && transport.is_behind(now)
        {
            // What waits of the higher layer would hold up the lower one's key frame, and nobody needs it after that.
            transport
                .pacer
                .cut_off(consumer_key as u32, consumer.next_out());
            consumer.resync();
            if let Some(producer) = self.producers.get(consumer.producer) {
                self.events.extend(consumer.announce_layers(producer));
            }
            // It goes on when the pacer next looks, which may be long if nothing else is sent.
            self.fan_out.enqueue(consumer.transport);
        }
        if needs_key_frame && !starts_here {
            self.request_key_frame_for(now, consumer_key);
        }
    }

    /// Gives a consumer what it wants of what arrives, as far as the path is known to carry it.
    pub(crate) fn retarget(&mut self, now: Instant, consumer_key: usize) {
        let Some(consumer) = self.consumers.get(consumer_key) else {
            return;
        };
        let Some(producer) = self.producers.get(consumer.producer) else {
            return;
        };
        let wanted = consumer.wanted(producer);
        let transport_key = consumer.transport;
        let is_video = consumer.parameters.kind == MediaKind::Video;
        let transport = self.transports.get(transport_key);
        if is_video
            && transport.is_some_and(|transport| transport.congestion.estimate(now).is_some())
        {
            self.divide_bandwidth(now, transport_key);
        } else {
            self.set_target(now, consumer_key, wanted);
        }
    }
}

impl Division {
    /// Reads what each consumer could be sent, and what sound takes.
    fn gather(
        &mut self,
        now: Instant,
        keys: &[usize],
        consumers: &Slab<Consumer>,
        producers: &Slab<Producer>,
    ) {
        self.candidates.clear();
        self.costs.clear();
        self.targets.clear();
        self.audio = Bitrate::ZERO;
        for &key in keys {
            let Some(consumer) = consumers.get(key).filter(|consumer| !consumer.paused) else {
                continue;
            };
            let Some(producer) = producers.get(consumer.producer).filter(|it| !it.paused) else {
                continue;
            };
            if consumer.parameters.kind == MediaKind::Audio {
                // What has no transport-wide numbers is not in the estimate: that tells what comes through beside it.
                if consumer.template.is_sequenced() {
                    self.audio += Bitrate::from_bps(consumer.rate.bitrate(now).into());
                }
                continue;
            }
            let first = self.costs.len();
            self.add_options(now, consumer, producer);
            let end = self.costs.len();
            if first == end {
                continue;
            }
            let mut options = self.targets.iter().skip(first);
            let current = options.position(|&option| consumer.target() == Some(option));
            let kept = current.map_or(0, |current| current + 1);
            for cost in self.costs.iter_mut().skip(first).take(kept) {
                *cost = percent(*cost, KEEP_PERCENT);
            }
            self.candidates.push(Candidate {
                key,
                priority: consumer.priority,
                first,
                end,
                current: current.and_then(|current| u8::try_from(current).ok()),
            });
        }
    }

    /// Appends what a consumer can be sent, cheapest first: every temporal layer of every spatial one up to the wanted.
    fn add_options(&mut self, now: Instant, consumer: &Consumer, producer: &Producer) {
        let Some(wanted) = consumer.wanted(producer) else {
            return;
        };
        let first = self.costs.len();
        // Of several streams each is a spatial layer by itself.
        let is_simulcast = producer.streams.len() > 1;
        let highest = if is_simulcast {
            wanted.stream
        } else {
            wanted.spatial
        };
        for spatial in 0..=highest {
            let below = self.costs.get(first..).and_then(<[_]>::last).copied();
            let stream = producer.streams.get(usize::from(spatial));
            let age = stream
                .filter(|_| is_simulcast)
                .and_then(|stream| stream.first_packet)
                .map(|at| now.saturating_duration_since(at))
                .filter(|age| *age < MATURITY);
            let below = below.filter(|_| age.is_some());
            let least = below.map(|below| percent(below.max(YOUNG_LEAST), YOUNG_PERCENT));
            for temporal in 0..=wanted.temporal {
                let Some(rate) = producer.layer_bitrate(now, spatial, temporal) else {
                    continue;
                };
                let mut cost = percent(Bitrate::from_bps(rate.into()), COST_PERCENT);
                if let Some(age) = age {
                    // The window of a second is not full yet.
                    let age = age.max(MIN_AGE).as_millis() as u64;
                    cost = percent(cost, 100 * MATURITY.as_millis() as u64 / age);
                }
                let cost = cost.max(least.unwrap_or_default());
                // What costs more and is worth less is no option.
                while self.costs.len() > first && self.costs.last() >= Some(&cost) {
                    self.costs.pop();
                    self.targets.pop();
                }
                self.costs.push(cost);
                self.targets.push(producer.target(spatial, temporal));
            }
        }
        self.end_with(wanted, first);
    }

    /// Makes what is wanted the last one of the options that begin at `first`, also where its rate is not known: layers
    /// that a sender leaves out for a while cost nothing, and one that goes on after a rest has none yet.
    fn end_with(&mut self, wanted: LayerTarget, first: usize) {
        let last = self.targets.get_mut(first..).and_then(<[_]>::last_mut);
        let cost = self.costs.get(first..).and_then(<[_]>::last).copied();
        match last {
            Some(last) if (last.stream, last.spatial) == (wanted.stream, wanted.spatial) => {
                *last = wanted;
            }
            _ => {
                self.costs
                    .push(percent(cost.unwrap_or_default(), YOUNG_PERCENT));
                self.targets.push(wanted);
            }
        }
    }

    /// What is divided however little the path is said to carry: everybody's lowest option, if all of them are little.
    fn least(&self) -> Bitrate {
        let lowest = self.candidates.iter();
        let all: Bitrate = lowest.map(|candidate| self.cost(candidate, Some(0))).sum();
        if all <= LEAST {
            percent(all, WITH_HEADROOM_PERCENT)
        } else {
            Bitrate::ZERO
        }
    }

    /// What was chosen of pictures, if it is so little that it was chosen whatever the path is said to carry. Of more than
    /// that a part would not be worth anything.
    fn granted(&self, sending: Bitrate) -> Bitrate {
        let pictures = sending - self.audio;
        if pictures <= LEAST {
            pictures
        } else {
            Bitrate::ZERO
        }
    }

    /// Chooses an option for every candidate.
    fn choose(&mut self, budget: Bitrate) {
        let mut requests = recycle(std::mem::take(&mut self.requests));
        for candidate in &self.candidates {
            let options = self.costs.get(candidate.first..candidate.end);
            requests.push(Request {
                priority: candidate.priority,
                options: options.unwrap_or_default(),
                current: candidate.current,
                protected: false,
            });
        }
        allocate(budget, &requests, &mut self.chosen);
        self.requests = recycle(requests);
        self.keep_one();
    }

    /// Even a path on which nothing fits is sent somebody's lowest layer: an estimate may be wrong, and it grows only by
    /// what is sent.
    fn keep_one(&mut self) {
        if self.chosen.iter().any(Option::is_some) {
            return;
        }
        let ranked = self.candidates.iter().enumerate();
        let best = ranked.max_by_key(|(index, candidate)| {
            let is_current = candidate.current.is_some();
            (candidate.priority, is_current, Reverse(*index))
        });
        let place = best.and_then(|(index, _)| self.chosen.get_mut(index));
        if let Some(chosen) = place {
            *chosen = Some(0);
        }
    }

    /// Gives nobody more for a while after somebody got less.
    fn hold(&mut self, now: Instant, allocation: &mut Allocation) {
        let mut choices = self.candidates.iter().zip(&self.chosen);
        // A layer that has ended, or is not wanted any more, says nothing of the path.
        let gets_less = choices
            .any(|(candidate, &chosen)| chosen < candidate.current && chosen < candidate.highest());
        let gets_more = self
            .candidates
            .iter()
            .zip(&self.chosen)
            .any(|(candidate, &chosen)| chosen > candidate.current);
        if gets_less {
            allocation.fall_back(now);
        }
        let until = allocation.last_down.map(|at| at + allocation.hold);
        let Some(until) = until.filter(|until| now < *until) else {
            if gets_more {
                allocation.last_up = Some(now);
            }
            return;
        };
        for (candidate, chosen) in self.candidates.iter().zip(&mut self.chosen) {
            let most = candidate.current.unwrap_or(0);
            *chosen = chosen.map(|chosen| chosen.min(most));
        }
        allocation.request(until);
    }

    /// What is sent, what would be, and what the next step takes. While what was chosen does not leave it is a step itself.
    fn demand(&self, starves: bool) -> Demand {
        let (mut wanted, mut sending) = (self.audio, self.audio);
        let mut step: Option<(Reverse<u8>, Bitrate)> = None;
        for (candidate, &chosen) in self.candidates.iter().zip(&self.chosen) {
            let highest = candidate.highest();
            wanted += self.cost(candidate, highest);
            sending += self.cost(candidate, chosen);
            if chosen < highest {
                let next = chosen.map_or(0, |chosen| chosen + 1);
                let more = self.cost(candidate, Some(next)) - self.cost(candidate, chosen);
                let offer = (Reverse(candidate.priority), more);
                step = Some(step.map_or(offer, |step| step.min(offer)));
            }
        }
        let next_step = step.map(|(_, more)| sending + more);
        Demand {
            wanted,
            next_step: next_step.or_else(|| starves.then_some(sending)),
            sending,
        }
    }

    fn cost(&self, candidate: &Candidate, option: Option<u8>) -> Bitrate {
        let index = option.map(|option| candidate.first + usize::from(option));
        let cost = index.and_then(|index| self.costs.get(index));
        cost.copied().unwrap_or_default()
    }

    /// The consumer at `index` and what was chosen for it.
    fn choice(&self, index: usize) -> Option<(usize, Option<LayerTarget>)> {
        let candidate = self.candidates.get(index)?;
        let chosen = *self.chosen.get(index)?;
        let target = chosen.and_then(|chosen| {
            let option = candidate.first + usize::from(chosen);
            self.targets.get(option).copied()
        });
        Some((candidate.key, target))
    }
}

impl Candidate {
    fn highest(&self) -> Option<u8> {
        u8::try_from((self.end - self.first).checked_sub(1)?).ok()
    }
}

fn percent(rate: Bitrate, percent: u64) -> Bitrate {
    Bitrate::from_bps(rate.bps().saturating_mul(percent) / 100)
}

/// The memory of a list of requests, for others that borrow from elsewhere.
fn recycle<'a>(mut requests: Vec<Request<'_>>) -> Vec<Request<'a>> {
    requests.clear();
    let none = requests.into_iter().map(|request| Request {
        priority: request.priority,
        options: &[],
        current: request.current,
        protected: request.protected,
    });
    none.collect()
}
