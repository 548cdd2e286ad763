//! The interactive console of a running node.
#![forbid(unsafe_code)]
