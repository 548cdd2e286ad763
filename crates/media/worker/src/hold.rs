//! How long a worker with much to do waits for more packets before it forwards what has come.
//!
//! Packets that are forwarded together leave as groups, one system call and one walk through the kernel for several of
//! them. Senders send a picture as a burst, and a room has several senders: two milliseconds make groups of single
//! packets at a moderate rate, which is what forwarding costs most for. A worker with little to do waits for nothing.

use std::time::{Duration, Instant};

/// Over so long a time the load is taken: some thousand turns of a busy loop, and shorter than people notice.
const WINDOW: Duration = Duration::from_millis(100);

/// Share of a core up to which nothing is held: what it would save is not needed.
const IDLE_LOAD: f64 = 0.1;

/// Share of a core from which on everything is held as long as may be: about what a gigabit a second costs, so that the
/// pause is at its length where there is something to save (`bench-worker gigabit`, `bench-worker traces`).
const FULL_LOAD: f64 = 0.3;

/// Shorter pauses are not made: a thread is woken up some fifty microseconds late (`timer_slack_ns`).
const SHORTEST: Duration = Duration::from_micros(100);

/// Decides about pauses. Pure: times come from outside.
#[derive(Debug)]
pub(crate) struct Hold {
    longest: Duration,
    /// As the load asks for.
    length: Duration,
    window_began: Instant,
    /// Of the window, waiting for something to do.
    idle: Duration,
    /// When packets were last taken.
    taken: Instant,
    /// When the packets came that wait.
    since: Option<Instant>,
}

impl Hold {
    /// Pauses of at most this length; 0: none.
    pub(crate) const fn new(longest: Duration, now: Instant) -> Self {
        Self {
            longest,
            length: Duration::ZERO,
            window_began: now,
            idle: Duration::ZERO,
            taken: now,
            since: None,
        }
    }

    /// How long packets wait at present.
    pub(crate) const fn length(&self) -> Duration {
        self.length
    }

    /// The loop had nothing to do for so long, until `now`.
    pub(crate) fn rested(&mut self, rest: Duration, now: Instant) {
        self.idle += rest;
        let window = now.saturating_duration_since(self.window_began);
        if window < WINDOW {
            return;
        }
        let load = 1.0 - (self.idle.as_secs_f64() / window.as_secs_f64()).min(1.0);
        let share = ((load - IDLE_LOAD) / (FULL_LOAD - IDLE_LOAD)).clamp(0.0, 1.0);
        // Pauses lower the load that asks for them: half of the way at a time does not swing.
        self.length = (self.length + self.longest.mul_f64(share)) / 2;
        if self.length < SHORTEST {
            self.length = Duration::ZERO;
        }
        self.window_began = now;
        self.idle = Duration::ZERO;
    }

    /// Until when the packets that are there now may wait; `None`: they are taken at once. `rested` is how long the loop
    /// has just waited for them: not at all means that they came after the last ones were taken.
    pub(crate) fn until(&mut self, rested: Duration, now: Instant) -> Option<Instant> {
        if self.length.is_zero() {
            return None;
        }
        let came = if rested < SHORTEST { self.taken } else { now };
        let until = *self.since.get_or_insert(came) + self.length;
        (until > now + SHORTEST).then_some(until)
    }

    /// The packets that were there are taken.
    pub(crate) const fn take(&mut self, now: Instant) {
        self.taken = now;
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(2);
    const MILLISECOND: Duration = Duration::from_millis(1);

    /// A second in which the loop rests for so many of ten milliseconds.
    fn run(hold: &mut Hold, now: &mut Instant, rest: u32) {
        for _ in 0..100 {
            *now += 10 * MILLISECOND;
            hold.rested(rest * MILLISECOND, *now);
        }
    }

    #[test]
    fn the_pause_follows_the_load() {
        let mut now = Instant::now();
        let mut hold = Hold::new(LONGEST, now);
        run(&mut hold, &mut now, 9);
        assert_eq!(hold.length(), Duration::ZERO);
        assert_eq!(hold.until(MILLISECOND, now), None);
        run(&mut hold, &mut now, 8);
        let some = hold.length();
        assert!(Duration::ZERO < some && some < LONGEST, "{some:?}");
        run(&mut hold, &mut now, 1);
        assert!(hold.length() > LONGEST.mul_f64(0.99));
        run(&mut hold, &mut now, 10);
        assert_eq!(hold.length(), Duration::ZERO);
    }

    #[test]
    fn nothing_waits_longer_than_the_pause() {
        let mut now = Instant::now();
        let mut hold = Hold::new(LONGEST, now);
        run(&mut hold, &mut now, 0);
        hold.take(now);
        let first = hold.until(MILLISECOND, now);
        assert!(first.is_some_and(|until| until <= now + LONGEST));
        // Woken up by something else meanwhile: still from the first packet on.
        assert_eq!(hold.until(MILLISECOND, now + MILLISECOND), first);
        assert_eq!(hold.until(MILLISECOND, now + LONGEST), None);
        // A turn that took longer than the pause: what came meanwhile has waited enough.
        hold.take(now);
        assert_eq!(hold.until(Duration::ZERO, now + LONGEST), None);
    }

    #[test]
    fn who_wants_no_pause_gets_none() {
        let mut now = Instant::now();
        let mut hold = Hold::new(Duration::ZERO, now);
        run(&mut hold, &mut now, 0);
        assert_eq!(hold.until(MILLISECOND, now), None);
    }
}
