//! How others reach a connection, and what they hear of it.
//!
//! Knows commands, outcomes and what is heard. Refuses to know sockets. Every queue is bounded, and a full one says so.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};

use crate::bridge::port::delivery::DeliveryError;
use crate::irc::caller::Caller;
use crate::irc::casemap::Casemap;
use crate::irc::config::{Happening, SaslConfig};

/// Stands for a channel that nobody has asked for yet.
pub(super) const NOT_YET: &str = "it was not asked for yet";
/// How long entering a channel may take.
const ENTERING: Duration = Duration::from_secs(20);

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
    pub(in crate::irc) caller: Caller,
}

/// How a connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::irc) enum ConnectionStatus {
    Connecting,
    /// In its channels, under this nick.
    Joined {
        nick: String,
        /// Those that cannot be entered, as the network compares names, and why.
        shut: BTreeMap<String, String>,
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
            Self::Joined { shut, casemap, .. } => !shut.contains_key(&casemap.fold(channel)),
            _ => false,
        }
    }

    /// Why this channel cannot be entered, once that was tried.
    fn refused(&self, channel: &str) -> Option<&str> {
        let Self::Joined { shut, casemap, .. } = self else { return None };
        shut.get(&casemap.fold(channel)).map(String::as_str).filter(|reason| *reason != NOT_YET)
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
    /// This channel is one of ours from now on, and is asked for at once; answered when that is known.
    Enter {
        channel: String,
        /// What opens it.
        key: Option<SecretString>,
        noted: oneshot::Sender<()>,
    },
    /// This channel is none of ours any more.
    Leave(String),
    Renamed(Renaming),
}

/// What a person is called from now on.
#[derive(Debug)]
pub(in crate::irc) struct Renaming {
    pub(in crate::irc) real_name: String,
    /// Nicks, best first.
    pub(in crate::irc) nicks: Vec<String>,
}

/// Lines that belong together, and who wants to know what becomes of them.
#[derive(Debug)]
pub(in crate::irc) struct Speech {
    pub(super) lines: Vec<Line>,
    /// The server's name of the line that these answer.
    pub(super) answers: Option<String>,
    reply: oneshot::Sender<Outcome>,
    /// How many lines have arrived, from the first one on.
    pub(super) confirmed: watch::Sender<usize>,
}

impl Speech {
    pub(super) fn new(lines: Vec<Line>) -> (Self, oneshot::Receiver<Outcome>, watch::Receiver<usize>) {
        let ((reply, answer), (confirmed, progress)) = (oneshot::channel(), watch::channel(0));
        (Self { lines, answers: None, reply, confirmed }, answer, progress)
    }

    pub(super) fn end(self, outcome: Outcome) {
        let _ = self.reply.send(outcome); // whoever asked may have gone
    }
}

/// One line to send.
#[derive(Debug, Clone)]
pub(in crate::irc) enum Line {
    Message {
        target: String,
        text: String,
        /// What was cut out between the line before and this one, which is the rest of it; `None` for a line of its own.
        cut: Option<&'static str>,
    },
    Notice {
        target: String,
        text: String,
    },
}

impl Line {
    /// The text of a line, without its target.
    pub(in crate::irc) fn text(&self) -> &str {
        match self {
            Self::Message { text, .. } | Self::Notice { text, .. } => text,
        }
    }

    /// The line with what was cut out before it, where it is the rest of another.
    pub(super) fn uncut(self) -> Option<Self> {
        let Self::Message { target, text, cut: Some(blank) } = self else { return None };
        Some(Self::Message { target, text: format!("{blank}{text}"), cut: None })
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
    /// Somebody writes something in a channel.
    Types {
        channel: String,
        nick: String,
        /// `nick!user@host`.
        source: String,
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
    /// A notice is never answered.
    pub(in crate::irc) is_notice: bool,
    /// The key of the person whose puppet heard it; `None` for the bot.
    pub(in crate::irc) puppet: Option<String>,
    /// Whether an operator of the channel said it.
    pub(in crate::irc) is_operator: bool,
    pub(in crate::irc) tags: SaidTags,
}

/// What a server and a client say of a line in front of it.
#[derive(Debug, Default)]
pub(in crate::irc) struct SaidTags {
    /// When, in milliseconds since 1970.
    pub(in crate::irc) at: Option<u64>,
    /// The server's name of the line.
    pub(in crate::irc) id: Option<String>,
    /// The name of the line that it answers.
    pub(in crate::irc) answers: Option<String>,
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
        self.say_and_count(lines, None, |_| {}).await
    }

    /// The same, in answer to the line of this name where there is one. `confirmed` is called with how many lines have arrived, from the first one on, each time that changes.
    pub(in crate::irc) async fn say_and_count(
        &self,
        lines: Vec<Line>,
        answers: Option<String>,
        mut confirmed: impl FnMut(usize),
    ) -> Outcome {
        let gone = || SayFailure::Lost("the IRC connection has ended".into());
        let (speech, mut answer, mut progress) = Speech::new(lines);
        let speech = Speech { answers, ..speech };
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

    /// Enters one more channel, or one of its own that it was put out of.
    ///
    /// # Errors
    /// Why it does not get in, for people; it goes on trying.
    pub(in crate::irc) async fn enter(&self, channel: &str, key: Option<SecretString>) -> Result<(), String> {
        let (noted, is_noted) = oneshot::channel();
        let entering = async {
            let ask = SessionCommand::Enter { channel: channel.to_owned(), key, noted };
            self.asks.send(ask).await.map_err(|_| "the IRC connection has ended".to_owned())?;
            let _ = is_noted.await; // the status says whether it is connected
            let mut status = self.status.clone();
            let settled = status.wait_for(|now| now.is_in(channel) || now.refused(channel).is_some());
            let now = settled.await.map_err(|_| "the IRC connection has ended".to_owned())?;
            now.refused(channel).map_or(Ok(()), |reason| Err(reason.to_owned()))
        };
        let entered = tokio::time::timeout(ENTERING, entering).await;
        entered.unwrap_or_else(|_| Err("no answer from the IRC network".into()))
    }

    /// The person is called otherwise now, if there is room for that: else the next connection is.
    pub(in crate::irc) fn renamed(&self, renaming: Renaming) {
        let _ = self.asks.try_send(SessionCommand::Renamed(renaming)); // the next name is said again
    }

    /// This channel is none of its own any more.
    pub(in crate::irc) fn leave(&self, channel: &str) {
        if self.asks.try_send(SessionCommand::Leave(channel.to_owned())).is_err() {
            tracing::warn!(channel, "a connection is busy, a channel is left with the next connection");
        }
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
