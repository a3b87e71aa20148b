//! How others reach a connection, and what they hear of it.
//!
//! Knows commands, outcomes and what is heard. Refuses to know sockets. Every queue is bounded, and a full one says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};

use crate::bridge::port::delivery::DeliveryError;
use crate::irc::casemap::Casemap;
use crate::irc::config::{Happening, SaslConfig};

/// Who a connection is.
#[derive(Debug, Clone)]
pub(in crate::irc) struct Persona {
    /// Nicks, best first.
    pub(in crate::irc) nicks: Vec<String>,
    pub(in crate::irc) real_name: String,
    pub(in crate::irc) channels: Vec<String>,
    /// What opens them, by their names.
    pub(in crate::irc) keys: BTreeMap<String, SecretString>,
    /// The account with the network's services.
    pub(in crate::irc) sasl: Option<SaslConfig>,
    /// Whose puppet, by the key of the person; `None` for the bot.
    pub(in crate::irc) person: Option<String>,
    /// Nicks of whom it is asked whether they are away.
    pub(in crate::irc) watched: Vec<String>,
}

/// How a connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::irc) enum ConnectionStatus {
    Connecting,
    /// In its channels, under this nick.
    Joined {
        nick: String,
        /// Those that cannot be entered, as the network compares names.
        shut: BTreeSet<String>,
        casemap: Casemap,
        /// The longest nick that the network takes.
        nick_length: usize,
    },
    Down {
        reason: String,
    },
    /// The network does not want this connection.
    Refused {
        reason: String,
    },
}

impl ConnectionStatus {
    /// Whether something can be said in this channel now.
    pub(in crate::irc) fn is_in(&self, channel: &str) -> bool {
        match self {
            Self::Joined { shut, casemap, .. } => !shut.contains(&casemap.fold(channel)),
            _ => false,
        }
    }
}

/// Why something was not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::irc) enum SayFailure {
    /// Not now: the connection, or the channel, is not there.
    Lost(String),
    /// The server refuses this: nobody of that name, no right to speak.
    Refused(String),
}

impl From<SayFailure> for DeliveryError {
    fn from(failure: SayFailure) -> Self {
        match failure {
            SayFailure::Lost(reason) => Self::transient(reason),
            SayFailure::Refused(reason) => Self::permanent(reason),
        }
    }
}

pub(super) type Outcome = Result<(), SayFailure>;

/// What a connection is asked.
pub(in crate::irc) enum SessionCommand {
    Say(Speech),
    Away(Option<String>),
    /// Something is being written in this channel.
    Types(String),
}

/// Lines that belong together, and who wants to know what becomes of them.
#[derive(Debug)]
pub(in crate::irc) struct Speech {
    pub(super) lines: Vec<Line>,
    reply: oneshot::Sender<Outcome>,
    /// How many lines have arrived, from the first one on.
    pub(super) confirmed: watch::Sender<usize>,
}

impl Speech {
    pub(super) fn new(lines: Vec<Line>) -> (Self, oneshot::Receiver<Outcome>, watch::Receiver<usize>) {
        let ((reply, answer), (confirmed, progress)) = (oneshot::channel(), watch::channel(0));
        (Self { lines, reply, confirmed }, answer, progress)
    }

    pub(super) fn end(self, outcome: Outcome) {
        let _ = self.reply.send(outcome); // whoever asked may have gone
    }
}

/// One line to send.
#[derive(Debug, Clone)]
pub(in crate::irc) enum Line {
    Message { target: String, text: String },
    Notice { target: String, text: String },
}

impl Line {
    /// The text of a line, without its target.
    pub(in crate::irc) fn text(&self) -> &str {
        match self {
            Self::Message { text, .. } | Self::Notice { text, .. } => text,
        }
    }

    /// The channel or nick that a line goes to.
    pub(super) fn target(&self) -> &str {
        match self {
            Self::Message { target, .. } | Self::Notice { target, .. } => target,
        }
    }
}

/// What the bot hears.
#[derive(Debug)]
pub(in crate::irc) enum Heard {
    Said(Said),
    /// Something that owners should know: of those with this channel, or of all.
    Trouble {
        channel: Option<String>,
        text: String,
    },
    /// Something other than words, in one of our channels.
    Happened {
        channel: String,
        /// Who did it: `nick!user@host`.
        source: String,
        kind: Happening,
        /// For people: «eve set the topic: x».
        text: String,
    },
    /// Somebody who is watched came back or went away.
    Away {
        nick: String,
        away: bool,
    },
}

/// Something said in a channel, or to the bot alone.
#[derive(Debug)]
pub(in crate::irc) struct Said {
    pub(in crate::irc) nick: String,
    /// `nick!user@host`.
    pub(in crate::irc) source: String,
    /// The channel, or the bot's own nick.
    pub(in crate::irc) target: String,
    pub(in crate::irc) text: String,
    /// When, in milliseconds since 1970, if the server says so.
    pub(in crate::irc) at: Option<u64>,
    /// A notice is never answered.
    pub(in crate::irc) is_notice: bool,
    /// The key of the person whose puppet heard it; `None` for the bot.
    pub(in crate::irc) puppet: Option<String>,
}

impl Said {
    /// Whether the line was said to us alone.
    pub(in crate::irc) fn is_private(&self) -> bool {
        !self.target.starts_with(['#', '&', '+', '!'])
    }
}

/// Reaches a connection.
#[derive(Debug, Clone)]
pub(in crate::irc) struct SessionHandle {
    pub(super) asks: mpsc::Sender<SessionCommand>,
    pub(in crate::irc) status: watch::Receiver<ConnectionStatus>,
}

impl SessionHandle {
    /// Resolves when the server has taken every line.
    pub(in crate::irc) async fn say(&self, lines: Vec<Line>) -> Outcome {
        self.say_and_count(lines, |_| {}).await
    }

    /// The same. `confirmed` is called with how many lines have arrived, from the first one on, each time that changes.
    pub(in crate::irc) async fn say_and_count(
        &self,
        lines: Vec<Line>,
        mut confirmed: impl FnMut(usize),
    ) -> Outcome {
        let gone = || SayFailure::Lost("the IRC connection has ended".into());
        let (speech, mut answer, mut progress) = Speech::new(lines);
        self.asks.send(SessionCommand::Say(speech)).await.map_err(|_| gone())?;
        let mut told = 0;
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut answer => break outcome,
                Ok(()) = progress.changed() => {
                    told = *progress.borrow_and_update();
                    confirmed(told);
                }
            }
        };
        let last = *progress.borrow();
        if last != told {
            confirmed(last);
        }
        outcome.map_err(|_| gone())?
    }

    /// Says something that nobody waits for, if there is room for it. For those who must not wait for this connection.
    pub(in crate::irc) fn mention(&self, lines: Vec<Line>) {
        if self.asks.try_send(SessionCommand::Say(Speech::new(lines).0)).is_err() {
            tracing::debug!("a connection is busy, something was not mentioned");
        }
    }

    /// Sets or ends the away message; the last one counts.
    pub(in crate::irc) fn away(&self, text: Option<String>) {
        let _ = self.asks.try_send(SessionCommand::Away(text)); // the next change says it again
    }

    /// Shows that something is being written, if there is room for that.
    pub(in crate::irc) fn types(&self, channel: &str) {
        let _ = self.asks.try_send(SessionCommand::Types(channel.to_owned())); // it is shown again soon
    }

    /// Waits for the connection to be in its channels, or to be refused.
    pub(in crate::irc) async fn settled(&self, patience: Duration) -> ConnectionStatus {
        let mut status = self.status.clone();
        let settled = status.wait_for(|now| {
            matches!(now, ConnectionStatus::Joined { .. } | ConnectionStatus::Refused { .. })
        });
        match tokio::time::timeout(patience, settled).await {
            Ok(Ok(now)) => now.clone(),
            _ => self.status.borrow().clone(),
        }
    }
}
