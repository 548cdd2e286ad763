//! Tokens of peers: one that was given, one signed for each, or none.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use plenum_api::grants::Grants;
use plenum_auth::{Audience, Claims, Signer};
use plenum_ids::NamespaceId;

use crate::options::Options;

/// What peers show.
pub(crate) enum Tickets {
    /// The same of everybody.
    Given(String),
    /// Nothing: nobody asks.
    None,
    /// Each its own.
    Signed(Box<Office>),
}

pub(crate) struct Office {
    signer: Signer,
    key_id: Option<String>,
    namespace: NamespaceId,
    issuer: Option<String>,
    audience: Option<String>,
    expires: u64,
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The machine's clock is before 1970.
    #[error("this machine's clock is wrong")]
    Clock,
    /// No key.
    #[error(transparent)]
    Key(#[from] plenum_auth::KeyError),
    /// Not a name of a namespace.
    #[error("{0:?} is no name of a namespace")]
    Namespace(String),
    /// The key does not sign.
    #[error("{path}: {reason}")]
    Sign {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
}

/// Longer than any run that somebody watches.
const HOLDS: Duration = Duration::from_hours(24 * 8);

impl Tickets {
    /// As the options say.
    pub(crate) fn new(options: &Options) -> Result<Self, TicketError> {
        if let Some(token) = &options.token {
            return Ok(Self::Given(token.clone()));
        }
        let Some(path) = &options.key else {
            return Ok(Self::None);
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_err(|_| TicketError::Clock)?;
        let name = options.namespace.as_deref().unwrap_or("default");
        let namespace =
            NamespaceId::parse(name).map_err(|_| TicketError::Namespace(name.to_owned()))?;
        let office = Office {
            signer: Signer::from_file(path)?,
            key_id: options.key_id.clone(),
            namespace,
            issuer: options.issuer.clone(),
            audience: options.audience.clone(),
            expires: (now + HOLDS).as_secs(),
        };
        // A key that does not sign is found before the first peer is.
        let reason = office.sign("room", "peer").err();
        match reason {
            Some(reason) => Err(TicketError::Sign {
                path: path.clone(),
                reason,
            }),
            None => Ok(Self::Signed(Box::new(office))),
        }
    }

    /// For one peer.
    pub(crate) fn token(&self, room: &str, peer: &str) -> Option<String> {
        match self {
            Self::Given(token) => Some(token.clone()),
            Self::None => None,
            // It has signed before; without a token the server says what is missing.
            Self::Signed(office) => office.sign(room, peer).ok(),
        }
    }
}

impl Office {
    fn sign(&self, room: &str, peer: &str) -> Result<String, &'static str> {
        let claims = Claims {
            ns: self.namespace.clone(),
            room: room.to_owned(),
            peer: Some(peer.to_owned()),
            name: None,
            region: None,
            isp: None,
            role: None,
            grants: Grants::default(),
            exp: self.expires,
            nbf: None,
            iss: self.issuer.clone(),
            aud: self.audience.clone().map(Audience::One),
        };
        self.signer.sign(&claims, self.key_id.clone())
    }
}
