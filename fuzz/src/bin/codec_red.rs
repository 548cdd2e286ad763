//! Fuzz target: see the function.
#![no_main]

use plenum_codec::fuzzing::fuzz_red;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_red(data));
