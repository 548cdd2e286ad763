//! Fuzz target: see the function.
#![no_main]

use plenum_srtp::fuzzing::fuzz_open_rtcp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_open_rtcp(data));
