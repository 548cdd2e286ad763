//! `/api/v1/webhooks`: how deliveries go, and what no receiver took.

use axum::{Extension, Json, extract::State};
use plenum_api::webhook::{DeadLetterList, DeadLettersRetried, WebhookList};
use serde::Deserialize;
use tracing::info;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::At,
    keys::Caller,
    refusal::{Answer, Refusal},
};
use crate::Edge;

/// What is looked at.
pub(super) fn reading() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(dead_letters))
}

/// What is changed.
pub(super) fn changing() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(retry_all))
        .routes(routes!(retry))
}

/// Which dead letter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct LetterPath {
    /// As the list of dead letters names it.
    id: String,
}

/// Receivers of events, and how deliveries to them go.
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    responses((status = 200, description = "In the order of the settings.", body = WebhookList))
)]
async fn list(State(edge): State<Edge>) -> Json<WebhookList> {
    Json(edge.webhooks.list())
}

/// Events that were given up.
#[utoipa::path(
    get,
    path = "/webhooks/dead-letters",
    operation_id = "listDeadLetters",
    tag = "webhooks",
    responses((status = 200, description = "By receiver, oldest first.", body = DeadLetterList))
)]
async fn dead_letters(State(edge): State<Edge>) -> Json<DeadLetterList> {
    Json(edge.webhooks.dead_letters())
}

/// Delivers all dead letters again, behind what waits of their rooms.
#[utoipa::path(
    post,
    path = "/webhooks/dead-letters/retry",
    operation_id = "retryDeadLetters",
    tag = "webhooks",
    responses((status = 200, description = "How many.", body = DeadLettersRetried))
)]
async fn retry_all(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
) -> Answer<Json<DeadLettersRetried>> {
    answer(&edge, &caller, None)
}

/// Delivers one dead letter again.
#[utoipa::path(
    post,
    path = "/webhooks/dead-letters/{id}/retry",
    operation_id = "retryDeadLetter",
    tag = "webhooks",
    params(LetterPath),
    responses((status = 200, description = "Whether there was room for it.", body = DeadLettersRetried))
)]
async fn retry(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<LetterPath>,
) -> Answer<Json<DeadLettersRetried>> {
    answer(&edge, &caller, Some(&path.id))
}

fn answer(edge: &Edge, caller: &Caller, id: Option<&str>) -> Answer<Json<DeadLettersRetried>> {
    let result = edge.webhooks.retry(id);
    let result = result.ok_or_else(|| Refusal::not_found("dead letter"))?;
    let retried = result.retried;
    info!(
        by = caller.name,
        retried, "dead letters of webhooks are sent again"
    );
    Ok(Json(result))
}
