//! Connections between nodes: authenticated, encrypted, made on demand.
