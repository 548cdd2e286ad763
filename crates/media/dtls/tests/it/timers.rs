//! When flights are sent again, and when a handshake is given up. All on a virtual clock.

use std::time::{Duration, Instant};

use plenum_dtls::{BackendError, DtlsError, DtlsEvent, DtlsRole, DtlsSettings};

use crate::interop::{Mixed, Sender};
use crate::openssl_peer::OpenSslSettings;
use crate::ours::{Ours, Pair, clean};

/// First wait for an answer.
const FIRST: Duration = Duration::from_millis(100);

/// Longest handshake, from its first datagram.
const LIMIT: Duration = Duration::from_secs(30);

/// Lets an endpoint's timers run while nobody answers; gives the times at which it sent, and at which it
/// gave up.
fn sends_until_it_gives_up(ours: &mut Ours, start: Instant) -> (Vec<Duration>, Duration) {
    let mut now = start;
    let mut sends = Vec::new();
    loop {
        if !ours.outbox().is_empty() {
            sends.push(now - start);
        }
        let Some(next) = ours.endpoint.poll_timeout() else {
            return (sends, now - start);
        };
        assert!(next > now, "a deadline that is over makes a caller spin");
        now = next;
        ours.tick(now);
    }
}

/// Waits double from [`FIRST`], each give or take a quarter.
fn assert_doubling(sends: &[Duration]) {
    assert_eq!(sends.first(), Some(&Duration::ZERO));
    for (at, pair) in sends.windows(2).enumerate() {
        let wait = pair[1].saturating_sub(pair[0]);
        let nominal = FIRST * (1 << at);
        let (shortest, longest) = (nominal * 3 / 4, nominal * 5 / 4);
        assert!(
            (shortest..=longest).contains(&wait),
            "wait {at}: {wait:?}, not about {nominal:?}"
        );
    }
    // The eighth wait ends after 25.5 s, give or take a quarter, and so nearly always before the limit.
    assert!((8..=9).contains(&sends.len()), "{sends:?}");
}

fn assert_gave_up(ours: &Ours) {
    let timed_out = DtlsError::Backend(BackendError::Timeout);
    assert_eq!(ours.error, Some(timed_out.clone()));
    assert_eq!(ours.events, [DtlsEvent::Failed(timed_out)]);
}

#[test]
fn an_unanswered_hello_is_repeated_with_doubling_waits_for_half_a_minute() {
    // Waits are drawn at random; many draws show their bounds.
    for _ in 0..50 {
        let start = Instant::now();
        let mut client = Ours::new(DtlsRole::Client, DtlsSettings::default(), start);
        let (sends, end) = sends_until_it_gives_up(&mut client, start);
        assert_doubling(&sends);
        assert_eq!(end, LIMIT);
        assert_gave_up(&client);
    }
}

#[test]
fn an_abandoned_server_repeats_its_flight_and_gives_up_too() {
    for _ in 0..20 {
        let start = Instant::now();
        let settings = DtlsSettings::default();
        let mut server = Ours::new(DtlsRole::Server, settings, start);
        // Silence costs nothing: no timer runs before a hello.
        assert_eq!(server.endpoint.poll_timeout(), None);
        for hello in Ours::new(DtlsRole::Client, settings, start).outbox() {
            server.handle(start, &hello);
        }
        let (sends, end) = sends_until_it_gives_up(&mut server, start);
        assert_doubling(&sends);
        assert_eq!(end, LIMIT);
        assert_gave_up(&server);
    }
}

#[test]
fn an_unanswered_second_flight_of_the_client_starts_again_at_the_first_wait() {
    let mut pair = Pair::new();
    // The server's last word is lost for ever.
    let mut flights = 0;
    pair.exchange(&mut |from, datagram| {
        flights += usize::from(from == DtlsRole::Client);
        if from == DtlsRole::Server && flights > 1 {
            Vec::new()
        } else {
            clean(from, datagram)
        }
    });
    assert!(pair.server.endpoint.is_connected());
    assert!(!pair.client.endpoint.is_connected());
    let start = pair.now;
    let wait = pair.client.endpoint.poll_timeout().unwrap() - start;
    assert!((FIRST * 3 / 4..=FIRST * 5 / 4).contains(&wait), "{wait:?}");
    let (_, end) = sends_until_it_gives_up(&mut pair.client, start);
    assert_eq!(end, LIMIT, "one limit for all flights");
    assert_gave_up(&pair.client);
    assert_eq!(pair.server.error, None);
}

#[test]
fn early_wake_ups_send_nothing() {
    let start = Instant::now();
    let mut client = Ours::new(DtlsRole::Client, DtlsSettings::default(), start);
    assert_eq!(client.outbox().len(), 1);
    let deadline = client.endpoint.poll_timeout().unwrap();
    let just_before = deadline.checked_sub(Duration::from_nanos(1)).unwrap();
    for early in [start, start + FIRST / 2, just_before] {
        client.endpoint.handle_timeout(early).unwrap();
        assert!(client.outbox().is_empty());
        assert_eq!(client.endpoint.poll_timeout(), Some(deadline));
    }
    client.endpoint.handle_timeout(deadline).unwrap();
    assert_eq!(client.outbox().len(), 1);
}

#[test]
fn a_late_wake_up_sends_one_flight_or_ends_the_handshake() {
    let start = Instant::now();
    let mut client = Ours::new(DtlsRole::Client, DtlsSettings::default(), start);
    client.outbox();
    client.tick(start + Duration::from_secs(20));
    assert_eq!(client.outbox().len(), 1);
    client.tick(start + Duration::from_hours(1));
    assert_gave_up(&client);
    assert!(client.outbox().is_empty());
}

#[test]
fn our_timer_alone_repairs_the_loss_of_any_datagram_to_openssl_or_of_its_last_flight() {
    // Our client's hello and our client's second flight, our server's flight.
    for (role, flight) in [
        (DtlsRole::Client, 0),
        (DtlsRole::Client, 1),
        (DtlsRole::Server, 0),
    ] {
        let mut mixed = Mixed::with(role, &OpenSslSettings::default());
        let taken = repair(&mut mixed, Sender::Ours, flight);
        assert!(taken <= FIRST * 5 / 4, "{role:?} {flight}: {taken:?}");
        assert!(taken >= FIRST * 3 / 4, "{role:?} {flight}: {taken:?}");
    }
    // OpenSSL's server has nothing to wait for after its last flight; our client asks for it again.
    let mut mixed = Mixed::with(DtlsRole::Client, &OpenSslSettings::default());
    let taken = repair(&mut mixed, Sender::Theirs, 1);
    assert!(taken <= FIRST * 5 / 4, "{taken:?}");
}

/// Loses all that one sender has to send for the `lost`th time; lets our timers repair that.
fn repair(mixed: &mut Mixed, sender: Sender, lost: usize) -> Duration {
    let start = mixed.now;
    let mut flight = 0;
    loop {
        // A round carries at most one flight of each side.
        loop {
            let mut sent = false;
            let any = mixed.carry(&mut |from| {
                sent |= from == sender;
                from != sender || flight != lost
            });
            flight += usize::from(sent);
            if !any {
                break;
            }
        }
        if mixed.theirs.connected && mixed.ours.endpoint.is_connected() {
            let taken = mixed.now - start;
            mixed.assert_connected();
            mixed.assert_data_passes();
            return taken;
        }
        mixed.now = mixed.ours.endpoint.poll_timeout().unwrap();
        mixed.ours.tick(mixed.now);
    }
}
