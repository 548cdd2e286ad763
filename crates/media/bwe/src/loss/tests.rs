use super::*;

const STEP: Duration = Duration::from_millis(100);
const TRIP: Duration = Duration::from_millis(50);

/// Feeds feedback every 100 ms; `lost` is the part that is lost at a rate. Returns the course of the rate.
fn run(control: &mut LossControl, start: Instant, lost: impl Fn(Bitrate) -> f64) -> Vec<Bitrate> {
    let mut rate = Bitrate::from_kbps(1000);
    let mut carry = 0.0;
    let mut rates = Vec::new();
    for step in 1..150 {
        let now = start + STEP * step;
        let part = lost(rate);
        carry += 20.0 * part;
        let mut gone = 0;
        while carry >= 1.0 && gone < 20 {
            carry -= 1.0;
            gone += 1;
        }
        control.count(gone, 20 - gone, 0);
        match control.update(now, rate, Some(rate.scaled(1.0 - part)), TRIP, false) {
            LossAction::None => {}
            LossAction::Cut(to) => rate = rate.min(to),
            LossAction::Restore(to) => rate = rate.max(to),
        }
        rates.push(rate);
    }
    rates
}

#[test]
fn loss_of_the_path_is_asked_about_once_and_then_borne() {
    for part in [0.08, 0.2] {
        let start = Instant::now();
        let mut control = LossControl::new(start);
        let rates = run(&mut control, start, |_| part);
        let lowest = rates.iter().min().expect("rates");
        assert!(*lowest < Bitrate::from_kbps(950), "it was asked");
        assert!(*lowest >= Bitrate::from_kbps(600));
        assert_eq!(rates.last(), Some(&Bitrate::from_kbps(1000)));
        assert!((control.inherent() - part).abs() < 0.03);
        assert_eq!(control.ceiling(), None);
    }
}

#[test]
fn loss_that_a_lower_rate_cures_stops_growth_below_it() {
    let start = Instant::now();
    let mut control = LossControl::new(start);
    let over = |rate: Bitrate| 1.0 - Bitrate::from_kbps(850).ratio(rate).min(1.0);
    let rates = run(&mut control, start, over);
    let last = rates.last().expect("rates");
    assert!(
        *last <= Bitrate::from_kbps(850) && *last > Bitrate::from_kbps(600),
        "{last}"
    );
    assert!(control.inherent() < 0.03);
    assert!(rates.iter().rev().take(50).all(|rate| rate == last));
}

#[test]
fn more_than_any_codec_bears_is_never_the_paths_own() {
    let start = Instant::now();
    let mut control = LossControl::new(start);
    let rates = run(&mut control, start, |_| 0.5);
    assert!(*rates.last().expect("rates") < Bitrate::from_kbps(100));
    assert!(control.inherent() <= MAX_INHERENT);
}

#[test]
fn a_queue_that_drains_explains_loss() {
    let start = Instant::now();
    let mut control = LossControl::new(start);
    let rate = Bitrate::from_kbps(1000);
    for step in 1..40 {
        control.count(if step < 20 { 10 } else { 0 }, 10, 0);
        let acknowledged = (step >= 20).then_some(rate);
        let action = control.update(start + STEP * step, rate, acknowledged, TRIP, false);
        assert_eq!(action, LossAction::None);
    }
}

#[test]
fn late_packets_were_not_lost() {
    let start = Instant::now();
    let mut control = LossControl::new(start);
    for step in 1..30 {
        control.count(10, 40, 10);
        let rate = Bitrate::from_kbps(500);
        control.update(start + STEP * step, rate, Some(rate), TRIP, false);
    }
    assert!(control.average() < 0.01);
}
