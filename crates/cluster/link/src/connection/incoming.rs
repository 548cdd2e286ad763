//! What comes in.

use std::{sync::Arc, time::Duration};

use plenum_ids::NodeEpoch;
use tracing::{debug, warn};

use crate::{
    DownReason, LinkError, Refusal,
    channels::Violation,
    frame::{Frame, Goodbye},
};

use super::{Connection, Owner, answers::Request};

impl Connection {
    /// Takes a frame, whose JSON was so long. An error is the end.
    pub(super) fn handle(
        self: &Arc<Self>,
        frame: Frame<'static>,
        length: usize,
        owner: &impl Owner,
    ) -> Result<(), Violation> {
        if !matches!(
            frame,
            Frame::Ping { .. } | Frame::Pong { .. } | Frame::Unknown
        ) {
            self.mark_used();
        }
        match frame {
            Frame::Busy { id } => self.asked.answer(id, Err(LinkError::Overloaded)),
            Frame::Close {
                channel,
                code,
                message,
            } => self.channels.handle_close(channel, code, message),
            Frame::Credit { channel, bytes } => self.channels.handle_credit(channel, bytes),
            Frame::Goodbye { code, by } => self.handle_goodbye(code, by, owner),
            Frame::Message { channel, body } => {
                self.channels
                    .handle_message(channel, body.into_owned(), length);
            }
            Frame::Notice { method, body } => {
                let from = self.peer.clone();
                owner
                    .handler()
                    .notice(from, method.into_owned(), body.into_owned());
            }
            Frame::Open {
                channel,
                name,
                body,
            } => {
                if let Some(channel) = self.channels.handle_open(channel, &name)? {
                    let from = self.peer.clone();
                    owner.handler().channel(from, channel, body.into_owned());
                }
            }
            Frame::Ping { number } => self.say_at_once(&Frame::Pong { number }),
            Frame::Pong { number } => self.heartbeats.handle_pong(number),
            Frame::Proof { macs } => self.handle_proof(&macs, owner),
            Frame::Refusal { id, code, message } => {
                let refusal = Refusal { code, message };
                self.asked.answer(id, Err(refusal.into()));
            }
            Frame::Request {
                id,
                method,
                body,
                within_ms,
            } => {
                let request = Request {
                    id,
                    method: method.into_owned(),
                    body: body.into_owned(),
                    bytes: length,
                    within: within_ms.map(Duration::from_millis),
                };
                self.answer(request, owner.handler());
            }
            Frame::Response { id, body } => self.asked.answer(id, Ok(body.into_owned())),
            Frame::TooLarge { id, bytes } => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                let answer = true;
                let err = LinkError::TooLarge { bytes, answer };
                self.asked.answer(id, Err(err));
            }
            Frame::Unknown => debug!(peer = %self.peer, "a frame of another version, passed over"),
        }
        Ok(())
    }

    fn handle_goodbye(&self, code: Goodbye, by: Option<NodeEpoch>, owner: &impl Owner) {
        let reason = match code {
            Goodbye::Idle => DownReason::Idle,
            Goodbye::StaleEpoch => DownReason::Replaced,
            Goodbye::Ended | Goodbye::Malformed | Goodbye::Stalled | Goodbye::Other => {
                DownReason::Ended
            }
        };
        match code {
            Goodbye::StaleEpoch => owner.fenced(&self.peer, by),
            Goodbye::Malformed | Goodbye::Stalled => {
                warn!(peer = %self.peer, ?code, "the other side has given this link up");
            }
            Goodbye::Ended | Goodbye::Idle | Goodbye::Other => {}
        }
        self.parting().heard.get_or_insert(reason);
        self.part(reason);
        owner.parted(self, reason);
    }

    fn handle_proof(&self, macs: &[String], owner: &impl Owner) {
        self.evidence().show(macs);
        if !owner.trusts(self) {
            warn!(peer = %self.peer, "none of the node's secrets is known here any more, link closed");
            self.stop(DownReason::Ended, None);
        }
    }
}
