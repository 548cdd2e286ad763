//! The admin API, `/api/v1`: what operators and their programs see of a running node and ask of it.
//!
//! Every operation is described where it is written, so that the document (`docs/api/openapi.json`, served as
//! `/api/v1/openapi.json` and shown at `/docs`) tells of all of them. [`access`] has who may call what. Errors have one shape
//! ([`refusal`]). What changes something is carried out in a task of its own ([`refusal::detached`]): a caller who hangs up leaves
//! nothing half-made.
#![expect(unused_qualifications, reason = "utoipa's macros write paths in full")]

mod access;
mod docs;
mod document;
mod drains;
mod extract;
mod keys;
mod media;
mod namespaces;
mod node_log;
mod nodes;
mod peers;
mod refusal;
mod rooms;
mod views;
mod webhooks;
mod worker_log;
mod worker_trace;
mod workers;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{any, post},
};
use utoipa_axum::router::OpenApiRouter;

use crate::Edge;

pub use access::AdminAccess;
pub(crate) use access::may_read_node;
pub use keys::{ApiKey, ApiKeys, Scope};

use access::{Gate, guard};
use refusal::{no_such_method, no_such_path};

/// Names and bodies are short; the longest is a room's metadata.
const MAX_BODY: usize = 64 * 1024;

/// The routes, behind their guards, and their description.
pub(crate) fn router(edge: &Edge) -> Router<Edge> {
    let (router, document) = operations(|gate, part| {
        let state = (edge.clone(), gate);
        part.route_layer(from_fn_with_state(state, guard))
    })
    .split_for_parts();
    let router = router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY));
    Router::new()
        .nest(document::BASE, router)
        // Not under the nest, as it is the nest.
        .route(&format!("{}/", document::BASE), any(no_such_path))
        .merge(docs::router(&document::complete(document)))
}

/// What other nodes order, which have looked at who orders it.
pub(crate) fn far_router() -> Router<Edge> {
    Router::new().route(rooms::FAR_PATH, post(rooms::open_here))
}

/// All operations, each with the guard that belongs to it.
fn operations(
    guarded: impl Fn(Gate, OpenApiRouter<Edge>) -> OpenApiRouter<Edge>,
) -> OpenApiRouter<Edge> {
    let everything = [
        (Gate::READ_ROOMS, rooms::reading()),
        (Gate::CHANGE_ROOMS, rooms::changing()),
        (Gate::READ_NODE, drains::reading()),
        (Gate::CHANGE_NODE, drains::changing()),
        (Gate::READ_ROOMS, nodes::of_rooms()),
        (Gate::READ_NODE, nodes::reading()),
        (Gate::READ_NODE, workers::reading()),
        (Gate::CHANGE_NODE, workers::changing()),
        (Gate::READ_NODE, webhooks::reading()),
        (Gate::CHANGE_NODE, webhooks::changing()),
    ];
    let all = OpenApiRouter::new();
    everything.into_iter().fold(all, |all, (gate, mut part)| {
        document::note_scope(part.get_openapi_mut(), gate);
        all.merge(guarded(gate, part))
    })
}

/// Where the description is in the tree, seen from this crate.
#[cfg(test)]
const DOCUMENT_FILE: &str = "../../../docs/api/openapi.json";

#[cfg(test)]
fn described() -> utoipa::openapi::OpenApi {
    document::complete(operations(|_, part| part).into_openapi())
}
