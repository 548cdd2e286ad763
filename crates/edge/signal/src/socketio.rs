//! Socket.IO, as the page of Dirvann's mediasoup-sfu-webrtc-video-rooms speaks it.
//!
//! Connecting costs nothing and says nothing about a room: a page does it as soon as it is opened. Who wants into which
//! room, and may, turns out with `createRoom` and `join`.

mod visitor;
mod words;

use std::{convert::Infallible, future::ready, net::SocketAddr, time::Duration};

use axum::Router;
use plenum_api::socketio::{Handshake, Refused};
use socketioxide::{
    ParserConfig, SocketIo,
    extract::{AckSender, SocketRef, TryData},
    handler::ConnectHandler as _,
};
use tokio::sync::{mpsc, watch};
use tracing::{Instrument as _, debug, debug_span};

use crate::{Edge, admission::bearer, edge::Remote};
use visitor::{Call, Visitor};
pub(crate) use words::Spoken;

/// Largest message. A page's largest is what it can send, or receive: some 20 kB of codecs.
const MAX_MESSAGE: usize = 256 * 1024;

/// Calls of one socket that wait for their turn. A page that comes into a room with a hundred cameras consumes them all
/// at once.
const CALLS: usize = 256;

/// How long a session of Engine.IO may be without one of Socket.IO, which clients ask for in the next packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The routes of Socket.IO, without the script that pages load from beside them.
pub(crate) fn router(edge: &Edge) -> Router<Edge> {
    let (service, io) = SocketIo::builder()
        .max_payload(MAX_MESSAGE as u64)
        .ws_max_message_size(MAX_MESSAGE)
        .ws_max_frame_size(MAX_MESSAGE)
        .max_buffer_size(edge.settings.outgoing_queue)
        .ping_timeout(edge.settings.pong_timeout * 2)
        .connect_timeout(CONNECT_TIMEOUT)
        // Nothing in this protocol is binary.
        .with_parser(ParserConfig::common().max_incoming_binaries(0))
        .build_svc();
    let edge = edge.clone();
    let prepare = move |socket: SocketRef, TryData(said): TryData<Handshake>| {
        connect(&edge, &socket, said.unwrap_or_default());
        ready(Ok::<_, Infallible>(()))
    };
    io.ns("/", (|| ready(())).with(prepare));
    Router::new()
        .route_service(PATH, service.clone())
        .route_service(PATH_WITHOUT_SLASH, service)
}

const PATH: &str = "/socket.io/";
const PATH_WITHOUT_SLASH: &str = "/socket.io";

/// Runs before the client hears that it is connected, so that nothing is lost that it says then. The handlers that this sets
/// put things into the queue before they return, so that they are done in the order in which they were said.
fn connect(edge: &Edge, socket: &SocketRef, said: Handshake) {
    let (calls, inbox) = mpsc::channel(CALLS);
    let (gone, leaving) = watch::channel(false);
    socket.on_fallback(move |spoken: Spoken, ack: AckSender| {
        if let Err(refused) = calls.try_send(Call { spoken, ack }) {
            let (call, error) = match refused {
                mpsc::error::TrySendError::Full(call) => (call, "too many calls at once"),
                mpsc::error::TrySendError::Closed(call) => (call, "the session is over"),
            };
            refuse(call.ack, error);
        }
        ready(())
    });
    socket.on_disconnect(move || {
        gone.send_replace(true);
        ready(())
    });
    let request = socket.req_parts();
    let remote = request.extensions.get::<Remote>();
    let remote: Option<SocketAddr> = remote.map(|remote| remote.0);
    let query = request.uri.query();
    let token = said
        .token
        .or_else(|| bearer(&request.headers, query).map(str::to_owned));
    let namespace = said.namespace.or_else(|| words::namespace(query));
    let visitor = Visitor::new(edge.clone(), socket.clone(), remote, (token, namespace));
    debug!(socket = %socket.id, "connected");
    let span = debug_span!("socket", id = %socket.id);
    tokio::spawn(visitor.run(inbox, leaving).instrument(span));
}

/// Who hears nothing in return waits for ever.
fn refuse(ack: AckSender, error: impl Into<String>) {
    let error = error.into();
    // A client that does not read does not hear it either.
    let _ = ack.send(&Refused { error });
}
