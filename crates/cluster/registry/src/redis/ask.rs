//! One question: its arguments, its script, its deadline, and what a refusal means.

use std::{sync::Arc, time::Duration};

use plenum_ids::{NodeEpoch, RoomName};
use rand::{TryRng, rngs::SysRng};
use redis::{ErrorKind, RedisError, Script, ServerErrorKind, Value};
use tokio::time::timeout;

use super::{RedisRegistry, connection::Live, replies, scripts::Scripts};
use crate::{Incarnation, MAX_EPOCH, RegistryError};

/// What a script answered, and which server it was.
pub(crate) struct Reply {
    pub(crate) value: Value,
    pub(crate) run_id: Arc<str>,
}

/// Arguments of a script, in its order.
pub(super) struct Args {
    /// How long the server may be silent, and a token in case that it has none, come first.
    is_fresh: bool,
    /// Then the token that the caller knows.
    seen: Option<Incarnation>,
    rest: Vec<Vec<u8>>,
}

impl Args {
    pub(super) const fn new() -> Self {
        Self {
            is_fresh: false,
            seen: None,
            rest: Vec::new(),
        }
    }

    /// For scripts that say which incarnation they saw.
    pub(super) const fn fresh() -> Self {
        Self {
            is_fresh: true,
            seen: None,
            rest: Vec::new(),
        }
    }

    /// For scripts that any other incarnation refuses.
    pub(super) fn seeing(seen: &Incarnation) -> Self {
        Self {
            seen: Some(seen.clone()),
            ..Self::fresh()
        }
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.rest.push(text.as_bytes().to_vec());
        self
    }

    pub(super) fn number(self, number: u64) -> Self {
        self.text(&number.to_string())
    }

    pub(super) fn duration(self, duration: Duration) -> Self {
        self.number(milliseconds(duration))
    }

    pub(super) fn flag(self, flag: bool) -> Self {
        self.text(if flag { "1" } else { "0" })
    }

    pub(super) fn room(self, room: &RoomName) -> Self {
        self.text(&room.to_string())
    }
}

impl RedisRegistry {
    /// Runs a script on the present connection, within the deadline. It is not repeated: where the answer is missing,
    /// nobody knows whether the question was heard.
    pub(super) async fn ask(
        &self,
        script: impl FnOnce(&Scripts) -> &Script,
        args: Args,
    ) -> Result<Reply, RegistryError> {
        let script = script(&self.inner.scripts);
        self.within_deadline(async |live: &mut Live| {
            let mut call = script.key(&self.inner.base);
            if args.is_fresh {
                call.arg(format!(
                    "{}:{}:{}",
                    milliseconds(self.inner.silence),
                    live.run_id,
                    new_token()?
                ));
            }
            if let Some(seen) = &args.seen {
                call.arg(token_at(seen, &live.run_id));
            }
            for arg in &args.rest {
                call.arg(arg);
            }
            let value = call.invoke_async(&mut live.connection).await;
            let value = value.map_err(|err| refusal(&err, &live.run_id))?;
            Ok(Reply {
                value,
                run_id: live.run_id.clone(),
            })
        })
        .await
    }

    /// Publishes a message.
    pub(super) async fn tell(&self, channel: &str, message: &[u8]) -> Result<(), RegistryError> {
        self.within_deadline(async |live: &mut Live| {
            let mut publish = redis::cmd("PUBLISH");
            publish.arg(channel).arg(message);
            let told = publish.exec_async(&mut live.connection).await;
            told.map_err(|err| refusal(&err, &live.run_id))
        })
        .await
    }

    async fn within_deadline<T>(
        &self,
        act: impl AsyncFnOnce(&mut Live) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let shared = &self.inner.shared;
        let act = async {
            let (mut live, mut changes) = shared.live().await;
            tokio::select! {
                biased;
                answer = act(&mut live) => answer,
                // Nobody reads that connection any more.
                _ = changes.changed() => Err(RegistryError::Unreachable {
                    reason: "the connection was lost".to_owned(),
                }),
            }
        };
        let answer = timeout(self.inner.deadline, act).await;
        let answer = answer.unwrap_or_else(|_| Err(shared.unreachable()));
        if matches!(answer, Err(RegistryError::Unreachable { .. })) {
            shared.suspect();
        }
        answer
    }
}

/// As scripts can count them.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).map_or(MAX_EPOCH, |ms| ms.min(MAX_EPOCH))
}

/// Nobody's token: a server that has forgotten everything takes it.
fn new_token() -> Result<String, RegistryError> {
    let mut bytes = [0; 16];
    let filled = SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|err| RegistryError::Unreachable {
        reason: format!("no random numbers: {err}"),
    })?;
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

/// The token that a caller knows, as the server with this run id may compare it: of another server's memory it knows
/// nothing, even if it has a copy.
fn token_at<'a>(seen: &'a Incarnation, run_id: &str) -> &'a str {
    match seen.as_str().split_once(' ') {
        Some((server, token)) if server == run_id => token,
        Some(_) | None => "",
    }
}

/// What an error says: our scripts begin theirs with a word of their own.
fn refusal(err: &RedisError, run_id: &str) -> RegistryError {
    let detail = err.detail().unwrap_or_default();
    // The server adds where in which script it was.
    let detail = detail.split(" script: ").next().unwrap_or_default().trim();
    let number = detail.parse::<u64>();
    match (err.code(), number) {
        (Some("ALIVE"), Ok(ms)) => RegistryError::Alive {
            since_renewal: Duration::from_millis(ms),
        },
        (Some("FENCED"), Ok(by)) => RegistryError::Fenced { by: NodeEpoch(by) },
        (Some("NOCANDIDATE"), _) => RegistryError::NoCandidate,
        (Some("NOROOM"), _) => RegistryError::NoRoom,
        (Some("RESTARTED"), _) => RegistryError::Restarted {
            now: replies::incarnation(run_id, detail),
        },
        (Some("UNLEASED"), _) => RegistryError::Unleased,
        (Some("UNREADABLE"), _) => RegistryError::Unreadable {
            what: detail.to_owned(),
        },
        // A key of another type stands where one of ours should be.
        (Some("WRONGTYPE"), _) => RegistryError::Unreadable {
            what: "a key".to_owned(),
        },
        _ if err.kind() == ErrorKind::UnexpectedReturnType => RegistryError::Unreadable {
            what: "an answer".to_owned(),
        },
        _ if err.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            RegistryError::Unreachable {
                reason: "the server is a replica".to_owned(),
            }
        }
        _ => RegistryError::Unreachable {
            reason: err.to_string(),
        },
    }
}
