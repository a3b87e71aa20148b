//! Figures for Prometheus, and whether the bridge lives and does its work.
//!
//! Knows what is only worth asking for when somebody looks: what waits, the store, the process. Refuses to know what is
//! counted elsewhere: [`crate::measure`] names that. Nobody has to show anything: the address is for one's own machines.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::build::Running;
use super::notify::Status;
use super::source::time_of_day;
use crate::bridge::ids::Leg;
use crate::bridge::journal::count_dead_letters;
use crate::bridge::{Depth, LegDepths};
use crate::config::Config;
use crate::measure;
use crate::store::Store;
use crate::web::{Limits, read_body};

/// Bounds of the buckets that times are counted in, in seconds: from a write on a good disk to an outage.
const BUCKETS: [f64; 12] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 600.0];
/// Bytes of an answer about health: one line.
const MAX_ANSWER: usize = 4096;
/// What Prometheus calls the form that it reads.
const FORM: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Takes what is counted, from its making on, and serves it later.
pub(super) struct MetricsServer {
    listen: SocketAddr,
    recorder: PrometheusHandle,
}

/// What is looked at when somebody asks.
struct Watched {
    recorder: PrometheusHandle,
    process: Collector,
    depths: LegDepths,
    store: Arc<Store>,
    status: Arc<Status>,
    broken: CancellationToken,
}

impl MetricsServer {
    /// Counts from now on.
    ///
    /// # Errors
    /// Somebody else counts in this process already.
    pub(super) fn new(listen: SocketAddr) -> anyhow::Result<Self> {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).context("the buckets")?;
        let recorder = builder.install_recorder().context("figures cannot be counted")?;
        measure::describe();
        Ok(Self { listen, recorder })
    }

    /// Serves until the intake ends.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(super) async fn start(self, running: &Running) -> anyhow::Result<()> {
        let Self { listen, recorder } = self;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("metrics.listen: cannot listen on {listen}"))?;
        tracing::info!(%listen, "serving figures");
        let process = Collector::default();
        process.describe();
        let watched = Watched {
            recorder,
            process,
            depths: running.bridge.overview().depths.clone(),
            store: running.store.clone(),
            status: running.notices.status.clone(),
            broken: running.lifetimes.broken.clone(),
        };
        let cancel = running.lifetimes.intake.clone();
        running.lifetimes.spawn(crate::web::serve(listener, router(watched), Limits::PUBLIC, cancel));
        Ok(())
    }
}

fn router(watched: Watched) -> Router {
    Router::new()
        .route("/metrics", get(show))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(Arc::new(watched))
}

/// Everything that is counted.
async fn show(State(watched): State<Arc<Watched>>) -> Response {
    let shown = tokio::task::spawn_blocking(move || watched.render()).await;
    match shown {
        Ok(text) => ([(header::CONTENT_TYPE, FORM)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the figures could not be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A core that broke off does not come back without a restart.
async fn live(State(watched): State<Arc<Watched>>) -> Response {
    match watched.broken.is_cancelled() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "the core broke off\n").into_response(),
        false => "alive\n".into_response(),
    }
}

/// Whether messages go through: the disk takes them, and the homeserver is connected.
async fn ready(State(watched): State<Arc<Watched>>) -> Response {
    let (line, is_ready) = watched.status.summary();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{line}\n")).into_response()
}

impl Watched {
    fn render(&self) -> String {
        show_depths(&self.depths.by_leg().into_iter().collect::<Vec<_>>(), time_of_day());
        match count_dead_letters(&*self.store) {
            Ok(count) => gauge!(measure::DEAD_LETTERS).set(as_figure(count as u64)),
            Err(error) => tracing::warn!(%error, "dead letters cannot be counted"),
        }
        match self.store.bytes() {
            Ok(bytes) => gauge!(measure::STORE_BYTES).set(as_figure(bytes)),
            Err(error) => tracing::warn!(%error, "the size of the store cannot be had"),
        }
        self.process.collect();
        self.recorder.run_upkeep();
        self.recorder.render()
    }
}

/// A leg that has everything shows that, too.
fn show_depths(depths: &[(Leg, Depth)], now: u64) {
    let (matrix, irc) = (crate::matrix::LEG, crate::irc::LEG);
    for (leg, to) in [(Leg::Remote, "msn"), (Leg::Files, "files"), (matrix, "matrix"), (irc, "irc")] {
        let depth = depths.iter().find(|(of, _)| *of == leg).map(|(_, depth)| depth);
        let age = depth.map_or(0, |depth| now.saturating_sub(depth.oldest));
        gauge!(measure::WAITING, "to" => to).set(as_figure(depth.map_or(0, |depth| depth.waiting)));
        gauge!(measure::WAITING_AGE, "to" => to).set(as_figure(age) / 1000.0);
    }
}

/// Figures of Prometheus are floating point; beyond 2^53 nobody counts.
fn as_figure(number: u64) -> f64 {
    number as f64
}

/// Asks the running bridge, as a script does, and says what it said.
///
/// # Errors
/// Nothing is configured to be asked, or nobody answers.
pub(super) async fn ask(config: &Config) -> anyhow::Result<ExitCode> {
    let Some(listen) = config.metrics.check()? else {
        bail!("metrics.listen is empty: the bridge cannot be asked");
    };
    let answer = reqwest::get(format!("http://{listen}/health/ready")).await;
    let answer = answer.with_context(|| format!("nobody answers at {listen}: the bridge does not run"))?;
    let is_ready = answer.status().is_success();
    let said = read_body(answer, MAX_ANSWER).await.context("the answer broke off")?;
    print!("{}", String::from_utf8_lossy(&said));
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
