//! Fuzz target: see the function.
#![no_main]

use plenum_rtp::fuzzing::fuzz_framing;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_framing(data));
