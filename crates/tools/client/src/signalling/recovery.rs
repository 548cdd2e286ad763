//! Coming back: on another socket of the same session, as somebody new, or at another worker.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    door::{self, Door},
    session::{Attempt, Session, Trouble},
    wire::{Gone, Wire},
};
use crate::{ClientError, Dialect, Ended, Event, Reconnect, Stage, peer::Direction};

/// Between two attempts to resume: a node that has only lost the connection answers at once, one that restarts takes longer.
const RESUME_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause between two attempts (protoo's clients).
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

impl Session {
    /// After the connection has gone. `true`: the session goes on, and open requests will be answered; else the client is
    /// somebody new, or its session has ended.
    pub(super) async fn recover(&mut self, gone: Gone) -> bool {
        let lost = Instant::now();
        self.wire = None;
        let is_final = match gone.code {
            Some(1000 | 4000 | 4401 | 4403) => true,
            Some(_) => false,
            None => self.config.reconnect == Reconnect::Never,
        };
        if is_final {
            self.ended = Some(match gone.code {
                Some(code) => Ended::SentAway {
                    code,
                    reason: gone.reason,
                },
                None => Ended::Lost { error: None },
            });
            return false;
        }
        let Reconnect::Again { attempts, pause } = self.config.reconnect else {
            self.ended = Some(Ended::Lost { error: None });
            return false;
        };
        if gone.code.is_none() && self.resume_in_time(lost).await {
            self.step(Stage::Resume, lost, None);
            self.emit(Event::Reconnected { resumed: true });
            return true;
        }
        self.forget().await;
        if gone.code == Some(1013) {
            sleep(pause).await;
        }
        self.come_back(lost, attempts, pause).await;
        false
    }

    async fn come_back(&mut self, lost: Instant, attempts: u32, mut pause: Duration) {
        let mut error = None;
        for attempt in 0..attempts {
            if attempt > 0 {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            self.attempt = Attempt::begin();
            match self.join_again().await {
                Ok(()) => {
                    self.step(Stage::Reconnect, lost, None);
                    self.emit(Event::Reconnected { resumed: false });
                    return;
                }
                Err(ClientError::TurnedAway { code, reason })
                    if matches!(code, 4000 | 4401 | 4403) =>
                {
                    self.ended = Some(Ended::SentAway { code, reason });
                    return;
                }
                Err(failed) => {
                    error = Some(failed.kind());
                    self.forget().await;
                }
            }
        }
        self.step(Stage::Reconnect, lost, error);
        self.ended = Some(Ended::Lost { error });
    }

    async fn join_again(&mut self) -> Result<(), ClientError> {
        self.join_anywhere().await?;
        Ok(self.publish_again(false).await?)
    }

    /// As long as the session may be resumed.
    async fn resume_in_time(&mut self, lost: Instant) -> bool {
        let Some((token, within)) = self.ticket.clone() else {
            return false;
        };
        while lost.elapsed() < within {
            // Through any other node, too: it knows the way to the session, or that there is none any more.
            for door in self.doors() {
                match self.resume(&door, &token).await {
                    Ok(()) => {
                        self.set_door(door);
                        return true;
                    }
                    Err(error) if is_no_answer(&error) => self.wire = None,
                    // Somebody has answered, and said no.
                    Err(_) => return false,
                }
            }
            sleep(RESUME_PAUSE).await;
        }
        false
    }

    /// Where the session can be resumed: at its own node, and at all others that are known.
    fn doors(&self) -> Vec<Door> {
        let mut doors: Vec<Door> = self.door.iter().cloned().collect();
        let others = self.config.urls.iter().chain(&self.nodes);
        for door in others.filter_map(|url| Door::parse(url).ok()) {
            if !doors.contains(&door) {
                doors.push(door);
            }
        }
        doors
    }

    async fn resume(&mut self, door: &Door, token: &str) -> Result<(), ClientError> {
        let seen = self.seen.to_string();
        let target = door::query(
            door::path(Dialect::Plenum).to_owned(),
            &[("resume", Some(token)), ("seq", Some(&seen))],
        );
        let connecting = Wire::connect(door, Dialect::Plenum, &self.config.tls, &target);
        let connected = timeout(self.connect_limit(), connecting).await;
        let wire = connected.unwrap_or(Err(ClientError::Timeout("connecting")))?;
        self.wire = Some(wire);
        let (_, resumed) = self.wait_for(&["resumed"]).await?;
        self.say_again(&resumed).await;
        Ok(())
    }

    /// What the server has not got.
    async fn say_again(&mut self, resumed: &Value) {
        let last = resumed["lastRequestId"].as_u64().unwrap_or_default();
        let unanswered = resumed["unanswered"].as_array().into_iter().flatten();
        let unanswered: Vec<_> = unanswered.filter_map(Value::as_u64).collect();
        let Some(wire) = &mut self.wire else { return };
        for (_, pending) in self.pending.range(last + 1..) {
            wire.send(pending.text.clone()).await;
        }
        for (_, text) in self.given.iter().filter(|(id, _)| unanswered.contains(id)) {
            wire.send(text.clone()).await;
        }
    }

    /// The room is elsewhere: everything anew, on this connection.
    pub(super) async fn migrate(&mut self, mut data: Value) {
        let is_gentle = data["makeBeforeBreak"] == true;
        // What was told of the room before does not hold any more; what is told from now on does.
        let before = self.vacate().await;
        self.attempt = Attempt::begin();
        let joined = self.join_elsewhere(data["welcome"].take()).await;
        // Others may have watched the old transports until now.
        drop(before);
        match joined {
            Ok(()) => {
                if is_gentle {
                    // Without an old session it is answered at once, too.
                    self.send("migrated", &json!({})).await;
                }
                self.emit(Event::Moved);
            }
            Err(Trouble::Gone(gone)) => {
                Box::pin(self.recover(gone)).await;
            }
            // The server gives up on who does not join in time, and says so.
            Err(Trouble::Other(_)) => {}
        }
    }

    async fn join_elsewhere(&mut self, welcome: Value) -> Result<(), Trouble> {
        if self.config.dialect == Dialect::Plenum {
            self.enter(welcome).await?;
        } else {
            self.join_protoo().await?;
        }
        self.publish_again(true).await
    }

    /// Sends again what was sent before; under the identifiers that it had, where the server takes them.
    async fn publish_again(&mut self, keeps_names: bool) -> Result<(), Trouble> {
        if self.publications.is_empty() {
            return Ok(());
        }
        if self.config.dialect != Dialect::Plenum {
            self.connect_side(Direction::Send).await?;
        }
        for index in 0..self.publications.len() {
            // What the room does not take any more is silent from now on.
            if let Err(trouble @ Trouble::Gone(_)) = self.produce(index, keeps_names).await {
                return Err(trouble);
            }
        }
        Ok(())
    }
}

/// Whether nobody has said anything about the session: the node is away, or has no way to it for now.
fn is_no_answer(error: &ClientError) -> bool {
    match error {
        ClientError::Connect { .. } | ClientError::Timeout(_) | ClientError::Closed => true,
        ClientError::TurnedAway { code, .. } => matches!(code, 1012 | 1013 | 500..600),
        _ => false,
    }
}
