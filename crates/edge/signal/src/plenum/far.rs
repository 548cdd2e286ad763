//! Sessions here whose sockets are at other nodes.

use std::{sync::Arc, time::Instant};

use plenum_host::{ConnectError, Tunnel, Way};
use tokio::sync::mpsc::error::TrySendError;
use tracing::{Instrument as _, debug, info_span};

use super::{client::Client, moving::Home, sessions::Resumption, upgrade::close};
use crate::{
    Edge,
    far::{Entering, Far, greet},
    metrics::Stages,
    protoo::wire::{Socket, Wire},
};

/// Somebody comes in who is at another node's door.
pub(crate) async fn enter_far(edge: Edge, entering: Entering, tunnel: Tunnel) {
    let Entering {
        room,
        admission,
        because,
    } = entering;
    let span = info_span!("peer", %room, peer = %admission.peer);
    let stages = Stages::new(Arc::clone(&edge.metrics), Instant::now());
    let way = Way::here(&room).because(because);
    let home = Home {
        host: edge.host.clone(),
        room,
        admission,
    };
    let ticket = edge.sessions.register(edge.node());
    let entered = match &ticket {
        Some(_) => home.enter(way).await,
        // The system has no random numbers.
        None => Err(ConnectError::Refused),
    };
    let (session, ticket) = match (entered, ticket) {
        (Ok(session), Some(ticket)) => (session, ticket),
        (Err(err), _) => {
            debug!(parent: &span, %err, "not let in");
            edge.metrics.note_refusal(err);
            greet(&tunnel, Err(err)).await;
            return;
        }
        (Ok(_), None) => return,
    };
    if !greet(&tunnel, Ok(())).await {
        return;
    }
    let open = edge.count_connection();
    async move {
        debug!("connected through another node");
        let wire = Wire::new(Socket::There(Far::new(tunnel)), &edge.settings);
        Client::new(edge, wire, ticket, (home, session), stages)
            .run()
            .await;
        drop(open);
    }
    .instrument(span)
    .await;
}

/// Somebody comes for a session that is here.
pub(crate) async fn resume_far(
    edge: &Edge,
    token: &str,
    (seen, quiet): (u64, bool),
    tunnel: Tunnel,
) {
    if !greet(&tunnel, Ok(())).await {
        return;
    }
    let resumption = Resumption {
        socket: Socket::There(Far::new(tunnel)),
        seen,
        quiet,
    };
    let left = match edge.sessions.find(token) {
        Some(session) => session
            .try_send(resumption)
            .map_err(TrySendError::into_inner),
        None => Err(resumption),
    };
    // It has ended, or somebody else comes at the same time.
    if let Err(resumption) = left {
        close(resumption.socket, &edge.settings).await;
    }
}
