//! Taking connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tracing::{debug, info, warn};

use crate::{handshake::accept, strangers::Stranger};

use super::{
    Inner,
    dialling::{with_sources, without_delay},
};

/// After a failure that has nothing to do with who comes (no file descriptors, mostly), until the next try.
const PAUSE: Duration = Duration::from_millis(100);

impl Inner {
    pub(super) async fn listen(self: Arc<Self>, listener: TcpListener) {
        let mut ending = self.ending.subscribe();
        loop {
            let taken = tokio::select! {
                taken = listener.accept() => taken,
                _ = ending.wait_for(|ending| *ending) => break,
            };
            match taken {
                Ok((tcp, from)) => {
                    let Some(stranger) = self.strangers.take(from.ip()) else {
                        debug!(%from, "too many connections of unknown nodes, closed");
                        continue;
                    };
                    tokio::spawn(Arc::clone(&self).meet_stranger(tcp, from, stranger));
                }
                Err(err) => {
                    warn!(%err, "cannot take connections of other nodes");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // Whoever holds no `Links` any more has not said goodbye.
        self.part_all();
    }

    async fn meet_stranger(self: Arc<Self>, tcp: TcpStream, from: SocketAddr, stranger: Stranger) {
        without_delay(&tcp);
        let credentials = self.keeper.current();
        let hello = self.hello();
        let meeting = accept(tcp, &credentials, &hello, |theirs| self.judge(theirs));
        let met = timeout(self.config.timing.handshake, meeting).await;
        drop(stranger);
        match met {
            Ok(Ok(met)) => {
                if let Err(err) = self.take(met) {
                    debug!(%from, %err, "a node was not taken");
                }
            }
            Ok(Err(err)) => {
                if self.strangers.count_failure() {
                    info!(%from, reason = with_sources(&err), "not a node of ours");
                }
            }
            Err(_) => {
                if self.strangers.count_failure() {
                    info!(%from, "did not say in time who it is");
                }
            }
        }
    }
}
