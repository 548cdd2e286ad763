//! Fuzz target: see the function.
#![no_main]

use plenum_codec::fuzzing::fuzz_vp9_rewrite;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_vp9_rewrite(data));
