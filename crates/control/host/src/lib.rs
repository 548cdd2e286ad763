//! Runs rooms: one task per room, commands in, effects carried out on workers and sessions.
