//! The check itself, on small made-up graphs.

use serde_json::json;

use super::*;

/// Metadata of workspace crates and edges; a third element names the kind.
fn graph(workspace: &[&str], edges: &[(&str, &str, Option<&str>)]) -> Graph {
    let mut names: BTreeSet<&str> = workspace.iter().copied().collect();
    names.extend(edges.iter().flat_map(|(from, to, _)| [*from, *to]));
    let id = |name: &str| format!("path+file:///somewhere#{name}@0.1.0");
    let nodes = names.iter().map(|name| {
        let deps = edges.iter().filter(|(from, ..)| from == name);
        let deps: Vec<_> = deps
            .map(|(_, to, kind)| json!({"name": to, "pkg": id(to), "dep_kinds": [{"kind": kind}]}))
            .collect();
        json!({"id": id(name), "deps": deps})
    });
    let metadata = json!({
        "packages": names.iter().map(|name| json!({"id": id(name), "name": name})).collect::<Vec<_>>(),
        "workspace_members": workspace.iter().map(|name| id(name)).collect::<Vec<_>>(),
        "resolve": {"nodes": nodes.collect::<Vec<_>>()},
    });
    Graph::parse(&metadata.to_string()).unwrap()
}

#[test]
fn allowed_edges_pass() {
    let graph = graph(
        &["plenum-codec", "plenum-rtp", "plenum-testkit"],
        &[
            ("plenum-codec", "plenum-rtp", None),
            ("plenum-codec", "plenum-testkit", Some("dev")),
            ("plenum-rtp", "thiserror", None),
        ],
    );
    assert_eq!(check(&graph), Vec::<String>::new());
    assert_eq!(graph.workspace_crates(), 3);
}

#[test]
fn an_edge_upwards_is_named_with_what_is_allowed() {
    let graph = graph(
        &["plenum-codec", "plenum-rtp"],
        &[("plenum-rtp", "plenum-codec", None)],
    );
    assert_eq!(
        check(&graph),
        ["  plenum-rtp → plenum-codec: plenum-rtp may use none of ours"]
    );
}

#[test]
fn build_scripts_count_as_use() {
    let graph = graph(
        &["plenum-codec", "plenum-ice"],
        &[("plenum-codec", "plenum-ice", Some("build"))],
    );
    assert_eq!(
        check(&graph),
        ["  plenum-codec → plenum-ice: plenum-codec may use plenum-rtp"]
    );
}

#[test]
fn the_test_kit_is_for_tests() {
    let graph = graph(
        &["plenum-engine", "plenum-testkit"],
        &[("plenum-engine", "plenum-testkit", None)],
    );
    assert_eq!(
        check(&graph),
        ["  plenum-engine → plenum-testkit: plenum-testkit is for tests, make it a dev-dependency"]
    );
}

#[test]
fn a_crate_without_a_row_is_reported() {
    let graph = graph(&["plenum-new"], &[]);
    assert_eq!(check(&graph).len(), 1);
    assert!(check(&graph)[0].contains("plenum-new has no row"));
}

#[test]
fn banned_crates_are_found_through_others_on_the_shortest_way() {
    let graph = graph(
        &["plenum-engine", "plenum-rtp"],
        &[
            ("plenum-engine", "plenum-rtp", None),
            ("plenum-rtp", "helper", None),
            ("helper", "tokio", None),
            ("helper", "plenum-rtp", None),
            ("plenum-engine", "helper", None),
        ],
    );
    let reason = "protocols, decisions and the media worker are synchronous";
    assert_eq!(
        check(&graph),
        [
            format!("  plenum-engine → helper → tokio: {reason}"),
            format!("  plenum-rtp → helper → tokio: {reason}"),
        ]
    );
}

#[test]
fn bans_do_not_reach_into_tests() {
    let graph = graph(&["plenum-rtp"], &[("plenum-rtp", "tokio", Some("dev"))]);
    assert_eq!(check(&graph), Vec::<String>::new());
}

#[test]
fn every_row_uses_rows_that_stand_above_it() {
    for (index, layer) in LAYERS.iter().enumerate() {
        for used in layer.may_use {
            let below = LAYERS[..index].iter().any(|lower| lower.name == *used);
            assert!(
                below,
                "{} may use {used}, which stands below it",
                layer.name
            );
        }
    }
}
