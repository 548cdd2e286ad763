//! What operators ask of single packets and messages.

use serde_json::{Value, json};

use crate::{
    client::{Client, chromium_audio, join},
    logs::put,
    node::Node,
};

#[tokio::test]
async fn what_is_traced_can_be_chosen_and_fetched() {
    let node = Node::start_workers(1, &[]).await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let session = join(&mut ada, "Ada").await;
    let produced = ada
        .ask(
            "produce",
            json!({"transportId": session.send["id"], "kind": "audio", "rtpParameters": chromium_audio(1111), "appData": {}}),
        )
        .await;
    let producer = produced.expect("produces")["id"].clone();
    let path = "/api/v1/workers/0/trace";
    let wish = json!({"producerId": producer, "types": ["rtp", "sr"]});
    assert_eq!(put(node.port, path, &wish).await, (200, wish.clone()));
    let nothing = json!({"events": [], "lost": 0});
    assert_eq!(node.get_json(path).await, nothing, "no packet came");
    let transport = json!({"transportId": session.send["id"], "types": ["bwe", "probation"]});
    assert_eq!(put(node.port, path, &transport).await.0, 200);

    let with = |types: Value| json!({"producerId": producer, "types": types});
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (path, body, code) in [
        (path, with(json!(["probation"])), 400),
        (path, with(json!(["everything"])), 400),
        (path, json!({"types": []}), 400),
        (path, json!({"producerId": "nobody", "types": []}), 400),
        (path, json!({"producerId": unknown, "types": []}), 404),
        ("/api/v1/workers/7/trace", wish.clone(), 404),
        ("/api/v1/workers/x/trace", wish.clone(), 404),
    ] {
        let (is, answer) = put(node.port, path, &body).await;
        assert_eq!((is, &answer["code"]), (code, &json!(code)), "{path} {body}");
    }
    assert_eq!(node.get("/api/v1/workers/7/trace").await.0, 404);
    ada.leave().await;
}
