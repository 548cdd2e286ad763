//! Fuzz target: see the function.
#![no_main]

use plenum_client::fuzzing::fuzz_trace;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_trace(data));
