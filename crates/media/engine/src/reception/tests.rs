use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn receive(reception: &mut Reception, now: Instant, sequences: impl IntoIterator<Item = u64>) {
    for sequence in sequences {
        reception.handle_packet(now, sequence, (sequence as u32).wrapping_mul(960), 48_000);
    }
}

#[test]
fn nothing_received_reports_zeros() {
    let report = Reception::default().report(Instant::now());
    let zeros = ReceptionReport {
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_sequence: 0,
        jitter: 0,
        last_sr: 0,
        delay_since_last_sr: 0,
    };
    assert_eq!(report, zeros);
}

#[test]
fn loss_is_counted_in_total_and_per_interval() {
    let now = Instant::now();
    let mut reception = Reception::default();
    receive(
        &mut reception,
        now,
        (65_536 + 10..65_536 + 110).filter(|sequence| sequence % 4 != 0),
    );
    let report = reception.report(now);
    // The first packet, number 65 546, is not a multiple of four: 100 expected, 25 of them missing.
    assert_eq!((report.cumulative_lost, report.fraction_lost), (25, 64));
    assert_eq!(report.highest_sequence, 65_536 + 109);
    receive(&mut reception, now, 65_536 + 110..65_536 + 210);
    let report = reception.report(now);
    assert_eq!((report.cumulative_lost, report.fraction_lost), (25, 0));
    assert_eq!(reception.fraction_lost(), 0);
}

#[test]
fn late_packets_make_up_for_the_loss() {
    let now = Instant::now();
    let mut reception = Reception::default();
    receive(&mut reception, now, [100, 104]);
    assert_eq!(reception.report(now).cumulative_lost, 3);
    receive(&mut reception, now, [101, 102, 103, 99]);
    let report = reception.report(now);
    assert_eq!(
        (
            report.cumulative_lost,
            report.fraction_lost,
            report.highest_sequence
        ),
        (0, 0, 104)
    );
    receive(&mut reception, now, [104]);
    assert_eq!(reception.cumulative_lost(), -1);
}

#[test]
fn an_interval_without_packets_has_no_loss() {
    let now = Instant::now();
    let mut reception = Reception::default();
    receive(&mut reception, now, [1, 9]);
    assert_eq!(reception.report(now).fraction_lost, (7 * 256 / 9) as u8);
    assert_eq!(reception.report(now).fraction_lost, 0);
}

#[test]
fn an_even_stream_has_no_jitter_and_an_uneven_one_converges() {
    let start = Instant::now();
    let mut reception = Reception::default();
    for index in 0..100u32 {
        reception.handle_packet(
            start + 20 * MS * index,
            u64::from(index),
            index * 960,
            48_000,
        );
    }
    assert_eq!(reception.jitter(), 0);
    let mut reception = Reception::default();
    for index in 0..1000u32 {
        // Every other packet 5 ms late: the transit time changes by 240 ticks each time.
        let late = if index % 2 == 0 {
            Duration::ZERO
        } else {
            5 * MS
        };
        reception.handle_packet(
            start + 20 * MS * index + late,
            u64::from(index),
            index * 960,
            48_000,
        );
    }
    assert!(
        (230..=240).contains(&reception.jitter()),
        "{}",
        reception.jitter()
    );
}

#[test]
fn packets_of_one_frame_and_clock_steps_are_not_jitter() {
    let start = Instant::now();
    let mut reception = Reception::default();
    for index in 0..300u32 {
        let (frame, part) = (index / 3, index % 3);
        reception.handle_packet(
            start + 33 * MS * frame + 2 * MS * part,
            u64::from(index),
            frame * 2970,
            90_000,
        );
    }
    assert_eq!(reception.jitter(), 0);
    reception.handle_packet(start + 34 * MS * 100, 300, 0x8000_0000, 90_000);
    assert_eq!(reception.jitter(), 0);
    reception.handle_packet(start + 34 * MS * 101, 301, 0x8000_0000 + 7, 8_000);
    assert_eq!(reception.jitter(), 0);
}

#[test]
fn the_last_sender_report_is_echoed_with_its_age() {
    let now = Instant::now();
    let mut reception = Reception::default();
    reception.handle_sender_report(now, 0x1234_5678);
    let report = reception.report(now + 1500 * MS);
    assert_eq!(
        (report.last_sr, report.delay_since_last_sr),
        (0x1234_5678, 0x1_8000)
    );
}

proptest! {
    #[test]
    fn totals_match_a_plain_count(lost in prop::collection::vec(any::<bool>(), 1..400), start in 0u64..1 << 40) {
        let now = Instant::now();
        let mut reception = Reception::default();
        let arrived: Vec<u64> = (start..).zip(&lost).filter(|(_, lost)| !**lost).map(|(sequence, _)| sequence).collect();
        receive(&mut reception, now, arrived.iter().copied());
        let report = reception.report(now);
        let expected = arrived.last().map_or(0, |last| last - arrived[0] + 1);
        let missing = expected - arrived.len() as u64;
        prop_assert_eq!(i64::from(report.cumulative_lost), missing.cast_signed());
        prop_assert_eq!(u64::from(report.fraction_lost), (missing * 256).checked_div(expected).unwrap_or(0));
    }

    #[test]
    fn no_input_panics(packets in prop::collection::vec((any::<u32>(), any::<u64>(), any::<u32>(), any::<u32>()), 0..100)) {
        let start = Instant::now();
        let mut reception = Reception::default();
        for (at, sequence, timestamp, clock_rate) in packets {
            // The low half: the SRTP packet index that numbers come from has 48 bits.
            reception.handle_packet(start + MS * (at >> 8), sequence >> 16, timestamp, clock_rate);
            reception.report(start);
        }
    }
}
