//! Log lines: fields, spans, and never a secret or a message body.
//!
//! Knows levels and formats. Refuses colour where nobody looks. Bodies are at trace level alone.

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use super::censor::{Censored, may_be_logged};
use crate::config::LogSection;

/// Libraries that say more than anybody wants to know.
const QUIET: &str = "ruma=warn,sled=warn,hyper=warn,rustls=warn,html5ever=off";

/// By which another filter is set while the program runs.
pub(super) struct FilterHandle(reload::Handle<EnvFilter, Registry>);

impl FilterHandle {
    /// From now on the section's filter counts; `RUST_LOG` takes precedence here, too.
    ///
    /// # Errors
    /// A filter that is none; the one before stays.
    pub(super) fn set(&self, section: &LogSection) -> anyhow::Result<()> {
        self.0.reload(wanted(section)?).context("log.filter")
    }
}

/// Logs to standard error from now on; `RUST_LOG` takes precedence over the section.
///
/// # Errors
/// A filter that is none, or logging that was started already.
pub(super) fn start(section: &LogSection) -> anyhow::Result<FilterHandle> {
    let (filter, handle) = reload::Layer::new(wanted(section)?);
    let layer = subscriber(filter, || Censored, section.json);
    let started = tracing_subscriber::registry().with(layer).try_init();
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    Ok(FilterHandle(handle))
}

/// What the environment wants, or else the section.
fn wanted(section: &LogSection) -> anyhow::Result<EnvFilter> {
    filter(&std::env::var("RUST_LOG").unwrap_or_else(|_| section.filter.clone()))
}

/// A filter of the administrator's, after that of libraries which say too much.
///
/// # Errors
/// A text that is no filter, under the name of its key.
pub(super) fn filter(wanted: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::builder().parse(format!("{QUIET},{wanted}")).context("log.filter")
}

/// Writes what the filter lets through, but for what no filter may.
pub(super) fn subscriber<S, W>(filter: impl Layer<S>, writer: W, json: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let colours = !json && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colours)
        // A log that cannot be written, on a disk that is full, must not end whoever wanted to say so.
        .log_internal_errors(false);
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    filter.and_then(filter_fn(may_be_logged)).and_then(lines)
}
