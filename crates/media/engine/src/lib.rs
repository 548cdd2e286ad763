//! The media engine: one sans-IO state machine per worker.
