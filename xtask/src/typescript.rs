//! The messages of our own dialect as TypeScript. The file is part of the tree, so that the client library can be built
//! without Rust.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// Where it stands.
pub(crate) fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/sdk/src/generated/plenum.ts")
}

pub(crate) fn write(file: &Path) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(file, plenum_api::plenum::typescript())
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_what_the_messages_are() {
        let text = fs::read_to_string(file()).expect("part of the tree");
        assert!(
            text == plenum_api::plenum::typescript(),
            "run `cargo xtask gen-ts` and commit what it writes"
        );
    }
}
