//! Fuzz target: see the function.
#![no_main]

use plenum_params::fuzzing::fuzz_scalability_mode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_scalability_mode(data));
