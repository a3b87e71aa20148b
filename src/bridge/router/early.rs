//! What was to be told of logins before they were there: a side that is configured for a login comes up first.
//!
//! Knows a bounded number of texts for each login. Refuses to know who owns one.

use std::collections::{HashMap, VecDeque};

use crate::bridge::ids::LoginId;

/// Logins that may yet come.
const MAX_LOGINS: usize = 100;
/// Texts for each; the oldest go first.
const MAX_TEXTS: usize = 40;

/// Texts for logins that are not there.
#[derive(Debug, Default)]
pub(super) struct EarlyNotices(HashMap<LoginId, VecDeque<String>>);

impl EarlyNotices {
    /// Keeps a text until the login is there.
    pub(super) fn keep(&mut self, login: LoginId, text: String) {
        if self.0.len() >= MAX_LOGINS && !self.0.contains_key(&login) {
            return;
        }
        let texts = self.0.entry(login).or_default();
        texts.retain(|known| *known != text);
        texts.push_back(text);
        if texts.len() > MAX_TEXTS {
            texts.pop_front();
        }
    }

    /// The first text for a login.
    pub(super) fn first(&self, login: &LoginId) -> Option<&String> {
        self.0.get(login)?.front()
    }

    /// The first text for a login was told.
    pub(super) fn told(&mut self, login: &LoginId) {
        if let Some(texts) = self.0.get_mut(login) {
            texts.pop_front();
            if texts.is_empty() {
                self.0.remove(login);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_none_is_kept_twice() {
        let mut early = EarlyNotices::default();
        let alice = LoginId::new("alice@x");
        for n in 0..100 {
            early.keep(alice.clone(), format!("text {n}"));
            early.keep(alice.clone(), format!("text {n}"));
        }
        let mut told = Vec::new();
        while let Some(text) = early.first(&alice).cloned() {
            told.push(text);
            early.told(&alice);
        }
        assert_eq!((told.len(), told[0].as_str(), told[39].as_str()), (40, "text 60", "text 99"));
        (0..1_000).for_each(|n| early.keep(LoginId::new(format!("{n}@x")), "text".into()));
        assert_eq!(early.0.len(), MAX_LOGINS);
    }
}
