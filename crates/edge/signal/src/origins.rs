//! From which pages browsers may come.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Pages by their origin (`https://meet.example.org`). Browsers say which page a request is of; programs say nothing and
/// are not concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// From text; `*` stands for all of them. `None`: one of them is no origin.
    #[must_use]
    pub fn parse<T: AsRef<str>>(list: &[T]) -> Option<Self> {
        let origins = list.iter().map(|text| {
            let text = text.as_ref();
            let is_origin = text == "*" || is_origin(text);
            let value = is_origin.then(|| HeaderValue::from_str(text).ok());
            value.flatten()
        });
        origins.collect::<Option<_>>().map(Self)
    }

    /// Whether whoever sends this may come in. Without a list everybody may: `WebSockets` are not what browsers keep apart,
    /// and tokens are better proof than origins.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        self.0.is_empty() || self.0.iter().any(|known| known == "*" || known == origin)
    }

    /// What browsers ask before they let a page of another origin use the HTTP doors. Without a list: nothing, so that
    /// only our own page may.
    pub(crate) fn cors(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let allowed = if self.0.iter().any(|known| known == "*") {
            AllowOrigin::any()
        } else {
            AllowOrigin::list(self.0.clone())
        };
        let layer = CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([
                Method::GET,
                Method::POST,
                Method::PATCH,
                Method::PUT,
                Method::DELETE,
            ])
            // No cookies: who may come in is in a token, which the page sets itself.
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
            ])
            // WHIP and WHEP (RFC 9725 §4.2, §4.4) tell these.
            .expose_headers([
                header::ETAG,
                header::LINK,
                header::LOCATION,
                header::RETRY_AFTER,
                ACCEPT_PATCH,
                ACCEPT_POST,
            ]);
        Some(layer)
    }
}

/// What may be posted to a place (LDP §7.1, RFC 9725 §4.2).
pub(crate) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// With what it may be patched (RFC 5789 §3.1).
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// RFC 6454 §6.2, as browsers write it.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c);
    !host.is_empty()
        && host.chars().all(is_plain)
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(list: &[&str], origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        Origins::parse(list).expect("origins").admit(&headers)
    }

    #[test]
    fn a_list_shuts_other_pages_out_and_no_programs() {
        let list = ["https://meet.example.org", "http://localhost:3000"];
        assert!(admitted(&list, Some("https://meet.example.org")));
        assert!(admitted(&list, Some("http://localhost:3000")));
        assert!(admitted(&list, None));
        for other in [
            "http://meet.example.org",
            "https://meet.example.org:8443",
            "https://meet.example.org.evil.example",
            "null",
        ] {
            assert!(!admitted(&list, Some(other)), "{other}");
            assert!(admitted(&[], Some(other)), "{other}");
            assert!(admitted(&["*"], Some(other)), "{other}");
        }
    }

    #[test]
    fn what_no_browser_would_write_is_refused() {
        for text in [
            "",
            "example.org",
            "https://",
            "https://a/",
            "https://A",
            "https://*.a",
        ] {
            assert_eq!(Origins::parse(&[text]), None, "{text}");
        }
        for text in [
            "*",
            "https://a",
            "http://[::1]:3000",
            "capacitor://localhost",
        ] {
            assert!(Origins::parse(&[text]).is_some(), "{text}");
        }
    }
}
