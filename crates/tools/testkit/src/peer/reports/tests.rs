use plenum_rtp::{
    HeaderFields, RtpWriter,
    rtcp::{RtcpPacket, RtcpPackets},
};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A packet with this transport-wide number arrives.
fn arrive(arrivals: &mut TransportArrivals, now: Instant, number: u16) {
    let mut packet = vec![0; 64];
    let mut writer = RtpWriter::begin(&mut packet, HeaderFields::default()).expect("room");
    writer
        .push_extension(5, &number.to_be_bytes())
        .expect("room");
    let len = writer.finish();
    packet.truncate(len);
    let header = RtpHeader::parse(&packet).expect("just written");
    arrivals.handle_packet(now, &header, &packet);
}

/// The numbers in the next report, and whether each has arrived.
fn report(arrivals: &mut TransportArrivals, now: Instant) -> Vec<(u16, bool)> {
    let mut buffer = vec![0; 1500];
    let mut writer = RtcpWriter::new(&mut buffer);
    if !arrivals.write(now, &mut writer) {
        return Vec::new();
    }
    let len = writer.len();
    let mut packets = RtcpPackets::new(&buffer[..len]);
    match packets.next() {
        Some(Ok(RtcpPacket::TransportFeedback(feedback))) => feedback
            .packets()
            .map(|(number, delta)| (number, delta.is_some()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_packet_is_reported_once_and_gaps_are_losses() {
    let now = Instant::now();
    let mut arrivals = TransportArrivals::new(5, now);
    assert_eq!(report(&mut arrivals, now), []);
    for number in [65_534, 65_535, 1] {
        arrive(&mut arrivals, now, number);
    }
    assert_eq!(
        report(&mut arrivals, now),
        [(65_534, true), (65_535, true), (0, false), (1, true)]
    );
    assert_eq!(report(&mut arrivals, now), []);
    arrive(&mut arrivals, now + 100 * MS, 3);
    assert_eq!(
        report(&mut arrivals, now + 100 * MS),
        [(2, false), (3, true)]
    );
}

#[test]
fn what_comes_late_is_reported_again_with_what_is_still_known() {
    let now = Instant::now();
    let mut arrivals = TransportArrivals::new(5, now);
    arrive(&mut arrivals, now, 10);
    arrive(&mut arrivals, now + 400 * MS, 12);
    assert_eq!(
        report(&mut arrivals, now + 400 * MS),
        [(10, true), (11, false), (12, true)]
    );
    arrive(&mut arrivals, now + 420 * MS, 11);
    assert_eq!(
        report(&mut arrivals, now + 420 * MS),
        [(11, true), (12, true)]
    );
    // After half a second nothing is repeated any more.
    arrive(&mut arrivals, now + 1000 * MS, 13);
    assert_eq!(report(&mut arrivals, now + 1000 * MS), [(13, true)]);
    assert_eq!(arrivals.arrivals.len(), 1);
}
