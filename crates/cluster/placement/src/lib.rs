//! Which node a room, peer or stream goes to: a pure ranking with its reasons.
