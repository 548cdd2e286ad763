//! Which crate may use which, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde::Deserialize;

mod rules;

#[cfg(test)]
mod tests;

use rules::{BANS, LAYERS, NEVER_SHIPPED, TEST_ONLY};

/// Who depends on whom. Edges from build scripts count like normal ones; those of tests are kept apart.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    workspace: BTreeSet<String>,
    normal: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the output of `cargo metadata`.
    pub(crate) fn parse(json: &str) -> anyhow::Result<Self> {
        let metadata: Metadata = serde_json::from_str(json).context("unknown metadata format")?;
        let packages = metadata.packages.iter();
        let names: BTreeMap<&str, &str> = packages
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect();
        let name = |id: &str| -> anyhow::Result<String> {
            let name = names
                .get(id)
                .with_context(|| format!("unknown package {id}"))?;
            Ok((*name).into())
        };
        let mut graph = Self::default();
        for member in &metadata.workspace_members {
            graph.workspace.insert(name(member)?);
        }
        for node in &metadata.resolve.nodes {
            let edges = graph.normal.entry(name(&node.id)?).or_default();
            for dependency in &node.deps {
                let is_dev = |kind: &DepKind| kind.kind.as_deref() == Some("dev");
                if !dependency.dep_kinds.iter().all(is_dev) {
                    edges.insert(name(&dependency.pkg)?);
                }
            }
        }
        Ok(graph)
    }

    /// How many crates are ours.
    pub(crate) fn workspace_crates(&self) -> usize {
        self.workspace.len()
    }

    fn uses(&self, from: &str) -> impl Iterator<Item = &str> {
        self.normal
            .get(from)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Shortest way from a crate to another one, both included, that does not lead through certain crates.
    fn path(&self, from: &str, to: &str, not_through: &[&str]) -> Option<Vec<String>> {
        let mut reached: BTreeSet<&str> = BTreeSet::from([from]);
        let mut paths = vec![vec![from]];
        while !paths.is_empty() {
            let mut longer = Vec::new();
            for path in paths {
                let Some(last) = path.last() else { continue };
                if not_through.iter().any(|it| it == last) {
                    continue;
                }
                for next in self.uses(last).filter(|next| reached.insert(next)) {
                    let mut path = path.clone();
                    path.push(next);
                    if next == to {
                        return Some(path.into_iter().map(Into::into).collect());
                    }
                    longer.push(path);
                }
            }
            paths = longer;
        }
        None
    }
}

/// One line per broken rule.
pub(crate) fn check(graph: &Graph) -> Vec<String> {
    let mut violations = Vec::new();
    for from in &graph.workspace {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == from) else {
            violations.push(format!(
                "  {from} has no row in the table of layers: add what it may use"
            ));
            continue;
        };
        for to in graph.uses(from).filter(|to| graph.workspace.contains(*to)) {
            if TEST_ONLY.contains(&to) && !NEVER_SHIPPED.contains(&layer.name) {
                violations.push(format!(
                    "  {from} → {to}: {to} is for tests, make it a dev-dependency"
                ));
            } else if !layer.may_use.contains(&to) {
                let allowed = layer.may_use.join(", ");
                let allowed = if allowed.is_empty() {
                    "none of ours"
                } else {
                    &allowed
                };
                violations.push(format!("  {from} → {to}: {from} may use {allowed}"));
            }
        }
    }
    for ban in BANS {
        for from in ban
            .crates
            .iter()
            .filter(|name| graph.workspace.contains(**name))
        {
            for to in ban.never {
                if let Some(path) = graph.path(from, to, ban.behind) {
                    let path = path.join(" → ");
                    violations.push(format!("  {path}: {}", ban.reason));
                }
            }
        }
    }
    violations
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<ResolveNode>,
}

#[derive(Deserialize)]
struct ResolveNode {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    /// Null: normal; else "dev" or "build".
    kind: Option<String>,
}
