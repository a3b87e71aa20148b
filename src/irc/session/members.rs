//! Who is in which channel, so that a new nick and a farewell are known where they are seen.
//!
//! Knows names as the network compares them. Refuses to hold more people than any channel of friends has.

use std::collections::{BTreeSet, HashMap};

/// People of all channels; of more, some are not known.
const MAX_PEOPLE: usize = 10_000;

/// The channels of each person, by folded nick.
#[derive(Debug, Default)]
pub(super) struct Members {
    channels: HashMap<String, BTreeSet<String>>,
    /// Folded nicks and channels.
    operators: BTreeSet<(String, String)>,
}

impl Members {
    /// This person is an operator of this channel; both folded.
    pub(super) fn promoted(&mut self, nick: String, channel: &str) {
        if self.operators.len() < MAX_PEOPLE {
            self.operators.insert((nick, channel.to_owned()));
        }
    }

    /// This person is none any more; both folded.
    pub(super) fn demoted(&mut self, nick: &str, channel: &str) {
        self.operators.remove(&(nick.to_owned(), channel.to_owned()));
    }

    /// Whether this person is one; both folded.
    pub(super) fn is_operator(&self, nick: &str, channel: &str) -> bool {
        self.operators.contains(&(nick.to_owned(), channel.to_owned()))
    }

    /// This person is in this channel.
    pub(super) fn joined(&mut self, nick: String, channel: &str) {
        if self.channels.len() < MAX_PEOPLE || self.channels.contains_key(&nick) {
            self.channels.entry(nick).or_default().insert(channel.to_owned());
        }
    }

    /// This person is not in this channel any more.
    pub(super) fn left(&mut self, nick: &str, channel: &str) {
        if let Some(channels) = self.channels.get_mut(nick) {
            channels.remove(channel);
            if channels.is_empty() {
                self.channels.remove(nick);
            }
        }
    }

    /// This person has left the network: the channels in which that is seen.
    pub(super) fn quit(&mut self, nick: &str) -> BTreeSet<String> {
        self.operators.retain(|(operator, _)| operator != nick);
        self.channels.remove(nick).unwrap_or_default()
    }

    /// The channels of which this person is an operator.
    fn ranks(&self, nick: &str) -> Vec<String> {
        let own = self.operators.iter().filter(|(operator, _)| operator == nick);
        own.map(|(_, channel)| channel.clone()).collect()
    }

    /// This person is called otherwise now: the channels in which that is seen.
    pub(super) fn renamed(&mut self, nick: &str, new: String) -> BTreeSet<String> {
        let ranks: Vec<String> = self.ranks(nick);
        let channels = self.quit(nick);
        self.operators.extend(ranks.into_iter().map(|channel| (new.clone(), channel)));
        self.channels.insert(new, channels.clone());
        channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_farewells_are_seen_where_the_person_is() {
        let mut members = Members::default();
        let channels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        members.joined("eve".into(), "#a");
        members.joined("eve".into(), "#b");
        members.joined("dan".into(), "#b");
        assert_eq!(members.renamed("eve", "evelyn".into()), channels(&["#a", "#b"]));
        members.left("evelyn", "#a");
        assert_eq!(members.quit("evelyn"), channels(&["#b"]));
        assert_eq!(members.quit("eve"), channels(&[]));
        members.left("dan", "#b");
        assert!(members.channels.is_empty());
        members.promoted("eve".into(), "#a");
        members.renamed("eve", "evelyn".into());
        assert!(members.is_operator("evelyn", "#a") && !members.is_operator("eve", "#a"));
        members.demoted("evelyn", "#b");
        assert!(members.is_operator("evelyn", "#a"));
        members.quit("evelyn");
        assert!(!members.is_operator("evelyn", "#a"), "somebody else may have the nick by now");
        (0..20_000).for_each(|n| members.joined(n.to_string(), "#a"));
        assert_eq!(members.channels.len(), MAX_PEOPLE);
    }
}
