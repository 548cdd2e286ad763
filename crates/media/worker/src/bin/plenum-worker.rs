//! A worker as a program of its own, for tests and measurements. In service it is `plenum worker`.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use plenum_worker::{run, standard_input};

fn main() -> ExitCode {
    let Err(error) = standard_input().and_then(run) else {
        return ExitCode::SUCCESS;
    };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    // Standard error may be closed; there is nobody left to tell then.
    let _ = writeln!(io::stderr(), "plenum-worker: {text}");
    ExitCode::FAILURE
}
