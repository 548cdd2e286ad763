//! Fuzz target: see the function.
#![no_main]

use plenum_signal::fuzzing::fuzz_plenum_message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_plenum_message(data));
