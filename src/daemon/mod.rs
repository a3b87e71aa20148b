//! The program: arguments, logging, and the order in which the parts start and stop.
//!
//! Knows the subcommands and turns a failure into an exit code. Refuses to know any protocol.

mod args;
mod attention;
mod build;
mod censor;
mod check;
mod control;
mod deaf;
mod disk;
mod generate;
mod homeserver;
mod init;
mod lifetimes;
mod logging;
mod metrics_server;
mod notify;
mod pages;
mod process;
mod reload;
mod run;
mod sharing;
mod signals;
mod source;
mod status_push;
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
    let file = args.config();
    match args.command {
        Command::Init(options) if options.upgrade => init::upgrade(&file),
        Command::Init(options) => init::write(&file, options),
        Command::Check { store: Some(export) } => transfer::salvage(&Config::load(&file)?, export.as_deref()),
        Command::Check { store: None } => Ok(check::run(&file).await),
        Command::Healthy => metrics_server::ask(&Config::load(&file)?).await,
        Command::Service(options) => {
            logging::start(&crate::config::LogSection::default())?;
            process::raise_descriptors();
            run::service(options).await
        }
        Command::Run => {
            let config = Config::load(&file)?;
            let filter = logging::start(&config.log)?;
            process::raise_descriptors();
            process::outlive_full_files().context("cannot listen for signals")?;
            run::bridge(&file, config, filter).await
        }
        Command::Export { file: export } => transfer::export(&Config::load(&file)?, &export),
        Command::Import { file: export } => transfer::import(&Config::load(&file)?, &export),
        Command::Generate { directory } => generate::write(&directory),
    }
}
