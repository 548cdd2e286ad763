//! Makes sure that the folder of the built page exists: embedding wants the folder, and a build without the page is
//! complete in everything but the page.

use std::{env, fs, path::PathBuf};

fn main() {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    let dist = manifest.join("../../../web/meet/dist");
    if let Err(err) = fs::create_dir_all(&dist) {
        println!("cargo::warning=cannot create {}: {err}", dist.display());
    }
    println!("cargo::rerun-if-changed={}", dist.display());
}
