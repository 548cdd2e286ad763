//! Fuzz target: see the function.
#![no_main]

use plenum_sctp::fuzzing::fuzz_packets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_packets(data));
