//! Log lines: fields, spans, and never a secret or a message body.

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::LogSection;

/// Libraries that log every refused request as an error: we log it with what it means.
const QUIET: &str =
    "matrix_sdk=off,matrix_sdk_base=warn,ruma=warn,sled=warn,hyper=warn,rustls=warn,html5ever=off";

pub(super) fn start(section: &LogSection) -> anyhow::Result<()> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| section.filter.clone());
    let filter = EnvFilter::builder().parse(format!("{QUIET},{filter}")).context("log.filter")?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log that cannot be written, on a disk that is full, must not end whoever wanted to say so.
        .log_internal_errors(false);
    let started = match section.json {
        true => subscriber.json().try_init(),
        false => subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
