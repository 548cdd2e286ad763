//! A sender of layered video towards one receiver, as the engine is one: frames leave in bursts as far as the pacer
//! allows, layers follow the allocation, probes are media and padding.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use plenum_bwe::{
    ArrivalTime, BandwidthEstimator, Bitrate, Demand, EstimatorConfig, Probe, ProbeId, Request,
    allocate,
};

use crate::{
    link::{Link, LinkConfig, Micros},
    outcome::{Outcome, Sample},
    random::Random,
};

/// The pacer's tick, its rate in times of the estimate and its depth, as the engine has them.
const TICK: Micros = 5_000;
const PACING: f64 = 2.5;
const DEPTH: Duration = Duration::from_millis(40);

const FRAME: Micros = 33_333;
const AUDIO: Micros = 20_000;
const AUDIO_BYTES: usize = 100;
const PACKET_BYTES: usize = 1150;

/// A key frame is so many frames large; it comes with every change of a layer, and by chance every ten seconds.
const KEY_FRAME_FACTOR: usize = 5;
const KEY_FRAMES: f64 = 1.0 / 300.0;

/// Who else uses the link.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rival {
    /// A constant rate from here to there.
    Constant { bps: u64, from: Micros, to: Micros },
    /// A download that grows its window until it loses packets and then halves it.
    Download { from: Micros, to: Micros },
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) link: LinkConfig,
    /// Each consumer's layers in kb/s, cumulative.
    pub(crate) consumers: Vec<Vec<u64>>,
    pub(crate) rival: Option<Rival>,
    pub(crate) seconds: u64,
    /// No feedback comes through in this time.
    pub(crate) silence: Option<(Micros, Micros)>,
    pub(crate) config: EstimatorConfig,
    pub(crate) seed: u64,
}

impl Scenario {
    pub(crate) fn new(link: LinkConfig, consumers: Vec<Vec<u64>>) -> Self {
        Self {
            link,
            consumers,
            rival: None,
            seconds: 40,
            silence: None,
            config: EstimatorConfig::default(),
            seed: 7,
        }
    }
}

#[derive(Debug)]
enum Event {
    Tick,
    Frame,
    Audio,
    Sample,
    Feedback,
    FeedbackArrives(Vec<(u16, Option<ArrivalTime>)>),
    RivalSends,
    RivalAnswer { lost: bool },
}

pub(crate) struct Simulation {
    scenario: Scenario,
    start: Instant,
    now: Micros,
    events: BinaryHeap<(Reverse<Micros>, Reverse<u64>)>,
    bodies: std::collections::HashMap<u64, Event>,
    next_event: u64,
    link: Link,
    random: Random,
    estimator: BandwidthEstimator,
    chosen: Vec<Option<u8>>,
    key_frames: Vec<bool>,
    queue: VecDeque<(Micros, usize)>,
    tokens: f64,
    probe: Option<Probe>,
    probe_sent: (usize, usize),
    sequence: u16,
    /// Arrivals by packet since the last feedback, `None` for those on their way or lost.
    in_flight: VecDeque<(u16, Option<Micros>)>,
    delivered: u64,
    padding: u64,
    probes: u32,
    switches: u32,
    rival_window: f64,
    rival_flying: f64,
    rival_cut: Micros,
    rival_delivered: u64,
    samples: Vec<Sample>,
    delays: Vec<f64>,
}

impl Simulation {
    pub(crate) fn run(scenario: Scenario) -> Outcome {
        // Only differences of it are used.
        let start = Instant::now();
        let mut simulation = Self {
            start,
            now: 0,
            events: BinaryHeap::new(),
            bodies: std::collections::HashMap::new(),
            next_event: 0,
            link: Link::new(scenario.link.clone()),
            random: Random::new(scenario.seed),
            estimator: BandwidthEstimator::new(scenario.config, start),
            chosen: vec![None; scenario.consumers.len()],
            key_frames: vec![true; scenario.consumers.len()],
            queue: VecDeque::new(),
            tokens: 0.0,
            probe: None,
            probe_sent: (0, 0),
            sequence: 65_000,
            in_flight: VecDeque::new(),
            delivered: 0,
            padding: 0,
            probes: 0,
            switches: 0,
            rival_window: 10.0,
            rival_flying: 0.0,
            rival_cut: 0,
            rival_delivered: 0,
            samples: Vec::new(),
            delays: Vec::new(),
            scenario,
        };
        simulation.play();
        Outcome {
            samples: simulation.samples,
            probes: simulation.probes,
            padding: simulation.padding,
            switches: simulation.switches,
            delivered: simulation.delivered,
            rival_delivered: simulation.rival_delivered,
        }
    }

    fn play(&mut self) {
        for event in [Event::Tick, Event::Frame, Event::Audio, Event::Sample] {
            self.schedule(0, event);
        }
        self.schedule(70_000, Event::Feedback);
        match self.scenario.rival {
            Some(Rival::Constant { from, .. } | Rival::Download { from, .. }) => {
                self.schedule(from, Event::RivalSends);
            }
            None => {}
        }
        let end = self.scenario.seconds * 1_000_000;
        while let Some((Reverse(at), Reverse(id))) = self.events.pop() {
            if at > end {
                break;
            }
            self.now = at;
            let event = self.bodies.remove(&id).expect("scheduled");
            self.handle(event);
        }
    }

    fn schedule(&mut self, at: Micros, event: Event) {
        self.bodies.insert(self.next_event, event);
        self.events.push((Reverse(at), Reverse(self.next_event)));
        self.next_event += 1;
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Tick => {
                self.tick();
                self.schedule(self.now + TICK, Event::Tick);
            }
            Event::Frame => {
                self.frame();
                self.schedule(self.now + FRAME, Event::Frame);
            }
            Event::Audio => {
                self.transmit(AUDIO_BYTES, None);
                self.schedule(self.now + AUDIO, Event::Audio);
            }
            Event::Sample => {
                self.sample();
                self.schedule(self.now + 50_000, Event::Sample);
            }
            Event::Feedback => {
                self.send_feedback();
                let wait = self.random.between(50_000, 100_000);
                self.schedule(self.now + wait, Event::Feedback);
            }
            Event::FeedbackArrives(packets) => {
                let now = self.instant();
                self.estimator.handle_feedback(now, packets.into_iter());
                self.reallocate();
            }
            Event::RivalSends => self.rival_sends(),
            Event::RivalAnswer { lost } => self.rival_answer(lost),
        }
    }

    /// Timeouts, then as many packets as the pacer allows.
    fn tick(&mut self) {
        let now = self.instant();
        if self.estimator.poll_timeout().is_some_and(|due| due <= now) {
            self.estimator.handle_timeout(now);
            self.reallocate();
        }
        let estimate = self.estimator.estimate();
        let depth = (estimate.bytes_in(DEPTH) as f64).max(2.0 * PACKET_BYTES as f64);
        let earned = estimate
            .scaled(PACING)
            .bytes_in(Duration::from_micros(TICK)) as f64;
        self.tokens = (self.tokens + earned).min(depth);
        if self.probe.is_some() {
            self.tick_probe();
            return;
        }
        self.drain(None);
    }

    fn drain(&mut self, probe: Option<ProbeId>) -> usize {
        let mut sent = 0;
        while self.tokens > 0.0
            && let Some((queued, bytes)) = self.queue.pop_front()
        {
            if self.now - queued > 500_000 {
                continue;
            }
            self.tokens -= bytes as f64;
            self.transmit(bytes, probe);
            sent += bytes;
        }
        sent
    }

    fn tick_probe(&mut self) {
        let Some(probe) = self.probe else { return };
        let due = probe.bitrate.bytes_in(Duration::from_micros(TICK)) as usize;
        self.tokens = due as f64;
        let mut sent = 0;
        while sent < due {
            let bytes = if let Some((_, bytes)) = self.queue.pop_front() {
                bytes
            } else {
                let bytes = (probe.bytes / probe.packets).clamp(250, 1000);
                self.padding += bytes as u64;
                bytes
            };
            self.transmit(bytes, Some(probe.id));
            sent += bytes;
            self.probe_sent.0 += bytes;
            self.probe_sent.1 += 1;
        }
        self.tokens = 0.0;
        if self.probe_sent.0 >= probe.bytes && self.probe_sent.1 >= probe.packets {
            self.probe = None;
        }
    }

    fn frame(&mut self) {
        for index in 0..self.chosen.len() {
            let Some(option) = self.chosen[index] else {
                continue;
            };
            let kbps = self.scenario.consumers[index][usize::from(option)];
            // Frames differ by 30 % to both sides.
            let mean = kbps * FRAME / 8000;
            let mut bytes = (mean * self.random.between(70, 130) / 100) as usize;
            if std::mem::take(&mut self.key_frames[index]) || self.random.part() < KEY_FRAMES {
                bytes *= KEY_FRAME_FACTOR;
            }
            while bytes > 0 {
                let packet = bytes.min(PACKET_BYTES);
                self.queue.push_back((self.now, packet + 40));
                bytes -= packet;
            }
        }
        if self.probe.is_none() {
            self.drain(None);
        }
    }

    fn transmit(&mut self, bytes: usize, probe: Option<ProbeId>) {
        let now = self.instant();
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.estimator.handle_sent(now, sequence, bytes, probe);
        self.delays.push(self.link.queue(self.now) as f64 / 1000.0);
        let arrival = self.link.send(self.now, bytes);
        if arrival.is_some() {
            self.delivered += bytes as u64;
        }
        self.in_flight.push_back((sequence, arrival));
    }

    /// The receiver reports on everything up to the newest packet that has arrived.
    fn send_feedback(&mut self) {
        let arrived = |&(_, arrival): &(u16, Option<Micros>)| {
            arrival.is_some_and(|arrival| arrival <= self.now)
        };
        let Some(newest) = self.in_flight.iter().rposition(arrived) else {
            return;
        };
        let packets = self.in_flight.drain(..=newest);
        // The receiver's clock has its own zero, and feedback has ticks of 250 µs.
        let packets = packets.map(|(sequence, arrival)| {
            let clock = |at: Micros| ArrivalTime::from_micros((at / 250 * 250 + 77_000_000) as i64);
            (sequence, arrival.map(clock))
        });
        let packets = packets.collect();
        let silent = self
            .scenario
            .silence
            .is_some_and(|(from, to)| (from..to).contains(&self.now));
        if !silent {
            let back = self.now + self.scenario.link.propagation;
            self.schedule(back, Event::FeedbackArrives(packets));
        }
    }

    fn reallocate(&mut self) {
        let options: Vec<Vec<Bitrate>> = self
            .scenario
            .consumers
            .iter()
            .map(|layers| {
                layers
                    .iter()
                    .map(|kbps| Bitrate::from_kbps(*kbps))
                    .collect()
            })
            .collect();
        let audio = [Bitrate::from_bps(AUDIO_BYTES as u64 * 8 * 50)];
        let mut requests: Vec<Request<'_>> = options
            .iter()
            .zip(&self.chosen)
            .map(|(options, current)| Request {
                priority: 1,
                options,
                current: *current,
                protected: false,
            })
            .collect();
        requests.push(Request {
            priority: 1,
            options: &audio,
            current: Some(0),
            protected: true,
        });
        let mut out = Vec::new();
        allocate(self.estimator.estimate(), &requests, &mut out);
        out.pop();
        for (index, (new, old)) in out.iter().zip(&self.chosen).enumerate() {
            // Another stream begins with a key frame.
            if new != old {
                self.switches += 1;
                self.key_frames[index] = true;
            }
        }
        let cost = |index: usize, option: Option<u8>| {
            option.map_or(Bitrate::ZERO, |option| options[index][usize::from(option)])
        };
        let all = 0..out.len();
        let sending = audio[0] + all.clone().map(|index| cost(index, out[index])).sum();
        let steps = all.clone().filter_map(|index| {
            let next = out[index].map_or(0, |option| option + 1);
            let costs = options[index].get(usize::from(next))?;
            Some(sending - cost(index, out[index]) + *costs)
        });
        let demand = Demand {
            wanted: audio[0]
                + options
                    .iter()
                    .filter_map(|options| options.last().copied())
                    .sum(),
            next_step: steps.min(),
            sending,
        };
        self.chosen = out;
        let now = self.instant();
        self.estimator.set_demand(now, demand);
        if self.probe.is_none()
            && let Some(probe) = self.estimator.poll_probe(now)
        {
            self.probe = Some(probe);
            self.probe_sent = (0, 0);
            self.probes += 1;
        }
    }

    fn sample(&mut self) {
        if self.now == 0 {
            self.reallocate();
        }
        let state = self.estimator.state();
        let allocated: u64 = (0..self.chosen.len())
            .filter_map(|index| {
                let option = self.chosen[index]?;
                Some(self.scenario.consumers[index][usize::from(option)])
            })
            .sum();
        let queue_ms = self.delays.drain(..).fold(0.0, f64::max);
        self.samples.push(Sample {
            at: self.now as f64 / 1e6,
            estimate: self.estimator.estimate().bps() as f64 / 1000.0,
            capacity: self.link.capacity(self.now) as f64 / 1000.0,
            allocated: allocated as f64,
            queue_ms,
            delivered: self.delivered,
            probing: state.probing.is_some(),
        });
    }

    fn rival_sends(&mut self) {
        match self.scenario.rival {
            Some(Rival::Constant { bps, to, .. }) if self.now < to => {
                if self.link.send(self.now, 1200).is_some() {
                    self.rival_delivered += 1200;
                }
                self.schedule(self.now + 1200 * 8_000_000 / bps, Event::RivalSends);
            }
            Some(Rival::Download { to, .. }) if self.now < to => {
                while self.rival_flying + 1.0 <= self.rival_window {
                    self.rival_flying += 1.0;
                    let arrival = self.link.send(self.now, 1200);
                    let lost = arrival.is_none();
                    let queue = self.link.queue(self.now);
                    let arrival =
                        arrival.unwrap_or(self.now + queue + self.scenario.link.propagation);
                    let back = arrival + self.scenario.link.propagation;
                    self.schedule(back, Event::RivalAnswer { lost });
                }
            }
            _ => {}
        }
    }

    fn rival_answer(&mut self, lost: bool) {
        self.rival_flying -= 1.0;
        if !lost {
            self.rival_delivered += 1200;
            self.rival_window += 1.0 / self.rival_window;
        } else if self.now > self.rival_cut {
            self.rival_window = (self.rival_window / 2.0).max(2.0);
            // Once per round trip.
            self.rival_cut =
                self.now + 2 * self.scenario.link.propagation + self.link.queue(self.now);
        }
        self.rival_sends();
    }
}
