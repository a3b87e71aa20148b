//! Contacts come and go with their presence.
//!
//! Knows whom a relay is for, and what the policy for puppets is. Refuses to say anything in a channel.

use std::sync::Arc;

use tokio::time::Instant;

use super::Network;
use super::arrivals::Arrival;
use super::person::Person;
use crate::bridge::event::{Author, Ghost};
use crate::bridge::ids::LoginId;
use crate::irc::RelayConfig;
use crate::irc::session::{ConnectionStatus, Renaming};

impl Network {
    /// A contact's presence, for the logins whose contact it is.
    pub(in crate::irc) fn show(
        &self,
        logins: &[LoginId],
        ghost: &Ghost,
        offline: bool,
        away: Option<String>,
    ) {
        let person = Person::ghost(ghost);
        let mut people = self.people();
        let puppet = people.puppets.get(&person.key).map(|puppet| puppet.session.clone());
        if !self.puppet_policy.quit_when_offline {
            let concerned = self.own.relays().iter().any(|relay| logins.contains(&relay.portal.receiver));
            puppet.filter(|_| concerned).iter().for_each(|puppet| puppet.away(away.clone()));
            return;
        }
        // The connection ends with the last who can reach it.
        let arrivals = &mut people.arrivals;
        match (puppet, offline) {
            (Some(puppet), false) => {
                arrivals.stays(&person.key);
                puppet.away(away);
            }
            (None, true) => arrivals.stays(&person.key),
            (Some(_), true) | (None, false) => {
                arrivals.expect(person, logins.to_vec(), !offline, away, Instant::now());
                drop(people);
                self.expected.notify_one();
            }
        }
    }

    /// A contact is called otherwise now: their puppet's real name follows, and its nick where that is made of the name.
    pub(in crate::irc) fn renamed(&self, ghost: &Ghost) {
        let person = Person::ghost(ghost);
        let puppet = self.people().puppets.get(&person.key).map(|puppet| puppet.session.clone());
        // What is a legal nick is known when the bot is in; the next connection bears the name anyway.
        let is_in = matches!(&*self.bot.status.borrow(), ConnectionStatus::Joined { .. });
        if let Some(puppet) = puppet.filter(|_| is_in) {
            puppet.renamed(Renaming { real_name: person.name.clone(), nicks: self.nicks(&person) });
        }
    }

    /// Somebody writes something: the channel sees that of a puppet that is there.
    pub(in crate::irc) fn types(&self, relay: &RelayConfig, author: &Author) {
        let Some(person) = Person::of(author, relay) else { return };
        if let Some(puppet) = self.people().puppets.get(&person.key) {
            puppet.session.types(&relay.channel);
        }
    }

    /// Has people come and leave when their presence has lasted, until stopped.
    pub(super) async fn attend(self: Arc<Self>) {
        loop {
            let next_at = self.people().arrivals.next_at();
            let lasted = async {
                match next_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = lasted => {}
                () = self.expected.notified() => continue,
                () = self.cancel.cancelled() => return,
            }
            let due = self.people().arrivals.due(Instant::now());
            due.into_iter().for_each(|arrival| self.move_puppet(arrival));
        }
    }

    /// Somebody comes to the channels of their conversations, before they have said anything, or leaves the network.
    fn move_puppet(&self, Arrival { person, logins, comes, away, .. }: Arrival) {
        if !comes {
            return drop(self.people().puppets.remove(&person.key));
        }
        let own = |relay: &Arc<RelayConfig>| {
            logins.contains(&relay.portal.receiver) && person.speaks_in(relay, relay)
        };
        let Some(relay) = self.own.relays().into_iter().find(own) else { return };
        if let Some((puppet, _)) = self.puppet(&relay, &person) {
            puppet.away(away);
        }
    }
}
