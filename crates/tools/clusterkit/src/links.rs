//! Links between nodes, and what is said over them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plenum_ids::NodeEpoch;

use crate::{
    part::Part,
    process::Parcel,
    world::{Event, Node, PATIENCE, World, pair},
};

/// Links notice silence in this time.
const SILENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    starts: [NodeEpoch; 2],
    /// Of which processes.
    lives: [u32; 2],
    pub(crate) silent_since: Option<Instant>,
}

/// From which node to which one. Answers come back on the line of who asked, which says nothing about their order beside what
/// the other node says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineKey {
    from: usize,
    to: usize,
    answers: bool,
}

/// What is on its way, in order.
#[derive(Debug)]
pub(crate) struct Line<P: Part> {
    generation: u64,
    parcels: VecDeque<Parcel<P>>,
    /// When the last of them comes.
    last: Instant,
    /// So many came where the line is cut, and come when it is whole again.
    held: usize,
}

impl<P: Part> World<P> {
    /// Two nodes do not reach each other any more.
    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        self.say(|| format!("cut between node-{one} and node-{other}"));
        self.cuts.insert(pair(one, other));
    }

    /// They do again. If that did not take too long, nothing was lost.
    pub(crate) fn heal(&mut self, one: usize, other: usize) {
        self.say(|| format!("healed between node-{one} and node-{other}"));
        self.cuts.remove(&pair(one, other));
        let mut due = Vec::new();
        for (key, line) in &mut self.lines {
            if pair(key.from, key.to) == pair(one, other) {
                let held = std::mem::take(&mut line.held);
                due.extend(std::iter::repeat_n(
                    (*key, line.generation, line.last),
                    held,
                ));
            }
        }
        for (key, generation, last) in due {
            let life = self.nodes[key.to].life;
            let after = last.saturating_duration_since(self.now);
            self.schedule(after, key.to, life, Event::Parcel(key, generation));
        }
    }

    /// Whether there is a link between two nodes, or can be at once. Nodes make links once they have a lease, which says which
    /// start they are.
    pub(crate) fn connect(&mut self, one: usize, other: usize) -> bool {
        let answers = |index: usize| {
            let process = self.nodes[index].process.as_ref();
            process.is_some_and(|it| it.membership.epoch().is_some())
        };
        let can = answers(one) && answers(other) && !self.cuts.contains(&pair(one, other));
        if can {
            self.link(one, other);
        }
        can
    }

    /// A node says something to another one.
    pub(crate) fn send(&mut self, from: usize, to: usize, parcel: Parcel<P>) {
        let key = LineKey {
            from,
            to,
            answers: matches!(parcel, Parcel::Answer(..)),
        };
        if let Parcel::Question { to: start, id, .. } = &parcel {
            if self.unreachable.contains(&(from, to)) {
                return;
            }
            let stands = self.links.get(&pair(from, to)).copied();
            let stands = stands.is_some_and(|link| link.starts == self.starts(pair(from, to)));
            let opens = !self.nodes[to].paused && self.connect(from, to);
            if !stands && !opens {
                self.unreachable.insert((from, to));
                let life = self.nodes[from].life;
                return self.schedule(PATIENCE, from, life, Event::Unreachable(to));
            }
            if self.nodes[to].stored_epoch != start.1 {
                // Words for another start of the node are lost with it.
                let answer = id.map(|id| Parcel::Answer(id, Err(crate::part::Failure::Lost)));
                return self.enqueue_at(key.reversed(), answer);
            }
        } else if !self.links.contains_key(&pair(from, to)) {
            return;
        }
        self.enqueue_at(key, Some(parcel));
    }

    fn enqueue_at(&mut self, key: LineKey, parcel: Option<Parcel<P>>) {
        let Some(parcel) = parcel else { return };
        let at = self.now + self.delay();
        self.generations += 1;
        let fresh = Line {
            generation: self.generations,
            parcels: VecDeque::new(),
            last: at,
            held: 0,
        };
        let line = self.lines.entry(key).or_insert(fresh);
        line.last = line.last.max(at);
        line.parcels.push_back(parcel);
        let (generation, after) = (line.generation, line.last - self.now);
        let life = self.nodes[key.to].life;
        self.schedule(after, key.to, life, Event::Parcel(key, generation));
    }

    /// The next thing that comes over a line, unless that is over, or cut.
    pub(crate) fn take_parcel(&mut self, key: LineKey, generation: u64) -> Option<Parcel<P>> {
        let is_cut = self.cuts.contains(&pair(key.from, key.to));
        let line = self.lines.get_mut(&key);
        let line = line.filter(|line| line.generation == generation)?;
        if is_cut || line.held > 0 {
            line.held += 1;
            return None;
        }
        line.parcels.pop_front()
    }

    fn starts(&self, (one, other): (usize, usize)) -> [NodeEpoch; 2] {
        [one, other].map(|index| self.nodes[index].stored_epoch)
    }

    fn link(&mut self, one: usize, other: usize) {
        let ends = pair(one, other);
        let starts = self.starts(ends);
        match self.links.get(&ends) {
            Some(link) if link.starts == starts => return,
            // Of a process that is no more.
            Some(_) => self.unlink(one, other),
            None => {}
        }
        let link = Link {
            starts,
            lives: [ends.0, ends.1].map(|index| self.nodes[index].life),
            silent_since: None,
        };
        self.links.insert(ends, link);
        self.tell_link(ends, link, true);
    }

    /// What was on its way is lost.
    pub(crate) fn unlink(&mut self, one: usize, other: usize) {
        let ends = pair(one, other);
        self.lines.retain(|key, _| pair(key.from, key.to) != ends);
        if let Some(link) = self.links.remove(&ends) {
            self.tell_link(ends, link, false);
            for (to, of) in [ends, (ends.1, ends.0)] {
                let (life, node) = (self.nodes[to].life, self.nodes[of].id.clone());
                self.schedule(Duration::ZERO, to, life, Event::Broken(node));
            }
        }
    }

    fn tell_link(&mut self, ends: (usize, usize), link: Link, up: bool) {
        let now = self.now;
        for (to, of, start) in [
            (ends.0, ends.1, link.starts[1]),
            (ends.1, ends.0, link.starts[0]),
        ] {
            let id = self.nodes[of].id.clone();
            if let Some(process) = &mut self.nodes[to].process {
                process.handle_link(now, &id, start, up);
            }
        }
        // Not before both have heard: what one does then may make the next link.
        self.carry_out(ends.0);
        self.carry_out(ends.1);
    }

    pub(crate) fn check_links(&mut self) {
        for (one, other) in self.links.keys().copied().collect::<Vec<_>>() {
            let speaks = |node: &Node<P>| node.process.is_some() && !node.paused;
            let is_silent = self.cuts.contains(&(one, other))
                || !speaks(&self.nodes[one])
                || !speaks(&self.nodes[other]);
            let starts = self.starts((one, other));
            let lives = [one, other].map(|index| self.nodes[index].life);
            // One of those that were taken down before may have taken this one with it.
            let Some(link) = self.links.get_mut(&(one, other)) else {
                continue;
            };
            let is_silent = is_silent || link.starts != starts || link.lives != lives;
            link.silent_since = if is_silent {
                Some(link.silent_since.unwrap_or(self.now))
            } else {
                None
            };
            let silence = link.silent_since.map(|since| self.now - since);
            if silence.is_some_and(|silence| silence >= SILENCE) {
                self.unlink(one, other);
            }
        }
    }
}

impl LineKey {
    const fn reversed(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            answers: true,
        }
    }
}
