//! The `plenum` binary: reads settings, builds the node from its parts, runs it, ends it. The parts are elsewhere.

#![forbid(unsafe_code)]

mod checks;
mod cli;
mod cluster;
mod console;
mod doors;
mod drain;
mod identity;
mod load;
mod notify;
mod ports;
mod room_status;
mod serve;
mod settings;
mod sim;
mod token;
mod webhooks;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};

use clap::Parser as _;

use cli::{Cli, Command, ConfigArgs, ConfigPart, PortsArgs, SourceArgs};

fn main() -> ExitCode {
    let started = Instant::now();
    match run(Cli::parse(), started) {
        Ok(code) => code,
        Err(err) => {
            // Standard error may be closed; there is nobody left to tell then.
            let _ = writeln!(io::stderr(), "plenum: {err:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, started: Instant) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(args) => serve::run(&args, started),
        Command::Config(args) => print_config(&args),
        Command::Token(args) => token::run(*args),
        Command::Console(args) => console::run(&args),
        Command::Drain(args) => drain::run(&args),
        Command::Why(args) => console::why(&args),
        Command::Dispatch(mut args) => {
            args.role = Some("signal".to_owned());
            serve::run(&args, started)
        }
        Command::Load(args) => load::run(*args),
        Command::Sim(args) => sim::run(&args),
        Command::Worker => {
            plenum_worker::run(plenum_worker::standard_input()?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn print_config(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    match &args.part {
        Some(ConfigPart::Check(sources)) => return print_check(sources),
        Some(ConfigPart::Ports(args)) => return print_ports(args),
        None => {}
    }
    let mut output = io::stdout().lock();
    if args.sample {
        output.write_all(SAMPLE.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = settings::load(&args.sources, &[])?;
    output.write_all(config.to_toml_masked().as_bytes())?;
    // Shown first, so that the reader sees what is complained about.
    config.validate()?;
    Ok(ExitCode::SUCCESS)
}

fn print_check(sources: &SourceArgs) -> anyhow::Result<ExitCode> {
    let config = settings::load(sources, &[])?;
    config.validate()?;
    ports::plan(&config, serve::worker_count(&config))?;
    serve::log_options(&config)?;
    doors::Doors::new(&config)?;
    webhooks::settings(&config).check()?;
    cluster::placement(&config)?;
    let advice = checks::advice(&config);
    let mut output = io::stdout().lock();
    writeln!(output, "The settings are sound.")?;
    for line in &advice {
        writeln!(output, "* {line}")?;
    }
    if advice.is_empty() {
        writeln!(output, "This machine gives the node what it needs.")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_ports(args: &PortsArgs) -> anyhow::Result<ExitCode> {
    let flags = settings::workers_flag(args.workers);
    let config = settings::load(&args.sources, &flags)?;
    config.validate()?;
    let plan = ports::plan(&config, serve::worker_count(&config))?;
    let text = ports::render(&config, &plan, args.format);
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

const SAMPLE: &str = include_str!("../../../docs/plenum.sample.toml");
