//! Batched UDP sockets, poller and descriptor passing: every piece that needs unsafe.
