//! Fuzz target: see the function.
#![no_main]

use plenum_registry::fuzzing::fuzz_values;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_values(data));
