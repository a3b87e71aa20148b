//! What one connection has under way: what is to be sent, what was heard and not yet taken, which channels it is in.
//!
//! Knows the order: controls first, words behind them, at the pace that the network takes. Refuses to wait: the session's
//! loop does.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use irc::proto::Command;
use tokio::time::Instant;

use super::ConnectionStatus;
use super::away::AwayLine;
use super::batches::Batches;
use super::channels::{Channels, Shutting};
use super::handle::{Heard, Persona};
use super::latency::Latency;
use super::members::Members;
use super::outbox::{Abilities, Outbox, Outgoing};
use crate::irc::connection::Writer;
use crate::irc::nick::DEFAULT_LENGTH;
use crate::irc::pace::{Pace, Tempo};
use crate::irc::policy::Again;
use crate::irc::registration::Welcome;

/// Lines that were heard and wait for the core, of some 700 bytes at most; full, the server waits. While it waits its PINGs
/// wait too, so there is room for a paste that comes faster than a disk and a homeserver take it.
const HEARD: usize = 16_384;
/// Between two answers to programs, of which five may go at once.
const ANSWERS: Duration = Duration::from_secs(2);
/// Nicks that a USERHOST can name.
const NICKS: usize = 5;
/// How often it is asked who is away.
const ASK_AWAY: Duration = Duration::from_secs(60);
/// A server that is silent for so long is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(60);
/// How long it may take to say so.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);
/// How long a server may take to say that its welcome is over.
const WELCOME: Duration = Duration::from_secs(60);

/// The queues of one connection and what is known of it.
pub(super) struct Flow {
    pub(super) writer: Writer,
    /// Commands that are not words; each at most once.
    controls: VecDeque<Command>,
    pub(super) away_line: AwayLine,
    pub(super) outbox: Outbox,
    pub(super) heard: VecDeque<Heard>,
    pub(super) pace: Pace,
    pub(super) nick: String,
    pub(super) nick_length: usize,
    /// Whether the network knows our account.
    pub(super) has_account: bool,
    pub(super) channels: Channels,
    pub(super) members: Members,
    pub(super) batches: Batches,
    /// Whether the server takes tags.
    has_tags: bool,
    /// Whether the server takes another real name.
    pub(super) sets_names: bool,
    /// Whether the server says when a nick is free.
    pub(super) monitors: bool,
    /// Whether somebody has said something.
    pub(super) has_heard: bool,
    /// When a better nick is asked for.
    pub(super) regain_at: Option<Instant>,
    /// When the answers to programs are paid for.
    answers_at: Instant,
    /// Whether the server's welcome is over and the channels were asked for.
    is_greeted: bool,
    begun: Instant,
    heard_at: Instant,
    /// Whether the server was asked for a sign of life.
    is_asked: bool,
    /// Who of those that are watched was away when last asked.
    pub(super) away: HashMap<String, bool>,
    pub(super) ask_away_at: Instant,
    pub(super) latency: Latency,
}

impl Flow {
    /// `away` is what is to be said of an absence.
    pub(super) fn new(
        writer: Writer,
        welcome: Welcome,
        persona: &Persona,
        tempo: &Tempo,
        away: Option<String>,
    ) -> Self {
        let now = Instant::now();
        let mut outbox = Outbox::new(tempo.clone());
        outbox.abilities = Abilities {
            echoes: welcome.capabilities.contains("echo-message"),
            labels: welcome.capabilities.contains("labeled-response"),
            multiline: welcome.multiline,
            tags: welcome.capabilities.contains("message-tags"),
        };
        Self {
            writer,
            controls: VecDeque::new(),
            away_line: AwayLine::new(away, now),
            outbox,
            heard: VecDeque::new(),
            pace: Pace::new(tempo.clone()),
            nick: welcome.nick,
            nick_length: DEFAULT_LENGTH,
            has_account: welcome.has_account,
            channels: Channels::new(&persona.channels, &persona.keys),
            members: Members::default(),
            batches: Batches::default(),
            has_tags: welcome.capabilities.contains("message-tags"),
            sets_names: welcome.capabilities.contains("setname"),
            monitors: false,
            has_heard: false,
            regain_at: None,
            answers_at: now,
            is_greeted: false,
            begun: now,
            heard_at: now,
            is_asked: false,
            away: HashMap::new(),
            ask_away_at: now,
            latency: Latency::new(now),
        }
    }

    /// Whether there is room for what is heard.
    pub(super) fn hears(&self) -> bool {
        self.heard.len() < HEARD
    }

    /// In every channel that can be entered.
    pub(super) fn is_in(&self) -> bool {
        self.is_greeted && self.channels.are_settled()
    }

    /// How the connection stands, for those who look.
    pub(super) fn status(&self) -> ConnectionStatus {
        let (nick, nick_length) = (self.nick.clone(), self.nick_length);
        let (shut, casemap) = (self.channels.shut_out_of(), self.channels.casemap);
        ConnectionStatus::Joined { nick, shut, casemap, nick_length }
    }

    /// Queues a command, in place of the same one.
    pub(super) fn control(&mut self, command: Command) {
        self.controls.retain(|queued| *queued != command);
        self.controls.push_back(command);
    }

    /// The server's welcome is over: from now on it is said who we are and where we want to be. False for the second end.
    pub(super) fn greeted(&mut self) -> bool {
        !std::mem::replace(&mut self.is_greeted, true)
    }

    /// Answers a program, unless many ask.
    pub(super) fn answer(&mut self, nick: String, text: String) {
        let now = Instant::now();
        if self.answers_at <= now + ANSWERS * 4 {
            self.answers_at = self.answers_at.max(now) + ANSWERS;
            self.control(Command::NOTICE(nick, text));
        }
    }

    /// Shows that something is being written, where the server can and nothing else is to be sent.
    pub(super) fn types(&mut self, channel: &str) {
        let is_free = self.send_at(true).is_none() && self.pace.next_at() <= Instant::now();
        if self.has_tags && is_free && self.channels.is_in(channel) {
            let channel = self.channels.address(channel);
            self.writer.send_line(&format!("@+typing=active TAGMSG {channel}"));
            self.pace.sent(0);
        }
    }

    /// Asks for all channels.
    pub(super) fn join_all(&mut self) {
        for (names, keys) in self.channels.joins(Instant::now()) {
            self.control(Command::JOIN(names, keys, None));
        }
    }

    /// Asks for one of our channels again.
    pub(super) fn join(&mut self, channel: &str) {
        if let Some((name, key)) = self.channels.join(channel) {
            self.control(Command::JOIN(name, key, None));
        }
    }

    /// Asks for the channels whose pause is over.
    pub(super) fn join_due(&mut self) {
        for channel in self.channels.due(Instant::now()) {
            self.join(&channel);
        }
    }

    /// Asks who of these is away, and when to ask again.
    pub(super) fn ask_away(&mut self, watched: &[String]) {
        self.ask_away_at = Instant::now() + ASK_AWAY;
        watched.chunks(NICKS).for_each(|nicks| self.control(Command::USERHOST(nicks.to_vec())));
    }

    /// Asks the server to answer, to see how long that takes.
    pub(super) fn ask_latency(&mut self) {
        let word = self.latency.ask(Instant::now());
        self.writer.send(&Command::PING(word.into(), None));
    }

    /// When something can be sent, at the pace that the network takes; words only in channels, and an absence when no words
    /// wait.
    pub(super) fn send_at(&self, is_in: bool) -> Option<Instant> {
        let at = self.pace.next_at();
        if !self.controls.is_empty() || (is_in && self.outbox.has_next()) {
            return Some(at);
        }
        self.away_line.due_at().filter(|_| is_in && !self.outbox.has_words()).map(|due| due.max(at))
    }

    /// Sends what is next; the caller keeps the pace.
    pub(super) fn send_next(&mut self) {
        let now = Instant::now();
        let next = match self.controls.pop_front() {
            Some(command) => vec![command.into()],
            None if self.outbox.has_next() => self.outbox.next(now),
            None => self.away_line.take(now).map(|away| Command::AWAY(away).into()).into_iter().collect(),
        };
        for Outgoing { tags, mut command } in next {
            match &mut command {
                Command::PRIVMSG(target, text) | Command::NOTICE(target, text) => {
                    *target = self.channels.address(target);
                    self.pace.sent(text.len());
                }
                Command::PING(..) => {}
                // A message of several lines is its lines.
                Command::Raw(word, arguments) if word == "BATCH" => {
                    if let Some(target) = arguments.get_mut(2) {
                        *target = self.channels.address(target);
                    }
                }
                _ => self.pace.sent(0),
            }
            match tags.is_empty() {
                true => self.writer.send(&command),
                false => self.writer.send_line(&format!("@{tags} {}", String::from(&command))),
            }
        }
    }

    /// The server has said something.
    pub(super) fn alive(&mut self) {
        (self.heard_at, self.is_asked) = (Instant::now(), false);
    }

    /// When [`Flow::overdue`] is to be asked.
    pub(super) fn deadline(&self) -> Instant {
        let silence = if self.is_asked { SILENCE + SIGN_OF_LIFE } else { SILENCE };
        let entering = match (self.is_greeted, self.is_in()) {
            (false, _) => Some(self.begun + WELCOME),
            (true, false) => self.channels.answer_deadline(),
            (true, true) => self.outbox.deadline(),
        };
        (self.heard_at + silence).min(entering.unwrap_or(self.heard_at + silence))
    }

    /// A deadline is over: asks for a sign of life, gives up channels that nobody answered for. True where the server is
    /// gone.
    pub(super) fn overdue(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.heard_at + SILENCE + SIGN_OF_LIFE || (!self.is_greeted && now >= self.begun + WELCOME)
        {
            return true;
        }
        if now >= self.heard_at + SILENCE && !self.is_asked {
            self.is_asked = true;
            self.writer.send(&Command::PING("msnbridge".into(), None));
        }
        let is_late = self.channels.answer_deadline().is_some_and(|at| now >= at);
        if self.is_greeted && !self.is_in() && is_late {
            for channel in self.channels.unanswered() {
                self.shut(&channel, "the server does not answer", Shutting::Until(Again::Soon));
            }
        }
        self.is_in() && self.outbox.is_overdue(now)
    }

    /// We are not, or no longer, in this channel; what was to be said there waits elsewhere. True where that is news.
    pub(super) fn shut(&mut self, channel: &str, reason: &str, shutting: Shutting) -> bool {
        tracing::warn!(channel, reason, "a channel cannot be joined");
        self.outbox.lost(channel, &format!("{channel} cannot be joined: {reason}"));
        self.channels.shut(channel, reason, shutting, Instant::now())
    }
}
