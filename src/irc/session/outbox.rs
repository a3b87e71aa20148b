//! What one connection has to say, and how much of it has arrived.
//!
//! Knows lines, turns and confirmations; time is an argument, and it sends nothing itself. A line is confirmed by its echo
//! where the server echoes (IRCv3 echo-message), else by the PONG to a PING sent behind it with no error before. At most
//! [`WINDOW`] lines wait for that at a time, so that no deadline is ever one over a whole paste. Targets take turns.

mod labels;
mod message;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use irc::proto::Command;
use tokio::time::Instant;

use super::handle::{Line, Outcome, SayFailure, Speech};
use crate::irc::pace::Tempo;
pub(super) use message::{Abilities, Outgoing};

/// Lines that may be written and not yet confirmed.
const WINDOW: usize = 10;
/// Lines of one target in a row while others wait for their turn.
const SHARED: usize = 3;
/// Speeches taken at a time; more wait outside.
const MAX_SPEECHES: usize = 64;
/// How long the server may take to answer what was written.
const CONFIRMATION: Duration = Duration::from_secs(60);
/// How long an echo may come behind the PONG: a bouncer answers by itself.
const ECHO: Duration = Duration::from_secs(15);

/// What became of a written line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    Arrived,
    Refused,
}

/// A line that was sent and not confirmed yet.
#[derive(Debug)]
struct Written {
    speech: u64,
    target: String,
    text: String,
    /// What the server's answer to it bears, where it labels answers.
    label: String,
    state: State,
    counted: bool,
}

/// Lines with one PING behind them.
#[derive(Debug)]
struct Batch {
    token: String,
    lines: Vec<Written>,
    /// Whether the server echoes these.
    echoes: bool,
    /// When the PING went.
    closed_at: Option<Instant>,
    answered_at: Option<Instant>,
}

impl Batch {
    /// Whether nothing more is to be heard of it.
    fn is_settled(&self) -> bool {
        self.answered_at.is_some() && self.lines.iter().all(|line| line.state != State::Unknown)
    }

    /// When its confirmation is overdue.
    fn deadline(&self, patience: Duration) -> Option<Instant> {
        match (self.answered_at, self.closed_at) {
            (Some(answered), _) => Some(answered + ECHO),
            (None, closed) => closed.map(|closed| closed + patience),
        }
    }
}

/// The lines for one target that are not written yet.
#[derive(Debug)]
struct Turn {
    target: String,
    lines: VecDeque<(u64, Line)>,
}

/// A speech that has not ended.
#[derive(Debug)]
struct Waiting {
    left: usize,
    confirmed: usize,
    speech: Speech,
}

/// Speeches on their way: what is to be sent, and what waits for its confirmation.
#[derive(Debug)]
pub(super) struct Outbox {
    /// The first is the one whose turn it is.
    turns: VecDeque<Turn>,
    waiting: HashMap<u64, Waiting>,
    batches: VecDeque<Batch>,
    /// How many more lines fit into the last batch, while its PING has not gone.
    open: Option<usize>,
    number: u64,
    tempo: Tempo,
    /// Whether anything has arrived.
    pub(super) has_arrived: bool,
    /// What it can do from now on.
    pub(super) abilities: Abilities,
}

impl Outbox {
    /// `tempo` is what the server may hold back each line for.
    pub(super) fn new(tempo: Tempo) -> Self {
        Self {
            turns: VecDeque::new(),
            waiting: HashMap::new(),
            batches: VecDeque::new(),
            open: None,
            number: 0,
            tempo,
            has_arrived: false,
            abilities: Abilities::default(),
        }
    }

    /// How long the server may take for a whole window.
    fn patience(&self) -> Duration {
        CONFIRMATION + self.tempo.per_line() * u32::try_from(WINDOW).unwrap_or(u32::MAX)
    }

    /// Whether words wait to be sent, now or when others are confirmed.
    pub(super) fn has_words(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whether no speech is taken now.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_SPEECHES
    }

    /// Takes what is to be said. Nothing to say is said at once.
    pub(super) fn add(&mut self, mut speech: Speech) {
        let lines = std::mem::take(&mut speech.lines);
        if lines.is_empty() {
            return speech.end(Ok(()));
        }
        self.number += 1;
        let number = self.number;
        self.waiting.insert(number, Waiting { left: lines.len(), confirmed: 0, speech });
        for line in lines {
            let target = line.target().to_ascii_lowercase();
            match self.turns.iter_mut().find(|turn| turn.target == target) {
                Some(turn) => turn.lines.push_back((number, line)),
                None => self.turns.push_back(Turn { target, lines: VecDeque::from([(number, line)]) }),
            }
        }
    }

    /// Lines that may be under way besides those that are.
    fn room(&self) -> usize {
        let unconfirmed: usize = self.batches.iter().map(|batch| batch.lines.len()).sum();
        let share = if self.turns.len() > 1 { SHARED } else { WINDOW };
        share.min(WINDOW.saturating_sub(unconfirmed))
    }

    /// Whether [`Outbox::next`] has something.
    pub(super) fn has_next(&self) -> bool {
        self.open.is_some() || (!self.turns.is_empty() && self.room() > 0)
    }

    /// The next line, or all lines of a message of several, and the PING behind them where one is due.
    pub(super) fn next(&mut self, now: Instant) -> Vec<Outgoing> {
        if !self.has_next() {
            return Vec::new();
        }
        let room = self.open.take().unwrap_or_else(|| {
            self.choose();
            self.number += 1;
            let (token, echoes) = (format!("msnbridge-{}", self.number), self.abilities.echoes);
            let batch = Batch { token, lines: Vec::new(), echoes, closed_at: None, answered_at: None };
            self.batches.push_back(batch);
            self.room()
        });
        let lines = self.together(room);
        let written = lines.len();
        let mut all = match written {
            0 | 1 => lines.into_iter().filter_map(|(speech, line)| self.write(speech, line, None)).collect(),
            _ => self.message(lines),
        };
        let is_over = self.turns.front().is_none_or(|turn| turn.lines.is_empty());
        match room.saturating_sub(written.max(1)) {
            more @ 1.. if !is_over => self.open = Some(more),
            _ => all.extend(self.close(now).map(Outgoing::from)),
        }
        all
    }

    /// A line is on its way.
    fn write(&mut self, speech: u64, line: Line, tag: Option<&str>) -> Option<Outgoing> {
        self.number += 1;
        // Of a message of several lines the whole is answered, and its lines by their echo or the PONG.
        let is_labeled = self.abilities.labels && tag.is_none();
        let label = if is_labeled { format!("l{}", self.number) } else { String::new() };
        let mut tags: Vec<String> = tag.map(str::to_owned).into_iter().collect();
        if is_labeled {
            tags.push(format!("label={label}"));
        }
        let answers = self.waiting.get_mut(&speech).and_then(|waiting| waiting.speech.answers.take());
        if let Some(id) = answers.filter(|_| self.abilities.tags) {
            tags.push(format!("+reply={id};+draft/reply={id}"));
        }
        let tags = tags.join(";");
        self.batches.back_mut()?.lines.push(written(speech, &line, label));
        Some(Outgoing { tags, command: command(line) })
    }

    /// Channels go before what is said to one person alone: an answer stands before nobody's words.
    fn choose(&mut self) {
        if let Some(at) = self.turns.iter().position(|turn| is_channel(&turn.target)).filter(|at| *at > 0) {
            self.turns.rotate_left(at);
        }
    }

    /// Ends the open batch; it is the next target's turn.
    fn close(&mut self, now: Instant) -> Option<Command> {
        let turn = self.turns.pop_front();
        self.turns.extend(turn.filter(|turn| !turn.lines.is_empty()));
        let batch = self.batches.back_mut()?;
        batch.closed_at = Some(now);
        Some(Command::PING(batch.token.clone(), None))
    }

    /// The server answered a PING: it has seen everything before.
    pub(super) fn answered(&mut self, token: &str, now: Instant) {
        let Some(at) = self.batches.iter().position(|batch| batch.token == token) else { return };
        for batch in self.batches.iter_mut().take(at + 1) {
            batch.answered_at.get_or_insert(now);
            let unknown = batch.lines.iter_mut().filter(|line| line.state == State::Unknown);
            unknown.filter(|_| !batch.echoes).for_each(|line| line.state = State::Arrived);
        }
        self.settle();
    }

    /// The server shows us a line of ours as others see it; it may have taken colours out.
    pub(super) fn echoed(&mut self, target: &str, text: &str) {
        let lines = self.batches.iter_mut().filter(|batch| batch.echoes).flat_map(|batch| &mut batch.lines);
        let unknown =
            |line: &&mut Written| line.state == State::Unknown && line.target.eq_ignore_ascii_case(target);
        let mut fitting: Vec<&mut Written> = lines.filter(unknown).collect();
        let at = fitting.iter().position(|line| line.text == text).unwrap_or(0);
        if let Some(line) = fitting.get_mut(at) {
            line.state = State::Arrived;
        }
        self.settle();
    }

    /// The server refuses something said to `target`: the oldest line that it can be about, and the speech that it is of.
    pub(super) fn refused(&mut self, target: &str, reason: &str) {
        let mut lines = self.batches.iter_mut().flat_map(|batch| &mut batch.lines);
        let line =
            lines.find(|line| line.state == State::Unknown && line.target.eq_ignore_ascii_case(target));
        if let Some(line) = line {
            line.state = State::Refused;
            let speech = line.speech;
            self.end(speech, Err(SayFailure::Refused(format!("IRC refuses: {reason}"))));
        }
    }

    /// Nothing can be said to `target` now.
    pub(super) fn lost(&mut self, target: &str, reason: &str) {
        let written = self.batches.iter().flat_map(|batch| &batch.lines);
        let written = written.filter(|line| line.target.eq_ignore_ascii_case(target)).map(|line| line.speech);
        let turn = self.turns.iter().filter(|turn| turn.target.eq_ignore_ascii_case(target));
        let unwritten = turn.flat_map(|turn| &turn.lines).map(|(speech, _)| *speech);
        let speeches: Vec<u64> = written.chain(unwritten).collect();
        for speech in speeches {
            self.end(speech, Err(SayFailure::Lost(reason.to_owned())));
        }
    }

    /// The connection is gone.
    pub(super) fn lost_all(&mut self, reason: &str) {
        let ended = std::mem::take(&mut self.waiting).into_values();
        ended.for_each(|waiting| waiting.speech.end(Err(SayFailure::Lost(reason.to_owned()))));
        (self.turns, self.batches, self.open) = Default::default();
    }

    /// A speech is over: whoever waits for it hears how.
    fn end(&mut self, speech: u64, outcome: Outcome) {
        if let Some(waiting) = self.waiting.remove(&speech) {
            waiting.speech.end(outcome);
        }
        self.turns.iter_mut().for_each(|turn| turn.lines.retain(|(of, _)| *of != speech));
        // A batch that is open belongs to the first turn, and is closed by it.
        let first = usize::from(self.open.is_some());
        let mut at = 0;
        self.turns.retain(|turn| {
            at += 1;
            at <= first || !turn.lines.is_empty()
        });
    }

    /// Counts what has arrived, from each speech's first line on without a gap.
    fn settle(&mut self) {
        let mut stopped = Vec::new();
        let mut ended = Vec::new();
        for line in self.batches.iter_mut().flat_map(|batch| &mut batch.lines).filter(|line| !line.counted) {
            if line.state != State::Arrived || stopped.contains(&line.speech) {
                stopped.push(line.speech);
                continue;
            }
            line.counted = true;
            self.has_arrived = true;
            let Some(waiting) = self.waiting.get_mut(&line.speech) else { continue };
            waiting.left = waiting.left.saturating_sub(1);
            waiting.confirmed += 1;
            waiting.speech.confirmed.send_replace(waiting.confirmed);
            if waiting.left == 0 {
                ended.push(line.speech);
            }
        }
        ended.into_iter().for_each(|speech| self.end(speech, Ok(())));
        while self.batches.front().is_some_and(Batch::is_settled) {
            self.batches.pop_front();
        }
    }

    /// When [`Outbox::is_overdue`] is to be asked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let patience = self.patience();
        self.batches.iter().filter_map(|batch| batch.deadline(patience)).min()
    }

    /// Whether the server does not answer any more. A line that it took and did not show is refused.
    pub(super) fn is_overdue(&mut self, now: Instant) -> bool {
        let patience = self.patience();
        let mut hidden = Vec::new();
        for batch in self.batches.iter_mut().filter(|b| b.deadline(patience).is_some_and(|at| at <= now)) {
            if batch.answered_at.is_none() {
                return true;
            }
            for line in batch.lines.iter_mut().filter(|line| line.state == State::Unknown) {
                line.state = State::Refused;
                hidden.push(line.speech);
            }
        }
        let reason = "the IRC server took it and did not show it: the channel may be moderated or filtered";
        hidden.into_iter().for_each(|speech| self.end(speech, Err(SayFailure::Refused(reason.into()))));
        self.settle();
        false
    }
}

/// Whether a target is read by many.
fn is_channel(target: &str) -> bool {
    target.starts_with(['#', '&', '+', '!', '@'])
}

fn written(speech: u64, line: &Line, label: String) -> Written {
    let (Line::Message { target, text, .. } | Line::Notice { target, text }) = line;
    Written {
        speech,
        target: target.clone(),
        text: text.clone(),
        label,
        state: State::Unknown,
        counted: false,
    }
}

/// The protocol's command for a line.
fn command(line: Line) -> Command {
    match line {
        Line::Message { target, text, .. } => Command::PRIVMSG(target, text),
        Line::Notice { target, text } => Command::NOTICE(target, text),
    }
}

#[cfg(test)]
mod tests;
