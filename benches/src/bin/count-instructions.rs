//! Instructions per operation of hot functions, compared with `benches/instructions.toml`.
//!
//! `count-instructions check` compares, `update` writes the table anew, `run <operation> <count>` is what callgrind
//! looks at.
#![forbid(unsafe_code)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Mutex,
};

use anyhow::{Context as _, Result, bail, ensure};
use plenum_bench::instructions::{
    callgrind::{self, Counts},
    measured,
    operations::{OPERATIONS, Operation},
    table::{Cost, Origin, Table, Verdict},
};

const USAGE: &str = "usage: count-instructions check | update | run <operation> <count>";

/// Rings grow and tables fill before anything is counted.
const WARM_UP: usize = 40;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check"] => check(),
        ["update"] => update(),
        ["run", name, count] => run(name, count),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, count: &str) -> Result<()> {
    let operation = OPERATIONS
        .iter()
        .find(|operation| operation.name == name)
        .context("no such operation")?;
    let count: usize = count.parse().context(USAGE)?;
    let mut prepared = (operation.prepare)(WARM_UP + count)?;
    (0..WARM_UP).for_each(&mut prepared);
    measured(WARM_UP, count, &mut *prepared);
    // Without taking down what was set up, whose calls would be counted.
    std::process::exit(0)
}

fn check() -> Result<()> {
    let path = table_path();
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let table = Table::parse(&text)?;
    let here = origin()?;
    let tolerance = table.tolerance(&here);
    let counted = count_all()?;
    println!(
        "{:<22} {:>11} {:>11} {:>7} {:>7} {:>7} {:>11}  verdict",
        "operation", "instr.", "table", "", "calls", "table", "(in C)"
    );
    let mut worse = Vec::new();
    for (operation, counts) in OPERATIONS.iter().zip(counted) {
        let cost = cost(operation, counts);
        let verdict = table.judge(operation.name, cost, tolerance.unwrap_or(f64::INFINITY));
        let known = table.operations.get(operation.name).copied();
        let (instructions, calls) =
            known.map_or((0.0, 0.0), |known| (known.instructions, known.calls));
        let change = if instructions > 0.0 {
            (cost.instructions / instructions - 1.0) * 100.0
        } else {
            0.0
        };
        println!(
            "{:<22} {:>11.1} {instructions:>11.1} {change:>+6.1}% {:>7.1} {calls:>7.1} {:>11.1}  {verdict:?}",
            operation.name,
            cost.instructions,
            cost.calls,
            counts.other as f64 / operation.count as f64,
        );
        if matches!(verdict, Verdict::Worse | Verdict::New) {
            worse.push(operation.name);
        }
    }
    let unknown = table
        .operations
        .keys()
        .filter(|name| OPERATIONS.iter().all(|operation| operation.name != **name));
    worse.extend(unknown.map(String::as_str));
    match tolerance {
        None => println!(
            "the table is of {}: nothing is guarded here",
            table.origin.architecture
        ),
        Some(tolerance) if here.compiler != table.origin.compiler => println!(
            "counted with {}, the table with {}: tolerance {:.0} %; `make bench-instructions-update` is due",
            here.compiler,
            table.origin.compiler,
            tolerance * 100.0
        ),
        Some(tolerance) => println!("tolerance {:.0} %", tolerance * 100.0),
    }
    if worse.is_empty() {
        return Ok(());
    }
    bail!(
        "more than the table says, or not in step with it: {}\n\
        If that is meant, run `make bench-instructions-update` and say why in the commit.",
        worse.join(", ")
    )
}

fn update() -> Result<()> {
    let counted = count_all()?;
    let costs = OPERATIONS.iter().zip(counted);
    let operations = costs
        .map(|(operation, counts)| (operation.name.to_owned(), cost(operation, counts)))
        .collect();
    let table = Table {
        origin: origin()?,
        operations,
    };
    let path = table_path();
    std::fs::write(&path, table.to_text())?;
    println!("written to {}", path.display());
    Ok(())
}

/// Counts all operations, as many at a time as there are processors.
fn count_all() -> Result<Vec<Counts>> {
    let program = std::env::current_exe()?;
    let directory =
        std::env::temp_dir().join(format!("plenum-instructions-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let next = Mutex::new(0..OPERATIONS.len());
    let work = || {
        let mut done = Vec::new();
        loop {
            let taken = next.lock().map_or(None, |mut next| next.next());
            let Some(index) = taken else { return done };
            let operation = &OPERATIONS[index];
            done.push((
                index,
                callgrind::count(&program, operation.name, operation.count, &directory),
            ));
        }
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(OPERATIONS.len());
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_default())
            .collect()
    });
    std::fs::remove_dir_all(&directory)?;
    ensure!(
        done.len() == OPERATIONS.len(),
        "a counting thread ended early"
    );
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, counts)| counts).collect()
}

/// Per operation, to a tenth.
fn cost(operation: &Operation, counts: Counts) -> Cost {
    let each = |total: u64| (total as f64 / operation.count as f64 * 10.0).round() / 10.0;
    Cost {
        instructions: each(counts.rust),
        calls: each(counts.calls),
    }
}

fn table_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml")
}

fn origin() -> Result<Origin> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .arg("--version")
        .output()
        .context("cannot run rustc")?;
    Ok(Origin {
        compiler: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        architecture: std::env::consts::ARCH.into(),
    })
}
