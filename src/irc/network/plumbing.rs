//! Channels that the bot and the puppets enter and leave while they run.
//!
//! Knows who is in a channel for which conversation. Refuses to know who decides about that.

use std::sync::Arc;

use super::{Network, Puppet, time_of_day};
use crate::bridge::ids::UserId;
use crate::irc::RelayConfig;
use crate::irc::plumbing::{serve, tell};
use crate::irc::session::Line;

impl Network {
    /// The bot enters a channel.
    ///
    /// # Errors
    /// Why it does not get in, for people.
    pub(in crate::irc) async fn enter(&self, channel: &str) -> Result<(), String> {
        self.bot.enter(channel, self.own.key(channel)).await
    }

    /// The channel is an end of a conversation from now on, over restarts too.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(in crate::irc) async fn connect(&self, relay: RelayConfig, user: &UserId) -> Result<(), String> {
        let portal = relay.portal.clone();
        self.own.relays.add(relay, user).await.map_err(|error| error.to_string())?;
        serve(&self.bridge, &portal, true).await;
        Ok(())
    }

    /// Those leave a channel who are there for no conversation any more.
    pub(in crate::irc) fn leave(&self, channel: &str) {
        if !self.own.relays.at(&self.own.network, channel).is_empty() || self.is_asked(channel) {
            return;
        }
        self.bot.leave(channel);
        let mut people = self.people();
        people.puppets.retain(|_, puppet| {
            let was_here = puppet.channels.iter().any(|name| name.eq_ignore_ascii_case(channel));
            puppet.channels.retain(|name| !name.eq_ignore_ascii_case(channel));
            if was_here {
                puppet.session.leave(channel);
            }
            !puppet.channels.is_empty()
        });
    }

    /// A channel has become an end of a conversation, or has another key: who should be there enters.
    pub(in crate::irc) fn admit(self: Arc<Self>, relay: Arc<RelayConfig>) {
        let is_here = |puppet: &&Puppet| puppet.channels.iter().any(|name| relay.is_at(name));
        let mut sessions = vec![self.bot.clone()];
        sessions.extend(self.people().puppets.values().filter(is_here).map(|puppet| puppet.session.clone()));
        for session in sessions {
            let (network, relay) = (self.clone(), relay.clone());
            self.tasks.spawn(async move {
                let entering = session.enter(&relay.channel, relay.key.clone());
                if let Some(Err(reason)) = network.cancel.run_until_cancelled(entering).await {
                    // Owners are told by the connection, which goes on trying.
                    tracing::info!(
                        channel = relay.channel,
                        reason,
                        "a channel that was configured is not entered"
                    );
                }
            });
        }
    }

    /// The bot says something in a channel that nobody waits for.
    pub(in crate::irc) fn announce(&self, channel: &str, text: &str) {
        self.bot.mention(vec![Line::Notice { target: channel.to_owned(), text: text.to_owned() }]);
    }

    /// Whether the operators of a channel are asked something.
    pub(super) fn is_asked(&self, channel: &str) -> bool {
        self.asked.is_asked(&self.own.network, channel)
    }

    /// The operators of a channel were asked before the bridge began: they are heard.
    pub(in crate::irc) fn resume(self: Arc<Self>, relay: RelayConfig) {
        let network = self.clone();
        self.tasks.clone().spawn(async move {
            // Until it is over the bot goes on trying by itself.
            if let Some(Err(reason)) = network.cancel.run_until_cancelled(network.enter(&relay.channel)).await
            {
                tracing::info!(
                    channel = relay.channel,
                    reason,
                    "the bot is not in a channel that was asked yet"
                );
            }
            network.expire(relay);
        });
    }

    /// An operator of a channel has answered.
    pub(super) async fn decided(&self, channel: &str, confirms: bool) {
        let Some(question) = self.asked.take(&self.own.network, channel) else { return };
        let (place, user) = (question.relay.channel.clone(), question.user.clone());
        let connected = match confirms {
            true => self.connect(question.relay.clone(), &user).await,
            false => Err("an operator there refuses".to_owned()),
        };
        let text = match &connected {
            Ok(()) => format!("{place} is an end of the conversation now: an operator there has confirmed."),
            Err(reason) => format!("{place} is no end of the conversation: {reason}."),
        };
        if connected.is_ok() {
            self.announce(&place, "What is said here is shown in a conversation of MSN from now on.");
        } else {
            self.leave(&place);
        }
        self.asked.forget(&question);
        tell(&self.bridge, &user, text).await;
    }

    /// Gives up a question that no operator answers.
    pub(in crate::irc) fn expire(self: Arc<Self>, relay: RelayConfig) {
        self.tasks.clone().spawn(async move {
            let left = || self.asked.left(&relay.network, &relay.channel, time_of_day());
            while let Some(left) = left() {
                if left.is_zero() {
                    break;
                }
                if self.cancel.run_until_cancelled(tokio::time::sleep(left)).await.is_none() {
                    return;
                }
            }
            if let Some(question) = self.asked.take(&relay.network, &relay.channel) {
                let text = format!("No operator of {} has confirmed: it stays as it is.", relay.channel);
                self.leave(&relay.channel);
                self.asked.forget(&question);
                tell(&self.bridge, &question.user, text).await;
            }
        });
    }

    /// A puppet that was put out of a channel enters again.
    ///
    /// # Errors
    /// The contact has no connection of their own, or does not get in; for people.
    pub(in crate::irc) async fn readmit(&self, relay: &RelayConfig, account: &str) -> Result<(), String> {
        let key = format!("ghost {account}");
        let puppet = self.people().puppets.get(&key).map(|puppet| puppet.session.clone());
        let puppet = puppet.ok_or_else(|| format!("{account} has no connection of their own now"))?;
        puppet.enter(&relay.channel, relay.key.clone()).await?;
        self.people().told.remove(&format!("{key} {}", relay.channel));
        Ok(())
    }
}
