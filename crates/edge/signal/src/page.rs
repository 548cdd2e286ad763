//! The web page, embedded into the binary.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header},
};
use rust_embed::Embed;

#[derive(Embed)]
#[folder = "../../../web/meet/dist"]
struct Files;

/// The file behind a path. Paths without an extension are places inside the page and get the page itself.
pub(crate) fn serve(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let path = uri.path().trim_start_matches('/');
    if let Some(response) = file(path, headers) {
        return response;
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.contains('.') {
        return status(StatusCode::NOT_FOUND);
    }
    file(INDEX, headers).unwrap_or_else(not_built)
}

const INDEX: &str = "index.html";

fn file(path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    let path = if path.is_empty() { INDEX } else { path };
    let file = Files::get(path)?;
    let etag = etag(&file.metadata.sha256_hash());
    let builder = Response::builder()
        .header(header::ETAG, &etag)
        .header(header::CACHE_CONTROL, cache_control(path))
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let response = if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|seen| names_etag(seen, &etag))
    {
        builder.status(StatusCode::NOT_MODIFIED).body(Body::empty())
    } else {
        builder
            .header(header::CONTENT_TYPE, content_type(path))
            .body(Body::from(file.data))
    };
    Some(response.expect("all header values are plain text of ours"))
}

/// The build tool puts a hash of the content into the names under `assets/`, so those never change.
fn cache_control(path: &str) -> &'static str {
    if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

fn content_type(path: &str) -> String {
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    if mime.type_() == "text" || mime.subtype() == "javascript" || mime.subtype() == "json" {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_string()
    }
}

/// Half of the hash is plenty to tell two builds apart.
fn etag(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(34);
    text.push('"');
    for byte in &hash[..16] {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    text
}

/// `If-None-Match` is a list, and compares weakly (RFC 9110 §13.1.2).
fn names_etag(seen: &HeaderValue, etag: &str) -> bool {
    seen.to_str().is_ok_and(|list| {
        list.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag || tag == "*")
    })
}

fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(
        code.canonical_reason().unwrap_or_default().to_owned(),
    ));
    *response.status_mut() = code;
    response
}

fn not_built() -> Response<Body> {
    let body = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Plenum</title>\
        <p>The web page is not part of this build. Run <code>make build</code> and start again.</p>\
        <p>Signalling works: connect a protoo client to this address.</p>";
    Response::builder()
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::from(body))
        .expect("all header values are plain text of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, headers: &HeaderMap) -> Response<Body> {
        serve(&Method::GET, &path.parse().expect("a path"), headers)
    }

    #[test]
    fn places_inside_the_page_are_the_page_and_missing_files_are_missing() {
        for path in ["/", "/?room=abc", "/room/abc"] {
            let response = get(path, &HeaderMap::new());
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let kind = response.headers()[header::CONTENT_TYPE].to_str();
            assert_eq!(kind.expect("text"), "text/html; charset=utf-8");
        }
        for path in ["/assets/none.js", "/../Cargo.toml", "/assets/../../x.html"] {
            assert_eq!(
                get(path, &HeaderMap::new()).status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        let response = serve(&Method::POST, &Uri::from_static("/"), &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn every_file_has_a_tag_and_is_not_sent_twice() {
        for path in Files::iter() {
            let first = get(&format!("/{path}"), &HeaderMap::new());
            assert_eq!(first.status(), StatusCode::OK, "{path}");
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
            let again = get(&format!("/{path}"), &headers);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        }
    }

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        let tag = etag(&[0xab; 32]);
        let seen = |text: &str| HeaderValue::from_str(text).expect("text");
        assert!(names_etag(&seen(&format!("\"x\", W/{tag}")), &tag));
        assert!(names_etag(&seen("*"), &tag));
        assert!(!names_etag(&seen("\"x\""), &tag));
    }

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        assert!(cache_control("assets/index-abc.js").contains("immutable"));
        assert_eq!(cache_control("index.html"), "no-cache");
        assert_eq!(content_type("a.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.svg"), "image/svg+xml");
    }
}
