//! Tests that documents name are there.

use std::{fs, path::PathBuf};

/// The text between backticks, in order.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The folder of a crate by its short name.
fn crate_folder(name: &str) -> Option<PathBuf> {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let groups = ["base", "cluster", "control", "edge", "media", "tools", "."];
    let mut folders = groups.iter().map(|group| crates.join(group).join(name));
    folders.find(|folder| folder.join("Cargo.toml").exists())
}

#[test]
fn every_limit_has_a_test_that_exists() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../docs/limits.md");
    let document = fs::read_to_string(&path).expect("the document is there");
    let mut missing = Vec::new();
    let mut found = 0;
    for line in document.lines() {
        let mut source = None;
        for word in quoted(line) {
            if let Some((name, file)) = word.split_once('/')
                && file.strip_suffix(".rs").is_some()
                && let Some(folder) = crate_folder(name)
            {
                source = fs::read_to_string(folder.join(file)).ok();
                if source.is_none() {
                    missing.push(word);
                }
            } else if let Some(source) = &source
                && word.len() > 10
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            {
                found += 1;
                if !source.contains(&format!("fn {word}(")) {
                    missing.push(word);
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(found > 40, "only {found} were found");
}
