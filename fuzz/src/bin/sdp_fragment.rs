//! Fuzz target: see the function.
#![no_main]

use plenum_sdp::fuzzing::fuzz_fragment;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_fragment(data));
