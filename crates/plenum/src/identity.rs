//! Who a node is over its restarts: its name, and the number of its last start, both in a folder of its own.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use plenum_config::Node;
use plenum_ids::{NodeEpoch, NodeId, TransportId};
use tracing::warn;

/// A name, and the starts that were made under it.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: NodeId,
    /// The highest number of a start that this node remembers.
    pub(crate) last: NodeEpoch,
    folder: Option<Folder>,
}

/// The folder, which is this process' alone.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

/// A name that was made up.
const ID: &str = "node-id";
/// The number of the last start, and whose it was.
const EPOCH: &str = "node-epoch";
const LOCK: &str = "lock";

impl Identity {
    /// Finds out who this node is. Whoever has a name but no place to remember its starts takes the clock's word for them.
    pub(crate) fn load(
        node: &Node,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> anyhow::Result<Self> {
        let path = node.data_dir.clone().or_else(|| usual_folder(variable));
        let opened = match &path {
            Some(path) => Folder::open(path),
            None => Err(anyhow::anyhow!("there is no usual place on this machine")),
        };
        let folder = match (opened, &node.id) {
            (Ok(folder), _) => folder,
            (Err(err), Some(id)) if node.data_dir.is_none() && !err.is::<Taken>() => {
                warn!(
                    "this node forgets when it ends which start it was, and goes by its clock: {err:#}"
                );
                return Ok(Self {
                    id: id.as_str().into(),
                    last: by_clock(SystemTime::now()),
                    folder: None,
                });
            }
            (Err(err), _) => {
                return Err(err.context(
                    "a node of a cluster keeps its identity in a folder of its own, which node.data_dir names",
                ));
            }
        };
        let id = match &node.id {
            Some(id) => id.as_str().into(),
            None => folder.id()?,
        };
        let last = folder.epoch(&id)?;
        Ok(Self {
            id,
            last,
            folder: Some(folder),
        })
    }

    /// Keeps the number of a start, before anything is done under it.
    pub(crate) fn remember(&self, epoch: NodeEpoch) -> io::Result<()> {
        match &self.folder {
            Some(folder) => folder.write(EPOCH, &format!("{epoch} {}\n", self.id)),
            None => Ok(()),
        }
    }
}

/// Another process has the folder.
#[derive(Debug, thiserror::Error)]
#[error("another node that runs has {}; each has a folder of its own", .0.display())]
struct Taken(PathBuf);

impl Folder {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        // What is in it is nobody else's business.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot make the folder {shown}"))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .with_context(|| format!("cannot write into {shown}"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(Taken(path.to_owned())),
            Err(TryLockError::Error(err)) => {
                return Err(err).with_context(|| format!("cannot lock {shown}"));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The name that was made up at the first start, or one that is made up now.
    fn id(&self) -> anyhow::Result<NodeId> {
        if let Some(text) = self.read(ID)? {
            let id = text.trim();
            if is_name(id) {
                return Ok(id.into());
            }
            let path = self.path.join(ID);
            bail!(
                "{} has no name of a node in it: remove it, or name the node in node.id",
                path.display()
            );
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let id = made_up(&host, TransportId::random().as_u128());
        self.write(ID, &format!("{id}\n"))
            .with_context(|| format!("cannot write into {}", self.path.display()))?;
        Ok(id.into())
    }

    /// The last start of a node. Whoever has had another name has not been started.
    fn epoch(&self, id: &NodeId) -> anyhow::Result<NodeEpoch> {
        let Some(text) = self.read(EPOCH)? else {
            return Ok(NodeEpoch(0));
        };
        let words = text.trim().split_once(' ');
        let Some((Ok(epoch), whose)) = words.map(|(epoch, whose)| (epoch.parse(), whose)) else {
            let path = self.path.join(EPOCH);
            warn!(path = %path.display(), "no number of a start in it, the clock stands in");
            return Ok(by_clock(SystemTime::now()));
        };
        Ok(NodeEpoch(if whose == id.as_str() { epoch } else { 0 }))
    }

    fn read(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Whole or not at all, whenever the machine loses power.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.path)?.sync_all()
    }
}

/// Where such things are kept: what systemd names, the system's place for root, the user's for everybody else.
fn usual_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| {
        let value = variable(name)?;
        let path = PathBuf::from(value);
        path.is_absolute().then_some(path)
    };
    // Several are apart by colons (systemd.exec, STATE_DIRECTORY).
    let state = variable("STATE_DIRECTORY").and_then(|all| {
        let all = all.into_string().ok()?;
        let first = all.split(':').next()?;
        (!first.is_empty()).then(|| PathBuf::from(first))
    });
    state.or_else(|| {
        if rustix::process::geteuid().is_root() {
            return Some("/var/lib/plenum".into());
        }
        let of_user = path("XDG_STATE_HOME");
        let of_user = of_user.or_else(|| Some(path("HOME")?.join(".local/state")));
        of_user.map(|path| path.join("plenum"))
    })
}

/// A number that is higher for every later start, as long as the clock is not turned back: milliseconds, which stay below
/// what a registry takes for some 280 000 years.
fn by_clock(now: SystemTime) -> NodeEpoch {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    NodeEpoch(u64::try_from(since.as_millis()).unwrap_or(0))
}

/// The machine's name, for people, and something that nobody else has.
fn made_up(host: &str, random: u128) -> String {
    let host = host.trim().split('.').next().unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    // With what follows still a label of the DNS.
    let host: String = host.chars().filter(is_plain).take(40).collect();
    let host = if host.is_empty() { "node" } else { &host };
    format!("{host}-{:08x}", random & 0xffff_ffff)
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=63).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn node(id: Option<&str>, data_dir: Option<&Path>) -> Node {
        let mut node = Node::default();
        node.id = id.map(Into::into);
        node.data_dir = data_dir.map(Into::into);
        node
    }

    fn load(id: Option<&str>, folder: &Path) -> anyhow::Result<Identity> {
        Identity::load(&node(id, Some(folder)), |_| None)
    }

    #[test]
    fn a_name_is_made_up_once() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("some/where");
        let first = load(None, &folder).unwrap();
        assert_eq!(first.last, NodeEpoch(0));
        assert!(is_name(first.id.as_str()), "{}", first.id);
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        first.remember(NodeEpoch(7)).unwrap();
        let id = first.id.clone();
        drop(first);
        let second = load(None, &folder).unwrap();
        assert_eq!((&second.id, second.last), (&id, NodeEpoch(7)));
        drop(second);
        let renamed = load(Some("fra-1"), &folder).unwrap();
        assert_eq!((renamed.id.as_str(), renamed.last), ("fra-1", NodeEpoch(0)));
    }

    #[test]
    fn two_nodes_never_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = load(Some("a"), folder.path()).unwrap();
        let err = load(Some("b"), folder.path()).unwrap_err();
        let err = format!("{err:#}");
        assert!(
            err.contains("another node") && err.contains("node.data_dir"),
            "{err}"
        );
        // Nor does one go on without, if that is where such things are kept.
        let state = folder.path().as_os_str().to_owned();
        let usual = |name: &str| (name == "STATE_DIRECTORY").then(|| state.clone());
        assert!(Identity::load(&node(Some("b"), None), usual).is_err());
    }

    #[test]
    fn who_cannot_write_goes_by_the_clock_if_it_has_a_name() {
        // Nothing can be made below a file.
        let file = tempfile::NamedTempFile::new().unwrap();
        let below = file.path().join("x").into_os_string();
        let usual = |name: &str| (name == "STATE_DIRECTORY").then(|| below.clone());
        let identity = Identity::load(&node(Some("a"), None), usual).unwrap();
        assert!(identity.last > NodeEpoch(1_700_000_000_000));
        identity.remember(NodeEpoch(1)).unwrap();
        assert!(Identity::load(&node(None, None), usual).is_err());
    }

    #[test]
    fn what_is_broken_is_told_or_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ID), "no name\n").unwrap();
        let err = load(None, folder.path()).unwrap_err().to_string();
        assert!(err.contains("node-id"), "{err}");
        fs::write(folder.path().join(EPOCH), "seven").unwrap();
        let identity = load(Some("a"), folder.path()).unwrap();
        assert!(identity.last > NodeEpoch(1_700_000_000_000));
    }

    #[test]
    fn names_are_made_of_what_names_may_have() {
        assert_eq!(made_up("fra_1.example.org\n", 0xabc), "fra1-00000abc");
        assert_eq!(made_up("", 0), "node-00000000");
        assert!(is_name(&made_up(&"h".repeat(300), u128::MAX)));
    }
}
