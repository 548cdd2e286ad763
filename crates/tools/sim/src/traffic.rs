//! What goes over the nodes of a room: to its people, from them, and between nodes.

use plenum_placement::{Part, TreeLimits, TreeNode, tree};

use crate::{
    crowd::Room,
    world::{World, precise},
};

/// Bits a second at one node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Flow {
    /// To people.
    pub(crate) sent: f64,
    /// From people.
    pub(crate) received: f64,
    /// To other nodes.
    pub(crate) piped_out: f64,
    /// From other nodes.
    pub(crate) piped_in: f64,
}

impl Flow {
    pub(crate) fn add(&mut self, other: &Self, sign: f64) {
        self.sent += sign * other.sent;
        self.received += sign * other.received;
        self.piped_out += sign * other.piped_out;
        self.piped_in += sign * other.piped_in;
    }

    /// What forwarding costs: a packet that is sent costs about twice what one that is received does.
    pub(crate) fn work(&self) -> f64 {
        self.sent + self.piped_out + 0.5 * (self.received + self.piped_in)
    }

    pub(crate) fn egress(&self) -> f64 {
        self.sent + self.piped_out
    }
}

/// A part of a room at a node.
#[derive(Debug)]
pub(crate) struct RoomPart {
    pub(crate) node: usize,
    pub(crate) flow: Flow,
    /// Nodes that it feeds, where a tree says so.
    pub(crate) children: u32,
}

/// Flows of a room over its nodes, in the order of the parts. With `by_tree` each node takes all streams from its parent;
/// otherwise it takes each stream from where that is sent.
pub(crate) fn flows(
    room: &Room,
    parts: &[Part],
    nodes: &[RoomPart],
    by_tree: bool,
    out: &mut Vec<Flow>,
) {
    let peers: u32 = parts.iter().map(|part| part.peers).sum();
    let publishers: u32 = parts.iter().map(|part| part.publishers).sum();
    let streams = room.streams(peers).min(publishers);
    let bitrate = f64::from(room.bitrate());
    let sent_bitrate = f64::from(room.sent_bitrate());
    // What others take of each stream of a node, if all of them were asked alike.
    let piped_in = |part: &Part| {
        let remote = publishers - part.publishers;
        remote.min(Room::wanted(part.peers))
    };
    let share = |part: &Part| {
        let remote = publishers - part.publishers;
        match remote {
            0 => 0.0,
            remote => f64::from(piped_in(part)) / f64::from(remote),
        }
    };
    let all_shares: f64 = parts.iter().map(share).sum();
    out.clear();
    out.extend(parts.iter().zip(nodes).map(|(part, node)| {
        let copies = if by_tree {
            f64::from(node.children) * f64::from(publishers)
        } else {
            f64::from(part.publishers) * (all_shares - share(part))
        };
        Flow {
            sent: f64::from(part.peers) * f64::from(streams) * bitrate,
            received: f64::from(part.publishers) * sent_bitrate,
            piped_out: copies.max(0.0) * sent_bitrate,
            piped_in: f64::from(piped_in(part)) * sent_bitrate,
        }
    }));
}

/// Arranges the nodes of a room as a tree, and says how deep it is and how many nodes found no place in it.
pub(crate) fn arrange(world: &World, parts: &[Part], nodes: &mut [RoomPart]) -> (u32, u32) {
    let of = |node: &RoomPart| TreeNode {
        node: world.nodes[node.node].id.clone(),
        coordinates: Some(world.nodes[node.node].coordinates),
        fan_out: None,
    };
    for node in nodes.iter_mut() {
        node.children = 0;
    }
    let most = (0..parts.len()).max_by_key(|index| parts[*index].publishers);
    let Some(root) = most.filter(|index| parts[*index].publishers > 0) else {
        return (0, 0);
    };
    let listed: Vec<TreeNode> = nodes.iter().map(of).collect();
    let made = tree(&listed[root], &listed, TreeLimits::default());
    for branch in &made.branches {
        let parent = listed.iter().position(|node| node.node == branch.parent);
        if let Some(parent) = parent {
            nodes[parent].children += 1;
        }
    }
    // Whom the tree has no room for takes the streams from the root.
    let unreachable = made.unreachable.len() as u32;
    nodes[root].children += unreachable;
    (made.depth(), unreachable)
}

/// Bits a second that nodes send each other, of all that they send.
pub(crate) fn share_of_pipes(total: &Flow) -> f64 {
    total.piped_out / total.egress().max(precise(1))
}
