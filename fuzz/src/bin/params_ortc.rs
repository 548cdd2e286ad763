//! Fuzz target: see the function.
#![no_main]

use plenum_params::fuzzing::fuzz_ortc;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_ortc(data));
