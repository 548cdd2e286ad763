//! Rooms and peers as a state machine: commands in, effects out.
