//! The worker process: one thread, one core, an event loop over sockets and IPC that drives one engine.
