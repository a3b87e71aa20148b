//! One connection to a network, of the bot or of a puppet: it registers, joins, speaks in its own pace, comes back by
//! itself, and knows which lines have arrived. It never waits for those who hear it: what they have no room for waits here,
//! and when that is full too, the server waits.

mod away;
mod batches;
mod channels;
mod ctcp;
mod entering;
mod flow;
mod handle;
mod happening;
mod hearing;
mod latency;
mod members;
mod outbox;
mod regaining;

use std::time::Duration;

use irc::proto::Command;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::NetworkConfig;
use super::connection::Reader;
use super::pace::Tempo;
use super::policy;
use super::registration::Refusal;
use crate::measure;
use crate::retry::Retry;
use flow::Flow;
pub(super) use handle::{
    ConnectionStatus, Heard, Line, Persona, Renaming, Said, SaidTags, SayFailure, SessionCommand,
    SessionHandle,
};

/// Messages waiting for one connection; full, deliveries wait.
const MAILBOX: usize = 64;
/// How long a server that hung up is listened to: its last words have come already.
const PARTING: Duration = Duration::from_secs(1);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(120);

/// Starts a connection. What is heard goes to `events_tx`: all of it from the bot, from a puppet what is said to it alone.
pub(super) fn start(
    config: NetworkConfig,
    tempo: Tempo,
    persona: Persona,
    events_tx: mpsc::Sender<Heard>,
    cancel: CancellationToken,
    tasks: &tokio_util::task::TaskTracker,
) -> SessionHandle {
    let (asks, mailbox) = mpsc::channel(MAILBOX);
    let (status_tx, status) = watch::channel(ConnectionStatus::Connecting);
    let (away, told) = (None, None);
    let session = Session {
        config,
        tempo,
        persona,
        events_tx,
        cancel,
        status_tx,
        away,
        server: 0,
        told,
        was_of_use: false,
    };
    tasks.spawn(session.run(mailbox));
    SessionHandle { asks, status }
}

/// One connection that is made again whenever it ends.
struct Session {
    config: NetworkConfig,
    tempo: Tempo,
    persona: Persona,
    events_tx: mpsc::Sender<Heard>,
    cancel: CancellationToken,
    status_tx: watch::Sender<ConnectionStatus>,
    away: Option<String>,
    /// The server whose turn it is.
    server: usize,
    /// What owners were told of last.
    told: Option<String>,
    /// Whether words have gone or come on the last connection.
    was_of_use: bool,
}

/// How a connection ended.
enum End {
    Stop,
    Lost {
        reason: String,
        /// Whether the server sent us away: it is annoyed if we are back at once.
        sent_away: bool,
    },
    Refused(Refusal),
}

impl End {
    fn lost(reason: impl Into<String>) -> Self {
        Self::Lost { reason: reason.into(), sent_away: false }
    }
}

/// Pauses between connections, each with a bound and chance.
struct Pauses {
    lost: Retry,
    refused: Retry,
}

impl Pauses {
    fn new() -> Self {
        let pauses =
            |shortest, longest| Retry::new(Duration::from_secs(shortest), Duration::from_secs(longest));
        Self { lost: pauses(2, 300), refused: pauses(30, 1_800) }
    }
}

/// Room in the ears of those who listen, when there is something for them.
async fn room(events_tx: &mpsc::Sender<Heard>) -> Option<mpsc::Permit<'_, Heard>> {
    events_tx.reserve().await.ok()
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Session {
    /// Connects, serves, and connects again until nobody holds the handle.
    #[tracing::instrument(name = "irc", skip_all, fields(nick = self.persona.nicks.first()))]
    async fn run(mut self, mut mailbox: mpsc::Receiver<SessionCommand>) {
        let mut pauses = Pauses::new();
        loop {
            let wait = if self.is_bot() { Duration::ZERO } else { self.tempo.entry(self.config.puppet_gap) };
            if !wait.is_zero() && !self.pause(&mut mailbox, Some(wait)).await {
                return;
            }
            let begun = Instant::now();
            let end = self.connection(&mut mailbox).await;
            if begun.elapsed() > GOOD {
                pauses = Pauses::new();
            }
            if std::mem::take(&mut self.was_of_use) {
                // A connection on which words have gone or come was no attempt in vain.
                pauses.lost.reset();
            }
            let Some(pause) = self.ended(end, &mut pauses) else { return };
            if !self.pause(&mut mailbox, pause).await {
                return;
            }
        }
    }

    /// Says how a connection ended, and how long to wait: for ever where nothing but a change helps. `None` when it is all
    /// over.
    fn ended(&mut self, end: End, pauses: &mut Pauses) -> Option<Option<Duration>> {
        self.server += 1;
        match end {
            End::Stop => None,
            End::Lost { reason, sent_away } => {
                tracing::warn!(%reason, "the IRC connection was lost");
                if sent_away && policy::is_about_pace(&reason) {
                    self.tempo.too_fast();
                }
                self.stand(ConnectionStatus::Down { reason });
                let pauses = if sent_away { &mut pauses.refused } else { &mut pauses.lost };
                Some(Some(pauses.next_pause()))
            }
            End::Refused(Refusal { reason, is_final }) => {
                tracing::warn!(%reason, is_final, "the IRC network refuses a connection");
                let again =
                    if is_final { " It is not tried again until the bridge is restarted." } else { "" };
                self.tell_trouble(None, format!("{}{again}", crate::bridge::sentence::sentence(&reason)));
                self.stand(ConnectionStatus::Refused { reason });
                Some((!is_final).then(|| pauses.refused.next_pause()))
            }
        }
    }

    /// Whether this is the bot, who hears the channels and enters first.
    fn is_bot(&self) -> bool {
        self.persona.person.is_none()
    }

    /// Has owners told of something, once.
    fn tell_trouble(&mut self, channel: Option<String>, text: String) {
        if !self.is_bot() || self.told.as_ref() == Some(&text) {
            return;
        }
        if self.events_tx.try_send(Heard::Trouble { channel, text: text.clone() }).is_ok() {
            self.told = Some(text);
        }
    }

    /// Tells everybody who looks how the connection stands.
    fn stand(&self, status: ConnectionStatus) {
        if self.is_bot() {
            let is_up = matches!(status, ConnectionStatus::Joined { .. });
            metrics::gauge!(measure::IRC_UP, "network" => self.config.name.clone())
                .set(f64::from(u8::from(is_up)));
        }
        self.status_tx.send_replace(status);
    }

    /// Waits between connections, without a pause for ever; what is asked meanwhile fails at once. False when it is all
    /// over.
    async fn pause(&mut self, mailbox: &mut mpsc::Receiver<SessionCommand>, pause: Option<Duration>) -> bool {
        let until = pause.map(|pause| Instant::now() + pause);
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                () = self.cancel.cancelled() => return false,
                ask = mailbox.recv() => match ask {
                    None => return false,
                    Some(SessionCommand::Away(text)) => self.note_away(text),
                    Some(SessionCommand::Types(_)) => {}
                    Some(SessionCommand::Enter { channel, key, noted }) => {
                        self.note_channel(&channel, key);
                        drop(noted);
                    }
                    Some(SessionCommand::Leave(channel)) => self.forget_channel(&channel),
                    Some(SessionCommand::Renamed(renaming)) => self.rename(None, renaming),
                    Some(SessionCommand::Say(speech)) => {
                        speech.end(Err(SayFailure::Lost("not connected to IRC".into())));
                    }
                },
            }
        }
    }

    /// One connection from its begin to its end.
    async fn connection(&mut self, mailbox: &mut mpsc::Receiver<SessionCommand>) -> End {
        self.stand(ConnectionStatus::Connecting);
        let (mut reader, writer, welcome) = match self.enter().await {
            Ok(entered) => entered,
            Err(end) => return end,
        };
        self.told = None;
        let mut flow = Flow::new(writer, welcome, &self.persona, &self.tempo, self.away.clone());
        let end = self.serve(&mut flow, &mut reader, mailbox).await;
        self.was_of_use = flow.outbox.has_arrived || flow.has_heard;
        match &end {
            End::Stop => flow.outbox.lost_all("the bridge is stopping"),
            End::Lost { reason, .. } | End::Refused(Refusal { reason, .. }) => flow.outbox.lost_all(reason),
        }
        end
    }

    /// Reads, writes and hears until something ends the connection.
    async fn serve(
        &mut self,
        flow: &mut Flow,
        reader: &mut Reader,
        mailbox: &mut mpsc::Receiver<SessionCommand>,
    ) -> End {
        let events_tx = self.events_tx.clone();
        loop {
            let (is_in, hears) = (flow.is_in(), flow.hears());
            let next_line = flow.send_at(is_in);
            let (next_join, deadline) = (flow.channels.next_at(), flow.deadline());
            tokio::select! {
                message = reader.next(), if hears => match message {
                    Ok(Some(message)) => if let Some(end) = self.received(flow, message) {
                        return end;
                    },
                    Ok(None) => return End::lost("the server closed the connection"),
                    Err(error) => return End::lost(error.to_string()),
                },
                written = flow.writer.drive(), if flow.writer.has_work() => if let Err(error) = written {
                    return self.parting_words(flow, reader, &error).await;
                },
                permit = room(&events_tx), if !flow.heard.is_empty() => match (permit, flow.heard.pop_front()) {
                    (Some(permit), Some(heard)) => permit.send(heard),
                    _ => {
                        tracing::error!("the bridge has stopped, something said on IRC was not taken");
                        flow.heard.clear();
                    }
                },
                ask = mailbox.recv(), if is_in && !flow.outbox.is_full() => match ask {
                    Some(ask) => self.asked(flow, ask),
                    None => return Self::quit(flow, reader, "offline").await,
                },
                () = sleep_until(next_line) => flow.send_next(),
                () = tokio::time::sleep_until(flow.ask_away_at), if is_in && !self.persona.watched.is_empty() => {
                    flow.ask_away(&self.persona.watched);
                }
                () = sleep_until(next_join) => flow.join_due(),
                () = tokio::time::sleep_until(flow.latency.next_at()), if is_in && self.is_bot() => flow.ask_latency(),
                () = sleep_until(flow.regain_at), if is_in => self.ask_nick(flow),
                // What is not read says nothing about what has arrived.
                () = tokio::time::sleep_until(deadline), if hears => {
                    if flow.overdue() {
                        measure::count(measure::DEAF, ("side", "irc"));
                        return End::lost("the IRC server did not answer in time");
                    }
                    if !is_in {
                        self.check_in(flow);
                    }
                }
                () = self.cancel.cancelled() => {
                    return Self::quit(flow, reader, "the bridge is stopping").await;
                }
            }
        }
    }

    /// Nothing can be written any more: what the server said before it hung up says why.
    async fn parting_words(&mut self, flow: &mut Flow, reader: &mut Reader, error: &std::io::Error) -> End {
        let words = async {
            while flow.hears() {
                let Ok(Some(message)) = reader.next().await else { return None };
                if let Some(end) = self.received(flow, message) {
                    return Some(end);
                }
            }
            None
        };
        let end = tokio::time::timeout(PARTING, words).await.ok().flatten();
        end.unwrap_or_else(|| End::lost(error.to_string()))
    }

    /// Says why, and gives the server a moment to hear it.
    async fn quit(flow: &mut Flow, reader: &mut Reader, reason: &str) -> End {
        flow.writer.send(&Command::QUIT(Some(reason.to_owned())));
        let leaving = async {
            flow.writer.drive().await?;
            while reader.next().await?.is_some() {}
            Ok::<_, std::io::Error>(())
        };
        let _ = tokio::time::timeout(Duration::from_millis(300), leaving).await; // the server may be gone
        End::Stop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_sends_us_away_is_asked_again_after_half_a_minute_and_ever_more_seldom() {
        let mut pauses = Pauses::new();
        let refused: Vec<u64> = (0..12).map(|_| pauses.refused.next_pause().as_secs()).collect();
        assert!((30..=60).contains(&refused[0]), "{refused:?}");
        assert!((60..=120).contains(&refused[1]) && refused[11] >= 1_800, "{refused:?}");
        let lost = Pauses::new().lost.next_pause();
        assert!((2..=4).contains(&lost.as_secs()), "a connection that was cut comes back soon: {lost:?}");
    }
}
