//! Why people are where they are, for as long as they are here. The part that has them writes it into the registry, beside each of
//! them, where operators read it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plenum_ids::{PeerId, RoomName};
use plenum_registry::MAX_PEER_NOTE;

/// What there is: one for each session at most. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    table: Arc<Mutex<HashMap<About, Arc<str>>>>,
}

type About = (RoomName, PeerId);

/// A note, as long as somebody is here. A later one about the same peer replaces it.
#[derive(Debug)]
pub(crate) struct Note {
    notes: Notes,
    about: About,
    text: Arc<str>,
}

impl Notes {
    /// Somebody is here, for these reasons.
    pub(super) fn take(&self, room: &RoomName, peer: &PeerId, reasons: &[String]) -> Note {
        let about = (room.clone(), peer.clone());
        let text: Arc<str> = fitting(reasons).into();
        self.table().insert(about.clone(), Arc::clone(&text));
        Note {
            notes: self.clone(),
            about,
            text,
        }
    }

    /// Why somebody is here, one reason a line; nothing where nobody has chosen.
    pub(super) fn about(&self, room: &RoomName, peer: &PeerId) -> String {
        let table = self.table();
        let text = table.get(&(room.clone(), peer.clone()));
        text.map(ToString::to_string).unwrap_or_default()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<About, Arc<str>>> {
        // Every change leaves a whole table.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let mut table = self.notes.table();
        let is_mine = |text: &Arc<str>| Arc::ptr_eq(text, &self.text);
        if table.get(&self.about).is_some_and(is_mine) {
            table.remove(&self.about);
        }
    }
}

/// As many of the reasons as fit beside a peer, one a line.
fn fitting(reasons: &[String]) -> String {
    let mut text = String::new();
    for reason in reasons {
        if text.len() + reason.len() + 1 > MAX_PEER_NOTE {
            break;
        }
        text.push_str(reason);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_reasons_as_fit() {
        let reasons = vec!["is in the client's region, eu (+300)".to_owned(); 100];
        let text = fitting(&reasons);
        assert!(text.len() <= MAX_PEER_NOTE && text.len() > MAX_PEER_NOTE - 40);
        assert_eq!(text.lines().next(), Some(reasons[0].as_str()));
        assert_eq!(fitting(&[]), "");
    }

    #[test]
    fn a_note_goes_with_its_session_unless_a_later_one_has_replaced_it() {
        let notes = Notes::default();
        let (room, peer) = (RoomName::new("default", "r"), PeerId::from("ada"));
        let first = notes.take(&room, &peer, &["one".to_owned()]);
        let second = notes.take(&room, &peer, &["two".to_owned()]);
        drop(first);
        assert_eq!(notes.about(&room, &peer), "two\n");
        drop(second);
        assert_eq!(notes.about(&room, &peer), "");
    }
}
