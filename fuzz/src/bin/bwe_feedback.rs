//! Fuzz target: see the function.
#![no_main]

use plenum_bwe::fuzzing::fuzz_feedback;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_feedback(data));
