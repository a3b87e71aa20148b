//! The channels that one connection is for: which it is in, which it is kept out of, and when to ask again.
//!
//! Knows names as the network compares them, keys and forwards; time is an argument. Refuses to send: the flow does.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::handle::NOT_YET;
use crate::irc::casemap::Casemap;
use crate::irc::policy::Again;
use crate::retry::Retry;

/// How long the server may take to answer a JOIN.
const ANSWER: Duration = Duration::from_secs(30);
/// After so long inside, the next refusal is a first one.
const CALM: Duration = Duration::from_secs(3_600);
/// Channels in one JOIN.
const TOGETHER: usize = 10;

/// Whether, and when, a channel that is shut is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shutting {
    Until(Again),
    /// Until somebody invites us.
    Invited,
}

#[derive(Debug)]
enum ChannelState {
    /// Asked for, or to be.
    Asked,
    In {
        since: Instant,
    },
    Shut {
        reason: String,
        again_at: Option<Instant>,
    },
}

#[derive(Debug)]
struct Channel {
    /// As it is configured.
    name: String,
    key: Option<SecretString>,
    state: ChannelState,
    pauses: Option<(Again, Retry)>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) casemap: Casemap,
    /// Prefixes that name a part of a channel.
    pub(super) statuses: String,
    all: Vec<Channel>,
    /// What a channel that we were forwarded to stands for.
    forwards: HashMap<String, String>,
    /// When the last JOIN was to go.
    asked_at: Option<Instant>,
}

/// Whether a name is a channel's.
fn is_channel(name: &str) -> bool {
    name.starts_with(['#', '&', '+', '!'])
}

impl Channels {
    /// `keys` are by channel, as configured.
    pub(super) fn new(names: &[String], keys: &BTreeMap<String, SecretString>) -> Self {
        let channel = |name: &String| Channel {
            name: name.clone(),
            key: keys.get(name).cloned(),
            state: ChannelState::Asked,
            pauses: None,
        };
        let mut all: Vec<Channel> = names.iter().map(channel).collect();
        // A JOIN names keys for its first channels.
        all.sort_by_key(|channel| channel.key.is_none());
        let (casemap, statuses) = (Casemap::default(), "@+".to_owned());
        Self { casemap, statuses, all, forwards: HashMap::new(), asked_at: None }
    }

    fn find(&mut self, name: &str) -> Option<&mut Channel> {
        let casemap = self.casemap;
        self.all.iter_mut().find(|channel| casemap.same(&channel.name, name))
    }

    fn look(&self, name: &str) -> Option<&Channel> {
        self.all.iter().find(|channel| self.casemap.same(&channel.name, name))
    }

    /// The channel that a target of the server's is: without a status, and the one that we asked for where we were
    /// forwarded.
    pub(super) fn known_as(&self, target: &str) -> String {
        let bare = target.trim_start_matches(|c| self.statuses.contains(c));
        let name = if bare.starts_with(['#', '&', '!']) { bare } else { target };
        self.forwards.get(&self.casemap.fold(name)).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// Where words for a channel go.
    pub(super) fn address(&self, name: &str) -> String {
        let forward = self.forwards.iter().find(|(_, asked)| self.casemap.same(asked, name));
        forward.map_or_else(|| name.to_owned(), |(to, _)| to.clone())
    }

    /// The arguments of the JOINs for all of them: names, and keys for the first names.
    pub(super) fn joins(&mut self, now: Instant) -> Vec<(String, Option<String>)> {
        self.asked_at = Some(now);
        let join = |channels: &[Channel]| {
            let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
            let keys = channels.iter().filter_map(|channel| Some(channel.key.as_ref()?.expose_secret()));
            let keys: Vec<&str> = keys.collect();
            (names.join(","), (!keys.is_empty()).then(|| keys.join(",")))
        };
        self.all.chunks(TOGETHER).map(join).collect()
    }

    /// The same for one of them.
    pub(super) fn join(&self, name: &str) -> Option<(String, Option<String>)> {
        let channel = self.look(name)?;
        Some((channel.name.clone(), channel.key.as_ref().map(|key| key.expose_secret().to_owned())))
    }

    /// Whether this is one of ours.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.look(name).is_some()
    }

    /// We are in this channel.
    pub(super) fn joined(&mut self, name: &str, now: Instant) {
        if let Some(channel) = self.find(name) {
            match channel.state {
                ChannelState::In { .. } => {}
                _ => channel.state = ChannelState::In { since: now },
            }
        }
    }

    /// Whether we are in this channel.
    pub(super) fn is_in(&self, name: &str) -> bool {
        self.look(name).is_some_and(|channel| matches!(channel.state, ChannelState::In { .. }))
    }

    /// We are not, or no longer, in this channel. True where that is news.
    pub(super) fn shut(&mut self, name: &str, reason: &str, shutting: Shutting, now: Instant) -> bool {
        let Some(channel) = self.find(name) else { return false };
        if matches!(channel.state, ChannelState::In { since } if now.duration_since(since) > CALM) {
            channel.pauses = None;
        }
        let again_at = match shutting {
            Shutting::Invited => None,
            Shutting::Until(again) => {
                if channel.pauses.as_ref().is_none_or(|(known, _)| *known != again) {
                    channel.pauses = Some((again, again.pauses()));
                }
                channel.pauses.as_mut().map(|(_, pauses)| now + pauses.next_pause())
            }
        };
        let is_news = !matches!(&channel.state, ChannelState::Shut { reason: known, .. } if known == reason);
        channel.state = ChannelState::Shut { reason: reason.to_owned(), again_at };
        is_news
    }

    /// We were sent to another channel, which stands for this one from now on.
    pub(super) fn forwarded(&mut self, name: &str, to: &str) {
        self.forwards.retain(|_, asked| !self.casemap.same(asked, name));
        self.forwards.insert(self.casemap.fold(to), name.to_owned());
    }

    /// Whether the server has answered for each.
    pub(super) fn are_settled(&self) -> bool {
        self.all.iter().all(|channel| !matches!(channel.state, ChannelState::Asked))
    }

    /// When those that were not answered for count as shut.
    pub(super) fn answer_deadline(&self) -> Option<Instant> {
        self.asked_at.map(|at| at + ANSWER)
    }

    /// Those that were not answered for.
    pub(super) fn unanswered(&self) -> Vec<String> {
        let asked = self.all.iter().filter(|channel| matches!(channel.state, ChannelState::Asked));
        asked.map(|channel| channel.name.clone()).collect()
    }

    /// Those that cannot be entered, as the network compares names, and why.
    pub(super) fn shut_out_of(&self) -> BTreeMap<String, String> {
        let shut = self.all.iter().filter_map(|channel| match &channel.state {
            ChannelState::Shut { reason, .. } => Some((self.casemap.fold(&channel.name), reason.clone())),
            _ => None,
        });
        shut.collect()
    }

    /// One more that is ours, one that we were put out of, or one with another key: it is asked for at once unless we are
    /// in, and holds up no other.
    pub(super) fn add(&mut self, name: &str, key: Option<SecretString>, now: Instant) {
        if let Some(known) = self.find(name) {
            known.key = key.clone();
        }
        if self.is_in(name) {
            return;
        }
        let state = ChannelState::Shut { reason: NOT_YET.to_owned(), again_at: Some(now) };
        let pauses = Some((Again::Soon, Again::Soon.pauses()));
        match self.find(name) {
            Some(known) => (known.state, known.pauses) = (state, pauses),
            None => self.all.push(Channel { name: name.to_owned(), key, state, pauses }),
        }
    }

    /// This one is ours no more.
    pub(super) fn remove(&mut self, name: &str) {
        let casemap = self.casemap;
        self.all.retain(|channel| !casemap.same(&channel.name, name));
        self.forwards.retain(|_, asked| !casemap.same(asked, name));
    }

    /// The first of these channels that cannot be entered, and why.
    pub(super) fn closed<'a>(&self, targets: impl Iterator<Item = &'a str>) -> Option<(String, String)> {
        let mut channels = targets.filter(|target| is_channel(target)).filter_map(|target| self.look(target));
        channels.find_map(|channel| match &channel.state {
            ChannelState::Shut { reason, .. } => Some((channel.name.clone(), reason.clone())),
            _ => None,
        })
    }

    /// When [`Channels::due`] has something.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let shut = self.all.iter().filter_map(|channel| match channel.state {
            ChannelState::Shut { again_at, .. } => again_at,
            _ => None,
        });
        shut.min()
    }

    /// The channels to ask for again now; each is asked for once more after a longer pause if nobody answers.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        for channel in &mut self.all {
            let ChannelState::Shut { again_at: Some(at), .. } = &mut channel.state else { continue };
            if *at > now {
                continue;
            }
            let pause = channel.pauses.as_mut().map_or(CALM, |(_, pauses)| pauses.next_pause());
            *at = now + pause;
            due.push(channel.name.clone());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(names: &[&str]) -> Channels {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let keys = BTreeMap::from([("#key".to_owned(), SecretString::from("open".to_owned()))]);
        Channels::new(&names, &keys)
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_that_stays_shut_is_asked_for_in_growing_pauses() {
        let mut channels = channels(&["#a", "#b"]);
        let begun = Instant::now();
        channels.joined("#B", begun);
        assert!(channels.shut("#A", "full", Shutting::Until(Again::Later), begun));
        let mut asked = Vec::new();
        while asked.len() < 6 {
            tokio::time::sleep_until(channels.next_at().unwrap()).await;
            assert_eq!(channels.due(Instant::now()), ["#a"]);
            assert!(!channels.shut("#a", "full", Shutting::Until(Again::Later), Instant::now()), "no news");
            asked.push(begun.elapsed().as_secs());
        }
        let gaps: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(asked[0] >= 30 && gaps.iter().all(|gap| *gap >= 60), "{asked:?}");
        assert!(gaps[4] >= gaps[0], "{asked:?}");
        assert!(channels.is_in("#b") && channels.are_settled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_invitation_does_not_ask() {
        let mut channels = channels(&["#a"]);
        channels.shut("#a", "kicked", Shutting::Invited, Instant::now());
        assert_eq!(channels.next_at(), None);
        assert_eq!(channels.closed(["eve", "#A"].into_iter()), Some(("#a".into(), "kicked".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn one_more_channel_is_asked_for_at_once_and_holds_up_no_other() {
        let (mut channels, now) = (channels(&["#a"]), Instant::now());
        channels.joined("#a", now);
        channels.add("#B", None, now);
        assert!(channels.are_settled() && channels.wants("#b") && !channels.is_in("#b"));
        assert_eq!((channels.next_at(), channels.due(now)), (Some(now), vec!["#B".to_owned()]));
        channels.joined("#b", now);
        channels.add("#b", None, now);
        assert!(channels.is_in("#B"), "whoever is in need not enter");
        channels.shut("#b", "kicked", Shutting::Invited, now);
        channels.add("#b", None, now);
        assert_eq!(channels.due(now), ["#B"]);
        // With its key now.
        channels.add("#B", Some(SecretString::from("open".to_owned())), now);
        assert_eq!(channels.join("#b"), Some(("#B".into(), Some("open".into()))));
        channels.remove("#b");
        assert!(!channels.wants("#B") && channels.is_in("#a"));
    }

    #[test]
    fn keys_go_with_the_first_names() {
        let mut channels = channels(&["#a", "#key", "#b"]);
        let now = Instant::now();
        assert_eq!(channels.joins(now), [("#key,#a,#b".to_owned(), Some("open".to_owned()))]);
        assert_eq!(channels.join("#KEY"), Some(("#key".into(), Some("open".into()))));
    }

    #[test]
    fn a_status_and_a_forward_are_the_channel_that_was_asked_for() {
        let mut channels = channels(&["#a"]);
        channels.forwarded("#a", "##A-Overflow");
        assert_eq!(channels.known_as("##a-overflow"), "#a");
        assert_eq!(channels.known_as("@#a"), "#a");
        assert_eq!(channels.known_as("+#a"), "#a");
        assert_eq!(channels.known_as("@+#x"), "#x");
        assert_eq!(channels.known_as("bot"), "bot");
        assert_eq!(channels.address("#A"), "##a-overflow");
        assert_eq!(channels.address("#b"), "#b");
    }
}
