//! When a synthetic packet was written, in its last bytes: what forwarding delay is measured by.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use plenum_rtp::NtpTime;

/// Bytes that a stamp takes.
pub(crate) const STAMP_LEN: usize = 16;

/// What stamps of this process begin with, and the time from which they count. Others' look like noise.
static ORIGIN: LazyLock<(u64, Instant)> =
    LazyLock::new(|| (RandomState::new().hash_one(0_u8), Instant::now()));

/// The stamp of a packet that is written now.
pub(crate) fn stamp(now: Instant) -> [u8; STAMP_LEN] {
    let (mark, origin) = *ORIGIN;
    let nanos = now.saturating_duration_since(origin).as_nanos() as u64;
    let mut stamp = [0; STAMP_LEN];
    let (front, back) = stamp.split_at_mut(8);
    front.copy_from_slice(&mark.to_be_bytes());
    back.copy_from_slice(&nanos.to_be_bytes());
    stamp
}

/// How long ago a packet with this payload was written by this process; `None`: it was not, or not by a source that stamps.
pub(crate) fn age(now: Instant, payload: &[u8]) -> Option<Duration> {
    let stamp: &[u8; STAMP_LEN] = payload.last_chunk()?;
    let (mark, origin) = *ORIGIN;
    let (front, back) = (stamp.first_chunk()?, stamp.last_chunk()?);
    if u64::from_be_bytes(*front) != mark {
        return None;
    }
    let written = origin + Duration::from_nanos(u64::from_be_bytes(*back));
    Some(now.saturating_duration_since(written))
}

/// Wall-clock time of the origin: capture times are of that clock.
static WALL: LazyLock<Duration> = LazyLock::new(|| {
    let since = Instant::now().saturating_duration_since(ORIGIN.1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().saturating_sub(since)
});

/// Bits of a capture time that say which process wrote it. They are 4 µs of it together, which nobody misses.
const MARK: u64 = (1 << 14) - 1;

/// When a frame was captured, for packets whose payload has no room for a stamp because somebody has encoded it.
pub(crate) fn capture_time(now: Instant) -> NtpTime {
    let (mark, origin) = *ORIGIN;
    let time = NtpTime::from_unix(*WALL + now.saturating_duration_since(origin));
    NtpTime::from_u64(time.as_u64() & !MARK | mark & MARK)
}

/// How long ago that was; `None`: another process says so, by its own clock.
pub(crate) fn capture_age(now: Instant, captured: NtpTime) -> Option<Duration> {
    if captured.as_u64() & MARK != ORIGIN.0 & MARK {
        return None;
    }
    Some(capture_time(now).saturating_duration_since(captured))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_payload_is_in_its_last_bytes() {
        // Later than the origin, which the first use sets.
        let now = ORIGIN.1 + Duration::from_secs(1);
        let mut payload = vec![1, 2, 3];
        payload.extend(stamp(now));
        let later = now + Duration::from_millis(5);
        assert_eq!(age(later, &payload), Some(Duration::from_millis(5)));
        payload.pop();
        assert_eq!(age(later, &payload), None);
        assert_eq!(age(later, &[]), None);
    }

    #[test]
    fn the_age_of_a_capture_time_is_that_of_its_process() {
        let now = ORIGIN.1 + Duration::from_secs(1);
        let captured = capture_time(now);
        let age = capture_age(now + Duration::from_millis(5), captured).expect("of this process");
        assert!(
            age.abs_diff(Duration::from_millis(5)) < Duration::from_micros(8),
            "{age:?}"
        );
        let other = NtpTime::from_u64(captured.as_u64() ^ 1);
        assert_eq!(capture_age(now, other), None);
    }
}
