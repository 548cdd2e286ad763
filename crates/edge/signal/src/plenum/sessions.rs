//! Sessions that can be resumed.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::rand;
use plenum_ids::NodeId;
use tokio::sync::mpsc;

use crate::protoo::wire::Socket;

/// A socket that comes for a session.
#[derive(Debug)]
pub(crate) struct Resumption {
    pub(super) socket: Socket,
    /// The last frame that the client has seen.
    pub(super) seen: u64,
    /// It has had this socket all the time.
    pub(super) quiet: bool,
}

/// All sessions of a node, by what whoever resumes one has to know. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    by_token: Arc<Mutex<HashMap<Token, mpsc::Sender<Resumption>>>>,
}

type Token = [u8; TOKEN_BYTES];

/// Nobody guesses these in the time that the universe has.
const TOKEN_BYTES: usize = 20;

impl Sessions {
    /// Makes a session known, as long as the result lives; `None`: the system has no random numbers. In a cluster its token says
    /// at which node it is, so that it can be resumed through any other.
    pub(crate) fn register(
        &self,
        node: Option<&NodeId>,
    ) -> Option<(Ticket, mpsc::Receiver<Resumption>)> {
        let mut token = [0; TOKEN_BYTES];
        rand::fill(&mut token).ok()?;
        // Who comes while another one is being taken in comes too often.
        let (sender, resumptions) = mpsc::channel(1);
        self.lock().insert(token, sender);
        let ticket = Ticket {
            token,
            text: match node {
                Some(node) => format!("{node}.{}", write(&token)),
                None => write(&token),
            },
            sessions: self.clone(),
        };
        Some((ticket, resumptions))
    }

    /// The way to a session; `None`: there is none (any more) for this token.
    pub(crate) fn find(&self, token: &str) -> Option<mpsc::Sender<Resumption>> {
        let (_, token) = parted(token);
        self.lock().get(&parse(token)?).cloned()
    }

    /// A lock that nothing in here can poison.
    fn lock(&self) -> MutexGuard<'_, HashMap<Token, mpsc::Sender<Resumption>>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    /// Tokens are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("count", &self.lock().len())
            .finish_non_exhaustive()
    }
}

/// A session that is known.
pub(crate) struct Ticket {
    token: Token,
    text: String,
    sessions: Sessions,
}

impl Ticket {
    /// For the client alone.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.token);
    }
}

/// The node that a token names, if it does, and the rest of it.
pub(super) fn parted(token: &str) -> (Option<NodeId>, &str) {
    match token.rsplit_once('.') {
        Some((node, token)) => (Some(node.into()), token),
        None => (None, token),
    }
}

fn write(token: &Token) -> String {
    let digits = token.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.collect()
}

fn parse(text: &str) -> Option<Token> {
    let mut token = [0; TOKEN_BYTES];
    let digits = text.as_bytes();
    if digits.len() != 2 * TOKEN_BYTES {
        return None;
    }
    for (byte, pair) in token.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_token_as_long_as_it_lives() {
        let sessions = Sessions::default();
        let (ticket, _resumptions) = sessions.register(None).expect("random");
        let (other, _others) = sessions.register(None).expect("random");
        let text = ticket.text().to_owned();
        assert_ne!(text, other.text());
        assert!(sessions.find(&text).is_some());
        drop(ticket);
        assert!(sessions.find(&text).is_none());
        assert!(sessions.find(other.text()).is_some());
    }

    #[test]
    fn a_token_says_at_which_node_its_session_is() {
        let sessions = Sessions::default();
        let node = NodeId::from("fra.1");
        let (ticket, _resumptions) = sessions.register(Some(&node)).expect("random");
        assert_eq!(parted(ticket.text()).0, Some(node));
        assert!(sessions.find(ticket.text()).is_some());
    }

    #[test]
    fn what_is_no_token_finds_nothing() {
        let sessions = Sessions::default();
        let (ticket, _resumptions) = sessions.register(None).expect("random");
        let text = ticket.text();
        for wrong in [
            "",
            "0",
            &text[1..],
            &format!("{text}0"),
            &"zz".repeat(20),
            &"ä".repeat(20),
        ] {
            assert!(sessions.find(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn tokens_are_not_logged() {
        let sessions = Sessions::default();
        let (ticket, _resumptions) = sessions.register(None).expect("random");
        assert!(!format!("{sessions:?}").contains(ticket.text()));
    }
}
