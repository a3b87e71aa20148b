//! What one connection has under way: what is to be sent, what was heard and not yet taken, which channels it is in.
//!
//! Knows the order: controls first, words behind them, at the pace that the network takes. Refuses to wait: the session's
//! loop does.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use irc::client::Client;
use irc::client::prelude::Command;
use tokio::time::Instant;

use super::handle::{Heard, Persona};
use super::outbox::Outbox;
use super::{ConnectionStatus, End};
use crate::irc::pace::Pace;

/// What was heard and waits for the core; full, the server waits.
const HEARD: usize = 256;
/// Nicks that a USERHOST can name.
const NICKS: usize = 5;
/// How often it is asked who is away.
const ASK_AWAY: Duration = Duration::from_secs(60);

/// Whether the server echoes what we say (IRCv3 echo-message).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    Unknown,
    Requested,
    Answered,
}

/// The queues of one connection and what is known of it.
pub(super) struct Flow {
    pub(super) client: Client,
    /// Commands that are not words; each kind at most once.
    controls: VecDeque<Command>,
    pub(super) outbox: Outbox,
    pub(super) heard: VecDeque<Heard>,
    pub(super) pace: Pace,
    pub(super) echo: Echo,
    pub(super) nick: String,
    joined: Vec<String>,
    /// Channels that cannot be entered, in small letters, and why.
    shut: HashMap<String, String>,
    pub(super) begun: Instant,
    /// Who of those that are watched was away when last asked.
    pub(super) away: HashMap<String, bool>,
    pub(super) ask_away_at: Instant,
}

impl Flow {
    pub(super) fn new(client: Client, line_penalty: Duration) -> Self {
        Self {
            client,
            controls: VecDeque::new(),
            outbox: Outbox::new(line_penalty),
            heard: VecDeque::new(),
            pace: Pace::new(line_penalty),
            echo: Echo::Unknown,
            nick: String::new(),
            joined: Vec::new(),
            shut: HashMap::new(),
            begun: Instant::now(),
            away: HashMap::new(),
            ask_away_at: Instant::now(),
        }
    }

    /// Whether there is room for what is heard.
    pub(super) fn hears(&self) -> bool {
        self.heard.len() < HEARD
    }

    /// In every channel that can be entered, and knows how lines are confirmed.
    pub(super) fn is_in(&self, persona: &Persona) -> bool {
        !self.nick.is_empty()
            && self.echo != Echo::Requested
            && self.joined.len() + self.shut.len() >= persona.channels.len()
    }

    /// How the connection stands, for those who look.
    pub(super) fn status(&self) -> ConnectionStatus {
        ConnectionStatus::Joined { nick: self.nick.clone(), shut: self.shut.keys().cloned().collect() }
    }

    /// Queues a command, in place of an older one of its kind.
    pub(super) fn control(&mut self, command: Command) {
        let kind = std::mem::discriminant(&command);
        match command {
            Command::AWAY(_) => self.controls.retain(|queued| std::mem::discriminant(queued) != kind),
            _ => self.controls.retain(|queued| *queued != command),
        }
        self.controls.push_back(command);
    }

    /// Asks who of these is away, and when to ask again.
    pub(super) fn ask_away(&mut self, watched: &[String]) {
        self.ask_away_at = Instant::now() + ASK_AWAY;
        watched.chunks(NICKS).for_each(|nicks| self.control(Command::USERHOST(nicks.to_vec())));
    }

    /// Whether something can be sent now; words only in channels.
    pub(super) fn has_next(&self, is_in: bool) -> bool {
        !self.controls.is_empty() || (is_in && self.outbox.has_next())
    }

    /// Sends what is next; the caller keeps the pace.
    pub(super) fn send_next(&mut self) -> Option<End> {
        let commands = match self.controls.pop_front() {
            Some(command) => vec![command],
            None => self.outbox.next(Instant::now()),
        };
        for command in commands {
            match &command {
                Command::PRIVMSG(_, text) | Command::NOTICE(_, text) => self.pace.sent(text.len()),
                Command::PING(..) => {}
                _ => self.pace.sent(0),
            }
            if let Err(error) = self.client.send(command) {
                return Some(End::Lost(error.to_string()));
            }
        }
        None
    }

    /// Sends something that is no matter of pace.
    pub(super) fn send_now(&self, command: Command) {
        if let Err(error) = self.client.send(command) {
            tracing::debug!(%error, "not sent, the connection is ending");
        }
    }

    /// The server says that we are in this channel.
    pub(super) fn joined(&mut self, channel: &str) {
        let channel = channel.to_ascii_lowercase();
        self.shut.remove(&channel);
        if !self.joined.contains(&channel) {
            self.joined.push(channel);
        }
    }

    /// Whether we are in this channel.
    pub(super) fn is_joined(&self, channel: &str) -> bool {
        self.joined.iter().any(|joined| joined.eq_ignore_ascii_case(channel))
    }

    /// We are not, or no longer, in this channel; what was to be said there waits elsewhere.
    pub(super) fn shut(&mut self, channel: &str, reason: &str) {
        tracing::warn!(channel, reason, "a channel cannot be joined");
        let channel = channel.to_ascii_lowercase();
        self.outbox.lost(&channel, &format!("{channel} cannot be joined: {reason}"));
        self.joined.retain(|joined| *joined != channel);
        self.shut.insert(channel, reason.to_owned());
    }

    /// Channels that cannot be entered.
    pub(super) fn shut_out_of(&self) -> usize {
        self.shut.len()
    }

    /// The first of these channels that cannot be entered, and why.
    pub(super) fn closed<'a>(&self, mut targets: impl Iterator<Item = &'a str>) -> Option<(String, String)> {
        let closed = targets.find_map(|target| self.shut.get_key_value(&target.to_ascii_lowercase()));
        closed.map(|(channel, reason)| (channel.clone(), reason.clone()))
    }
}
