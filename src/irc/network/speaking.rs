//! What is said in a channel, and by whom: a puppet where there is one, else the bot with a name in front.
//!
//! Knows the order in which words must leave, and how much of a message was confirmed. Refuses to know lines and replies:
//! sessions do.

use super::person::{Person, name_of};
use super::{Network, PUPPET_TIMEOUT, PuppetState};
use crate::bridge::body::Body;
use crate::bridge::event::{Author, RemoteEvent, RemoteKind};
use crate::bridge::port::delivery::{Content, Delivery, DeliveryError, Display};
use crate::bridge::sentence::sentence;
use crate::irc::RelayConfig;
use crate::irc::outbound::{self, Abridged, Voice};
use crate::irc::session::{ConnectionStatus, Line, SayFailure, SessionHandle};
use crate::irc::spoken::Progress;

/// The words of a body that may answer something.
fn answered(body: &Body) -> Option<String> {
    match body {
        Body::Text(text) | Body::Emote(text) => Some(text.text()),
        _ => None,
    }
}

/// An answer of more lines is said beside the conversation.
const LONG_ANSWER: usize = 3;

impl Network {
    /// Says an entry in a channel, from the line on that was not confirmed yet.
    ///
    /// # Errors
    /// The lines did not all leave, with what the channel or the connection said. A later attempt begins behind the
    /// last line that was confirmed.
    pub(in crate::irc) async fn deliver(
        &self,
        relay: &RelayConfig,
        delivery: Delivery,
        display: &Display,
    ) -> Result<(), DeliveryError> {
        // A puppet comes with its first words and stays.
        if matches!(&delivery.content, Content::Joined { .. } | Content::Left { .. }) {
            return Ok(());
        }
        if let Some(lines) = self.long_answer(&relay.channel, &delivery) {
            self.bot.mention(lines);
            return Ok(());
        }
        let mut progress = self.memory.spoken.of(&delivery);
        if display.missed > 0 && !progress.announced {
            let text = format!("({} messages were missed while IRC was not reachable)", display.missed);
            self.bot.say(vec![Line::Notice { target: relay.channel.clone(), text }]).await?;
            progress.announced = true;
            self.memory.spoken.note(&delivery.portal, &progress);
        }
        let mut outcome = match self.speaker(relay, &delivery.author).await {
            Some((puppet, nick)) => {
                let voice = Voice { nick: &nick, prefix: None };
                self.speak(&puppet, &voice, relay, &delivery, display, &mut progress).await
            }
            None => self.speak_for(relay, &delivery, display, &mut progress).await,
        };
        if matches!(&outcome, Err(SayFailure::Refused(_))) && name_of(&delivery.author).is_some() {
            // What a puppet may not say, in a moderated channel say, the bot may be allowed to.
            outcome = match self.speak_for(relay, &delivery, display, &mut progress).await {
                Err(SayFailure::Lost(_)) => outcome,
                said => said,
            };
        }
        let is_noted = progress.announced || progress.at != outbound::Position::default();
        if is_noted && !matches!(outcome, Err(SayFailure::Lost(_))) {
            self.memory.spoken.forget(&delivery.portal);
        }
        Ok(outcome?)
    }

    /// A list that somebody asked for: nobody else's words wait until it is said.
    fn long_answer(&self, channel: &str, delivery: &Delivery) -> Option<Vec<Line>> {
        let Content::Said { body: body @ Body::Notice { about: Some(_), .. } } = &delivery.content else {
            return None;
        };
        let lines = self.lines(channel, body);
        (lines.len() > LONG_ANSWER).then_some(lines)
    }

    /// A contact answers somebody who wrote to their puppet.
    ///
    /// # Errors
    /// The puppet is not connected. Somebody who is not on IRC any more is no error.
    pub(in crate::irc) async fn answer(
        &self,
        relay: &RelayConfig,
        author: &Author,
        nick: &str,
        body: &Body,
    ) -> Result<(), DeliveryError> {
        let puppet = Person::of(author, relay).and_then(|person| self.puppet(relay, &person));
        let Some((puppet, _)) = puppet else { return Ok(()) };
        let ConnectionStatus::Joined { nick: own, .. } = puppet.settled(PUPPET_TIMEOUT).await else {
            return Err(DeliveryError::transient("the contact is not on IRC"));
        };
        match puppet.say(outbound::lines(body, nick, &Voice { nick: &own, prefix: None }, &[])).await {
            // It is seen on the other sides.
            Ok(()) | Err(SayFailure::Refused(_)) => Ok(()),
            Err(lost) => Err(lost.into()),
        }
    }

    /// The bot says the rest, with the name of whom it speaks for.
    async fn speak_for(
        &self,
        relay: &RelayConfig,
        delivery: &Delivery,
        display: &Display,
        progress: &mut Progress,
    ) -> Result<(), SayFailure> {
        let nick = self.bot_nick().await.map_err(SayFailure::Lost)?;
        let voice = Voice { nick: &nick, prefix: name_of(&delivery.author) };
        self.speak(&self.bot, &voice, relay, delivery, display, progress).await
    }

    /// Says the rest of a body, and notes each line that was confirmed.
    async fn speak(
        &self,
        session: &SessionHandle,
        voice: &Voice<'_>,
        relay: &RelayConfig,
        delivery: &Delivery,
        display: &Display,
        progress: &mut Progress,
    ) -> Result<(), SayFailure> {
        let Content::Said { body } = &delivery.content else { return Ok(()) };
        let (channel, links) = (&relay.channel, &display.links);
        let pieces = match &display.whole {
            Some(address) => {
                let short = Abridged { most: self.puppet_policy.paste_lines, address };
                outbound::abridged(body, channel, voice, links, progress.at, &short)
            }
            None => outbound::pieces(body, channel, voice, links, progress.at),
        };
        let (lines, ends): (Vec<Line>, Vec<_>) = pieces.into_iter().map(|p| (p.line, p.end)).unzip();
        let answers = answered(body).and_then(|words| self.recent.answered(channel, &words));
        let said = session.say_and_count(lines, answers, |confirmed| {
            // The last of it ends the delivery, which says more.
            if let Some(end) =
                confirmed.checked_sub(1).and_then(|last| ends.get(last)).filter(|_| confirmed < ends.len())
            {
                progress.at = *end;
                self.memory.spoken.note(&delivery.portal, progress);
            }
        });
        said.await
    }

    /// The bot's nick now; why there is none while it is not in.
    pub(super) async fn bot_nick(&self) -> Result<String, String> {
        match self.bot.settled(PUPPET_TIMEOUT).await {
            ConnectionStatus::Joined { nick, .. } => Ok(nick),
            ConnectionStatus::Connecting => Err("connecting to IRC".into()),
            ConnectionStatus::Down { reason } | ConnectionStatus::Refused { reason } => {
                Err(format!("IRC is not reachable: {reason}"))
            }
        }
    }

    /// The puppet who says it, in the channel; `None` for the bot.
    async fn speaker(&self, relay: &RelayConfig, author: &Author) -> Option<(SessionHandle, String)> {
        let person = Person::of(author, relay)?;
        // What is a legal nick is known when the bot is in.
        if !matches!(self.bot.settled(PUPPET_TIMEOUT).await, ConnectionStatus::Joined { .. }) {
            return None;
        }
        let (puppet, standing) = self.puppet(relay, &person)?;
        let status = match standing {
            PuppetState::New => puppet.settled(PUPPET_TIMEOUT).await,
            PuppetState::There => puppet.status.borrow().clone(),
            PuppetState::Elsewhere => {
                if let Some(puppet) = self.people().puppets.get_mut(&person.key) {
                    puppet.channels.push(relay.channel.clone());
                }
                if let Err(reason) = puppet.enter(&relay.channel, relay.key.clone()).await {
                    tracing::info!(channel = relay.channel, reason, "somebody does not get into a channel");
                }
                puppet.status.borrow().clone()
            }
        };
        let status = match status {
            ConnectionStatus::Connecting => puppet.settled(PUPPET_TIMEOUT).await,
            status => status,
        };
        match status {
            ConnectionStatus::Joined { .. } if !status.is_in(&relay.channel) => {
                self.tell_shut_out(relay, &person).await;
                None
            }
            ConnectionStatus::Joined { nick, .. } => Some((puppet, nick)),
            ConnectionStatus::Refused { reason } => {
                self.tell_refused(relay, &person, &reason).await;
                None
            }
            ConnectionStatus::Connecting | ConnectionStatus::Down { .. } => None,
        }
    }

    /// The owner hears once of each contact who has to speak through the bot.
    async fn tell_refused(&self, relay: &RelayConfig, person: &Person, reason: &str) {
        let (name, reason, channel) = (&person.name, sentence(reason), &relay.channel);
        let text = format!(
            "The IRC network refuses a connection for {name}: {reason} They speak in {channel} through the bot."
        );
        self.tell_once(relay, person.key.clone(), text).await;
    }

    /// The same of a contact whom one channel does not want.
    async fn tell_shut_out(&self, relay: &RelayConfig, person: &Person) {
        let (name, channel) = (&person.name, &relay.channel);
        let text = format!(
            "{name} is kept out of {channel}, and speaks there through the bot until somebody invites them."
        );
        self.tell_once(relay, format!("{} {channel}", person.key), text).await;
    }

    async fn tell_once(&self, relay: &RelayConfig, what: String, text: String) {
        if !self.people().told.insert(what) {
            return;
        }
        let event = RemoteEvent { login: relay.portal.receiver.clone(), kind: RemoteKind::Notice { text } };
        let _ = self.bridge.remote(event).await; // the core may be stopping
    }
}
