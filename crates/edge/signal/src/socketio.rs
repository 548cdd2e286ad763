//! Socket.IO, as the page of Dirvann's mediasoup-sfu-webrtc-video-rooms speaks it.
//!
//! Connecting costs nothing and says nothing about a room: a page does it as soon as it is opened. Who wants into which
//! room, and may, turns out with `createRoom` and `join`.

mod visitor;
mod words;

use std::{
    future::ready,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use plenum_api::socketio::{Handshake, Refused};
use socketioxide::{
    ParserConfig, SocketIo,
    extract::{AckSender, SocketRef, TryData},
    handler::ConnectHandler as _,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tracing::{Instrument as _, debug, debug_span};

use crate::{Edge, addresses::Connected, admission::bearer, edge::Remote};
use visitor::{Call, Visitor};
pub(crate) use words::Spoken;

/// Largest message. A page's largest is what it can send, or receive: some 20 kB of codecs.
const MAX_MESSAGE: usize = 256 * 1024;

/// Calls of one socket that wait for their turn. A page that comes into a room with a hundred cameras consumes them all
/// at once.
const CALLS: usize = 256;

/// How long a session of Engine.IO may be without one of Socket.IO, which clients ask for in the next packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sessions at a time, of all addresses: as many as of WHIP and WHEP. A session without a room costs some kilobytes.
const MAX_SESSIONS: usize = 10_000;

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
    let seats = Arc::new(Semaphore::new(MAX_SESSIONS));
    let prepare = move |socket: SocketRef, TryData(said): TryData<Handshake>| {
        let remote = socket.req_parts().extensions.get::<Remote>().copied();
        let remote = remote.map(|Remote(remote)| remote);
        ready(match Seat::take(&edge, &seats, remote) {
            Some(seat) => {
                connect(&edge, &socket, remote, said.unwrap_or_default(), seat);
                Ok(())
            }
            None => Err("too many sessions, of this address or of all, try again later"),
        })
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
fn connect(
    edge: &Edge,
    socket: &SocketRef,
    remote: Option<SocketAddr>,
    said: Handshake,
    seat: Seat,
) {
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
    let query = request.uri.query();
    let token = said
        .token
        .or_else(|| bearer(&request.headers, query).map(str::to_owned));
    let namespace = said.namespace.or_else(|| words::namespace(query));
    let said = (token, namespace);
    let visitor = Visitor::new(edge.clone(), socket.clone(), remote, said, seat);
    debug!(socket = %socket.id, "connected");
    let span = debug_span!("socket", id = %socket.id);
    tokio::spawn(visitor.run(inbox, leaving).instrument(span));
}

/// A session's place among all of them.
struct Seat {
    _of_node: OwnedSemaphorePermit,
    _of_address: Option<Connected>,
}

impl Seat {
    /// `None`: there are as many sessions as there may be, of this address or of all.
    fn take(edge: &Edge, seats: &Arc<Semaphore>, remote: Option<SocketAddr>) -> Option<Self> {
        let of_node = Arc::clone(seats).try_acquire_owned().ok()?;
        let of_address = match remote {
            // Sessions that poll have no connection by which they would be counted.
            Some(remote) => Some(
                edge.addresses
                    .take_connection(remote.ip(), Instant::now())?,
            ),
            None => None,
        };
        Some(Self {
            _of_node: of_node,
            _of_address: of_address,
        })
    }
}

/// Who hears nothing in return waits for ever.
fn refuse(ack: AckSender, error: impl Into<String>) {
    let error = error.into();
    // A client that does not read does not hear it either.
    let _ = ack.send(&Refused { error });
}
