//! Channels that become ends of conversations by a command, or stop being some.
//!
//! Knows who decides: administrators, people whom the configuration names on that network, and the channel's operators.
//! Refuses to take away what the configuration names.

use std::sync::Arc;

use super::asked::{ANSWER_TIMEOUT, Question};
use super::network::{Network, time_of_day};
use super::relays::Changes;
use super::{IrcFrontend, LEG, RelayConfig};
use crate::bridge::BridgeHandle;
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::{GhostId, LoginId, PortalKey, UserId};
use crate::bridge::port::channels::{ChannelAct, ChannelName, ChannelRequest, Member};
use crate::bridge::port::storage::StorageError;

/// Names of channels, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=50;

/// A channel as people read it.
fn named(relay: &RelayConfig) -> String {
    format!("{} on the IRC network «{}»", relay.channel, relay.network)
}

fn is_legal(channel: &str) -> bool {
    LENGTHS.contains(&channel.len()) && !channel.contains([' ', ',', '\x07', '\r', '\n', '\0'])
}

/// From now on the core brings this conversation here, or does not any more.
pub(super) async fn serve(bridge: &BridgeHandle, portal: &PortalKey, serves: bool) {
    let event = LocalEvent::Serves { portal: portal.clone(), leg: LEG, serves };
    let _ = bridge.local(event).await; // the core may be stopping
}

/// A user hears what became of something that took long.
pub(super) async fn tell(bridge: &BridgeHandle, user: &UserId, text: String) {
    let _ = bridge.local(LocalEvent::Told { user: user.clone(), text }).await; // the core may be stopping
}

impl IrcFrontend {
    pub(super) async fn ask(&self, request: ChannelRequest) -> Result<String, String> {
        let ChannelRequest { user, is_admin, logins, act } = request;
        match act {
            ChannelAct::Plumb { name, portal, members } => {
                let relay = self.wanted(name, portal, members, &user)?;
                self.plumb(relay, user, is_admin).await
            }
            ChannelAct::Unplumb { name, portal } => {
                let relay = self.given_up(name, &portal, |receiver| is_admin || logins.contains(receiver))?;
                self.unplumb(&relay).await
            }
            ChannelAct::Rejoin { portal, ghost } => self.rejoin(&portal, &ghost).await,
        }
    }

    /// The network that is named, or the only one.
    fn network(&self, name: Option<&str>) -> Result<(&String, &Arc<Network>), String> {
        let names = || self.networks.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        match name {
            Some(name) => {
                let found = self.networks.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.ok_or_else(|| format!("there is no network {name}; there are: {}", names()))
            }
            None if self.networks.len() == 1 => self.networks.iter().next().ok_or_else(String::new),
            None => Err(format!("say on which network: {}", names())),
        }
    }

    /// What a channel is to be, if it can be.
    fn wanted(
        &self,
        name: ChannelName,
        portal: PortalKey,
        members: Vec<Member>,
        user: &UserId,
    ) -> Result<RelayConfig, String> {
        let ChannelName { channel, network } = name;
        let (network, _) = self.network(network.as_deref())?;
        if !is_legal(&channel) {
            return Err(format!("{channel} is no name of a channel"));
        }
        if let Some(known) = self.relays.of(&portal) {
            return Err(format!("this conversation is in {} already; «unplumb» ends that", named(&known)));
        }
        let accounts = members.iter().map(|member| member.ghost.to_string()).collect();
        let direct = members.into_iter().map(|member| (member.ghost.to_string(), member.direct)).collect();
        let (network, plumbed_by) = (network.clone(), Some(user.clone()));
        Ok(RelayConfig { network, channel, key: None, portal, direct, members: accounts, plumbed_by })
    }

    /// Has the channel be an end of the conversation, or asks its operators.
    async fn plumb(&self, relay: RelayConfig, user: UserId, is_admin: bool) -> Result<String, String> {
        let network = self.networks.get(&relay.network).ok_or("there is no such network")?;
        let entered = network.enter(&relay.channel).await;
        if let Err(reason) = entered {
            network.leave(&relay.channel);
            return Err(format!("the bot does not get into {}: {reason}", named(&relay)));
        }
        if is_admin || network.knows(&user) {
            let place = named(&relay);
            network.connect(relay, &user).await?;
            return Ok(format!("{place} is an end of this conversation now."));
        }
        self.ask_operators(network, relay, user).await
    }

    async fn ask_operators(
        &self,
        network: &Arc<Network>,
        relay: RelayConfig,
        user: UserId,
    ) -> Result<String, String> {
        let (place, channel) = (named(&relay), relay.channel.clone());
        let question = Question { relay: relay.clone(), user: user.clone(), at: time_of_day() };
        if !self.asked.ask(question).await.map_err(|error| error.to_string())? {
            return Err(format!("the operators of {channel} are asked already"));
        }
        network.announce(
            &channel,
            &format!(
                "{user} asks to show a conversation of MSN here, and this channel there. An operator of the channel says \
                 «!msn confirm» within {} minutes if that is welcome, or «!msn refuse».",
                ANSWER_TIMEOUT.as_secs() / 60
            ),
        );
        network.clone().expire(relay);
        Ok(format!("The operators of {place} are asked: one of them says «!msn confirm» there."))
    }

    /// What is to be an end no more, if the user may say so.
    fn given_up(
        &self,
        name: Option<ChannelName>,
        portal: &PortalKey,
        may: impl Fn(&LoginId) -> bool,
    ) -> Result<Arc<RelayConfig>, String> {
        let found = match name {
            None => self.relays.of(portal).into_iter().collect(),
            Some(ChannelName { channel, network }) => {
                let (network, _) = self.network(network.as_deref())?;
                self.relays.at(network, &channel)
            }
        };
        let own = found.into_iter().find(|relay| may(&relay.portal.receiver));
        let own = own.ok_or("no conversation of yours is in that channel")?;
        match own.plumbed_by {
            Some(_) => Ok(own),
            None => Err(format!("{} is in the configuration (irc.relays), which stays", named(&own))),
        }
    }

    async fn unplumb(&self, relay: &RelayConfig) -> Result<String, String> {
        self.relays.remove(&relay.portal).await.map_err(|error| error.to_string())?;
        serve(&self.bridge, &relay.portal, false).await;
        if let Some(network) = self.networks.get(&relay.network) {
            network.leave(&relay.channel);
        }
        Ok(format!("{} is no end of this conversation any more.", named(relay)))
    }

    /// The configuration names these relays from now on: channels that are new are entered, those that nothing needs any
    /// more are left, and what waited for them is given up. Relays of a network without a connection are left out.
    ///
    /// # Errors
    /// The store cannot be read: nothing has changed.
    pub async fn configure(&self, relays: Vec<RelayConfig>) -> Result<(), StorageError> {
        let here = relays.into_iter().filter(|relay| self.networks.contains_key(&relay.network));
        let Changes { gone, new } = self.relays.configure(here.collect())?;
        for relay in gone {
            if self.relays.of(&relay.portal).is_none() {
                serve(&self.bridge, &relay.portal, false).await;
            }
            if let Some(network) = self.networks.get(&relay.network) {
                network.leave(&relay.channel);
            }
        }
        for relay in new {
            serve(&self.bridge, &relay.portal, true).await;
            if let Some(network) = self.networks.get(&relay.network) {
                network.clone().admit(relay);
            }
        }
        Ok(())
    }

    /// A contact's puppet enters the channel again.
    async fn rejoin(&self, portal: &PortalKey, ghost: &GhostId) -> Result<String, String> {
        let (network, relay) = self.relay(portal).ok_or("this conversation has no channel")?;
        network.readmit(&relay, ghost.as_str()).await?;
        Ok(format!("{ghost} is in {} again.", named(&relay)))
    }

    /// The channels of these logins' conversations, for people.
    pub(super) fn describe(&self, logins: &[LoginId]) -> Vec<String> {
        let all = self.relays.all();
        let own = all.iter().filter(|relay| logins.contains(&relay.portal.receiver));
        let line = |relay: &Arc<RelayConfig>| {
            let how = if relay.plumbed_by.is_some() { ", plumbed" } else { "" };
            format!("{}: the conversation with {}{how}", named(relay), relay.members.join(", "))
        };
        own.map(line).collect()
    }
}
