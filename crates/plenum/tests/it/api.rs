//! The admin API of a real node: what it does, who may use it, and that nothing that anybody sends breaks it.

mod decisions;
mod document;
mod property;
mod wire;

use serde_json::{Value, json};

use crate::{client::Client, node::Node};
use wire::{Answer, Caller};

const OPS: &str = "the key of the operators";
const READER: &str = "the key of a dashboard";
const ACME: &str = "the key of a namespace";

fn keys() -> String {
    format!(
        "admin.keys=[{{ name = \"ops\", key = \"{OPS}\", scope = \"admin\" }}, \
         {{ name = \"dashboard\", key = \"{READER}\", scope = \"read\" }}, \
         {{ name = \"acme\", key = \"{ACME}\", scope = \"admin\", namespace = \"acme\" }}]"
    )
}

/// A node that nobody administers without a key.
async fn node() -> Node {
    Node::start_with(&["--set", &keys(), "--set", "admin.allow=none"]).await
}

fn with_key(node: &Node, key: &'static str) -> Caller {
    Caller::new(node.port, Some(key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_open_what_their_scopes_and_namespaces_say() {
    let node = node().await;
    let code = async |key, method, path: &str, body: Value| {
        let caller = Caller::new(node.port, key);
        caller.ask(method, path, &body).await.code
    };
    let room = |namespace| json!({"namespace": namespace, "room": "a"});
    let none = Value::Null;
    assert_eq!(code(None, "GET", "/api/v1/rooms", none.clone()).await, 403);
    assert_eq!(
        code(Some("guess"), "GET", "/api/v1/rooms", none.clone()).await,
        401
    );
    assert_eq!(
        code(Some(READER), "POST", "/api/v1/rooms", room("default")).await,
        403
    );
    assert_eq!(
        code(Some(ACME), "POST", "/api/v1/rooms", room("default")).await,
        403
    );
    assert_eq!(
        code(Some(ACME), "POST", "/api/v1/rooms", room("acme")).await,
        201
    );
    assert_eq!(
        code(Some(ACME), "POST", "/api/v1/rooms", room("acme")).await,
        409
    );
    assert_eq!(
        code(Some(OPS), "POST", "/api/v1/rooms", room("default")).await,
        201
    );
    for (path, acme, reader) in [
        ("/api/v1/rooms/acme/a", 200, 200),
        ("/api/v1/rooms/default/a", 403, 200),
        ("/api/v1/namespaces/default", 403, 200),
        ("/api/v1/workers", 403, 200),
        ("/api/v1/stats", 403, 200),
        ("/api/v1/workers/0/trace", 403, 403),
    ] {
        assert_eq!(
            code(Some(ACME), "GET", path, none.clone()).await,
            acme,
            "{path}"
        );
        assert_eq!(
            code(Some(READER), "GET", path, none.clone()).await,
            reader,
            "{path}"
        );
    }
    let seen = async |key, path| {
        let caller = with_key(&node, key);
        caller.ask("GET", path, &Value::Null).await.json()
    };
    let rooms = seen(ACME, "/api/v1/rooms").await;
    assert_eq!(names(&rooms["rooms"], "namespace"), ["acme"]);
    let rooms = seen(READER, "/api/v1/rooms").await;
    assert_eq!(names(&rooms["rooms"], "namespace"), ["acme", "default"]);
    let rooms = seen(READER, "/api/v1/rooms?namespace=default").await;
    assert_eq!(names(&rooms["rooms"], "namespace"), ["default"]);
    let first = seen(READER, "/api/v1/rooms?limit=1").await;
    assert_eq!(names(&first["rooms"], "namespace"), ["acme"]);
    let path = format!(
        "/api/v1/rooms?cursor={}",
        first["next"].as_str().expect("more")
    );
    let rest = seen(READER, path.as_str()).await;
    assert_eq!(names(&rest["rooms"], "namespace"), ["default"]);
    assert_eq!(rest["next"], Value::Null);
    let namespaces = seen(ACME, "/api/v1/namespaces").await;
    assert_eq!(names(&namespaces["namespaces"], "namespace"), ["acme"]);
    for path in ["/stats", "/workers"] {
        let shown = |stats: &Value| {
            let names = stats["placements"].as_object().expect("rooms").keys();
            assert_eq!(stats["totalRooms"], 2);
            names.cloned().collect::<Vec<_>>()
        };
        let stats = node.get_json(path).await;
        assert_eq!(shown(&stats), ["a"]);
        assert!(!stats["distribution"].to_string().contains("acme"));
        assert_eq!(shown(&seen(ACME, path).await), ["a"]);
        assert_eq!(shown(&seen(READER, path).await), ["a", "acme/a"]);
    }
    assert_eq!(
        code(Some(ACME), "DELETE", "/api/v1/rooms/acme/a", none.clone()).await,
        204
    );
    assert_eq!(
        code(Some(ACME), "GET", "/api/v1/rooms/acme/a", none).await,
        404
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_on_the_nodes_machine_is_not_its_operator() {
    let node = Node::start().await;
    let code = async |headers: &str| node.call("GET", "/api/v1/rooms", headers).await.0;
    assert_eq!(code("").await, 200);
    assert_eq!(code("Sec-Fetch-Site: none\r\n").await, 200);
    for from_page in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Host: rebound.example\r\n",
    ] {
        assert_eq!(code(from_page).await, 403, "{from_page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_are_ordered_under_names_that_can_be_asked_for_and_with_time_to_come() {
    let node = Node::start().await;
    let local = Caller::new(node.port, None);
    for wrong in [
        json!({"namespace": "a/b", "room": "a"}),
        json!({"namespace": "", "room": "a"}),
        json!({"room": "a", "emptyTimeout": 0}),
    ] {
        let Answer { code, body } = local.ask("POST", "/api/v1/rooms", &wrong).await;
        assert_eq!(code, 400, "{wrong}: {body}");
    }
    let order = json!({"namespace": "a.b", "room": "a", "emptyTimeout": 1});
    assert_eq!(local.ask("POST", "/api/v1/rooms", &order).await.code, 201);
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let all = list.as_array().expect("a list").iter();
    let name = |it: &Value| it[member].as_str().expect("a name").to_owned();
    all.map(name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_was_ordered_is_as_it_was_ordered_and_waits_for_people() {
    let node = node().await;
    let ops = with_key(&node, OPS);
    let order = json!({
        "room": "a/b ä", "metadata": {"title": "Monday"}, "maxPeers": 7, "codec": "vp8", "disableBwe": true
    });
    let Answer { code, body } = ops.ask("POST", "/api/v1/rooms", &order).await;
    assert_eq!(code, 201, "{body}");
    let path = "/api/v1/rooms/default/a%2Fb%20%C3%A4";
    let room = ops.ask("GET", path, &Value::Null).await.json();
    assert_eq!(
        (&room["room"], &room["maxPeers"]),
        (&json!("a/b ä"), &json!(7))
    );
    assert_eq!(room["metadata"], json!({"title": "Monday"}));
    assert_eq!(room["peers"], json!([]));

    let target = "/?roomId=a%2Fb%20%C3%A4&peerId=ada";
    let mut ada = Client::try_connect(node.port, target, Some("protoo"))
        .await
        .expect("let in");
    let capabilities = ada.ask("getRouterRtpCapabilities", json!({})).await;
    let capabilities = capabilities.expect("answered");
    let codecs = names(&capabilities["codecs"], "mimeType");
    assert_eq!(codecs, ["audio/opus", "video/VP8", "video/rtx"]);
    let extensions = names(&capabilities["headerExtensions"], "uri");
    for gone in ["abs-send-time", "transport-wide-cc"] {
        assert!(
            extensions.iter().all(|uri| !uri.contains(gone)),
            "{extensions:?}"
        );
    }
    let peers = ops
        .ask("GET", &format!("{path}/peers"), &Value::Null)
        .await
        .json();
    assert_eq!(names(&peers["peers"], "peerId"), ["ada"]);
    let peer = ops
        .ask("GET", &format!("{path}/peers/ada"), &Value::Null)
        .await
        .json();
    assert_eq!(
        (&peer["state"], &peer["door"]),
        (&json!("connected"), &json!("classic"))
    );
    drop(ada);
    // It was opened for longer than somebody is there.
    loop {
        let room = ops.ask("GET", path, &Value::Null).await.json();
        if room["peers"] == json!([]) {
            break;
        }
        tokio::task::yield_now().await;
    }
    let again = ops.ask("POST", "/api/v1/rooms", &order).await;
    assert_eq!(again.code, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_one_name_in_two_namespaces_never_meet() {
    let node = node().await;
    let ops = with_key(&node, OPS);
    let enter = async |namespace: &str, peer: &str| {
        let target = format!("/?roomId=a&peerId={peer}&namespace={namespace}");
        Client::try_connect(node.port, &target, Some("protoo"))
            .await
            .expect("let in")
    };
    let _ada = enter("one", "ada").await;
    let _bob = enter("two", "ada").await;
    for namespace in ["one", "two"] {
        let path = format!("/api/v1/rooms/{namespace}/a/peers");
        let peers = ops.ask("GET", &path, &Value::Null).await.json();
        assert_eq!(names(&peers["peers"], "peerId"), ["ada"]);
        let path = format!("/api/v1/namespaces/{namespace}");
        let status = ops.ask("GET", &path, &Value::Null).await.json();
        assert_eq!(
            (&status["rooms"], &status["sessions"]),
            (&json!(1), &json!(1))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_and_its_page_are_open_and_need_nobody_else() {
    let node = node().await;
    let (code, page) = node.get("/docs").await;
    assert_eq!(code, 200);
    assert!(
        !page.contains("http:") && !page.contains("https:"),
        "{page}"
    );
    for path in ["/docs/page.js", "/docs/page.css"] {
        let (code, text) = node.get(path).await;
        assert_eq!(code, 200, "{path}");
        assert!(!text.contains("://"), "{path}");
    }
    let document = node.get_json("/api/v1/openapi.json").await;
    let in_tree = include_str!("../../../../docs/api/openapi.json");
    assert_eq!(
        document,
        serde_json::from_str::<Value>(in_tree).expect("JSON")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_refused_in_the_same_shape() {
    let node = node().await;
    let ops = with_key(&node, OPS);
    for (method, path, expected) in [
        ("GET", "/api/v1/", 404),
        ("GET", "/api/v1/nothing", 404),
        ("POST", "/api/v1/nothing/at/all", 404),
        ("PUT", "/api/v1/rooms", 405),
        ("DELETE", "/api/v1/workers/restart", 405),
        ("GET", "/api/v1/workers/70000", 404),
        ("GET", "/api/v1/workers/0x0", 404),
        ("GET", "/api/v1/rooms/default/%ff", 400),
        ("GET", "/api/v1/rooms/default/none/producers/x/stats", 404),
    ] {
        let answer = ops.ask(method, path, &Value::Null).await;
        assert_eq!(answer.code, expected, "{method} {path}: {}", answer.body);
        answer.check_refusal();
    }
    let long = "x".repeat(100_000);
    let answer = ops
        .ask("POST", "/api/v1/rooms", &json!({"room": long}))
        .await;
    assert_eq!(answer.code, 413);
    answer.check_refusal();
}
