//! Fuzz target: see the function.
#![no_main]

use plenum_link::fuzzing::fuzz_frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_frames(data));
