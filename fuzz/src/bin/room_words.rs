//! Fuzz target: see the function.
#![no_main]

use plenum_room::fuzzing::fuzz_words;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_words(data));
