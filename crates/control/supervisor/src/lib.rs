//! The node's side of its workers: spawning, watching, typed handles.
