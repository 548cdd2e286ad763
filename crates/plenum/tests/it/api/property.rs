//! Every operation of the node's own description, with input of every kind: nothing is answered with 500, all refusals have one
//! shape, and what succeeds looks as it is described.

use std::collections::BTreeMap;

use plenum_testkit::rng::Rng;
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use tokio::{runtime::Handle, task::block_in_place};

use super::{
    OPS,
    document::{Document, Operation},
    keys,
    wire::{Answer, Caller},
};
use crate::{
    moving::{complete, room},
    node::{Node, report},
};

/// What stands for a parameter.
#[derive(Clone, Debug)]
enum Piece {
    /// Something that exists.
    Known(Index),
    /// Any text.
    Text(String),
    /// Any bytes, UTF-8 or not.
    Bytes(Vec<u8>),
    /// Not even percent-encoded as it should be.
    Broken(String),
}

/// What is in the body.
#[derive(Clone, Debug)]
enum Content {
    /// As described.
    Described(u64),
    /// As described but for one member.
    Damaged(u64, Index),
    /// JSON that has nothing to do with it.
    Other(Value),
    /// No JSON.
    Bytes(Vec<u8>),
    Nothing,
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        12 => any::<Index>().prop_map(Piece::Known),
        1 => any::<String>().prop_map(Piece::Text),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Piece::Bytes),
        1 => "[a-z0-9%.~;:@=+-]{1,20}".prop_map(Piece::Broken),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members: BTreeMap<_, _>| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        4 => any::<u64>().prop_map(Content::Described),
        2 => (any::<u64>(), any::<Index>()).prop_map(|(seed, at)| Content::Damaged(seed, at)),
        1 => json().prop_map(Content::Other),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Content::Bytes),
        1 => Just(Content::Nothing),
    ]
}

impl Piece {
    fn encode(&self, known: &[String]) -> String {
        match self {
            Self::Known(index) => percent(index.get(known).as_bytes()),
            Self::Text(text) => percent(text.as_bytes()),
            Self::Bytes(bytes) => percent(bytes),
            Self::Broken(text) => text.clone(),
        }
    }
}

fn percent(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

impl Content {
    fn bytes(&self, document: &Document, operation: &Operation) -> Option<Vec<u8>> {
        let example = |seed| {
            let schema = operation.body.as_ref()?;
            Some(document.example(schema, &mut Rng::new(seed)))
        };
        match self {
            Self::Described(seed) => Some(example(*seed)?.to_string().into_bytes()),
            Self::Damaged(seed, at) => {
                let mut value = example(*seed)?;
                if let Some(members) = value.as_object_mut().filter(|it| !it.is_empty()) {
                    let at = at.index(members.len());
                    let member = members.values_mut().nth(at).expect("one of them");
                    *member = serde_json::json!([{"no": "such"}, -1]);
                }
                Some(value.to_string().into_bytes())
            }
            Self::Other(value) => Some(value.to_string().into_bytes()),
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Nothing => None,
        }
    }
}

/// What the node has at the moment, by what parameters ask for.
async fn known(caller: &Caller) -> BTreeMap<&'static str, Vec<String>> {
    let get = async |path: &str| {
        let answer = caller.ask("GET", path, &Value::Null).await;
        serde_json::from_str::<Value>(&answer.body).unwrap_or_default()
    };
    let mut known = BTreeMap::from([
        ("namespace", list(["default", "default", "default", "a"])),
        ("room", list(["meeting", "meeting", "a", "b"])),
        ("workers", list(["0", "1", "2"])),
        ("peer", list(["nobody"])),
    ]);
    for (path, list, member, kind) in [
        ("peers", "peers", "peerId", "peer"),
        ("transports", "transports", "transportId", "transports"),
        ("producers", "producers", "producerId", "producers"),
        ("consumers", "consumers", "consumerId", "consumers"),
        (
            "producers",
            "dataProducers",
            "dataProducerId",
            "data-producers",
        ),
        (
            "consumers",
            "dataConsumers",
            "dataConsumerId",
            "data-consumers",
        ),
    ] {
        let found = get(&format!("/api/v1/rooms/default/meeting/{path}")).await;
        let objects = found[list].as_array().into_iter().flatten();
        let ids = objects.filter_map(|it| Some(it[member].as_str()?.to_owned()));
        let ids: Vec<_> = ids.collect();
        let pool = known.entry(kind).or_default();
        pool.extend(ids);
        pool.push("00000000-0000-4000-8000-000000000000".to_owned());
    }
    known
}

fn list<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_input_to_any_operation_breaks_the_node() {
    let node = Node::start_with(&["--set", &keys()]).await;
    let meeting = room(&node, "meeting", 0, 2, 1);
    complete(&meeting).await;
    let caller = Caller::new(node.port, Some(OPS));
    let document = Document::new(node.get_json("/api/v1/openapi.json").await);
    let mut operations = document.operations();
    operations.sort_by_key(|it| ENDS.iter().position(|name| *name == it.name));
    let mut codes = BTreeMap::<(String, u16), usize>::new();
    for operation in &operations {
        let cases = (prop::collection::vec(piece(), 4), content());
        let config = Config {
            cases: 24,
            failure_persistence: None,
            ..Config::default()
        };
        let codes = std::cell::RefCell::new(&mut codes);
        let result = TestRunner::new(config).run(&cases, |(pieces, content)| {
            let answer = block_in_place(|| {
                let asking = ask(&caller, &document, operation, &pieces, &content);
                Handle::current().block_on(asking)
            });
            let key = (operation.name.clone(), answer.code);
            *codes.borrow_mut().entry(key).or_default() += 1;
            prop_assert!(![500, 501].contains(&answer.code), "{}", answer.body);
            if answer.code >= 300 {
                answer.check_refusal();
            } else {
                document.check(operation, answer.code, &answer.body);
            }
            Ok(())
        });
        if let Err(err) = result {
            panic!("{}: {err}", operation.name);
        }
    }
    report(&format!("answers: {codes:#?}"));
    assert_eq!(node.get("/healthz").await.0, 200);
    let served = codes.keys().filter(|(_, code)| *code < 300);
    let served: std::collections::BTreeSet<_> = served.map(|(name, _)| name).collect();
    // Whatever the dice say, most of it is found somewhere.
    assert!(served.len() * 2 > operations.len(), "{served:?}");
}

/// After these less is left to try things with: they come last, in this order.
const ENDS: [&str; 10] = [
    "closeConsumer",
    "closeDataProducer",
    "closeProducer",
    "closeTransport",
    "kickPeer",
    "refusePeer",
    "drainWorker",
    "undrainWorker",
    "restartWorkers",
    "closeRoom",
];

async fn ask(
    caller: &Caller,
    document: &Document,
    operation: &Operation,
    pieces: &[Piece],
    content: &Content,
) -> Answer {
    let known = known(caller).await;
    let mut pieces = pieces.iter().cycle();
    let target = operation.target(|name| {
        let piece = pieces.next().expect("cycles");
        // Of what there is none, nothing is known.
        let pool = known.get(name).unwrap_or_else(|| &known["peer"]);
        piece.encode(pool)
    });
    let body = content.bytes(document, operation);
    let method = &operation.method;
    caller.send(method, &target, body.as_deref()).await
}
