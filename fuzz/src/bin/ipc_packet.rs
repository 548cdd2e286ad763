//! Fuzz target: see the function.
#![no_main]

use plenum_ipc::fuzzing::fuzz_packet;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_packet(data));
