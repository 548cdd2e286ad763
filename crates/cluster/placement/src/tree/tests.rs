use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn at(name: &str, latitude: f32, longitude: f32) -> TreeNode {
    TreeNode {
        node: name.into(),
        coordinates: Some(Coordinates {
            latitude,
            longitude,
        }),
        fan_out: None,
    }
}

fn parents(tree: &Tree) -> Vec<(&str, &str)> {
    let branches = tree.branches.iter();
    branches
        .map(|branch| (branch.node.as_str(), branch.parent.as_str()))
        .collect()
}

#[test]
fn an_ocean_is_crossed_once() {
    let frankfurt = at("fra", 50.1, 8.7);
    let others = [
        at("nyc", 40.7, -74.0),
        at("bos", 42.4, -71.1),
        at("was", 38.9, -77.0),
        at("par", 48.9, 2.4),
    ];
    let tree = tree(&frankfurt, &others, TreeLimits::default());
    let expected = [
        ("bos", "fra"),
        ("nyc", "bos"),
        ("par", "fra"),
        ("was", "bos"),
    ];
    assert_eq!(parents(&tree), expected);
    assert_eq!(tree.depth(), 2);
    assert_eq!(tree.parent(&"nyc".into()).unwrap().as_str(), "bos");
    assert_eq!(tree.parent(&"fra".into()), None);
}

#[test]
fn who_is_so_near_that_another_hop_is_worth_it_comes_first() {
    let place = |region: &str, coordinates: Option<(f32, f32)>| Location {
        region: Some(region.into()),
        coordinates: coordinates.map(|(latitude, longitude)| Coordinates {
            latitude,
            longitude,
        }),
        ..Location::default()
    };
    let boston = place("us", Some((42.4, -71.1)));
    let frankfurt = place("eu", Some((50.1, 8.7)));
    let others: Vec<(NodeId, Location)> = [
        ("fra", frankfurt.clone()),
        ("lis", place("eu", Some((38.7, -9.1)))),
        ("nyc", place("us", Some((40.7, -74.0)))),
        ("was", place("us", Some((38.9, -77.0)))),
        ("us-1", place("us", None)),
        ("ap-1", place("ap", None)),
        ("who", Location::default()),
    ]
    .map(|(name, location)| (name.into(), location))
    .into();
    let near = |to: &Location, from: &Location| {
        let others = others.iter().map(|(node, location)| (node, location));
        let near = nearer(to, from, others);
        let names: Vec<_> = near.iter().map(|it| it.as_str().to_owned()).collect();
        names.join(" ")
    };
    assert_eq!(near(&boston, &frankfurt), "us-1 nyc was lis");
    // Paris is not far enough from Frankfurt, and in the same region.
    let paris = place("eu", Some((48.9, 2.4)));
    assert_eq!(near(&paris, &frankfurt), "");
    // By regions alone.
    assert_eq!(near(&place("ap", None), &frankfurt), "ap-1");
    assert_eq!(near(&boston, &Location::default()), "");
    let many: Vec<NodeId> = (0..40_u8).map(|n| format!("n{n}").into()).collect();
    let here = place("us", None);
    let many = many.iter().map(|node| (node, &here));
    assert_eq!(nearer(&here, &frankfurt, many).len(), MAX_NEARER);
}

#[test]
fn a_node_beyond_the_limits_is_told_so() {
    let limits = TreeLimits {
        depth: 2,
        fan_out: 2,
    };
    let nodes: Vec<TreeNode> = (0..8_u8)
        .map(|n| at(&format!("n{n}"), 0.0, f32::from(n)))
        .collect();
    let tree = tree(&at("root", 0.0, -1.0), &nodes, limits);
    // Two under the root, two under each of them.
    assert_eq!(tree.branches.len(), 6);
    let left: Vec<String> = tree
        .unreachable
        .iter()
        .map(Unreachable::to_string)
        .collect();
    assert_eq!(
        left,
        ["no node has room to feed n6", "no node has room to feed n7"]
    );
}

#[test]
fn the_publishers_node_and_repetitions_are_no_viewers_nodes() {
    let root = at("root", 0.0, 0.0);
    let nodes = [at("a", 1.0, 1.0), root.clone(), at("a", 1.0, 1.0)];
    assert_eq!(
        parents(&tree(&root, &nodes, TreeLimits::default())),
        [("a", "root")]
    );
    assert_eq!(tree(&root, &[], TreeLimits::default()), Tree::default());
}

prop_compose! {
    fn any_nodes()(
        nodes in prop::collection::vec((0..200_u16, any::<Option<(i8, i8)>>(), prop::option::of(0..5_u32)), 0..150)
    ) -> Vec<TreeNode> {
        let nodes: BTreeMap<u16, TreeNode> = nodes
            .into_iter()
            .map(|(id, place, fan_out)| (id, TreeNode {
                node: format!("n{id}").into(),
                coordinates: place.map(|(latitude, longitude)| Coordinates {
                    latitude: f32::from(latitude) / 2.0,
                    longitude: f32::from(longitude),
                }),
                fan_out,
            }))
            .collect();
        nodes.into_values().collect()
    }
}

proptest! {
    #[test]
    fn every_tree_keeps_to_its_limits(
        (nodes, shuffled) in any_nodes().prop_flat_map(|nodes| (Just(nodes.clone()), Just(nodes).prop_shuffle())),
        depth in 0..5_u32, fan_out in 0..6_u32,
    ) {
        let limits = TreeLimits { depth, fan_out };
        let root = TreeNode { node: "n0".into(), coordinates: None, fan_out: None };
        let made = tree(&root, &nodes, limits);
        prop_assert_eq!(&made, &tree(&root, &shuffled, limits));

        let of = |id: &NodeId| nodes.iter().find(|node| node.node == *id).unwrap_or(&root);
        let mut children: BTreeMap<&NodeId, u32> = BTreeMap::new();
        for branch in &made.branches {
            *children.entry(&branch.parent).or_default() += 1;
            // Following parents ends at the root, after as many hops as the branch says.
            let (mut hops, mut node) = (0, &branch.node);
            while let Some(parent) = made.parent(node) {
                hops += 1;
                prop_assert!(hops <= depth);
                node = parent;
            }
            prop_assert_eq!(node, &root.node);
            prop_assert_eq!(hops, branch.depth);
        }
        for (node, count) in &children {
            let own = if **node == root.node { None } else { of(node).fan_out };
            prop_assert!(*count <= own.unwrap_or(fan_out).min(fan_out));
        }
        let others = nodes.iter().filter(|node| node.node != root.node).count();
        prop_assert_eq!(made.branches.len() + made.unreachable.len(), others);
        // Nobody is turned away while somebody has room.
        if !made.unreachable.is_empty() {
            let room = |node: &NodeId, at: u32| {
                let own = if *node == root.node { None } else { of(node).fan_out };
                let most = own.unwrap_or(fan_out).min(fan_out);
                at < depth && children.get(node).copied().unwrap_or(0) < most
            };
            prop_assert!(!room(&root.node, 0));
            for branch in &made.branches {
                prop_assert!(!room(&branch.node, branch.depth));
            }
        }
    }
}
