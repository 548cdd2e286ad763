//! Who is in a room, for when it goes on elsewhere.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use plenum_ids::PeerId;
use plenum_room::{CloseReason, Returning, RoomEvent};

/// Who has joined a room, and what it is. Written by the room's task, read by whoever opens the room again.
#[derive(Debug, Default)]
pub(crate) struct Members(Mutex<BTreeMap<PeerId, Returning>>);

impl Members {
    pub(crate) fn all(&self) -> BTreeMap<PeerId, Returning> {
        self.lock().clone()
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.lock().contains_key(peer)
    }

    pub(crate) fn note(&self, what: &RoomEvent) {
        match what {
            RoomEvent::PeerJoined { peer_id, role, .. } => {
                let (role, grants) = (*role, None);
                let member = Returning { role, grants };
                self.lock().insert(peer_id.clone(), member);
            }
            RoomEvent::RoleChanged { peer_id, role } => {
                if let Some(member) = self.lock().get_mut(peer_id) {
                    member.role = *role;
                }
            }
            RoomEvent::GrantsChanged { peer_id, grants } => {
                if let Some(member) = self.lock().get_mut(peer_id) {
                    member.grants = Some(*grants);
                }
            }
            // Whoever has lost its worker is on the way back.
            RoomEvent::PeerLeft { peer_id, reason } if *reason != Some(CloseReason::RouterLost) => {
                self.lock().remove(peer_id);
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerId, Returning>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use plenum_api::grants::{Grants, Role};
    use plenum_room::Door;

    use super::*;

    #[test]
    fn who_lost_its_worker_is_remembered_as_what_it_was() {
        let members = Members::default();
        for name in ["ada", "bob"] {
            members.note(&RoomEvent::PeerJoined {
                peer_id: name.into(),
                display_name: String::new(),
                role: Role::Speaker,
                door: Door::Plenum,
                hidden: false,
            });
        }
        members.note(&RoomEvent::RoleChanged {
            peer_id: "ada".into(),
            role: Role::Host,
        });
        let grants = Grants::NONE;
        members.note(&RoomEvent::GrantsChanged {
            peer_id: "ada".into(),
            grants,
        });
        for (name, reason) in [("ada", Some(CloseReason::RouterLost)), ("bob", None)] {
            let peer_id = name.into();
            members.note(&RoomEvent::PeerLeft { peer_id, reason });
        }
        let ada = Returning {
            role: Role::Host,
            grants: Some(grants),
        };
        assert_eq!(members.all(), BTreeMap::from([("ada".into(), ada)]));
    }
}
