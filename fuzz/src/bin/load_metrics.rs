//! Fuzz target: see the function.
#![no_main]

use plenum_load::fuzzing::fuzz_metrics;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_metrics(data));
