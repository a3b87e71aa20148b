//! One connection to a network, of the bot or of a puppet: it registers, joins, speaks in its own pace, comes back by
//! itself, and knows which lines have arrived. It never waits for those who hear it: what they have no room for waits here,
//! and when that is full too, the server waits.

mod flow;
mod handle;
mod hearing;
mod outbox;

use std::time::Duration;

use futures_util::StreamExt;
use irc::client::Client;
use irc::client::prelude::Config;
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::NetworkConfig;
use super::nick::{self, DEFAULT_LENGTH};
use crate::retry::Retry;
use flow::Flow;
pub(super) use handle::{
    ConnectionStatus, Heard, Line, Persona, Said, SayFailure, SessionCommand, SessionHandle,
};

/// Messages waiting for one connection; full, deliveries wait.
const MAILBOX: usize = 64;
/// How long connecting and registering may take.
const REGISTRATION: Duration = Duration::from_secs(60);
/// A refused puppet is tried again after this.
const REFUSED: Duration = Duration::from_secs(600);

/// Starts a connection. What is heard goes to `events_tx`, of which only the bot has some.
pub(super) fn start(
    config: NetworkConfig,
    persona: Persona,
    events_tx: Option<mpsc::Sender<Heard>>,
    cancel: CancellationToken,
    tasks: &tokio_util::task::TaskTracker,
) -> SessionHandle {
    let (asks, mailbox) = mpsc::channel(MAILBOX);
    let (status_tx, status) = watch::channel(ConnectionStatus::Connecting);
    let session =
        Session { config, persona, events_tx, cancel, status_tx, length: DEFAULT_LENGTH, away: None };
    tasks.spawn(session.run(mailbox));
    SessionHandle { asks, status }
}

/// One connection that is made again whenever it ends.
struct Session {
    config: NetworkConfig,
    persona: Persona,
    events_tx: Option<mpsc::Sender<Heard>>,
    cancel: CancellationToken,
    status_tx: watch::Sender<ConnectionStatus>,
    /// The longest nick, once the network has said.
    length: usize,
    away: Option<String>,
}

/// How a connection ended.
enum End {
    Stop,
    Lost(String),
    Refused(String),
}

/// Pauses between connections, with a bound and chance.
fn backoff() -> Retry {
    Retry::new(Duration::from_secs(2), Duration::from_secs(300))
}

/// Room in the ears of those who listen, when there is something for them.
async fn room(events_tx: Option<&mpsc::Sender<Heard>>) -> Option<mpsc::Permit<'_, Heard>> {
    match events_tx {
        Some(events_tx) => events_tx.reserve().await.ok(),
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Session {
    /// Connects, serves, and connects again until nobody holds the handle.
    #[tracing::instrument(name = "irc", skip_all, fields(nick = %self.persona.wanted))]
    async fn run(mut self, mut mailbox: mpsc::Receiver<SessionCommand>) {
        let mut delays = backoff();
        loop {
            let begun = Instant::now();
            let end = self.connection(&mut mailbox).await;
            if begun.elapsed() > Duration::from_secs(120) {
                delays = backoff();
            }
            let delay = match end {
                End::Stop => return,
                End::Lost(reason) => {
                    tracing::warn!(%reason, "the IRC connection was lost");
                    self.stand(ConnectionStatus::Down { reason });
                    delays.next_pause()
                }
                End::Refused(reason) => {
                    tracing::warn!(%reason, "the IRC network refuses a connection");
                    self.stand(ConnectionStatus::Refused { reason });
                    REFUSED
                }
            };
            if !self.pause(&mut mailbox, delay).await {
                return;
            }
        }
    }

    /// Tells everybody who looks how the connection stands.
    fn stand(&self, status: ConnectionStatus) {
        self.status_tx.send_replace(status);
    }

    /// Waits between connections; what is asked meanwhile fails at once. False when it is all over.
    async fn pause(&mut self, mailbox: &mut mpsc::Receiver<SessionCommand>, delay: Duration) -> bool {
        let until = Instant::now() + delay;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return true,
                () = self.cancel.cancelled() => return false,
                ask = mailbox.recv() => match ask {
                    None => return false,
                    Some(SessionCommand::Away(text)) => self.away = text,
                    Some(SessionCommand::Say(speech)) => {
                        speech.end(Err(SayFailure::Lost("not connected to IRC".into())));
                    }
                },
            }
        }
    }

    /// What the client library needs of the settings.
    fn client_config(&self) -> Config {
        let mut nicks = nick::candidates(&self.persona.wanted, &self.persona.suffix, self.length).into_iter();
        Config {
            nickname: nicks.next(),
            alt_nicks: nicks.collect(),
            username: Some("msnbridge".into()),
            realname: Some(super::outbound::one_line(&self.persona.real_name, 50)),
            server: Some(self.config.server.clone()),
            port: Some(self.config.port),
            password: self.config.password.as_ref().map(|p| p.expose_secret().to_owned()),
            use_tls: Some(self.config.tls),
            channels: self.persona.channels.clone(),
            encoding: Some("UTF-8".into()),
            ping_time: Some(60),
            ping_timeout: Some(30),
            ..Config::default()
        }
    }

    /// One connection from its begin to its end.
    async fn connection(&mut self, mailbox: &mut mpsc::Receiver<SessionCommand>) -> End {
        self.stand(ConnectionStatus::Connecting);
        let connecting = tokio::time::timeout(REGISTRATION, Client::from_config(self.client_config()));
        let connected = tokio::select! {
            connected = connecting => connected,
            () = self.cancel.cancelled() => return End::Stop,
        };
        let mut client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return End::Lost(format!("{}: {error}", self.config.server)),
            Err(_) => return End::Lost(format!("{} did not answer in time", self.config.server)),
        };
        let stream = match client.stream() {
            Ok(stream) => stream,
            Err(error) => return End::Lost(error.to_string()),
        };
        if let Err(error) = client.identify() {
            return End::Lost(error.to_string());
        }
        let mut flow = Flow::new(client, self.config.line_penalty);
        let end = self.serve(&mut flow, stream, mailbox).await;
        match &end {
            End::Stop => flow.outbox.lost_all("the bridge is stopping"),
            End::Lost(reason) | End::Refused(reason) => flow.outbox.lost_all(reason),
        }
        end
    }

    /// Reads, writes and hears until something ends the connection.
    async fn serve(
        &mut self,
        flow: &mut Flow,
        mut stream: irc::client::ClientStream,
        mailbox: &mut mpsc::Receiver<SessionCommand>,
    ) -> End {
        let events_tx = self.events_tx.clone();
        loop {
            let is_in = flow.is_in(&self.persona);
            let hears = flow.hears();
            let deadline = match is_in {
                // What is not read says nothing about what has arrived.
                true => flow.outbox.deadline().filter(|_| hears),
                false => Some(flow.begun + REGISTRATION),
            };
            tokio::select! {
                message = stream.next(), if hears => match message {
                    Some(Ok(message)) => if let Some(end) = self.received(flow, message) {
                        return end;
                    },
                    Some(Err(error)) => return self.failed(flow, &error.to_string()),
                    None => return self.failed(flow, "the server closed the connection"),
                },
                permit = room(events_tx.as_ref()), if !flow.heard.is_empty() => match (permit, flow.heard.pop_front()) {
                    (Some(permit), Some(heard)) => permit.send(heard),
                    _ => {
                        tracing::error!("the bridge has stopped, something said on IRC was not taken");
                        flow.heard.clear();
                    }
                },
                ask = mailbox.recv(), if is_in && !flow.outbox.is_full() => match ask {
                    Some(ask) => self.asked(flow, ask),
                    None => return self.quit(flow, &mut stream, "offline").await,
                },
                () = tokio::time::sleep_until(flow.pace.next_at()), if flow.has_next(is_in) => {
                    if let Some(end) = flow.send_next() {
                        return end;
                    }
                }
                () = tokio::time::sleep_until(flow.ask_away_at), if is_in && !self.persona.watched.is_empty() => {
                    flow.ask_away(&self.persona.watched);
                }
                () = sleep_until(deadline) => {
                    if !is_in || flow.outbox.is_overdue(Instant::now()) {
                        return End::Lost("the IRC server did not answer in time".into());
                    }
                }
                () = self.cancel.cancelled() => {
                    return self.quit(flow, &mut stream, "the bridge is stopping").await;
                }
            }
        }
    }

    /// Says why, and gives the server a moment to hear it.
    async fn quit(&self, flow: &Flow, stream: &mut irc::client::ClientStream, reason: &str) -> End {
        let _ = flow.client.send_quit(reason); // it may be gone
        // The stream sends what is queued while it is polled.
        let _ = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
        End::Stop
    }
}
