//! Who is one of us: secrets, certificates, and exchanging them while links go on.

use std::{fs, path::Path};

use plenum_ids::NodeEpoch;
use plenum_link::{
    DownReason, Identity, LinkError, LinkEvent, Links, Rejection, RejectionCode, SecretSource,
    StartError,
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Authority, Files, Node, PATIENCE, SECRET, config, in_time, secret, until};

const OLD: &str = "the old secret of all the nodes";
const NEW: &str = "the new secret of all the nodes";

/// Secrets in files.
struct Secrets(TempDir);

impl Secrets {
    fn of(current: &str) -> Self {
        let secrets = Self(tempfile::tempdir().expect("a directory"));
        secrets.write("current", current);
        secrets
    }

    fn write(&self, name: &str, secret: &str) {
        // In one step, as one would: nobody reads half of it.
        let written = self.0.path().join("written");
        fs::write(&written, format!("{secret}\n")).expect("writes");
        fs::rename(written, self.0.path().join(name)).expect("renames");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).expect("removes");
    }

    fn identity(&self) -> Identity {
        let file = |name| SecretSource::File(Path::join(self.0.path(), name));
        Identity::Secret {
            current: file("current"),
            previous: Some(file("previous")),
        }
    }
}

async fn node(name: &str, identity: Identity) -> Node {
    Node::with(config(name, 1, identity)).await
}

fn code(result: &Result<serde_json::Value, LinkError>) -> Option<RejectionCode> {
    match result {
        Err(LinkError::Rejected(Rejection { code, .. })) => Some(*code),
        _ => None,
    }
}

/// Whether new connections between two nodes are made, in both directions.
async fn meet(one: &Node, two: &Node) -> bool {
    for (from, to) in [(one, two), (two, one)] {
        from.links.cut(&to.id);
        until("there is no link", || {
            !one.is_up(&two.id) && !two.is_up(&one.id)
        })
        .await;
        if from.ask(to, "echo", json!(1)).await != Ok(json!(1)) {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn who_knows_another_secret_is_refused_and_both_know_why() {
    let one = node("one", secret("another secret, just as long")).await;
    let two = node("two", secret(SECRET)).await;
    for (from, to) in [(&one, &two), (&two, &one)] {
        let refused = from.ask(to, "echo", json!(1)).await;
        assert_eq!(code(&refused), Some(RejectionCode::WrongSecret));
        let status = from.status(&to.id).expect("remembered");
        assert!(matches!(status.last_failure, Some(LinkError::Rejected(_))));
    }
    let failed = |node: &Node| node.links.listener_figures().failed;
    until("both have counted", || {
        failed(&one) == 1 && failed(&two) == 1
    })
    .await;
}

#[tokio::test]
async fn secrets_are_exchanged_node_by_node_and_no_link_is_lost() {
    let (files_one, files_two) = (Secrets::of(OLD), Secrets::of(OLD));
    let one = node("one", files_one.identity()).await;
    let two = node("two", files_two.identity()).await;
    assert!(meet(&one, &two).await);
    let mut channel = two.open(&one, "echo").await;
    let (sent_one, sent_two) = (
        one.status(&two.id).expect("up").since,
        two.status(&one.id).expect("up").since,
    );

    // A stranger to both shows what a node accepts by now.
    let accepts = |node: &Node, secret_of: &'static str| {
        let (id, address) = (node.id.clone(), node.address());
        async move {
            let probe = self::node("probe", secret(secret_of)).await;
            let asked = probe.ask_within(&id, &address, "echo", PATIENCE);
            asked.await.is_ok()
        }
    };
    let until_accepts = async |node: &Node, secret: &'static str, wanted: bool| {
        in_time(async {
            while accepts(node, secret).await != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    };

    // The first knows both, the second the old one alone.
    files_one.write("previous", OLD);
    files_one.write("current", NEW);
    until_accepts(&one, NEW, true).await;
    assert!(accepts(&one, OLD).await);
    assert_eq!(one.ask_at(&two, "", "echo", json!(1)).await, Ok(json!(1)));
    files_two.write("previous", OLD);
    files_two.write("current", NEW);
    until_accepts(&two, NEW, true).await;

    // The old one goes, from one after the other.
    files_one.remove("previous");
    until_accepts(&one, OLD, false).await;
    assert!(accepts(&one, NEW).await);
    files_two.write("previous", "");
    until_accepts(&two, OLD, false).await;

    channel.send(&json!("still")).await.expect("the same link");
    assert_eq!(in_time(channel.recv()).await, Ok(json!("still")));
    assert_eq!(one.status(&two.id).expect("up").since, sent_one);
    assert_eq!(two.status(&one.id).expect("up").since, sent_two);
    channel.close("done", "");
    assert!(meet(&one, &two).await);
}

#[tokio::test]
async fn a_link_to_who_knows_only_a_retired_secret_is_closed() {
    let files = Secrets::of(OLD);
    let one = node("one", files.identity()).await;
    let two = node("two", secret(OLD)).await;
    one.ask(&two, "echo", json!(1)).await.expect("a link");
    assert!(matches!(one.event().await, LinkEvent::Up { .. }));
    files.write("current", NEW);
    let LinkEvent::Down { reason, .. } = one.event().await else {
        panic!("down");
    };
    assert_eq!(reason, DownReason::Ended);
    until("the other has heard it", || !two.is_up(&one.id)).await;
    assert_eq!(
        code(&two.ask(&one, "echo", json!(1)).await),
        Some(RejectionCode::WrongSecret)
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing() {
    let files = Secrets::of(OLD);
    let one = node("one", files.identity()).await;
    files.write("current", "short");
    // The next change is seen, so this one was.
    files.write("previous", "x");
    let two = node("two", secret(OLD)).await;
    for _ in 0..3 {
        assert!(meet(&one, &two).await);
    }
    files.write("current", NEW);
    files.write("previous", OLD);
    let three = node("three", secret(NEW)).await;
    in_time(async {
        while three.ask(&one, "echo", json!(1)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nodes_of_one_authority_know_each_other_by_their_names() {
    let authority = Authority::new();
    let (files_one, files_two) = (authority.certify("one"), authority.certify("two.example"));
    let one = node("one", files_one.identity(true)).await;
    let two = node("two.example", files_two.identity(true)).await;
    assert!(meet(&one, &two).await);

    // Somebody else's certificate is no good, unless names do not count.
    let liar = node("one", files_two.identity(false)).await;
    assert_eq!(
        code(&liar.ask(&two, "echo", json!(1)).await),
        Some(RejectionCode::WrongNode)
    );
    let address = liar.address();
    let asked = two.ask_at(&one, "", "echo", json!(1)).await;
    assert_eq!(asked, Ok(json!(1)), "the link to the real one is there");
    let three = node("three", authority.certify("three").identity(true)).await;
    assert_eq!(
        code(&three.ask_at(&one, &address, "echo", json!(1)).await),
        Some(RejectionCode::WrongNode)
    );
    let lax = node("lax", authority.certify("whatever").identity(false)).await;
    assert_eq!(
        liar.ask(&lax, "echo", json!(1)).await,
        Ok(json!(1)),
        "names do not count here"
    );
}

#[tokio::test]
async fn who_is_of_another_authority_or_of_none_is_refused() {
    let authority = Authority::new();
    let one = node("one", authority.certify("one").identity(true)).await;
    let foreign = node("two", Authority::new().certify("two").identity(true)).await;
    let keyless = node("three", secret(SECRET)).await;
    for other in [&foreign, &keyless] {
        for (from, to) in [(other, &one), (&one, other)] {
            let refused = from.ask(to, "echo", json!(1)).await;
            assert!(
                matches!(refused, Err(LinkError::Unreachable { .. })),
                "{refused:?}"
            );
        }
    }
    assert_eq!(one.host.begun.load(std::sync::atomic::Ordering::SeqCst), 0);
    until("both are counted", || {
        one.links.listener_figures().failed == 2
    })
    .await;
}

#[tokio::test]
async fn one_authority_takes_over_from_another() {
    let (old, new) = (Authority::new(), Authority::new());
    let both = format!("{}{}", old.pem(), new.pem());
    let (files_one, files_two) = (old.certify("one"), old.certify("two"));
    let one = node("one", files_one.identity(true)).await;
    let two = node("two", files_two.identity(true)).await;
    assert!(meet(&one, &two).await);
    files_one.trust(&both);
    files_two.trust(&both);
    new.certify_again("one", &files_one);
    new.certify_again("two", &files_two);
    // Only who trusts both, and shows the new one, is known to each of these.
    let accepted = async |authority: &Authority, name: &str, node: &Node, wanted: bool| {
        let files: Files = authority.certify(name);
        let probe = self::node(name, files.identity(true)).await;
        in_time(async {
            while probe.ask(node, "echo", json!(1)).await.is_ok() != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    accepted(&new, "three", &one, true).await;
    accepted(&new, "four", &two, true).await;
    assert!(meet(&one, &two).await);
    // What was believed because of the old one ends with it; these two are not.
    let files_late = old.certify("late");
    files_late.trust(&both);
    let late = node("late", files_late.identity(true)).await;
    late.ask(&one, "echo", json!(1))
        .await
        .expect("both are trusted");
    assert!(one.is_up(&late.id));
    files_one.trust(&new.pem());
    until("the link of the old authority is closed", || {
        !one.is_up(&late.id)
    })
    .await;
    files_two.trust(&new.pem());
    accepted(&old, "five", &one, false).await;
    accepted(&old, "six", &two, false).await;
    assert!(one.is_up(&two.id));
    assert!(meet(&one, &two).await);
}

#[tokio::test]
async fn certificates_as_the_document_has_them_made_are_good() {
    let document = include_str!("../../../../../docs/cluster/links.md");
    let recipe = document
        .split("```")
        .find(|part| part.contains("openssl req -x509"));
    let recipe = recipe
        .and_then(|part| part.strip_prefix("sh\n"))
        .expect("a recipe");
    let dir = tempfile::tempdir().expect("a directory");
    let made = std::process::Command::new("bash")
        .args(["-euc", recipe])
        .current_dir(dir.path())
        .output()
        .expect("bash runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let identity = |names| Identity::Mtls {
        certificate: dir.path().join("node.pem"),
        key: dir.path().join("node.key"),
        authority: dir.path().join("authority.pem"),
        names,
    };
    let one = node("node-1", identity(true)).await;
    let two = node("node-2", identity(false)).await;
    assert_eq!(
        code(&two.ask(&one, "echo", json!(1)).await),
        Some(RejectionCode::WrongNode)
    );
    let three = node("node-3", identity(false)).await;
    assert_eq!(three.ask(&two, "echo", json!(1)).await, Ok(json!(1)));
}

#[tokio::test]
async fn what_cannot_work_is_said_at_start() {
    let host = Node::start("host").await.host;
    let start = async |identity: Identity| {
        let started = Links::start(
            config("one", 1, identity),
            std::sync::Arc::clone(&host) as _,
        );
        started.await.expect_err("it cannot work")
    };
    assert!(matches!(
        start(secret("short")).await,
        StartError::ShortSecret {
            length: 5,
            least: 16
        }
    ));
    let missing = SecretSource::File("/nowhere/secret".into());
    let missing = Identity::Secret {
        current: missing,
        previous: None,
    };
    assert!(matches!(start(missing).await, StartError::File { .. }));
    let empty = Secrets::of("");
    assert!(matches!(
        start(empty.identity()).await,
        StartError::File { .. }
    ));
    let (authority, other) = (Authority::new(), Authority::new());
    let files = authority.certify("two");
    assert!(matches!(
        start(files.identity(true)).await,
        StartError::WrongName { .. }
    ));
    let key = other.certify("one");
    let files = authority.certify("one");
    fs::copy(key.path("key.pem"), files.path("key.pem")).expect("copies");
    assert!(matches!(
        start(files.identity(true)).await,
        StartError::Certificate(_)
    ));
    files.trust("no certificate");
    assert!(matches!(
        start(files.identity(true)).await,
        StartError::File { .. }
    ));
    let mut taken = config("one", 1, secret(SECRET));
    let node = Node::start("two").await;
    taken.listen = node.links.address();
    let started = Links::start(taken, std::sync::Arc::clone(&host) as _).await;
    assert!(matches!(started, Err(StartError::Bind { .. })));
    assert_eq!(node.links.epoch_of(&"one".into()), None::<NodeEpoch>);
}

#[test]
fn secrets_are_shown_nowhere() {
    let config = config("one", 1, secret(SECRET));
    assert!(!format!("{config:?}").contains(SECRET));
}
