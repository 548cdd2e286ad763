//! Fuzz target: see the function.
#![no_main]

use plenum_client::fuzzing::fuzz_dispatch;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_dispatch(data));
