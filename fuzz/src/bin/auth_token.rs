//! Fuzz target: see the function.
#![no_main]

use plenum_auth::fuzzing::fuzz_token;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_token(data));
