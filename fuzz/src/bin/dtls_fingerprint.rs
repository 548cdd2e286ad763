//! Fuzz target: see the function.
#![no_main]

use plenum_dtls::fuzzing::fuzz_fingerprint;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_fingerprint(data));
