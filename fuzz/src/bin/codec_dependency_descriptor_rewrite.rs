//! Fuzz target: see the function.
#![no_main]

use plenum_codec::fuzzing::fuzz_dependency_descriptor_rewrite;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_dependency_descriptor_rewrite(data));
