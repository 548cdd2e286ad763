//! Compound packets written and read.
