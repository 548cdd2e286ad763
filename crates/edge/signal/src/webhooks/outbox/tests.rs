use proptest::prelude::*;

use super::*;

fn letter(room: &str, sequence: u64) -> Arc<Letter> {
    Arc::new(Letter {
        id: sequence.to_string(),
        event: "peerJoined".to_owned(),
        namespace: "default".to_owned(),
        room: room.to_owned(),
        body: vec![0; 100],
    })
}

fn failure() -> Result<(), Failure> {
    Err(Failure {
        reason: "HTTP 500".to_owned(),
        retry_after: None,
    })
}

fn sequence_of(letter: &Letter) -> u64 {
    letter.id.parse().expect("as made above")
}

const DATE: SystemTime = SystemTime::UNIX_EPOCH;

fn delivered(outbox: &mut Outbox, now: Instant) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    while let Some(delivery) = outbox.poll_delivery(now) {
        all.push((delivery.letter.room.clone(), sequence_of(&delivery.letter)));
        outbox.handle_outcome((now, DATE), &delivery.line, Ok(()), 0);
    }
    all
}

#[test]
fn rooms_take_turns_and_each_has_one_event_on_its_way() {
    let mut outbox = Outbox::new(Bounds::default());
    let now = Instant::now();
    for sequence in 1..=3 {
        outbox.push(DATE, letter("a", sequence));
        outbox.push(DATE, letter("b", sequence));
    }
    let first = outbox.poll_delivery(now).expect("a's first");
    let second = outbox.poll_delivery(now).expect("b's first");
    assert_eq!((&*first.line, &*second.line), ("default/a", "default/b"));
    assert!(outbox.poll_delivery(now).is_none(), "both are on their way");
    outbox.handle_outcome((now, DATE), &second.line, Ok(()), 0);
    let third = outbox.poll_delivery(now).expect("b goes on without a");
    assert_eq!((&*third.line, sequence_of(&third.letter)), ("default/b", 2));
}

#[test]
fn a_failure_delays_its_room_alone_and_is_tried_again() {
    let mut outbox = Outbox::new(Bounds::default());
    let now = Instant::now();
    outbox.push(DATE, letter("a", 1));
    outbox.push(DATE, letter("a", 2));
    let delivery = outbox.poll_delivery(now).expect("the first");
    outbox.handle_outcome((now, DATE), &delivery.line, failure(), u32::MAX);
    outbox.push(DATE, letter("b", 1));
    assert_eq!(delivered(&mut outbox, now), [("b".to_owned(), 1)]);
    let again = outbox.poll_timeout().expect("a pauses");
    assert_eq!(again - now, Duration::from_secs(1));
    let delivery = outbox.poll_delivery(again).expect("after the pause");
    assert_eq!((sequence_of(&delivery.letter), delivery.attempt), (1, 2));
    outbox.handle_outcome((again, DATE), &delivery.line, Ok(()), 0);
    assert_eq!(delivered(&mut outbox, again), [("a".to_owned(), 2)]);
    assert_eq!(outbox.waiting(), 0);
}

#[test]
fn pauses_double_to_a_bound_with_jitter_and_heed_the_receiver() {
    let bounds = Bounds::default();
    let seconds = |failed, asked, random| bounds.pause(failed, asked, random).as_secs_f64();
    let close = |is: f64, wanted: f64| assert!((is - wanted).abs() < 0.001, "{is} {wanted}");
    close(seconds(1, None, 0), 0.5);
    close(seconds(1, None, u32::MAX), 1.0);
    close(seconds(4, None, u32::MAX), 8.0);
    close(seconds(9, None, u32::MAX), 60.0);
    close(seconds(1000, None, 0), 30.0);
    close(seconds(1, Some(Duration::from_secs(20)), 0), 20.0);
    close(seconds(1, Some(Duration::from_hours(2)), 0), 60.0);
}

#[test]
fn what_fails_too_often_is_a_dead_letter_and_its_room_goes_on() {
    let mut outbox = Outbox::new(Bounds {
        attempts: 3,
        ..Bounds::default()
    });
    let mut now = Instant::now();
    outbox.push(DATE, letter("a", 1));
    outbox.push(DATE, letter("a", 2));
    for attempt in 1..=3 {
        let delivery = outbox.poll_delivery(now).expect("due");
        assert_eq!(
            (sequence_of(&delivery.letter), delivery.attempt),
            (1, attempt)
        );
        outbox.handle_outcome((now, DATE), &delivery.line, failure(), 0);
        now = outbox.poll_timeout().unwrap_or(now);
    }
    let dead: Vec<_> = outbox.dead_letters().cloned().collect();
    assert_eq!((dead.len(), dead[0].attempts), (1, 3));
    assert_eq!(dead[0].reason, "HTTP 500");
    assert_eq!(delivered(&mut outbox, now), [("a".to_owned(), 2)]);
    assert_eq!(
        outbox.retry(Some(dead[0].number + 1)),
        0,
        "there is no such"
    );
    assert_eq!(outbox.retry(Some(dead[0].number)), 1);
    assert_eq!(outbox.dead_letters().count(), 0);
    assert_eq!(delivered(&mut outbox, now), [("a".to_owned(), 1)]);
    let counts = outbox.counts();
    assert_eq!((counts.delivered, counts.failures, counts.died), (2, 3, 1));
}

#[test]
fn queues_and_dead_letters_are_bounded() {
    let mut outbox = Outbox::new(Bounds {
        letters: 10,
        dead: 5,
        ..Bounds::default()
    });
    for sequence in 1..=20 {
        outbox.push(DATE, letter("a", sequence));
    }
    assert_eq!(outbox.waiting(), 10);
    let dead: Vec<_> = outbox
        .dead_letters()
        .map(|it| sequence_of(&it.letter))
        .collect();
    assert_eq!(dead, [16, 17, 18, 19, 20]);
    assert_eq!((outbox.counts().died, outbox.counts().forgotten), (10, 5));
    assert_eq!(outbox.retry(None), 0, "there is no room for them yet");
    assert_eq!(outbox.dead_letters().count(), 5);
    let sequences = |all: Vec<(String, u64)>| all.into_iter().map(|it| it.1).collect::<Vec<_>>();
    let first = sequences(delivered(&mut outbox, Instant::now()));
    assert_eq!(first, (1..=10).collect::<Vec<_>>());
    assert_eq!(outbox.retry(None), 5);
    let then = sequences(delivered(&mut outbox, Instant::now()));
    assert_eq!(then, [16, 17, 18, 19, 20]);

    let mut outbox = Outbox::new(Bounds {
        bytes: 1_000,
        ..Bounds::default()
    });
    for sequence in 1..=20 {
        outbox.push(DATE, letter("a", sequence));
    }
    assert_eq!(outbox.waiting(), 10, "of 100 bytes each");
}

#[test]
fn so_many_are_on_their_way_at_most() {
    let mut outbox = Outbox::new(Bounds {
        in_flight: 2,
        ..Bounds::default()
    });
    let now = Instant::now();
    for room in ["a", "b", "c"] {
        outbox.push(DATE, letter(room, 1));
    }
    let first = outbox.poll_delivery(now).expect("one");
    outbox.poll_delivery(now).expect("two");
    assert!(outbox.poll_delivery(now).is_none());
    outbox.handle_outcome((now, DATE), &first.line, failure(), 0);
    assert_eq!(
        &*outbox.poll_delivery(now).expect("a place is free").line,
        "default/c"
    );
}

#[derive(Clone, Debug)]
enum Step {
    Push(u8),
    Deliver,
    Succeed(usize),
    Fail(usize),
    Wait,
    Retry,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_u8).prop_map(Step::Push),
        4 => Just(Step::Deliver),
        3 => any::<usize>().prop_map(Step::Succeed),
        2 => any::<usize>().prop_map(Step::Fail),
        1 => Just(Step::Wait),
        1 => Just(Step::Retry),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    /// Whatever fails: each event is delivered once or is a dead letter, events of a room in their order.
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(steps in steps()) {
        let bounds = Bounds { letters: 20, in_flight: 3, attempts: 2, dead: 1_000, ..Bounds::default() };
        let mut outbox = Outbox::new(bounds);
        let mut now = Instant::now();
        let mut sequences = [0_u64; 4];
        let mut on_their_way: Vec<Delivery> = Vec::new();
        let mut arrived: Vec<(String, u64)> = Vec::new();
        let mut retried = false;
        for step in steps {
            match step {
                Step::Push(room) => {
                    let sequence = &mut sequences[usize::from(room)];
                    *sequence += 1;
                    outbox.push(DATE, letter(&room.to_string(), *sequence));
                }
                Step::Deliver => on_their_way.extend(outbox.poll_delivery(now)),
                Step::Succeed(index) | Step::Fail(index) if !on_their_way.is_empty() => {
                    let delivery = on_their_way.swap_remove(index % on_their_way.len());
                    let outcome = if matches!(step, Step::Fail(_)) { failure() } else { Ok(()) };
                    if outcome.is_ok() {
                        arrived.push((delivery.letter.room.clone(), sequence_of(&delivery.letter)));
                    }
                    outbox.handle_outcome((now, DATE), &delivery.line, outcome, 0);
                }
                Step::Wait => now = outbox.poll_timeout().unwrap_or(now),
                Step::Retry => retried |= outbox.retry(None) > 0,
                Step::Succeed(_) | Step::Fail(_) => {}
            }
            let mut lines: Vec<_> = on_their_way.iter().map(|it| it.line.clone()).collect();
            lines.sort_unstable();
            lines.dedup();
            prop_assert_eq!(lines.len(), on_their_way.len(), "two of a room are on their way");
            prop_assert!(on_their_way.len() <= 3 && outbox.waiting() <= 20);
        }
        for delivery in on_their_way {
            arrived.push((delivery.letter.room.clone(), sequence_of(&delivery.letter)));
            outbox.handle_outcome((now, DATE), &delivery.line, Ok(()), 0);
        }
        loop {
            arrived.extend(delivered(&mut outbox, now));
            let Some(next) = outbox.poll_timeout() else { break };
            now = next;
        }
        prop_assert_eq!(outbox.waiting(), 0);
        if !retried {
            for room in 0..4 {
                let own: Vec<_> = arrived.iter().filter(|it| it.0 == room.to_string()).collect();
                prop_assert!(own.is_sorted_by(|a, b| a.1 < b.1), "{:?}", own);
            }
        }
        let dead = outbox.dead_letters().map(|it| (it.letter.room.clone(), sequence_of(&it.letter)));
        let mut all: Vec<_> = arrived.into_iter().chain(dead).collect();
        all.sort_unstable();
        let wanted: Vec<_> = sequences.iter().enumerate()
            .flat_map(|(room, &last)| (1..=last).map(move |it| (room.to_string(), it)))
            .collect();
        prop_assert_eq!(all, wanted);
    }
}
