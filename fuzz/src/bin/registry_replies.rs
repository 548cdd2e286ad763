//! Fuzz target: see the function.
#![no_main]

use plenum_registry::fuzzing::fuzz_replies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replies(data));
