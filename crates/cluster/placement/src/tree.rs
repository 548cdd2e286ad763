//! Which node takes a broadcast from which: a tree with the publisher's node at its root, bounded in depth and in what each
//! node sends to others.
//!
//! Nodes come into the tree one after another: first those that can feed most, of equals the one nearest to the root, of
//! equals by name. Each hangs itself under the node that is nearest to it among those that have room and are not too
//! deep. So the tree is as shallow as the limits allow only where that does not cost distance; in any case no deeper than
//! the limit. A node that finds no room at all is told so: it is [`Unreachable`], and viewers belong elsewhere.
//!
//! [`tree`] knows all nodes beforehand, as simulations do. Nodes of a cluster come one after another, each asks the publisher's,
//! and is sent on from node to node until one has room; [`nearer`] says whom it had rather be sent to.

use plenum_ids::NodeId;

use crate::{Coordinates, Location, request};

/// A node of a broadcast.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct TreeNode {
    /// Which one.
    pub node: NodeId,
    /// Where it is; nodes of which that is not known are as far as can be.
    pub coordinates: Option<Coordinates>,
    /// To how many nodes it can send the broadcast besides its own viewers; the limits' number, if not known.
    pub fan_out: Option<u32>,
}

/// What every tree keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two limits")]
pub struct TreeLimits {
    /// Hops from the publisher's node to any other.
    pub depth: u32,
    /// Nodes that one node sends to.
    pub fan_out: u32,
}

impl Default for TreeLimits {
    /// Three hops add under 10 ms of forwarding and keep a world of 8 + 64 + 512 nodes in reach; eight streams of 2.5 Mb/s
    /// are little beside what a node sends to viewers.
    fn default() -> Self {
        Self {
            depth: 3,
            fan_out: 8,
        }
    }
}

/// Who takes a broadcast from whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tree {
    /// Each node that is reached, with its parent and its hops from the root, in the order of the nodes' names.
    pub branches: Vec<Branch>,
    /// Nodes that the limits leave no room for, by name.
    pub unreachable: Vec<Unreachable>,
}

/// One node under another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Branch {
    /// Who receives.
    pub node: NodeId,
    /// From whom.
    pub parent: NodeId,
    /// Hops from the publisher's node.
    pub depth: u32,
}

/// A node for which no other has room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no node has room to feed {node}")]
#[non_exhaustive]
pub struct Unreachable {
    /// Which one.
    pub node: NodeId,
}

impl Tree {
    /// From whom a node takes the broadcast.
    #[must_use]
    pub fn parent(&self, node: &NodeId) -> Option<&NodeId> {
        let found = self
            .branches
            .binary_search_by(|branch| branch.node.cmp(node));
        let branch = self.branches.get(found.ok()?)?;
        Some(&branch.parent)
    }

    /// Hops of the node that is farthest from the root.
    #[must_use]
    pub fn depth(&self) -> u32 {
        let depths = self.branches.iter().map(|branch| branch.depth);
        depths.max().unwrap_or(0)
    }
}

/// A node that is in the tree.
struct Member<'a> {
    node: &'a TreeNode,
    direction: Option<[f32; 3]>,
    depth: u32,
    room: u32,
}

/// Makes the tree. The publisher's node may be among the viewers' and of several with one name one counts; the order of the
/// viewers' nodes does not matter.
#[must_use]
pub fn tree(publisher: &TreeNode, viewers: &[TreeNode], limits: TreeLimits) -> Tree {
    let room = |node: &TreeNode| node.fan_out.unwrap_or(limits.fan_out).min(limits.fan_out);
    let direction = |node: &TreeNode| node.coordinates.map(Coordinates::direction);
    let root = direction(publisher);
    let mut waiting: Vec<(u32, u32, &TreeNode)> = viewers
        .iter()
        .filter(|viewer| viewer.node != publisher.node)
        .map(|viewer| (room(viewer), kilometres(root, direction(viewer)), viewer))
        .collect();
    waiting.sort_by(|(a_room, a_far, a), (b_room, b_far, b)| {
        let by_worth = b_room.cmp(a_room).then(a_far.cmp(b_far));
        by_worth.then_with(|| a.node.cmp(&b.node))
    });
    let mut tree = Tree::default();
    let mut members = vec![Member {
        node: publisher,
        direction: root,
        depth: 0,
        room: room(publisher),
    }];
    for (room, _, node) in waiting {
        if members.iter().any(|member| member.node.node == node.node) {
            continue;
        }
        let direction = direction(node);
        let Some(parent) = best_parent(&mut members, direction, limits) else {
            let node = node.node.clone();
            tree.unreachable.push(Unreachable { node });
            continue;
        };
        parent.room -= 1;
        let depth = parent.depth + 1;
        tree.branches.push(Branch {
            node: node.node.clone(),
            parent: parent.node.node.clone(),
            depth,
        });
        members.push(Member {
            node,
            direction,
            depth,
            room,
        });
    }
    tree.branches.sort_by(|a, b| a.node.cmp(&b.node));
    tree.unreachable.sort_by(|a, b| a.node.cmp(&b.node));
    tree.unreachable.dedup();
    tree
}

/// The member that costs least: kilometres, and for each hop from the root what a hop is worth in kilometres.
fn best_parent<'a, 'b>(
    members: &'a mut [Member<'b>],
    direction: Option<[f32; 3]>,
    limits: TreeLimits,
) -> Option<&'a mut Member<'b>> {
    let open = members
        .iter_mut()
        .filter(|member| member.room > 0 && member.depth < limits.depth);
    open.min_by_key(|member| {
        let far = kilometres(member.direction, direction);
        far.saturating_add(member.depth.saturating_mul(HOP))
    })
}

/// What one more hop is worth in kilometres of detour: forwarding takes about 2 ms, a turn of the pacer included, and light in
/// fibre goes 200 km in each.
const HOP: u32 = 400;

/// Nodes that are named as nearer ones: some of them will take what is asked for already.
pub const MAX_NEARER: usize = 32;

/// Of the others those from whom a node takes something with less of a detour than from the one that it would ask, a hop
/// included: the nearest first, [`MAX_NEARER`] at most. Where coordinates are not known, regions count.
#[must_use]
pub fn nearer<'a>(
    to: &Location,
    from: &Location,
    others: impl IntoIterator<Item = (&'a NodeId, &'a Location)>,
) -> Vec<NodeId> {
    let Some(direct) = apart(to, from) else {
        return Vec::new();
    };
    let others = others.into_iter().filter_map(|(node, other)| {
        let far = apart(to, other)?;
        (far.saturating_add(HOP) < direct).then_some((far, node))
    });
    let mut others: Vec<_> = others.collect();
    others.sort();
    let others = others.into_iter().take(MAX_NEARER);
    others.map(|(_, node)| node.clone()).collect()
}

/// Kilometres, if anything is known.
fn apart(a: &Location, b: &Location) -> Option<u32> {
    let direction = |it: &Location| it.coordinates.map(Coordinates::direction);
    if let (Some(a), Some(b)) = (direction(a), direction(b)) {
        return Some(kilometres(Some(a), Some(b)));
    }
    match (&a.region, &b.region) {
        (Some(a), Some(b)) if a == b => Some(0),
        (Some(_), Some(_)) => Some(ANYWHERE),
        _ => None,
    }
}

/// Half the way around the globe, where nothing is known.
const ANYWHERE: u32 = 20_000;

#[expect(clippy::cast_sign_loss, reason = "distances are not negative")]
fn kilometres(a: Option<[f32; 3]>, b: Option<[f32; 3]>) -> u32 {
    match (a, b) {
        (Some(a), Some(b)) => request::distance(a, b) as u32,
        _ => ANYWHERE,
    }
}

#[cfg(test)]
mod tests;
