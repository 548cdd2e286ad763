//! Broadcasters: programs that publish and receive by REST, as both generations of mediasoup-demo's server let them.
//!
//! | generation | its bodies | room | errors |
//! | --- | --- | --- | --- |
//! | classic | `id`, transports with `type`, producers under a transport | made when it is named | 400 for what is missing, else 500 |
//! | newest | `peerId`, transports with `direction`, `…/join`, producers under the broadcaster | must be there | 400, 404, 409, else 500 |
//!
//! Each broadcaster is a [`Guest`](crate::guest::Guest) and a task that takes it out when nothing has been heard of it for
//! some time (`watch`): a script that dies says nothing.

mod body;
mod failure;
mod media;
mod registration;
mod registry;
mod watch;

use std::time::Duration;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{delete, get, post},
};

use plenum_params::network::Network;

use crate::Edge;
pub(crate) use registry::Registry;

/// Who publishes and plays by HTTP: how many, and how long they may be silent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the binary fills it")]
pub struct BroadcastSettings {
    /// Sessions of WHIP and WHEP at a time.
    pub max_sessions: usize,
    /// Broadcasters at a time.
    pub max_broadcasters: usize,
    /// How long a session of WHIP or WHEP may take to connect its media.
    pub media_timeout: Duration,
    /// After what time a broadcaster is gone of which nothing is heard: no request, no packet.
    pub idle_timeout: Duration,
    /// Where else than to their own address they may have the node send to.
    pub allow_networks: Vec<Network>,
    /// What broadcasters are told as the address of plain transports that are bound to all addresses.
    pub plain_address: Option<String>,
}

impl Default for BroadcastSettings {
    /// Those of the settings file.
    fn default() -> Self {
        Self {
            max_sessions: 10_000,
            max_broadcasters: 1000,
            media_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
            allow_networks: Vec::new(),
            plain_address: None,
        }
    }
}

/// The routes of both generations.
pub(crate) fn router(edge: &Edge) -> Router<Edge> {
    const ONE: &str = "/rooms/{room}/broadcasters/{id}";
    let below = |rest: &str| format!("{ONE}/{rest}");
    let of_one = Router::new()
        .route(ONE, delete(registration::remove))
        .route(&below("join"), post(registration::join))
        .route(&below("peerProducersInfos"), get(media::infos))
        .route(&below("transports"), post(media::create_transport))
        .route(
            &below("transports/{transport}/connect"),
            post(media::connect),
        )
        .route(
            &below("transports/{transport}/producers"),
            post(media::produce_classic),
        )
        .route(
            &below("transports/{transport}/consume"),
            post(media::consume_classic),
        )
        .route(
            &below("transports/{transport}/resume"),
            post(media::resume_classic),
        )
        .route(
            &below("transports/{transport}/produce/data"),
            post(media::produce_data),
        )
        .route(
            &below("transports/{transport}/consume/data"),
            post(media::consume_data),
        )
        .route(&below("producers"), post(media::produce))
        .route(&below("consumers"), post(media::consume))
        .route(&below("consumers/{consumer}/resume"), post(media::resume))
        .layer(from_fn_with_state(edge.clone(), media::at_its_node));
    Router::new()
        .route("/rooms/{room}", get(registration::room))
        .route("/rooms/{room}/broadcasters", post(registration::create))
        .merge(of_one)
}
