//! Nodes for tests, and what stands between them.

mod authority;
mod relay;
mod stranger;

pub(crate) use authority::{Authority, Files};
pub(crate) use relay::Relay;
pub(crate) use stranger::{Stranger, frame};

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plenum_ids::{NodeEpoch, NodeId};
use plenum_link::{
    Answer, Channel, Handler, Identity, LinkConfig, LinkError, LinkEvent, LinkEvents, LinkState,
    LinkStatus, Links, Peer, Refusal, SecretSource,
};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::timeout,
};

/// Generous: many tests share few cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const SECRET: &str = "a secret of more than sixteen bytes";

/// A node of a test.
pub(crate) struct Node {
    pub(crate) links: Links,
    pub(crate) id: NodeId,
    pub(crate) events: Mutex<LinkEvents>,
    pub(crate) host: Arc<Host>,
    /// What others have told it.
    pub(crate) notices: Mutex<mpsc::UnboundedReceiver<(Peer, String, Value)>>,
    /// Channels that others have opened.
    pub(crate) channels: Mutex<mpsc::UnboundedReceiver<(Channel, Value)>>,
}

/// What a node of a test does when it is asked.
pub(crate) struct Host {
    notices: mpsc::UnboundedSender<(Peer, String, Value)>,
    channels: mpsc::UnboundedSender<(Channel, Value)>,
    /// A request for `gated` goes on for each permit.
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) begun: AtomicUsize,
}

pub(crate) fn secret(text: &str) -> Identity {
    Identity::Secret {
        current: SecretSource::Value(text.into()),
        previous: None,
    }
}

pub(crate) fn config(name: &str, epoch: u64, identity: Identity) -> LinkConfig {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    LinkConfig::new(name.into(), NodeEpoch(epoch), listen, identity)
}

impl Node {
    /// A node that knows the usual secret.
    pub(crate) async fn start(name: &str) -> Self {
        Self::with(config(name, 1, secret(SECRET))).await
    }

    pub(crate) async fn with(config: LinkConfig) -> Self {
        let (notices, heard) = mpsc::unbounded_channel();
        let (channels, opened) = mpsc::unbounded_channel();
        let host = Arc::new(Host {
            notices,
            channels,
            gate: Arc::new(Semaphore::new(0)),
            begun: AtomicUsize::new(0),
        });
        let id = config.node.clone();
        let links = Links::start(config, Arc::clone(&host) as _).await;
        let links = links.expect("starts");
        Self {
            id,
            events: Mutex::new(links.events()),
            links,
            host,
            notices: Mutex::new(heard),
            channels: Mutex::new(opened),
        }
    }

    pub(crate) fn address(&self) -> String {
        self.links.address().to_string()
    }

    pub(crate) async fn ask(
        &self,
        other: &Self,
        method: &str,
        body: Value,
    ) -> Result<Value, LinkError> {
        self.ask_at(other, &other.address(), method, body).await
    }

    pub(crate) async fn ask_at(
        &self,
        other: &Self,
        address: &str,
        method: &str,
        body: Value,
    ) -> Result<Value, LinkError> {
        let asked = self
            .links
            .request(&other.id, address, method, &body, PATIENCE);
        asked.await
    }

    pub(crate) async fn ask_within(
        &self,
        other: &NodeId,
        address: &str,
        method: &str,
        within: Duration,
    ) -> Result<Value, LinkError> {
        let body = json!(1);
        let asked = self.links.request(other, address, method, &body, within);
        in_time(asked).await
    }

    pub(crate) async fn open(&self, other: &Self, name: &str) -> Channel {
        let address = other.address();
        let opening = json!({ "for": name });
        let opened = self.links.open(&other.id, &address, name, &opening);
        opened.await.expect("a channel")
    }

    /// The next event, whatever it is.
    pub(crate) async fn event(&self) -> LinkEvent {
        let mut events = self.events.lock().await;
        in_time(events.next()).await.expect("links are there")
    }

    pub(crate) async fn notice(&self) -> (Peer, String, Value) {
        in_time(self.notices.lock().await.recv())
            .await
            .expect("told")
    }

    pub(crate) async fn channel(&self) -> (Channel, Value) {
        in_time(self.channels.lock().await.recv())
            .await
            .expect("opened")
    }

    /// What it says about its link to another.
    pub(crate) fn status(&self, other: &NodeId) -> Option<LinkStatus> {
        let all = self.links.status();
        all.into_iter().find(|status| status.node == *other)
    }

    pub(crate) fn is_up(&self, other: &NodeId) -> bool {
        self.status(other)
            .is_some_and(|status| status.state == LinkState::Up)
    }
}

impl Handler for Host {
    fn request(&self, _: Peer, method: String, body: Value) -> Answer {
        self.begun.fetch_add(1, Ordering::SeqCst);
        match method.as_str() {
            "echo" => Box::pin(async move { Ok(body) }),
            "gated" => {
                let gate = Arc::clone(&self.gate);
                Box::pin(async move {
                    gate.acquire().await.expect("never closed").forget();
                    Ok(body)
                })
            }
            "large" => Box::pin(async move { Ok("x".repeat(2 << 20).into()) }),
            "no" => Box::pin(async move { Err(Refusal::new("no", "never")) }),
            "panic" => Box::pin(async move { panic!("on purpose") }),
            "never" => Box::pin(std::future::pending()),
            method => {
                let refusal = Refusal::unknown_method(method);
                Box::pin(async move { Err(refusal) })
            }
        }
    }

    fn notice(&self, from: Peer, method: String, body: Value) {
        assert_ne!(method, "panic", "on purpose");
        let _ = self.notices.send((from, method, body));
    }

    fn channel(&self, from: Peer, mut channel: Channel, opening: Value) {
        assert_eq!(*channel.peer(), from);
        match channel.name() {
            "echo" => {
                tokio::spawn(async move {
                    while let Ok(body) = channel.recv().await {
                        if channel.send(&body).await.is_err() {
                            return;
                        }
                    }
                });
            }
            "refused" => channel.close("no", "not today"),
            _ => {
                let _ = self.channels.send((channel, opening));
            }
        }
    }
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}
