//! Fuzz target: see the function.
#![no_main]

use plenum_ice::fuzzing::fuzz_stun;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_stun(data));
