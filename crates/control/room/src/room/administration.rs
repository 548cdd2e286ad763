//! What is decided from outside.

use std::time::Instant;

use plenum_api::error::ErrorKind;

use crate::{
    admin::AdminCommand,
    effect::{Effect, RoomError},
    room::Room,
};

impl Room {
    /// Carries out what somebody decided who is not in the room.
    pub fn administer(
        &mut self,
        _now: Instant,
        command: AdminCommand,
        _effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let reason = format!("not offered yet: {command:?}");
        drop(command);
        Err(RoomError::new(ErrorKind::Unavailable, reason))
    }
}
