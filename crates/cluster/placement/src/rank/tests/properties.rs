//! What holds for whatever nodes, rules and requests.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::Weights;

const REGIONS: [&str; 5] = ["eu", "us", "cn", "br", "za"];
const COUNTRIES: [&str; 4] = ["DE", "US", "CN", "BR"];
const ISPS: [&str; 3] = ["a", "b", "c"];

fn location() -> impl Strategy<Value = Location> {
    (
        option::of(select(&REGIONS)),
        option::of(select(&COUNTRIES)),
        option::of(select(&ISPS)),
        option::weighted(0.9, (-90..=90_i8, -180..=180_i16)),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(region, country, isp, coordinates, is_plausible)| {
            let number = region.and_then(|name| REGIONS.iter().position(|other| *other == name));
            let coordinates = coordinates.map(|(latitude, longitude)| {
                let (latitude, longitude) = (f32::from(latitude), f32::from(longitude));
                // Most are where their region is, so that regions are apart.
                match number {
                    Some(number) if is_plausible => Coordinates {
                        latitude: latitude / 30.0,
                        longitude: longitude / 60.0 + 17.0 * f32::from(number as u8),
                    },
                    _ => Coordinates {
                        latitude,
                        longitude,
                    },
                }
            });
            Location {
                region: region.map(Into::into),
                country: country.map(Into::into),
                isp: isp.map(Into::into),
                coordinates,
            }
        })
}

prop_compose! {
    fn any_node()(
        id in 0..150_u8,
        location in location(),
        load in prop_oneof![0..20_u8, 0..110_u8],
        egress in 0..11_u64,
        pending in 0..40_u32,
        peers in 0..200_u32,
        draining in prop::bool::weighted(0.1),
        priority in prop_oneof![Just(0_i8), -100..=100_i8],
        cost in 0..5_u8,
    ) -> NodeView {
        NodeView {
            location,
            draining,
            priority,
            cost: f32::from(cost),
            egress_capacity: 10_000_000_000,
            measured: Measured {
                load: f32::from(load) / 100.0,
                peers,
                egress: egress * 1_000_000_000,
            },
            pending,
            ..NodeView::new(format!("n{id:03}"))
        }
    }
}

/// Each name once.
fn nodes() -> impl Strategy<Value = Vec<NodeView>> {
    vec(any_node(), 1..150).prop_map(|mut nodes| {
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        nodes.dedup_by(|a, b| a.id == b.id);
        nodes
    })
}

prop_compose! {
    fn any_request()(
        client in location(),
        policy in select(&Policy::ALL),
        is_viewer in any::<bool>(),
        peer in 0..200_u8,
        home in option::of(0..160_u8),
        parts in vec((0..160_u8, 0..3000_u32, 0..2_u32), 0..30),
        egress in 0..20_000_000_u64,
    ) -> Request {
        let node = |id: u8| NodeId::from(format!("n{id:03}"));
        Request {
            policy: Some(policy),
            role: if is_viewer { Role::Viewer } else { Role::Publisher },
            peer: Some(format!("user {peer}").into()),
            home: home.map(node),
            parts: parts
                .into_iter()
                .map(|(id, peers, publishers)| Part { node: node(id), peers, publishers })
                .collect(),
            egress,
            ..request(client)
        }
    }
}

prop_compose! {
    fn any_rules()(
        isolation in select(&[Isolation::None, Isolation::None, Isolation::None, Isolation::Region, Isolation::Country]),
        residency in prop_oneof![3 => Just(Vec::new()), 1 => vec(select(&COUNTRIES), 1..3)],
        denied in option::weighted(0.3, select(&REGIONS)),
        allowed in option::weighted(0.2, select(&COUNTRIES)),
        priority in select(&[0, 0, 1, 5000]),
    ) -> Rules {
        Rules {
            default: NamespaceRules {
                isolation,
                residency: residency.into_iter().map(Into::into).collect(),
                deny: denied
                    .map(|region| NodeSelector { region: Some(region.into()), ..NodeSelector::default() })
                    .into_iter()
                    .collect(),
                allow: allowed
                    .map(|country| NodeSelector { country: Some(country.into()), ..NodeSelector::default() })
                    .into_iter()
                    .collect(),
                weights: Weights { priority, ..Weights::default() },
                ..NamespaceRules::default()
            },
            ..Rules::default()
        }
    }
}

/// The candidates by looking at every node, without leaving out regions.
fn exhaustive(request: &Request, view: &View, rules: &Rules) -> Vec<(NodeId, i32)> {
    let query = Query::new(request, view, rules.of(&request.room.namespace));
    let mut all: Vec<_> = (0_u32..)
        .take(view.nodes().len())
        .filter_map(|row| {
            let part = query.part(row);
            let points = query.points(row, part);
            let key = (points.tier, points.sum, query.turn(row));
            query.obstacle(row, part).is_none().then_some((key, row))
        })
        .collect();
    all.sort_by(|(a, a_row), (b, b_row)| b.cmp(a).then(a_row.cmp(b_row)));
    all.truncate(MAX_CANDIDATES);
    all.into_iter()
        .map(|((_, sum, _), row)| (query.node(row).id.clone(), sum))
        .collect()
}

fn scores(ranking: &Ranking) -> Vec<(NodeId, i32)> {
    let candidates = ranking.candidates.iter();
    candidates
        .map(|candidate| (candidate.node.clone(), candidate.score))
        .collect()
}

proptest! {
    // Each case is a world of a hundred nodes.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn leaving_out_regions_changes_nothing(
        nodes in nodes(), request in any_request(), rules in any_rules(),
    ) {
        let view = View::new(nodes);
        prop_assert_eq!(
            scores(&rank(&request, &view, &rules)),
            exhaustive(&request, &view, &rules)
        );
    }

    #[test]
    fn nobody_goes_where_rules_or_drain_forbid(
        nodes in nodes(), request in any_request(), rules in any_rules(),
    ) {
        let ranking = rank(&request, &View::new(nodes.clone()), &rules);
        let of = |id: &NodeId| nodes.iter().find(|node| node.id == *id);
        let own = &rules.default;
        prop_assert!(ranking.candidates.len() <= MAX_CANDIDATES);
        prop_assert!(ranking.refused.len() <= MAX_REFUSED);
        for candidate in &ranking.candidates {
            let node = of(&candidate.node).expect("only living nodes");
            let place = &node.location;
            prop_assert!(!node.draining);
            prop_assert!(node.measured.load < own.full_load);
            prop_assert!(node.measured.egress + request.egress <= 9_000_000_000);
            let denied = own.deny.first().and_then(|rule| rule.region.as_ref());
            prop_assert!(denied.is_none() || place.region.as_ref() != denied);
            let allowed = own.allow.first().and_then(|rule| rule.country.as_ref());
            prop_assert!(allowed.is_none() || place.country.as_ref() == allowed);
            let resides = |country| own.residency.contains(country);
            prop_assert!(own.residency.is_empty() || place.country.as_ref().is_some_and(resides));
            match own.isolation {
                Isolation::None => {}
                Isolation::Region => {
                    prop_assert!(place.region.is_some());
                    prop_assert_eq!(&place.region, &request.client.region);
                }
                Isolation::Country => {
                    prop_assert!(place.country.is_some());
                    prop_assert_eq!(&place.country, &request.client.country);
                }
            }
            let is_refused = ranking.refused.iter().any(|(id, _)| *id == candidate.node);
            prop_assert!(!is_refused);
            let sum: i32 = candidate.reasons.iter().map(|reason| reason.points).sum();
            prop_assert_eq!(sum, candidate.score);
        }
        if ranking.candidates.is_empty() {
            let dead = request.parts.iter().map(|part| &part.node).chain(&request.home);
            let mut dead: Vec<_> = dead.filter(|id| of(id).is_none()).collect();
            dead.sort();
            dead.dedup();
            prop_assert_eq!(ranking.refusals as usize, nodes.len() + dead.len());
        }
    }

    #[test]
    fn the_order_in_which_nodes_and_parts_are_told_does_not_matter(
        (nodes, shuffled) in nodes().prop_flat_map(|nodes| (Just(nodes.clone()), Just(nodes).prop_shuffle())),
        request in any_request(), rules in any_rules(),
    ) {
        let mut turned = request.clone();
        turned.parts.reverse();
        prop_assert_eq!(
            rank(&request, &View::new(nodes), &rules),
            rank(&turned, &View::new(shuffled), &rules)
        );
    }

    #[test]
    fn more_load_never_brings_a_node_forward(
        nodes in nodes(), request in any_request(), rules in any_rules(),
        which in any::<prop::sample::Index>(), more in 0..100_u8, joins in 0..50_u32, egress in 0..5_u64,
    ) {
        let which = which.index(nodes.len());
        let place = |nodes: Vec<NodeView>| {
            let id = nodes[which].id.clone();
            let ranking = rank(&request, &View::new(nodes), &rules);
            let place = ranking.candidates.iter().position(|candidate| candidate.node == id);
            place.unwrap_or(usize::MAX)
        };
        let before = place(nodes.clone());
        let mut busier = nodes;
        let node = &mut busier[which];
        node.measured.load += f32::from(more) / 100.0;
        node.pending += joins;
        node.pending_egress += u64::from(joins) * 5_000_000;
        node.measured.egress += egress * 1_000_000_000;
        prop_assert!(place(busier) >= before);
    }

    #[test]
    fn a_living_home_that_can_take_a_peer_wins_under_room(
        nodes in nodes(), request in any_request(), rules in any_rules(),
    ) {
        let request = Request { policy: Some(Policy::Room), ..request };
        let ranking = rank(&request, &View::new(nodes.clone()), &rules);
        if let Some(home) = &request.home {
            let is_refused = ranking.refused.iter().any(|(id, _)| id == home);
            prop_assert_eq!(ranking.best().map(|best| &best.node) == Some(home), !is_refused);
        }
    }

    #[test]
    fn a_view_that_was_told_of_joins_ranks_as_one_made_new(
        nodes in nodes(), request in any_request(),
        which in any::<prop::sample::Index>(), draining in any::<bool>(), load in 0..100_u8,
    ) {
        let which = which.index(nodes.len());
        let id = nodes[which].id.clone();
        let measured = loaded(f32::from(load) / 100.0);
        let mut view = View::new(nodes.clone());
        view.measured(&id, measured, 3);
        view.count_join(&id, 7_000_000);
        view.set_draining(&id, draining);
        let mut nodes = nodes;
        nodes[which].measured = measured;
        nodes[which].pending = 4;
        nodes[which].pending_egress = 7_000_000;
        nodes[which].draining = draining;
        let rules = Rules::default();
        prop_assert_eq!(
            rank(&request, &view, &rules),
            rank(&request, &View::new(nodes), &rules)
        );
    }
}

#[test]
fn equal_nodes_share_rooms_evenly() {
    let nodes = (0..10).map(|number| node(&format!("n{number}"), frankfurt()));
    let view = View::new(nodes.collect());
    let mut rooms = std::collections::BTreeMap::new();
    for number in 0..10_000 {
        let request = Request {
            client: frankfurt(),
            ..Request::new(plenum_ids::RoomId::from(format!("room {number}")))
        };
        let ranking = rank(&request, &view, &rules(Policy::Room));
        *rooms
            .entry(ranking.best().unwrap().node.clone())
            .or_insert(0) += 1;
    }
    let counts: Vec<i32> = rooms.into_values().collect();
    // Of 1000 expected at each, five standard deviations.
    assert!(
        counts.len() == 10 && counts.iter().all(|count| (850..1150).contains(count)),
        "{counts:?}"
    );
}
