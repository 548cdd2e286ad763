//! Noticing that files have changed.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// How a file looked: another one, whatever way it was replaced, looks different. What cannot be looked at looks like
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Option<(u64, u64, i64, i64)>);

impl Stamp {
    /// How the file behind the path looks now, behind links as they are mounted into containers, too.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let metadata = fs::metadata(path).ok();
        Self(metadata.map(|data| (data.ino(), data.size(), data.mtime(), data.mtime_nsec())))
    }
}
