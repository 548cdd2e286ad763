//! Fuzz target: see the function.
#![no_main]

use plenum_signal::fuzzing::fuzz_forwarded;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_forwarded(data));
