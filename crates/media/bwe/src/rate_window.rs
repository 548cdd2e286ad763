//! Bit rate of timed packets over the last half second.
//!
//! libwebrtc smooths windows of 150 ms by a Bayesian filter; a plain longer window serves as well here, because the
//! frames of a forwarder leave whole and a short window would count them by chance.

use crate::Bitrate;

/// Width of a bucket: one frame at 20 frames per second, so that the window slides smoothly.
const BUCKET_MICROS: i64 = 50_000;

/// Buckets of the window: half a second, libwebrtc's window while it knows nothing yet.
const BUCKETS: i64 = 10;

/// A rate is known after this many microseconds: the first buckets alone would be one frame or none.
const MIN_MICROS: i64 = 250_000;

/// Counts bytes by their time, on any clock.
#[derive(Debug, Default)]
pub(crate) struct RateWindow {
    bytes: [u32; BUCKETS as usize],
    /// First and newest time; none before the first byte.
    times: Option<(i64, i64)>,
    /// Where the newest time's bucket begins, and its place.
    newest: (i64, usize),
}

impl RateWindow {
    /// Counts `bytes` at `time`. What is older than the window is not counted.
    pub(crate) fn add(&mut self, time: i64, bytes: u16) {
        let (began, place) = self.newest;
        // Most packets are of the same frame as the one before.
        let place = if let Some(times) = &mut self.times
            && (began..began + BUCKET_MICROS).contains(&time)
        {
            times.1 = times.1.max(time);
            place
        } else {
            match self.place(time) {
                Some(place) => place,
                None => return,
            }
        };
        let bucket = &mut self.bytes[place];
        *bucket = bucket.saturating_add(bytes.into());
    }

    /// The place of a time outside the newest bucket, which becomes that if it is newer; `None`: it is too old.
    fn place(&mut self, time: i64) -> Option<usize> {
        let number = time.div_euclid(BUCKET_MICROS);
        let (_, newest) = *self.times.get_or_insert((time, time));
        let newest_number = newest.div_euclid(BUCKET_MICROS);
        if newest_number - number >= BUCKETS {
            return None;
        }
        for step in 0..(number - newest_number).min(BUCKETS) {
            self.bytes[place_of(number - step)] = 0;
        }
        let place = place_of(number);
        if time >= newest {
            self.newest = (number * BUCKET_MICROS, place);
            if let Some(times) = &mut self.times {
                times.1 = time;
            }
        }
        Some(place)
    }

    /// The rate up to the newest packet; `None` while there is too little.
    pub(crate) fn rate(&self) -> Option<Bitrate> {
        let (first, newest) = self.times?;
        // The newest bucket is partly over, all others wholly.
        let window = (BUCKETS - 1) * BUCKET_MICROS + newest.rem_euclid(BUCKET_MICROS);
        let window = window.min(newest.saturating_sub(first));
        if window < MIN_MICROS {
            return None;
        }
        let bytes: u64 = self.bytes.iter().map(|&bytes| u64::from(bytes)).sum();
        Some(Bitrate::from_bps(bytes * 8_000_000 / window.unsigned_abs()))
    }
}

/// Where the bucket with this number lies.
fn place_of(number: i64) -> usize {
    usize::try_from(number.rem_euclid(BUCKETS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_packets_have_their_rate() {
        let mut window = RateWindow::default();
        for index in 0..100 {
            window.add(-1_000_000 + index * 20_000, 1000);
            if index < 12 {
                assert_eq!(window.rate(), None);
            }
        }
        let rate = window.rate().expect("known by now").bps();
        assert!((380_000..=430_000).contains(&rate), "{rate}");
    }

    #[test]
    fn a_gap_empties_the_window_and_late_packets_count_where_they_belong() {
        let mut window = RateWindow::default();
        for index in 0..50 {
            window.add(index * 20_000, 1000);
        }
        window.add(10_000_000, 500);
        let one = window.rate().expect("known");
        assert!(one < Bitrate::from_kbps(10), "{one}");
        window.add(9_900_000, 500);
        assert!(window.rate() > Some(one));
        let before = window.rate();
        window.add(5_000_000, 500);
        assert_eq!(window.rate(), before, "older than the window");
    }
}
