//! Fuzz target: see the function.
#![no_main]

use plenum_signal::fuzzing::fuzz_socketio_event;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_socketio_event(data));
