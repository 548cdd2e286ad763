//! Moving the bytes of a connection until it ends.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::debug;

use crate::{
    DownReason,
    frame::{Decoder, Frame, parse},
    outbox::Batch,
};

use super::{Connection, Owner, Wire};

/// One read's worth: what TLS has in a record (RFC 8446 §5.1).
const READ_BYTES: usize = 16 * 1024;

/// What is written at once, and must be taken within [`crate::Timing::stalled`].
const WRITE_BYTES: usize = 64 * 1024;

/// Looks at the clock between two heartbeats, so that silence is noticed within a quarter of one.
const LOOKS: u32 = 4;

/// Whatever the settings say, there is a pause between two looks.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);

/// Heartbeats without a byte until the other side counts as dead: the same as renewals of its lease.
const MISSED_HEARTBEATS: u32 = 3;

/// How long the last words may take.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

/// Reads until the other side has closed. A connection that is closed with bytes unread is reset, and the other side's
/// kernel forgets what it was told last (RFC 1122 §4.2.2.13).
pub(crate) async fn drain(reader: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = vec![0; READ_BYTES];
    while reader.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

impl Connection {
    /// Moves bytes until the connection ends; why it did.
    pub(crate) async fn run(self: &Arc<Self>, wire: Wire, owner: &impl Owner) -> DownReason {
        let (mut reader, writer) = split(wire.stream);
        let mut stop = self.stop.subscribe();
        let mut writing = pin!(self.write(writer));
        let (reason, written) = tokio::select! {
            reason = self.read(&mut reader, wire.decoder, owner) => (reason, false),
            reason = &mut writing => (reason, true),
            reason = self.watch(owner) => (reason, false),
            reason = stop.wait_for(Option::is_some) => {
                (reason.ok().and_then(|reason| *reason).unwrap_or(DownReason::Ended), false)
            }
        };
        if self.parting().is_mutual().is_some() {
            self.parting().over = true;
            self.outbox.finish_all();
        } else {
            self.stop(reason, None);
        }
        // Whoever waits to see it alive does so no longer, however it ended.
        self.stop.send_replace(Some(reason));
        self.end_all();
        owner.parted(self, reason);
        let last_words = async {
            if !written {
                writing.await;
            }
            drain(&mut reader).await;
        };
        // Who does not take them has had his chance.
        let _ = timeout(LAST_WORDS, last_words).await;
        reason
    }

    async fn read(
        self: &Arc<Self>,
        reader: &mut (impl AsyncRead + Unpin),
        mut decoder: Decoder,
        owner: &impl Owner,
    ) -> DownReason {
        let mut bytes = vec![0; READ_BYTES];
        loop {
            if let Err(err) = self.handle_all(&mut decoder, owner) {
                debug!(peer = %self.peer, err, "what came cannot be understood");
                return DownReason::Malformed;
            }
            let count = match reader.read(&mut bytes).await {
                Ok(count) => count,
                Err(err) => {
                    debug!(peer = %self.peer, %err, "cannot read");
                    0
                }
            };
            let Some(read) = bytes.get(..count).filter(|read| !read.is_empty()) else {
                return self.parting().heard.unwrap_or(DownReason::Broken);
            };
            self.heard.store(true, Relaxed);
            self.received_bytes.fetch_add(count as u64, Relaxed);
            decoder.feed(read);
        }
    }

    fn handle_all(
        self: &Arc<Self>,
        decoder: &mut Decoder,
        owner: &impl Owner,
    ) -> Result<(), String> {
        while let Some(json) = decoder.next_frame().map_err(|err| err.to_string())? {
            let length = json.len();
            let frame: Frame<'static> = parse(json).map_err(|err| err.to_string())?;
            self.handle(frame, length, owner)
                .map_err(|err| err.0.to_owned())?;
        }
        Ok(())
    }

    async fn write(&self, mut writer: impl AsyncWrite + Unpin) -> DownReason {
        let stalled = self.config.timing.stalled;
        let mut batch = Batch::default();
        while self.outbox.next(&mut batch).await {
            for piece in batch.bytes.chunks(WRITE_BYTES) {
                let writing = async {
                    writer.write_all(piece).await?;
                    writer.flush().await
                };
                match timeout(stalled, writing).await {
                    Ok(Ok(())) => {}
                    Ok(Err(err)) => {
                        debug!(peer = %self.peer, %err, "cannot write");
                        return DownReason::Broken;
                    }
                    Err(_) => return DownReason::Stalled,
                }
                self.sent_bytes.fetch_add(piece.len() as u64, Relaxed);
            }
            batch.clear();
        }
        // Without this the other side cannot tell an end from a cut.
        let _ = writer.shutdown().await;
        DownReason::Ended
    }

    /// Sends heartbeats, notices silence and idling, and ends what has parted.
    async fn watch(&self, owner: &impl Owner) -> DownReason {
        let between = self.config.timing.heartbeat / LOOKS;
        let mut looks = interval(between.max(SHORTEST_LOOK));
        // After a pause of this process the other side gets a chance: each look counts for one, however late it comes.
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = 0;
        let mut look = 0_u32;
        loop {
            looks.tick().await;
            silent = if self.heard.swap(false, Relaxed) {
                0
            } else {
                silent + 1
            };
            if silent >= MISSED_HEARTBEATS * LOOKS {
                return DownReason::Silent;
            }
            if look.is_multiple_of(LOOKS) {
                self.ping();
            }
            look = look.wrapping_add(1);
            if let Some(reason) = self.has_parted() {
                return reason;
            }
            if self.is_idle() {
                self.part(DownReason::Idle);
                owner.parted(self, DownReason::Idle);
            }
        }
    }

    /// Why it can be closed, once nothing is left to be done, or has been left for too long.
    fn has_parted(&self) -> Option<DownReason> {
        let parting = self.parting();
        let (since, reason) = parting.said?;
        if parting.is_mutual().is_some() && self.is_quiet() {
            return Some(reason);
        }
        // What replaces another connection leaves it alone until everything on it is over. A node that ends cannot wait.
        let late = since.elapsed() >= self.config.timing.linger;
        (late && reason == DownReason::Ended).then_some(reason)
    }

    fn is_idle(&self) -> bool {
        let used = Duration::from_millis(self.used_ms.load(Relaxed));
        let unused = self.began.elapsed().saturating_sub(used);
        unused >= self.config.timing.idle && self.takes_new() && self.is_quiet()
    }

    fn is_quiet(&self) -> bool {
        self.asked.len() == 0 && self.answering.len() == 0 && self.channels.is_empty()
    }
}
