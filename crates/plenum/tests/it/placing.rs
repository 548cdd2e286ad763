//! Who is sent where in a cluster, and what operators see of it: nodes as processes, with a Redis of their own.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Duration, Instant, sleep},
};

use crate::{
    auth::token,
    client::{Client, join},
    node::{Node, PATIENCE},
};

/// A Redis; ended when dropped.
struct Shared {
    _redis: Child,
    port: u16,
    dir: TempDir,
}

impl Shared {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            free.local_addr().expect("bound").port()
        };
        let redis = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is installed");
        Self {
            _redis: redis,
            port,
            dir,
        }
    }

    /// A node of the cluster, whose name is its region as well.
    async fn node(&self, name: &str, more: &[&str]) -> Node {
        let settings = [
            format!("cluster.redis=redis://127.0.0.1:{}", self.port),
            "cluster.secret=a secret of these nodes".to_owned(),
            "cluster.listen=127.0.0.1:0".to_owned(),
            format!("node.id={name}"),
            format!("node.data_dir={}", self.dir.path().join(name).display()),
            format!("node.region={name}"),
            format!("node.public_url=https://{name}.example.org"),
        ];
        let settings = settings
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied());
        let arguments: Vec<_> = settings.flat_map(|setting| ["--set", setting]).collect();
        Node::start_workers(1, &arguments).await
    }
}

/// Waits until a node knows so many that take people.
async fn knows(node: &Node, count: usize) {
    until("nodes that take people", async || {
        let list = node.get_json("/api/v1/nodes").await;
        let nodes = list["nodes"].as_array().expect("a list");
        let taking = nodes
            .iter()
            .filter(|it| it["alive"] == true && it["draining"] == false);
        (taking.count() == count).then_some(())
    })
    .await;
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_rooms_second_is_sent_to_the_first_ones_node() {
    let shared = Shared::start();
    let (a, b) = tokio::join!(shared.node("a", &[]), shared.node("b", &[]));
    knows(&a, 2).await;
    knows(&b, 2).await;

    // Nobody has it yet: whichever it is, both say the same from then on.
    let first = a.get_json("/dispatch?room=r&peer=ada").await;
    let second = b.get_json("/dispatch?room=r&peer=bob").await;
    assert_eq!(first["node"], second["node"]);
    let (here, there) = if first["node"] == "a" {
        (&a, &b)
    } else {
        (&b, &a)
    };
    let name = first["node"].as_str().expect("a name");
    let url = format!("https://{name}.example.org");

    let mut ada = Client::connect(here.port, "r", "ada").await;
    join(&mut ada, "Ada").await;
    let asked = there.get_json("/dispatch?room=r&peer=bob").await;
    assert_eq!(
        (&asked["url"], &asked["here"]),
        (&json!(url), &json!(false))
    );
    let reasons = asked["reasons"].as_array().expect("a list");
    assert!(!reasons.is_empty(), "{asked}");

    // By our own dialect, if the client says that it follows.
    let target = "/plenum?room=r&peer=bob&redirects=4";
    let mut bob = Client::try_connect(there.port, target, Some("plenum"))
        .await
        .expect("let in");
    let told = bob.notified("redirect").await;
    assert_eq!(told["url"], url, "{told}");
    let (code, _) = bob.closed().await.expect("a code");
    assert_eq!(code, 1012);

    // By HTTP, the same way; once only.
    let body = json!({ "id": "cam", "displayName": "Cam", "device": { "name": "script" } });
    let sent = there
        .http_json("POST", "/rooms/r/broadcasters?redirects=1", &body)
        .await;
    let location = format!("{url}/rooms/r/broadcasters?redirects=1&placed=1");
    assert_eq!(
        (sent.code, sent.header("location")),
        (307, location.as_str())
    );

    // Everybody else is relayed, and is seen in the room.
    let mut eve = Client::connect(there.port, "r", "eve").await;
    let session = join(&mut eve, "Eve").await;
    assert_eq!(session.joined["peers"][0]["id"], "ada");
    assert_eq!(ada.notified("newPeer").await["id"], "eve");

    // Any node knows where they are, and why.
    for node in [&a, &b] {
        let places = until("a note", async || {
            let path = "/api/v1/rooms/default/r/peers/eve/placement";
            let (code, body) = node.get(path).await;
            (code == 200).then(|| serde_json::from_str::<Value>(&body).expect("JSON"))
        })
        .await;
        assert_eq!(places["places"][0]["node"], name);
        let reasons = places["places"][0]["reasons"].as_array().expect("a list");
        assert!(!reasons.is_empty(), "{places}");
    }
}

#[tokio::test]
async fn a_token_says_where_its_bearer_is() {
    let shared = Shared::start();
    let key = shared.dir.path().join("token.secret");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").expect("written");
    let keys = format!("auth.keys={}", key.display());
    let settings = ["cluster.policy=user", "auth.mode=token", keys.as_str()];
    let (a, b) = tokio::join!(shared.node("a", &settings), shared.node("b", &settings));
    knows(&a, 2).await;
    knows(&b, 2).await;
    for (region, node) in [("a", &b), ("b", &a)] {
        let peer = format!("of-{region}");
        let says = [
            "--room", "r", "--peer", &peer, "--region", region, "--isp", "Dtag",
        ];
        let token = token(&key, &says).await;
        let found = node
            .get_json(&format!("/dispatch?room=r&peer={peer}&token={token}"))
            .await;
        assert_eq!(found["node"], region, "{found}");
        let told = format!("the client is in {region} and connected by dtag, its token says");
        let says_so = |reasons: &Value| {
            let reasons = reasons.as_array().expect("a list");
            reasons.contains(&json!(told))
        };
        assert!(says_so(&found["reasons"]), "{found}");
        let target = format!("/?roomId=r&peerId={peer}&token={token}");
        let client = Client::try_connect(node.port, &target, Some("protoo")).await;
        let mut client = client.expect("let in");
        join(&mut client, "Somebody").await;
        let path = format!("/api/v1/rooms/default/r/peers/{peer}/placement");
        let places = until("a note", async || {
            let (code, body) = node.get(&path).await;
            let places: Value = serde_json::from_str(&body).ok()?;
            (code == 200 && places["places"][0].is_object()).then_some(places)
        })
        .await;
        assert_eq!(places["places"][0]["node"], region);
        assert!(says_so(&places["places"][0]["reasons"]), "{places}");
        client.leave().await;
    }
}

#[tokio::test]
async fn who_has_no_workers_sends_people_on_and_who_has_no_doors_lets_nobody_in() {
    let shared = Shared::start();
    let (media, signal) = tokio::join!(
        shared.node("media", &["node.role=media"]),
        shared.node("signal", &["node.role=signal"]),
    );
    knows(&signal, 2).await;
    let list = signal.get_json("/api/v1/nodes/signal").await;
    assert_eq!(
        (&list["role"], &list["workers"]),
        (&json!("signal"), &json!(0))
    );
    assert_eq!(signal.get("/readyz").await.0, 200);

    let found = signal.get_json("/dispatch?room=r&peer=ada").await;
    assert_eq!(
        (&found["node"], &found["url"]),
        (&json!("media"), &Value::Null)
    );
    let mut ada = Client::connect(signal.port, "r", "ada").await;
    join(&mut ada, "Ada").await;
    media.stats_when(|stats| stats["totalPeers"] == 1).await;

    for path in ["/", "/dispatch?room=r", "/rooms/r"] {
        assert_eq!(media.get(path).await.0, 404, "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/nodes"] {
        assert_eq!(media.get(path).await.0, 200, "{path}");
    }
    ada.leave().await;
}
