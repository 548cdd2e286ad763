//! Fuzz target: see the function.
#![no_main]

use plenum_sctp::fuzzing::fuzz_split;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_split(data));
