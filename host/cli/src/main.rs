/*!
The `vecferry` command: parses arguments, resolves them once, runs one command, and turns its outcome into an
exit code. Results go to stdout, everything else to stderr.
*/

mod args;
mod config;
mod destination;
mod dev;
mod document;
mod embedding;
mod execute;
mod exit;
mod inspect;
mod migrate;
mod model;
mod paths;
mod plan;
mod plugin_command;
mod progress;
mod registry;
mod render;
mod retry;
mod runs;
mod search;
mod settings;

use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(arguments.verbose);
    let outcome = match arguments.command {
        Command::Inspect(inspect) => inspect::run(&inspect, &arguments.plugins),
        Command::Migrate(migrate) => migrate::run(&migrate, &arguments.plugins),
        Command::Plan(plan) => migrate::plan(&plan, &arguments.plugins),
        Command::Run(run) => runs::run(&run, &arguments.plugins),
        Command::Resume(resume) => runs::resume(&resume, &arguments.plugins),
        Command::Status(status) => runs::status(&status),
        Command::Runs(command) => runs::runs(&command),
        Command::Verify(verify) => runs::verify(&verify, &arguments.plugins),
        Command::Retry(retry) => retry::run(&retry, &arguments.plugins),
        Command::Config(config) => config::run(&config, &arguments.plugins),
        Command::Dev(command) => dev::run(&command),
        Command::Plugin(plugin) => plugin_command::run(&plugin, &arguments.plugins),
        Command::Model(model) => model::run(&model),
        Command::Search(search) => search::run(&search, &arguments.plugins),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            render::error(&error);
            exit::Exit::from(error.kind).into()
        }
    }
}

/// Warnings by default; `-v` adds what plugins say, `-vv` what the host does. `VECFERRY_LOG` overrides.
fn start_log(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "vecferry=debug,plugin=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("VECFERRY_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .with_ansi(render::colour())
        .init();
}
