//! The program: arguments, logging, and the order in which the parts start and stop.
//!
//! Knows the subcommands and turns a failure into an exit code. Refuses to know any protocol.

mod args;
mod attention;
mod build;
mod censor;
mod check;
mod disk;
mod homeserver;
mod init;
mod lifetimes;
mod logging;
mod notify;
mod pages;
mod process;
mod run;
mod sharing;
mod signals;
mod source;
mod stores;
mod transfer;
mod watch;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::config::Config;
use args::{Args, Command};

/// Runs what the arguments ask for, and prints why it could not.
pub fn main() -> ExitCode {
    run_program().unwrap_or_else(|error| {
        eprintln!("msnbridge: {}", censor::censor(&format!("{error:#}")));
        ExitCode::FAILURE
    })
}

/// What [`main`] runs; the error is the last line that is printed, without secrets.
fn run_program() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    process::hide();
    // Two libraries bring their own cryptography; one is chosen for the whole process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default(); // fails only when chosen already
    let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
    let result = runtime.block_on(execute(args));
    // What a library may have left running does not hold the exit up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

/// One subcommand. Only those that run for long log and raise their limits.
async fn execute(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Init(options) => init::write(&args.config, &options),
        Command::Check => Ok(check::run(&args.config).await),
        Command::Service(options) => {
            logging::start(&crate::config::LogSection::default())?;
            process::raise_descriptors();
            run::service(options).await
        }
        Command::Run => {
            let config = Config::load(&args.config)?;
            logging::start(&config.log)?;
            process::raise_descriptors();
            process::outlive_full_files().context("cannot listen for signals")?;
            run::bridge(config).await
        }
        Command::Export { file } => transfer::export(&Config::load(&args.config)?, &file),
        Command::Import { file } => transfer::import(&Config::load(&args.config)?, &file),
    }
}
