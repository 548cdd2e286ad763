//! `/api/v1/namespaces`.

use axum::{Extension, Json, extract::State};
use plenum_api::admin::{NamespaceList, NamespaceStatus};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    extract::At,
    keys::Caller,
    refusal::{Answer, Refusal},
};
use crate::Edge;

/// Which one.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct NamespacePath {
    /// Its name.
    namespace: String,
}

/// Namespaces that have rooms, or limits of their own.
#[utoipa::path(
    get,
    path = "/namespaces",
    operation_id = "listNamespaces",
    tag = "namespaces",
    responses((status = 200, description = "Those that the key may see.", body = NamespaceList))
)]
pub(super) async fn list(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
) -> Json<NamespaceList> {
    let mut namespaces = edge.host.namespaces();
    namespaces.retain(|it| caller.sees(&it.namespace));
    Json(NamespaceList { namespaces })
}

/// One namespace: what it has and may have.
#[utoipa::path(
    get,
    path = "/namespaces/{namespace}",
    operation_id = "getNamespace",
    tag = "namespaces",
    params(NamespacePath),
    responses((status = 200, description = "What it has.", body = NamespaceStatus))
)]
pub(super) async fn get(
    State(edge): State<Edge>,
    At(path): At<NamespacePath>,
) -> Answer<Json<NamespaceStatus>> {
    let mut all = edge.host.namespaces().into_iter();
    let found = all.find(|it| it.namespace == path.namespace);
    found
        .map(Json)
        .ok_or_else(|| Refusal::not_found("namespace"))
}
