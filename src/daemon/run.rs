//! `run` and `service`: start, wait, stop in order.
//!
//! Knows the two phases of a stop: first nothing new comes in, then everything that came is written. Refuses to wait for
//! ever: each phase has a bound.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::args::ServiceOptions;
use super::build::{Running, start};
use super::logging::FilterHandle;
use super::metrics_server::MetricsServer;
use super::reload::{CurrentRelays, Reload};
use super::status_push::StatusPush;
use super::watch::Heartbeat;
use super::{control, notify, signals, transfer};
use crate::config::{Checked, Config, MsnServer};
use crate::retry::Retry;
use crate::service::{AccountLine, HttpsConfig, Rules, Service, ServiceConfig, parse_accounts};

/// systemd hears that the bridge is ready after this even if the homeserver has not called yet.
const READY: Duration = Duration::from_secs(10);
/// Pauses between attempts to have the homeserver call.
const PING: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// Later pings: a homeserver that was down holds events back until it is asked.
const PING_AGAIN: Duration = Duration::from_secs(30);
/// An export that is due waits so long: after a start there is better to do, and a failed one is not repeated at once.
const EXPORT_PAUSE: Duration = Duration::from_secs(60);
/// How long stopping may take in all; under the 10 s that an administrator is promised.
const GRACE: Duration = Duration::from_secs(8);

/// Runs the bridge until a signal, or until the core breaks off.
///
/// # Errors
/// Whatever keeps it from starting. Once it runs, the exit code says whether everything was written.
pub(super) async fn bridge(file: &Path, config: Config, filter: FilterHandle) -> anyhow::Result<ExitCode> {
    let checked = config.check()?;
    let embedded = start_embedded(&config, &checked).await?;
    let heartbeat = Heartbeat::default();
    let watch = checked.metrics.map(MetricsServer::new).transpose()?;
    let running = start(&config, &checked, &heartbeat).await?;
    if let Some(watch) = watch {
        watch.start(&running).await?;
    }
    if let Some(endpoint) = checked.status_endpoint.clone() {
        let (as_token, reports) = (checked.matrix.as_token.clone(), running.bridge.overview().logins.clone());
        let push = StatusPush { endpoint, as_token, reports };
        let cancel = running.lifetimes.intake.clone();
        running.lifetimes.spawn(async move {
            tokio::select! {
                () = push.run() => {}
                () = cancel.cancelled() => {}
            }
        });
    }
    running.lifetimes.spawn(heartbeat.feed(running.lifetimes.intake.clone()));
    keep_pinging(&running, checked.matrix.registration_id.clone());
    export_now_and_then(&running, &config);
    match control::listen(&config.store.directory) {
        Ok(listener) => {
            let (store, cancel) = (running.store.clone(), running.lifetimes.intake.clone());
            running.lifetimes.spawn(control::serve(listener, store, cancel));
        }
        Err(error) => tracing::warn!(%error, "exports are not possible while the bridge runs"),
    }
    let relays = CurrentRelays::new(running.irc.clone(), &checked.irc.relays);
    let permissions = running.permissions.clone();
    let reload = Reload { file: file.to_owned(), config, permissions, relays, filter };
    let reloads = reload.listen(running.lifetimes.intake.clone()).context("cannot listen for signals")?;
    running.lifetimes.spawn(reloads);
    tracing::info!("running");
    let (broken, shutdown) = (running.lifetimes.broken.clone(), running.lifetimes.shutdown.clone());
    let code = tokio::select! {
        signal = signals::asked_to_stop() => {
            tracing::info!(signal = signal.context("cannot listen for signals")?, "stopping");
            ExitCode::SUCCESS
        }
        () = shutdown.cancelled() => {
            tracing::info!("stopping, as an administrator said");
            ExitCode::SUCCESS
        }
        // Starting again takes up everything from the journal.
        () = broken.cancelled() => ExitCode::FAILURE,
    };
    let health = running.store.health();
    stop(running).await;
    let unwritten = health.borrow().clone();
    let code = match unwritten {
        Some(reason) => {
            tracing::error!(%reason, "the disk still fails: what came from MSN and IRC since it does is lost");
            ExitCode::FAILURE
        }
        None => code,
    };
    if let Some(service) = embedded {
        service.stop().await;
    }
    tracing::info!("stopped");
    Ok(code)
}

/// First nothing new comes in, then what has come in is written down, then the store is closed.
async fn stop(running: Running) {
    notify::stopping();
    if tokio::time::timeout(GRACE, running.lifetimes.end()).await.is_err() {
        tracing::warn!(
            "something did not stop in time; what it was doing is in the journal if the disk works"
        );
    }
}

/// Has the homeserver call, until it does and then again and again: whenever it was away, what it holds back comes.
fn keep_pinging(running: &Running, registration: String) {
    let (matrix, bridge, cancel) =
        (running.matrix.clone(), running.bridge.clone(), running.lifetimes.intake.clone());
    let notices = &running.notices;
    let (pinged, asked, status) =
        (notices.pinged.clone(), notices.ask_homeserver.clone(), notices.status.clone());
    running.lifetimes.spawn(async move {
        let began = tokio::time::Instant::now();
        let mut up = false;
        let [shortest, longest] = PING;
        let mut retry = Retry::new(shortest, longest);
        loop {
            let ping = tokio::select! {
                ping = matrix.homeserver().ping(&registration) => ping,
                () = cancel.cancelled() => return,
            };
            match &ping {
                Ok(_) if !up => {
                    up = true;
                    tracing::info!("the homeserver is reachable, both ways");
                    let _ = bridge.leg_up(crate::matrix::LEG).await; // the core may be stopping
                    status.connected();
                    retry.reset();
                }
                Ok(_) => {}
                Err(error) => {
                    up = false;
                    tracing::warn!(%error, "the homeserver did not call the bridge");
                    status.waiting(&error.to_string(), began.elapsed() >= READY);
                }
            }
            let pause = async {
                match up {
                    // The homeserver calls as long as it is asked: that is no news.
                    true => tokio::select! {
                        () = tokio::time::sleep(PING_AGAIN) => {}
                        () = asked.notified() => {}
                    },
                    // One that calls is there, though its answer was lost.
                    false => retry.pause_unless(pinged.notified()).await,
                }
            };
            tokio::select! {
                () = pause => {}
                () = cancel.cancelled() => return,
            }
        }
    });
}

/// The way back from a damaged store is never older than this.
fn export_now_and_then(running: &Running, config: &Config) {
    let hours = config.store.export_hours;
    if hours == 0 {
        return;
    }
    let (store, cancel) = (running.store.clone(), running.lifetimes.intake.clone());
    let file = config.store.directory.with_extension("export");
    running.lifetimes.spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(export_due(&file, Duration::from_secs(u64::from(hours) * 3600))) => {}
                () = cancel.cancelled() => return,
            }
            let (store, file) = (store.clone(), file.clone());
            let written = tokio::task::spawn_blocking(move || transfer::write(&store, &file)).await;
            match written {
                Ok(Ok(rows)) => tracing::info!(rows, "exported the store"),
                Ok(Err(error)) => tracing::error!(%error, "the store could not be exported"),
                Err(error) => tracing::error!(%error, "the export broke off"),
            }
        }
    });
}

/// How long until the next export: counted from the last one, so that a bridge that is often restarted exports too.
fn export_due(file: &Path, interval: Duration) -> Duration {
    let written = std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    let age = written.and_then(|written| written.elapsed().ok()).unwrap_or(interval);
    interval.saturating_sub(age).max(EXPORT_PAUSE)
}

/// The service of `msn.server: embedded`, before the bridge that signs in to it.
async fn start_embedded(config: &Config, checked: &Checked) -> anyhow::Result<Option<Service>> {
    let MsnServer::Embedded(accounts) = &checked.server else { return Ok(None) };
    let section = &config.service;
    let service = Service::start(ServiceConfig {
        dispatch: None,
        dispatch_to: None,
        https: None,
        notification: section.notification,
        switchboard: section.switchboard,
        http: section.http,
        accounts: accounts.clone(),
        robots: Vec::new(),
        rules: Rules::default(),
        public_host: checked.public_host.clone(),
    });
    Ok(Some(service.await?))
}

/// The embedded service alone, until a signal; prints the addresses that were bound.
///
/// # Errors
/// Accounts that cannot be read, and addresses or certificates that cannot be used.
pub(super) async fn service(options: ServiceOptions) -> anyhow::Result<ExitCode> {
    let accounts = read_accounts(&options.accounts)?;
    let robots = options.robots.as_deref().map(read_accounts).transpose()?.unwrap_or_default();
    let https = match (options.https, options.certificate, options.key) {
        (Some(address), Some(certificate), Some(key)) => Some(HttpsConfig { address, certificate, key }),
        _ => None,
    };
    let config = ServiceConfig {
        dispatch: options.dispatch,
        dispatch_to: options.dispatch_to,
        https,
        notification: options.ns,
        switchboard: options.sb,
        http: options.http,
        accounts,
        robots,
        rules: Rules {
            challenge: !options.no_challenge,
            idle_call: Duration::from_secs(options.idle_call),
            ..Rules::default()
        },
        public_host: options.public_host,
    };
    let service = Service::start(config).await?;
    let addresses = service.addresses;
    if let Some(dispatch) = addresses.dispatch {
        println!("dispatch server {dispatch}");
    }
    println!("notification server {}", addresses.notification);
    println!("switchboard {}", addresses.switchboard);
    println!("nexus {}", addresses.nexus());
    println!("gateway {}", addresses.gateway());
    println!("offline messages {} {}", addresses.offline_retrieval(), addresses.offline_store());
    if let Some(https) = addresses.https {
        println!("nexus over TLS https://{https}/rdr/pprdr.asp");
    }
    signals::asked_to_stop().await.context("cannot listen for signals")?;
    service.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// The error names the file, and the line in it.
fn read_accounts(file: &Path) -> anyhow::Result<Vec<AccountLine>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse_accounts(&text).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_due_by_the_age_of_the_last_one_and_not_by_how_long_the_bridge_has_run() {
        let directory = tempfile::tempdir().unwrap();
        let (file, day) = (directory.path().join("store.export"), Duration::from_secs(24 * 3600));
        assert_eq!(export_due(&file, day), EXPORT_PAUSE, "there is none yet");
        std::fs::write(&file, "").unwrap();
        assert!(export_due(&file, day) > day - Duration::from_secs(60), "one was just written");
        let old = std::time::SystemTime::now() - day * 2;
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        assert_eq!(export_due(&file, day), EXPORT_PAUSE, "the last one is old");
    }
}
