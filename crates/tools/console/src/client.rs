//! The node, as it is asked over HTTP.

use std::{error::Error, net::IpAddr, time::Duration};

use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use crate::{Options, table::printable};

/// A node may be busy, but nobody waits longer at a prompt.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is asked of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Not encoded.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

impl Request {
    pub(crate) fn new<S: Into<String>>(method: Method, path: impl IntoIterator<Item = S>) -> Self {
        Self {
            method,
            path: path.into_iter().map(Into::into).collect(),
            query: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// Why there is no answer, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The address is none.
    #[error("{0:?} is no address of a node: it looks like http://127.0.0.1:3000")]
    Address(String),
    /// The HTTP client cannot be made.
    #[error("cannot ask anything by HTTP")]
    Client(#[source] reqwest::Error),
    /// A name that no address can have in it.
    #[error("{0:?} cannot be named in an address")]
    Name(String),
    /// Whatever answers, it is no node.
    #[error(
        "what answers at {url} does not know {path}: it is no Plenum node, or one of another version"
    )]
    NoNode {
        /// Where.
        url: String,
        /// What it was asked for.
        path: String,
    },
    /// The node says no.
    #[error("{reason}")]
    Refused {
        /// As in HTTP.
        code: u16,
        /// For people.
        reason: String,
    },
    /// Nobody answers.
    #[error(
        "no node answers at {url} ({reason}). Is it running? \"plenum serve\" starts one, --url names another"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// For people.
        reason: String,
    },
}

/// A way to a node.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    has_key: bool,
}

impl Client {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let (address, key) = (&*options.url, options.key.as_deref());
        let base = Url::parse(address)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
            .ok_or_else(|| Failure::Address(address.to_owned()))?;
        let mut headers = reqwest::header::HeaderMap::new();
        if let Some(key) = key {
            let mut value = reqwest::header::HeaderValue::try_from(key)
                .map_err(|_| Failure::Name("the key".to_owned()))?;
            value.set_sensitive(true);
            headers.insert("x-api-key", value);
        }
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(headers)
            // On the way to this very machine nobody else can answer, and certificates for it are made by whoever likes.
            .tls_danger_accept_invalid_certs(options.own_node || is_this_machine(&base))
            .build()
            .map_err(Failure::Client)?;
        Ok(Self {
            http,
            base,
            has_key: key.is_some(),
        })
    }

    /// Where the node is, for people.
    pub(crate) fn place(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}"));
        let host = self.base.host_str().unwrap_or_default();
        format!("{host}{}", port.unwrap_or_default())
    }

    /// The node's answer; `null`: it has nothing to say but yes.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Value, Failure> {
        let mut asking = self
            .http
            .request(request.method.clone(), self.url(request)?);
        if let Some(body) = &request.body {
            asking = asking.json(body);
        }
        let answer = asking.send().await.map_err(|err| self.unreachable(err))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|err| self.unreachable(err))?;
        let body = serde_json::from_str::<Value>(&text);
        // Readiness says why not with 503.
        if status.is_success() || (status == StatusCode::SERVICE_UNAVAILABLE && is_readiness(&body))
        {
            return match body {
                _ if text.trim().is_empty() => Ok(Value::Null),
                Ok(body) => Ok(body),
                Err(_) => Err(self.no_node(request)),
            };
        }
        let reason = body
            .ok()
            .and_then(|body| Some(body["reason"].as_str()?.to_owned()));
        match reason {
            Some(reason) => Err(self.refused(status, &reason)),
            None => Err(self.no_node(request)),
        }
    }

    fn url(&self, request: &Request) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        for name in &request.path {
            // They would lead elsewhere.
            if ["", ".", ".."].contains(&&**name) {
                return Err(Failure::Name(name.clone()));
            }
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }

    fn refused(&self, status: StatusCode, reason: &str) -> Failure {
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.has_key => {
                ". Does the key have the scope and the namespace for it?"
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                ". Ask from the node's own machine, or with a key: --key or PLENUM_API_KEY"
            }
            _ => "",
        };
        Failure::Refused {
            code: status.as_u16(),
            // It may repeat names that others chose.
            reason: printable(&format!("{reason}{advice}")),
        }
    }

    fn no_node(&self, request: &Request) -> Failure {
        Failure::NoNode {
            url: self.base.to_string(),
            path: printable(&format!("/{}", request.path.join("/"))),
        }
    }

    fn unreachable(&self, err: reqwest::Error) -> Failure {
        let reason = if err.is_timeout() {
            "no answer in time".to_owned()
        } else {
            let err = err.without_url();
            let first: &(dyn Error + 'static) = &err;
            let last = std::iter::successors(Some(first), |err| (*err).source()).last();
            last.map(ToString::to_string).unwrap_or_default()
        };
        Failure::Unreachable {
            url: self.base.to_string(),
            reason,
        }
    }
}

fn is_readiness(body: &serde_json::Result<Value>) -> bool {
    matches!(body, Ok(body) if body.get("ready").is_some())
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str, key: Option<&str>) -> Result<Client, Failure> {
        Client::new(&Options {
            url: url.to_owned(),
            key: key.map(str::to_owned),
            ..Options::default()
        })
    }

    #[test]
    fn names_are_encoded_and_never_lead_elsewhere() {
        let here = client("http://127.0.0.1:3000/", None).expect("an address");
        let url = |path: &[&str]| here.url(&Request::new(Method::GET, path.iter().copied()));
        let shown = url(&["api", "v1", "rooms", "default", "a/b ?#ü%"]).expect("a name");
        assert_eq!(
            shown.as_str(),
            "http://127.0.0.1:3000/api/v1/rooms/default/a%2Fb%20%3F%23%C3%BC%25"
        );
        for name in ["", ".", ".."] {
            assert!(
                matches!(url(&["api", name]), Err(Failure::Name(_))),
                "{name:?}"
            );
        }
        let below = client("https://example.org/plenum", None).expect("an address");
        let below = below
            .url(&Request::new(Method::GET, ["stats"]))
            .expect("a name");
        assert_eq!(below.as_str(), "https://example.org/plenum/stats");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in ["", "localhost", "ftp://x", "http://"] {
            assert!(
                matches!(client(address, None), Err(Failure::Address(_))),
                "{address}"
            );
        }
        assert!(client("http://localhost", Some("new\nline")).is_err());
    }

    #[test]
    fn only_this_machine_needs_no_certificate() {
        let is = |address: &str| is_this_machine(&address.parse().expect("an address"));
        assert!(is("https://localhost:3000") && is("https://127.0.0.9") && is("https://[::1]:1"));
        assert!(!is("https://10.0.0.1") && !is("https://localhost.example.org"));
    }
}
