//! Asking a dispatcher where to go before going anywhere: `GET /dispatch`.

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    door::{self, Door},
    wire,
};
use crate::{ClientError, Tls};

/// An answer is a few hundred bytes of names and reasons.
const MAX_ANSWER: u64 = 64 << 10;

/// What the door is called. An address with this path is that of a dispatcher, which is asked for each join.
const PATH: &str = "/dispatch";

/// Whether an address names that door.
pub(super) fn is_dispatcher(url: &str) -> bool {
    let path = url.split_once("://").and_then(|(_, rest)| {
        let at = rest.find('/')?;
        rest.get(at..)?.split(['?', '#']).next()
    });
    path.is_some_and(|path| path.trim_end_matches('/') == PATH)
}

/// Who wants to know.
pub(super) struct Who<'a> {
    pub(super) room: &'a str,
    pub(super) peer: Option<&'a str>,
    pub(super) namespace: Option<&'a str>,
    pub(super) token: Option<&'a str>,
}

#[derive(Deserialize)]
struct Dispatched {
    url: Option<String>,
}

/// Where somebody is to go; the dispatcher itself if it names nobody else.
pub(super) async fn ask(door: &Door, tls: &Tls, who: &Who<'_>) -> Result<Door, ClientError> {
    let target = door::query(
        format!("{PATH}?"),
        &[
            ("room", Some(who.room)),
            ("peer", who.peer),
            ("namespace", who.namespace),
            ("token", who.token),
        ],
    );
    let answer = get(door, tls, &target).await?;
    match parse(&answer) {
        Some((200, _, body)) => {
            let dispatched: Dispatched =
                serde_json::from_slice(body).map_err(|source| ClientError::Protocol {
                    what: "dispatch",
                    source: Some(source),
                })?;
            let elsewhere = dispatched.url.as_deref().map(Door::parse);
            elsewhere.unwrap_or_else(|| Ok(door.clone()))
        }
        Some((code @ 300..400, Some(location), _)) => Err(ClientError::TurnedAway {
            code,
            reason: location.to_owned(),
        }),
        Some((code, _, body)) => Err(ClientError::TurnedAway {
            code,
            reason: String::from_utf8_lossy(body).chars().take(200).collect(),
        }),
        None => Err(ClientError::Protocol {
            what: "dispatch",
            source: None,
        }),
    }
}

async fn get(door: &Door, tls: &Tls, target: &str) -> Result<Vec<u8>, ClientError> {
    let failed = |source| ClientError::Connect {
        url: door.url(""),
        source,
    };
    let mut stream = wire::open(door, tls).await?;
    // Of HTTP 1.0 answers come in one piece, to the end of the connection.
    let request = format!(
        "GET {target} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\n\r\n",
        door.authority()
    );
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER)
        .read_to_end(&mut answer)
        .await
        .map_err(failed)?;
    Ok(answer)
}

/// Status, `Location` and body of an answer.
fn parse(answer: &[u8]) -> Option<(u16, Option<&str>, &[u8])> {
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n")?;
    let (head, body) = (answer.get(..end)?, answer.get(end + 4..)?);
    let mut lines = str::from_utf8(head).ok()?.split("\r\n");
    let mut status = lines.next()?.split(' ');
    if !status.next()?.starts_with("HTTP/") {
        return None;
    }
    let code = status.next()?.parse().ok()?;
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.trim().eq_ignore_ascii_case("location");
        is_it.then(|| value.trim())
    });
    Some((code, location, body))
}

/// Whatever the bytes, it returns.
pub(crate) fn fuzz_answer(data: &[u8]) {
    if let Some((_, _, body)) = parse(data) {
        let _ = serde_json::from_slice::<Dispatched>(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let found = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parse(found), Some((200, None, &b"{}"[..])));
        let moved = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: https://b/dispatch\r\n\r\n";
        assert_eq!(
            parse(moved),
            Some((307, Some("https://b/dispatch"), &b""[..]))
        );
        for broken in [
            &b"HTTP/1.0 200 OK\r\n"[..],
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.0 ok\r\n\r\n",
            b"\r\n\r\n",
        ] {
            assert_eq!(parse(broken), None);
        }
    }

    #[test]
    fn a_dispatcher_is_known_by_its_path() {
        for (url, expected) in [
            ("https://go.example.org/dispatch", true),
            ("http://localhost:3000/dispatch/?x=1", true),
            ("http://localhost:3000", false),
            ("http://dispatch", false),
            ("http://host/dispatch/more", false),
        ] {
            assert_eq!(is_dispatcher(url), expected, "{url}");
        }
    }
}
