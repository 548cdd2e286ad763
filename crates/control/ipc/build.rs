//! Makes a hash of everything that shapes the bytes between node and worker, so that two builds which could
//! misunderstand each other refuse to talk.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The sources whose types are encoded, from this crate's directory.
const SOURCES: [&str; 3] = ["src", "../../base/params/src", "../../base/ids/src"];

fn main() {
    let mut hash = Fnv1a(0xcbf2_9ce4_8422_2325);
    hash.write(env!("CARGO_PKG_VERSION").as_bytes());
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        let mut files = Vec::new();
        collect(Path::new(source), &mut files);
        // The order in which a directory lists its files differs between machines.
        files.sort();
        for file in files {
            hash.write(file.to_string_lossy().as_bytes());
            hash.write(&fs::read(&file).unwrap_or_default());
        }
    }
    println!("cargo::rustc-env=PLENUM_WIRE_HASH={:016x}", hash.0);
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// 64-bit FNV-1a: stable over compilers, which the standard library's hasher does not promise.
struct Fnv1a(u64);

impl Fnv1a {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
