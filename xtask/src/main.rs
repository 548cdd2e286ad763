//! Tasks of this repository that are programs. `cargo xtask layers` checks which crate uses which, `cargo xtask deploy`
//! that board and alert rules fit to what a node exports, `cargo xtask gen-ts` writes the messages of our own dialect for
//! the client library, `cargo xtask clips` makes the encoded pictures of `plenum load`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, ensure};

mod clips;
mod deploy;
mod layers;
mod typescript;

const USAGE: &str = "usage: cargo xtask layers|deploy|gen-ts|clips";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["clips"] => make_clips(),
        ["deploy"] => check_deploy(),
        ["gen-ts"] => write_typescript(),
        ["layers"] => check_layers(),
        _ => anyhow::bail!("{USAGE}"),
    }
}

fn make_clips() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    clips::make(root.context("no workspace")?)?;
    println!("clips: written to {}", clips::FOLDER);
    Ok(())
}

fn check_deploy() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let report = deploy::check(root.context("no workspace")?)?;
    println!(
        "deploy: {} expressions use what {} metrics offer",
        report.expressions, report.metrics
    );
    Ok(())
}

fn write_typescript() -> anyhow::Result<()> {
    let file = typescript::file();
    typescript::write(&file)?;
    println!("gen-ts: wrote {}", file.display());
    Ok(())
}

fn check_layers() -> anyhow::Result<()> {
    let graph = layers::Graph::parse(&cargo_metadata()?)?;
    let violations = layers::check(&graph);
    ensure!(
        violations.is_empty(),
        "crates use what their layer must not use:\n{}\n\
        The rules stand in xtask/src/layers/rules.rs, the reasons in ARCHITECTURE.md.",
        violations.join("\n")
    );
    println!("layers: {} crates keep the rules", graph.workspace_crates());
    Ok(())
}

fn cargo_metadata() -> anyhow::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).context("cargo metadata is not UTF-8")
}
