//! Making a connection.

use std::{error::Error, io, sync::Arc};

use plenum_ids::NodeId;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tracing::{debug, info};

use crate::{
    LinkError, Peer,
    connection::Owner as _,
    handshake::{HandshakeError, Met, dial},
    table::AttemptSender,
};

use super::Inner;

impl Inner {
    /// Dials a node, and tells everybody who waits for that how it went.
    pub(super) async fn dial(
        self: Arc<Self>,
        node: &NodeId,
        address: &str,
        waiting: AttemptSender,
    ) {
        let made = timeout(self.config.timing.handshake, self.meet(node, address)).await;
        let made = match made {
            Ok(Ok(met)) => self.take(met),
            Ok(Err(err)) => Err(self.reason(err)),
            Err(_) => Err(LinkError::Unreachable {
                reason: format!("{address} did not answer in time"),
            }),
        };
        let failure = made.as_ref().err().cloned();
        let is_news = self.table().end_attempt(node, &waiting, made);
        if let Some(err) = failure.filter(|_| is_news) {
            info!(%node, address, %err, "no link");
        }
    }

    async fn meet(&self, node: &NodeId, address: &str) -> Result<Met, HandshakeError> {
        let tcp = connect(address).await?;
        let credentials = self.keeper.current();
        let hello = self.hello();
        dial(tcp, &credentials, &hello, node, |theirs| self.judge(theirs)).await
    }

    /// What callers are told, and what follows from a rejection.
    fn reason(&self, err: HandshakeError) -> LinkError {
        match err {
            HandshakeError::Rejected {
                rejection,
                proved,
                by,
            } => {
                if let Some((node, epoch)) = proved
                    && rejection.code == crate::RejectionCode::StaleEpoch
                {
                    self.fenced(&Peer { node, epoch }, by);
                }
                LinkError::Rejected(rejection)
            }
            err => LinkError::Unreachable {
                reason: with_sources(&err),
            },
        }
    }
}

/// The first of the addresses behind a name that takes a connection.
async fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(address).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                without_delay(&stream);
                return Ok(stream);
            }
            Err(err) => last = err,
        }
    }
    Err(last)
}

/// Links carry small messages that somebody waits for.
pub(super) fn without_delay(stream: &TcpStream) {
    if let Err(err) = stream.set_nodelay(true) {
        debug!(%err, "no TCP_NODELAY");
    }
}

pub(super) fn with_sources(err: &dyn Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text.push_str(": ");
        text.push_str(&err.to_string());
        source = err.source();
    }
    text
}
