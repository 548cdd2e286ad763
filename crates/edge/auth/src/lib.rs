//! Who may do what: tokens, keys that rotate, grants.
#![forbid(unsafe_code)]
