//! Who is in which channel, so that a new nick and a farewell are known where they are seen.
//!
//! Knows names as the network compares them. Refuses to hold more people than any channel of friends has.

use std::collections::{BTreeSet, HashMap};

/// People of all channels; of more, some are not known.
const MAX_PEOPLE: usize = 10_000;

/// The channels of each person, by folded nick.
#[derive(Debug, Default)]
pub(super) struct Members(HashMap<String, BTreeSet<String>>);

impl Members {
    /// This person is in this channel.
    pub(super) fn joined(&mut self, nick: String, channel: &str) {
        if self.0.len() < MAX_PEOPLE || self.0.contains_key(&nick) {
            self.0.entry(nick).or_default().insert(channel.to_owned());
        }
    }

    /// This person is not in this channel any more.
    pub(super) fn left(&mut self, nick: &str, channel: &str) {
        if let Some(channels) = self.0.get_mut(nick) {
            channels.remove(channel);
            if channels.is_empty() {
                self.0.remove(nick);
            }
        }
    }

    /// This person has left the network: the channels in which that is seen.
    pub(super) fn quit(&mut self, nick: &str) -> BTreeSet<String> {
        self.0.remove(nick).unwrap_or_default()
    }

    /// This person is called otherwise now: the channels in which that is seen.
    pub(super) fn renamed(&mut self, nick: &str, new: String) -> BTreeSet<String> {
        let channels = self.quit(nick);
        self.0.insert(new, channels.clone());
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
        assert!(members.0.is_empty());
        (0..20_000).for_each(|n| members.joined(n.to_string(), "#a"));
        assert_eq!(members.0.len(), MAX_PEOPLE);
    }
}
