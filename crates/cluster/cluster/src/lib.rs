//! The cluster's protocol without I/O: who lives, whose facts hold, what is missing.
