//! Entry points for fuzzers. They must not panic for any input.

use crate::backend::profile_ids;
use crate::{MAX_DATAGRAM, RecordFront};

/// Parses `data` as the front of a datagram and as a `ClientHello`.
pub fn fuzz_record_front(data: &[u8]) {
    if let Ok(front) = RecordFront::parse(data) {
        assert!(front.records > 0 && data.len() <= MAX_DATAGRAM);
    }
    for start in [0, 13] {
        if let Some(ids) = profile_ids(data, start) {
            assert!(ids.end <= data.len());
        }
    }
}

/// Reads both parts of a fingerprint from `data`, split at its first space; what is read is written back.
pub fn fuzz_fingerprint(data: &[u8]) {
    let Some((algorithm, value)) = str::from_utf8(data)
        .ok()
        .and_then(|text| text.split_once(' '))
    else {
        return;
    };
    if let Ok(fingerprint) = crate::Fingerprint::parse(algorithm, value) {
        assert!(fingerprint.to_string().eq_ignore_ascii_case(value));
    }
}
