//! One connection to a network, of the bot or of a puppet: it registers, joins, speaks in its own pace, comes back by
//! itself, and knows that a line has arrived.

mod handle;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use irc::client::Client;
use irc::client::prelude::{Command, Config, Message, Prefix, Response};
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::NetworkConfig;
use super::nick::{self, DEFAULT_LENGTH};
use super::pace::Pace;
use crate::retry::Retry;
use handle::Outcome;
pub(super) use handle::{Ask, Heard, Line, Persona, Said, SayFailure, SessionHandle, Standing};

/// Messages waiting for one connection; full, deliveries wait.
const MAILBOX: usize = 64;
/// How long connecting and registering may take.
const REGISTRATION: Duration = Duration::from_secs(60);
/// How long a line may go without a sign that it arrived.
const CONFIRMATION: Duration = Duration::from_secs(60);
/// How often it is asked who is away.
const ASK_AWAY: Duration = Duration::from_secs(60);
/// A refused puppet is tried again after this.
const REFUSED: Duration = Duration::from_secs(600);

/// Starts a connection. What is heard goes to `ears`, of which only the bot has some.
pub(super) fn start(
    config: NetworkConfig,
    persona: Persona,
    ears: Option<mpsc::Sender<Heard>>,
    cancel: CancellationToken,
    tasks: &tokio_util::task::TaskTracker,
) -> SessionHandle {
    let (asks, mailbox) = mpsc::channel(MAILBOX);
    let (stands, standing) = watch::channel(Standing::Connecting);
    let session = Session { config, persona, ears, cancel, stands, length: DEFAULT_LENGTH, away: None };
    tasks.spawn(session.run(mailbox));
    SessionHandle { asks, standing }
}

struct Session {
    config: NetworkConfig,
    persona: Persona,
    ears: Option<mpsc::Sender<Heard>>,
    cancel: CancellationToken,
    stands: watch::Sender<Standing>,
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

/// A message on its way, until the server has answered the ping behind it.
struct Unconfirmed {
    token: String,
    targets: Vec<String>,
    since: Instant,
    reply: oneshot::Sender<Outcome>,
}

/// What one connection has under way.
struct Flow {
    client: Client,
    queue: VecDeque<Command>,
    unconfirmed: VecDeque<Unconfirmed>,
    pace: Pace,
    tokens: u64,
    nick: String,
    joined: Vec<String>,
    /// Channels that cannot be entered, and why.
    shut: HashMap<String, String>,
    begun: Instant,
    /// Who of those that are watched was away when last asked.
    away: HashMap<String, bool>,
    ask_away_at: Instant,
}

fn backoff() -> Retry {
    Retry::new(Duration::from_secs(2), Duration::from_secs(300))
}

impl Session {
    #[tracing::instrument(name = "irc", skip_all, fields(nick = %self.persona.wanted))]
    async fn run(mut self, mut mailbox: mpsc::Receiver<Ask>) {
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
                    self.stand(Standing::Down { reason });
                    delays.next_pause()
                }
                End::Refused(reason) => {
                    tracing::warn!(%reason, "the IRC network refuses a connection");
                    self.stand(Standing::Refused { reason });
                    REFUSED
                }
            };
            if !self.pause(&mut mailbox, delay).await {
                return;
            }
        }
    }

    fn stand(&self, standing: Standing) {
        self.stands.send_replace(standing);
    }

    /// Waits between connections; what is asked meanwhile fails at once. False when it is all over.
    async fn pause(&mut self, mailbox: &mut mpsc::Receiver<Ask>, delay: Duration) -> bool {
        let until = Instant::now() + delay;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return true,
                () = self.cancel.cancelled() => return false,
                ask = mailbox.recv() => match ask {
                    None => return false,
                    Some(Ask::Away(text)) => self.away = text,
                    Some(Ask::Say { reply, .. }) => {
                        let not_now = SayFailure::Lost("not connected to IRC".into());
                        let _ = reply.send(Err(not_now)); // whoever asked may have gone
                    }
                },
            }
        }
    }

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

    async fn connection(&mut self, mailbox: &mut mpsc::Receiver<Ask>) -> End {
        self.stand(Standing::Connecting);
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
        let mut flow = Flow {
            client,
            queue: VecDeque::new(),
            unconfirmed: VecDeque::new(),
            pace: Pace::new(self.config.line_penalty),
            tokens: 0,
            nick: String::new(),
            joined: Vec::new(),
            shut: HashMap::new(),
            begun: Instant::now(),
            away: HashMap::new(),
            ask_away_at: Instant::now(),
        };
        let end = self.serve(&mut flow, stream, mailbox).await;
        let reason = match &end {
            End::Stop => "the bridge is stopping".to_owned(),
            End::Lost(reason) | End::Refused(reason) => reason.clone(),
        };
        for waiting in flow.unconfirmed {
            let _ = waiting.reply.send(Err(SayFailure::Lost(reason.clone()))); // whoever asked may have gone
        }
        end
    }

    async fn serve(
        &mut self,
        flow: &mut Flow,
        mut stream: irc::client::ClientStream,
        mailbox: &mut mpsc::Receiver<Ask>,
    ) -> End {
        loop {
            let is_in = self.is_in(flow);
            let deadline = match flow.unconfirmed.front() {
                Some(oldest) => oldest.since + CONFIRMATION + self.config.line_penalty * 40,
                None if is_in => Instant::now() + Duration::from_secs(3600),
                None => flow.begun + REGISTRATION,
            };
            tokio::select! {
                message = stream.next() => match message {
                    Some(Ok(message)) => if let Some(end) = self.received(flow, message).await {
                        return end;
                    },
                    Some(Err(error)) => return self.failed(flow, &error.to_string()),
                    None => return self.failed(flow, "the server closed the connection"),
                },
                ask = mailbox.recv(), if is_in && flow.queue.len() < MAILBOX => match ask {
                    Some(ask) => self.asked(flow, ask),
                    None => return self.quit(flow, &mut stream, "offline").await,
                },
                () = tokio::time::sleep_until(flow.pace.next_at()), if !flow.queue.is_empty() => {
                    if let Some(end) = send_next(flow) {
                        return end;
                    }
                }
                () = tokio::time::sleep_until(flow.ask_away_at), if is_in && !self.persona.watched.is_empty() => {
                    flow.ask_away_at = Instant::now() + ASK_AWAY;
                    let watched = self.persona.watched.chunks(5);
                    flow.queue.extend(watched.map(|nicks| Command::USERHOST(nicks.to_vec())));
                }
                () = tokio::time::sleep_until(deadline) => {
                    return End::Lost("the IRC server did not answer in time".into());
                }
                () = self.cancel.cancelled() => {
                    return self.quit(flow, &mut stream, "the bridge is stopping").await;
                }
            }
        }
    }

    async fn quit(&self, flow: &Flow, stream: &mut irc::client::ClientStream, reason: &str) -> End {
        let _ = flow.client.send_quit(reason); // it may be gone
        // The stream sends what is queued while it is polled.
        let _ = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
        End::Stop
    }

    fn is_in(&self, flow: &Flow) -> bool {
        !flow.nick.is_empty() && flow.joined.len() + flow.shut.len() >= self.persona.channels.len()
    }

    /// A connection that ends before it was ever welcome was refused.
    fn failed(&self, flow: &Flow, reason: &str) -> End {
        let reason = reason.to_owned();
        if flow.nick.is_empty() && self.ears.is_none() { End::Refused(reason) } else { End::Lost(reason) }
    }

    async fn received(&mut self, flow: &mut Flow, message: Message) -> Option<End> {
        let from_us = message.source_nickname().is_some_and(|nick| nick == flow.nick);
        match message.command {
            Command::Response(Response::RPL_WELCOME, arguments) => {
                flow.nick = arguments.into_iter().next().unwrap_or_default();
            }
            Command::Response(Response::RPL_ISUPPORT, arguments) => self.learn(&arguments),
            Command::Response(Response::RPL_USERHOST, arguments) => self.learn_away(flow, &arguments).await,
            Command::Response(Response::RPL_ENDOFNAMES, arguments) => {
                let channel =
                    arguments.get(1).map(|channel| channel.to_ascii_lowercase()).unwrap_or_default();
                flow.shut.remove(&channel);
                if !flow.joined.contains(&channel) {
                    flow.joined.push(channel);
                }
                self.check_in(flow);
            }
            Command::Response(response, arguments) => return self.numeric(flow, response, &arguments),
            Command::NICK(new) if from_us => {
                flow.nick = new;
                self.stand(Standing::Joined { nick: flow.nick.clone() });
            }
            Command::PONG(first, second) => confirmed(flow, second.as_ref().unwrap_or(&first)),
            Command::ERROR(reason) => {
                let shut_out = flow.nick.is_empty() && self.ears.is_none();
                return Some(if shut_out { End::Refused(reason) } else { End::Lost(reason) });
            }
            Command::KICK(channel, who, reason) if who == flow.nick => {
                let reason = format!("kicked: {}", reason.unwrap_or_default());
                shut(flow, &channel, reason);
            }
            Command::PRIVMSG(channel, text) if !from_us => {
                self.heard(message.prefix, channel, text).await;
            }
            _ => {}
        }
        None
    }

    fn learn(&mut self, arguments: &[String]) {
        let length = arguments.iter().find_map(|argument| argument.strip_prefix("NICKLEN="));
        if let Some(length) = length.and_then(|length| length.parse::<usize>().ok()) {
            self.length = length.clamp(DEFAULT_LENGTH, 30);
        }
    }

    /// Errors about us, or about what we said last.
    fn numeric(&self, flow: &mut Flow, response: Response, arguments: &[String]) -> Option<End> {
        let number = response as u16;
        if !(400..600).contains(&number) {
            return None;
        }
        let reason = arguments.last().cloned().unwrap_or_default();
        match number {
            // No MOTD, nick in use: the library deals with them.
            422 | 431..=433 | 436 | 437 => None,
            463 | 465 | 466 => Some(End::Refused(reason)),
            // A channel that cannot be entered: the others are none the worse for it.
            405 | 471 | 473..=476 => {
                if let Some(channel) = arguments.get(1) {
                    shut(flow, channel, reason);
                }
                self.check_in(flow);
                None
            }
            _ => {
                // About the oldest thing said to that name; the other lines of it are refused with it.
                let about = arguments.get(1).map_or("", String::as_str);
                let is_about =
                    |waiting: &Unconfirmed| waiting.targets.iter().any(|t| t.eq_ignore_ascii_case(about));
                if let Some(at) = flow.unconfirmed.iter().position(is_about)
                    && let Some(waiting) = flow.unconfirmed.remove(at)
                {
                    let refused = SayFailure::Refused(format!("IRC refuses: {reason}"));
                    let _ = waiting.reply.send(Err(refused)); // whoever asked may have gone
                }
                None
            }
        }
    }

    /// In every channel that can be entered: ready to speak.
    fn check_in(&self, flow: &mut Flow) {
        if self.is_in(flow) {
            tracing::info!(nick = flow.nick, shut_out_of = flow.shut.len(), "joined");
            self.stand(Standing::Joined { nick: flow.nick.clone() });
            self.say_away(flow);
        }
    }

    async fn heard(&self, prefix: Option<Prefix>, target: String, text: String) {
        let Some(Prefix::Nickname(nick, user, host)) = prefix else { return };
        let source = format!("{nick}!{user}@{host}");
        self.tell(Heard::Said(Said { nick, source, target, text })).await;
    }

    async fn tell(&self, heard: Heard) {
        let Some(ears) = &self.ears else { return };
        if ears.send(heard).await.is_err() {
            tracing::error!("the bridge has stopped, something said on IRC was not taken");
        }
    }

    /// The answer to our question who is away: `nick=-user@host`, with a plus for those who are there.
    async fn learn_away(&self, flow: &mut Flow, arguments: &[String]) {
        let tokens = arguments.last().map(String::as_str).unwrap_or_default().split_whitespace();
        for (nick, rest) in tokens.filter_map(|token| token.split_once('=')) {
            let (nick, away) = (nick.trim_end_matches('*').to_owned(), rest.starts_with('-'));
            if flow.away.insert(nick.clone(), away) != Some(away) {
                self.tell(Heard::Away { nick, away }).await;
            }
        }
    }

    fn asked(&mut self, flow: &mut Flow, ask: Ask) {
        match ask {
            Ask::Away(text) => {
                self.away = text;
                self.say_away(flow);
            }
            Ask::Say { lines, reply } => {
                let targets: Vec<String> = lines.iter().map(|line| line.target().to_owned()).collect();
                let closed =
                    targets.iter().find_map(|target| flow.shut.get_key_value(&target.to_ascii_lowercase()));
                if let Some((channel, reason)) = closed {
                    let not_now = SayFailure::Lost(format!("{channel} cannot be joined: {reason}"));
                    // Perhaps it can by now.
                    flow.queue.push_back(Command::JOIN(channel.clone(), None, None));
                    let _ = reply.send(Err(not_now)); // whoever asked may have gone
                    return;
                }
                let commands = lines.into_iter().map(|line| match line {
                    Line::Message { target, text } => Command::PRIVMSG(target, text),
                    Line::Notice { target, text } => Command::NOTICE(target, text),
                });
                flow.queue.extend(commands);
                flow.tokens += 1;
                let token = format!("msnbridge-{}", flow.tokens);
                // The server answers in order: its answer means that it has taken every line before.
                flow.queue.push_back(Command::PING(token.clone(), None));
                flow.unconfirmed.push_back(Unconfirmed { token, targets, since: Instant::now(), reply });
            }
        }
    }

    fn say_away(&self, flow: &mut Flow) {
        let text = self.away.as_ref().map(|text| super::outbound::one_line(text, 150));
        flow.queue.push_back(Command::AWAY(text));
    }
}

/// We are not, or no longer, in this channel.
fn shut(flow: &mut Flow, channel: &str, reason: String) {
    tracing::warn!(channel, reason, "a channel cannot be joined");
    let channel = channel.to_ascii_lowercase();
    flow.joined.retain(|joined| *joined != channel);
    flow.shut.insert(channel, reason);
}

fn send_next(flow: &mut Flow) -> Option<End> {
    let command = flow.queue.pop_front()?;
    let bytes = match &command {
        Command::PRIVMSG(_, text) | Command::NOTICE(_, text) => text.len(),
        _ => 0,
    };
    let is_ping = matches!(command, Command::PING(..));
    if let Err(error) = flow.client.send(command) {
        return Some(End::Lost(error.to_string()));
    }
    if !is_ping {
        flow.pace.sent(bytes);
    }
    None
}

fn confirmed(flow: &mut Flow, token: &str) {
    let Some(at) = flow.unconfirmed.iter().position(|waiting| waiting.token == token) else { return };
    // Everything before it was taken too.
    for waiting in flow.unconfirmed.drain(..=at) {
        let _ = waiting.reply.send(Ok(())); // whoever asked may have gone
    }
}
