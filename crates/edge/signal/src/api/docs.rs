//! The description of the API for machines (`/api/v1/openapi.json`) and for people (`/docs`). The page has everything that it
//! needs with it and asks nobody else.

use axum::{
    Router,
    http::{HeaderName, header},
    response::IntoResponse,
    routing::get,
};
use utoipa::openapi::OpenApi;

use super::document;
use crate::Edge;

const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");

/// Nothing from elsewhere, nothing inside other pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is described is no secret: it is in every copy of the program.
pub(super) fn router(document: &OpenApi) -> Router<Edge> {
    // Text of ours can always be written.
    let text = document.to_pretty_json().unwrap_or_default();
    let json = axum::body::Bytes::from(text);
    Router::new()
        .route(
            &format!("{}/openapi.json", document::BASE),
            get(async move || served("application/json", json.clone())),
        )
        .route(
            "/docs",
            get(async || served("text/html; charset=utf-8", PAGE)),
        )
        .route(
            "/docs/page.js",
            get(async || served("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route(
            "/docs/page.css",
            get(async || served("text/css; charset=utf-8", STYLE)),
        )
}

fn served(kind: &'static str, body: impl IntoResponse) -> impl IntoResponse {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (HEADERS, [(header::CONTENT_TYPE, kind)], body)
}
