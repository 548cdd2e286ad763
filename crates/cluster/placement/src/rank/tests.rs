use plenum_ids::NodeId;

use super::*;
use crate::{
    Coordinates, Isolation, IspPreference, Location, Measured, NamespaceRules, NodeSelector,
    NodeView, Part, Role, Version,
};

mod properties;

fn at(region: &str, country: &str, latitude: f32, longitude: f32) -> Location {
    Location {
        region: Some(region.into()),
        country: Some(country.into()),
        isp: None,
        coordinates: Some(Coordinates {
            latitude,
            longitude,
        }),
    }
}

fn frankfurt() -> Location {
    at("eu-central", "DE", 50.1, 8.7)
}

fn dublin() -> Location {
    at("eu-west", "IE", 53.3, -6.3)
}

fn tokyo() -> Location {
    at("ap-north", "JP", 35.7, 139.7)
}

fn node(id: &str, location: Location) -> NodeView {
    NodeView {
        location,
        egress_capacity: 10_000_000_000,
        ..NodeView::new(id)
    }
}

/// Two nodes in each of three cities.
fn world() -> Vec<NodeView> {
    let cities = [("f", frankfurt()), ("d", dublin()), ("t", tokyo())];
    let pair = |(name, city): (&str, Location)| {
        [1, 2].map(|number| node(&format!("{name}{number}"), city.clone()))
    };
    cities.into_iter().flat_map(pair).collect()
}

fn request(client: Location) -> Request {
    Request {
        client,
        peer: Some("ada".into()),
        ..Request::new(plenum_ids::RoomId::from("lobby"))
    }
}

fn part(node: &str, peers: u32) -> Part {
    Part {
        node: node.into(),
        peers,
        publishers: 0,
    }
}

fn rules(policy: Policy) -> Rules {
    Rules {
        default: NamespaceRules {
            policy,
            ..NamespaceRules::default()
        },
        ..Rules::default()
    }
}

fn loaded(load: f32) -> Measured {
    Measured {
        load,
        ..Measured::default()
    }
}

fn names(ranking: &Ranking) -> Vec<&str> {
    let nodes = ranking.candidates.iter();
    nodes.map(|candidate| candidate.node.as_str()).collect()
}

fn best(request: &Request, nodes: &[NodeView], rules: &Rules) -> String {
    let ranking = rank(request, &View::new(nodes.to_vec()), rules);
    ranking.best().unwrap().node.to_string()
}

fn refusal_of(id: &str, request: &Request, nodes: &[NodeView], rules: &Rules) -> Refusal {
    let ranking = rank(request, &View::new(nodes.to_vec()), rules);
    assert!(!names(&ranking).contains(&id), "{ranking:?}");
    let refused = ranking
        .refused
        .into_iter()
        .find(|(node, _)| node.as_str() == id);
    refused.unwrap().1
}

#[test]
fn a_rooms_second_user_goes_to_the_first_ones_node_under_room_and_to_his_own_under_user() {
    let nodes = world();
    let first = request(frankfurt());
    let home = best(&first, &nodes, &rules(Policy::Room));
    assert!(home.starts_with('f'), "{home}");
    let second = Request {
        peer: Some("bob".into()),
        home: Some(home.as_str().into()),
        parts: vec![part(&home, 1)],
        ..request(tokyo())
    };
    assert_eq!(best(&second, &nodes, &rules(Policy::Room)), home);
    let own = best(&second, &nodes, &rules(Policy::User));
    assert!(own.starts_with('t'), "{own}");
}

#[test]
fn a_home_that_cannot_take_a_peer_is_followed_by_other_parts_of_the_room() {
    let mut nodes = world();
    let request = Request {
        home: Some("f1".into()),
        parts: vec![part("f1", 9), part("d1", 3), part("t1", 4)],
        ..request(frankfurt())
    };
    let rules = rules(Policy::Room);
    assert_eq!(best(&request, &nodes, &rules), "f1");
    nodes[0].draining = true;
    let ranking = rank(&request, &View::new(nodes), &rules);
    // A part on the other side of the globe before a node next door: the room stays together as far as it can.
    assert_eq!(names(&ranking)[..3], ["d1", "t1", "f2"]);
    assert_eq!(ranking.refused[0], ("f1".into(), Refusal::Draining));
}

#[test]
fn a_dead_home_is_named_and_passed_over() {
    let request = Request {
        home: Some("x".into()),
        ..request(dublin())
    };
    let ranking = rank(&request, &View::new(world()), &rules(Policy::Room));
    assert_eq!(ranking.refused, [(NodeId::from("x"), Refusal::Gone)]);
    assert!(names(&ranking)[0].starts_with('d'));
}

#[test]
fn who_says_only_a_region_or_a_country_is_taken_to_be_in_its_middle() {
    let mut nodes = world();
    nodes[0].draining = true;
    nodes[1].draining = true;
    for known in [
        Location {
            region: Some("eu-central".into()),
            ..Location::default()
        },
        Location {
            country: Some("de".into()),
            ..Location::default()
        },
    ] {
        let node = best(&request(known), &nodes, &rules(Policy::User));
        assert!(node.starts_with('d'), "{node}");
    }
}

#[test]
fn a_full_node_is_passed_over_and_what_is_there_may_grow_a_little_further() {
    let mut nodes = world();
    for node in &mut nodes[..2] {
        node.measured = loaded(0.9);
    }
    let room = rules(Policy::Room);
    let new = request(frankfurt());
    let refusal = refusal_of("f1", &new, &nodes, &room);
    assert_eq!(
        refusal.to_string(),
        "is 90 % loaded; from 85 % on it takes no more"
    );
    let there = Request {
        home: Some("f1".into()),
        parts: vec![part("f1", 3)],
        ..new
    };
    assert_eq!(best(&there, &nodes, &room), "f1");
    nodes[0].measured = loaded(0.96);
    assert!(best(&there, &nodes, &room).starts_with('d'));
}

#[test]
fn joins_that_are_not_measured_yet_count() {
    let mut view = View::new(world());
    let rules = rules(Policy::User);
    let mut taken = std::collections::BTreeMap::new();
    for user in 0..1000 {
        let request = Request {
            peer: Some(format!("user {user}").into()),
            ..request(frankfurt())
        };
        let node = rank(&request, &view, &rules).candidates.swap_remove(0).node;
        assert!(view.count_join(&node, 0));
        *taken.entry(node.to_string()).or_insert(0_u32) += 1;
    }
    // Two empty nodes share the first, and when both are half full the next city takes over.
    assert!(taken["f1"].abs_diff(taken["f2"]) < 40, "{taken:?}");
    assert!(taken["f1"] > 250 && taken["d1"] > 50, "{taken:?}");
    assert!(!taken.contains_key("t1"), "{taken:?}");
    // What joins announce counts where it is more than the mean: seven of 1 Gb/s are half of the uplink and more.
    for _ in 0..7 {
        view.count_join(&"t1".into(), 1_000_000_000);
    }
    let ranking = rank(&request(tokyo()), &view, &rules);
    assert_eq!(names(&ranking)[0], "t2");
    view.measured(&"t1".into(), loaded(0.0), 0);
    // A measurement replaces what was counted.
    view.measured(&"f1".into(), loaded(0.1), 0);
    assert_eq!(view.node(&"f1".into()).unwrap().pending, 0);
}

#[test]
fn an_uplink_without_headroom_takes_nobody() {
    let mut nodes = world();
    nodes[0].measured.egress = 8_999_000_000;
    let request = Request {
        egress: 2_000_000,
        ..request(frankfurt())
    };
    let refusal = refusal_of("f1", &request, &nodes, &rules(Policy::User));
    assert_eq!(
        refusal.to_string(),
        "has 1 Mb/s of its uplink left where 2 Mb/s are needed"
    );
    // Where no capacity is known, none is kept to.
    nodes[0].egress_capacity = 0;
    let ranking = rank(&request, &View::new(nodes), &rules(Policy::User));
    assert!(names(&ranking).contains(&"f1"));
}

#[test]
fn namespaces_have_nodes_of_their_own_and_rules_allow_and_deny() {
    let mut nodes = world();
    nodes[0].namespaces = vec!["acme".into()];
    nodes[1].organisation = Some("acme".into());
    nodes[2].labels = vec!["gpu".into(), "disk=fast".into()];
    let request = request(frankfurt());
    let mut rules = rules(Policy::User);
    let refusal = refusal_of("f1", &request, &nodes, &rules);
    assert_eq!(refusal.to_string(), "does not serve the namespace default");

    rules.default.deny = vec![NodeSelector {
        organisation: Some("Acme".into()),
        ..NodeSelector::default()
    }];
    let refusal = refusal_of("f2", &request, &nodes, &rules);
    assert_eq!(
        refusal.to_string(),
        "is denied by the rule for organisation acme"
    );
    assert_eq!(
        names(&rank(&request, &View::new(nodes.clone()), &rules)).len(),
        4
    );

    rules.default.allow = vec![NodeSelector {
        region: Some("eu-west".into()),
        label: Some("gpu".into()),
        ..NodeSelector::default()
    }];
    assert_eq!(
        names(&rank(&request, &View::new(nodes.clone()), &rules)),
        ["d1"]
    );
    assert_eq!(
        refusal_of("t1", &request, &nodes, &rules),
        Refusal::NotAllowed
    );
    // Rules without words allow nothing, rather than everything.
    rules.default.allow = vec![NodeSelector::default()];
    assert!(
        rank(&request, &View::new(nodes), &rules)
            .candidates
            .is_empty()
    );
}

#[test]
fn regions_and_countries_can_be_closed() {
    let nodes = world();
    let mut rules = rules(Policy::Room);
    let at_home_in_tokyo = Request {
        home: Some("t1".into()),
        parts: vec![part("t1", 5)],
        ..request(frankfurt())
    };
    rules.default.isolation = Isolation::Region;
    assert!(best(&at_home_in_tokyo, &nodes, &rules).starts_with('f'));
    let nobody_knows = request(Location::default());
    let ranking = rank(&nobody_knows, &View::new(nodes.clone()), &rules);
    assert!(ranking.candidates.is_empty());
    assert_eq!(ranking.refused[0].1, Refusal::UnknownRegion);
    rules.default.assume = dublin();
    assert!(best(&nobody_knows, &nodes, &rules).starts_with('d'));

    rules.default.isolation = Isolation::Country;
    let refusal = refusal_of("t1", &at_home_in_tokyo, &nodes, &rules);
    assert_eq!(
        refusal.to_string(),
        "is in another country than the client, who stays in DE"
    );
    // Somebody from where no node is goes nowhere.
    let far = request(at("sa-east", "BR", -23.5, -46.6));
    assert!(
        rank(&far, &View::new(nodes.clone()), &rules)
            .candidates
            .is_empty()
    );

    rules.default.isolation = Isolation::None;
    rules.default.residency = vec!["IE".into(), "JP".into()];
    assert!(best(&request(frankfurt()), &nodes, &rules).starts_with('d'));
    let refusal = refusal_of("f1", &request(frankfurt()), &nodes, &rules);
    assert_eq!(
        refusal.to_string(),
        "is in DE, where the namespace's media may not be"
    );
}

#[test]
fn old_nodes_can_be_left_out() {
    let mut nodes = world();
    for (node, version) in nodes.iter_mut().zip(["1.2.3", "1.3.0"]) {
        node.version = version.parse().unwrap();
    }
    let mut rules = rules(Policy::User);
    rules.default.min_version = Some(Version {
        major: 1,
        minor: 3,
        patch: 0,
    });
    assert_eq!(best(&request(frankfurt()), &nodes, &rules), "f2");
    let refusal = refusal_of("f1", &request(frankfurt()), &nodes, &rules);
    assert_eq!(
        refusal.to_string(),
        "runs 1.2.3, and at least 1.3.0 is wanted"
    );
}

#[test]
fn providers_priorities_and_costs_decide_between_neighbours() {
    let client = Location {
        isp: Some("cmcc".into()),
        ..frankfurt()
    };
    let mut nodes = vec![node("a", frankfurt()), node("b", frankfurt())];
    nodes[1].location.isp = Some("CMCC".into());
    let mut rules = rules(Policy::User);
    assert_eq!(best(&request(client.clone()), &nodes, &rules), "b");
    nodes[0].location.isp = Some("bgp".into());
    rules.default.isp = vec![IspPreference {
        clients: "cmcc".into(),
        nodes: vec!["bgp".into(), "cmcc".into()],
    }];
    assert_eq!(best(&request(client.clone()), &nodes, &rules), "a");
    nodes[1].priority = 50;
    assert_eq!(best(&request(client.clone()), &nodes, &rules), "b");
    nodes[1].cost = 1.5;
    assert_eq!(best(&request(client), &nodes, &rules), "a");
}

#[test]
fn whatever_speaks_for_a_node_of_another_region_is_looked_at() {
    let client = Location {
        region: None,
        ..frankfurt()
    };
    let here = Location {
        country: None,
        region: Some("eu-central".into()),
        ..frankfurt()
    };
    let near: Vec<NodeView> = (0..8)
        .map(|n| node(&format!("n{n}"), here.clone()))
        .collect();
    let far = || node("far", at("eu-north", "SE", 54.0, 10.0));
    let first = |changed: NodeView, request: &Request| {
        let mut nodes = near.clone();
        nodes.push(changed);
        best(request, &nodes, &rules(Policy::User))
    };
    let mut request = request(client);
    assert_ne!(first(far(), &request), "far");
    let mut better = far();
    better.priority = 50;
    assert_eq!(first(better, &request), "far");
    let mut better = far();
    better.cost = -5.0;
    assert_eq!(first(better, &request), "far");
    let mut better = far();
    better.location.country = Some("DE".into());
    assert_eq!(first(better, &request), "far");
    request.parts = vec![part("far", 3)];
    assert_eq!(first(far(), &request), "far");
    request.parts.clear();
    request.client.isp = Some("cmcc".into());
    let mut better = far();
    better.location.isp = Some("cmcc".into());
    assert_eq!(first(better, &request), "far");
}

#[test]
fn receivers_of_a_large_room_gather_and_those_of_a_small_one_do_not() {
    let nodes: Vec<NodeView> = (0..20)
        .map(|n| node(&format!("n{n:02}"), frankfurt()))
        .collect();
    let rules = rules(Policy::Stream);
    let chosen = |peers| {
        let mut view = View::new(nodes.clone());
        view.measured(&"n07".into(), loaded(0.6), 0);
        let users = (0..50).map(|user| Request {
            peer: Some(format!("user {user}").into()),
            role: Role::Viewer,
            parts: vec![part("n07", peers)],
            ..request(frankfurt())
        });
        let mut nodes: Vec<NodeId> = users
            .map(|request| rank(&request, &view, &rules).candidates.swap_remove(0).node)
            .collect();
        nodes.sort();
        nodes.dedup();
        nodes.len()
    };
    assert_eq!(chosen(200), 1);
    assert!(chosen(5) > 10);
}

#[test]
fn viewers_of_a_broadcast_leave_the_publishers_node_and_fill_one_after_another() {
    let nodes: Vec<NodeView> = (0..20)
        .map(|n| node(&format!("n{n:02}"), frankfurt()))
        .collect();
    let mut rules = rules(Policy::Broadcast);
    rules.default.viewers_per_node = 100;
    let publishers = Part {
        publishers: 1,
        ..part("n03", 1)
    };
    let viewer = |parts: Vec<Part>| Request {
        role: Role::Viewer,
        home: Some("n03".into()),
        parts,
        ..request(frankfurt())
    };
    let few = viewer(vec![Part {
        peers: 10,
        ..publishers.clone()
    }]);
    assert_eq!(best(&few, &nodes, &rules), "n03");
    let many = viewer(vec![publishers.clone(), part("n05", 60), part("n09", 80)]);
    assert_eq!(best(&many, &nodes, &rules), "n09");
    let full = viewer(vec![publishers, part("n05", 100), part("n09", 100)]);
    let ranking = rank(&full, &View::new(nodes.clone()), &rules);
    let first = ranking.candidates[0].node.as_str();
    assert!(!["n03", "n05", "n09"].contains(&first), "{first}");
    let refusal = refusal_of("n05", &full, &nodes, &rules);
    assert_eq!(
        refusal.to_string(),
        "has its share of the room's viewers, which is 100"
    );
    let publisher = Request {
        role: Role::Publisher,
        ..full
    };
    assert!(
        rank(&publisher, &View::new(nodes), &rules)
            .refused
            .is_empty()
    );
}

#[test]
fn reasons_are_sentences_and_their_points_add_up() {
    let client = Location {
        isp: Some("dtag".into()),
        ..frankfurt()
    };
    let mut there = node("f1", client.clone());
    there.priority = 10;
    there.cost = 2.0;
    there.measured.load = 0.5;
    there.measured.egress = 5_000_000_000;
    there.pending = 5;
    let request = Request {
        parts: vec![part("f1", 1)],
        ..request(client)
    };
    let ranking = rank(&request, &View::new(vec![there]), &rules(Policy::User));
    let candidate = ranking.best().unwrap();
    let sentences: Vec<String> = candidate.reasons.iter().map(Reason::to_string).collect();
    let expected = [
        "is in the client's region, eu-central (+300)",
        "has 1 peer of the room already (+100)",
        "is in the client's country, DE (+100)",
        "is 51 % loaded, 5 joins under way included (-100)",
        "is connected by dtag, the best for the client's provider (+80)",
        "uses 50 % of its uplink (-50)",
        "sending from there costs 2 (-20)",
        "has priority 10 (+10)",
        "is 0 km from the client (+0)",
    ];
    assert_eq!(sentences, expected);
    let sum: i32 = candidate.reasons.iter().map(|reason| reason.points).sum();
    assert_eq!(candidate.score, sum);
    let json = serde_json::to_value(&candidate.reasons[0]).unwrap();
    assert_eq!(json["cause"], "region");
    assert_eq!(json["points"], 300);
}

#[test]
fn an_empty_cluster_has_no_candidates() {
    let ranking = rank(&request(tokyo()), &View::new(Vec::new()), &Rules::default());
    assert!(ranking.best().is_none());
    assert_eq!(ranking.refusals, 0);
}
