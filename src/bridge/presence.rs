//! Which login sees what of a ghost, and what the ghost may therefore show: what the most restricted of them sees.
//!
//! A contact of several logins is one ghost. Somebody who hides from one of them must not be given away by what another
//! one sees. With a ghost for each login there is nothing to weigh up.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::{Availability, Ghost, GhostPresence};
use super::ids::{GhostId, LoginId};
use super::port::frontend::Signal;

/// What one login sees; kept small, since there is one for each contact of each login.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    login: Arc<LoginId>,
    availability: Availability,
    text: Option<Box<str>>,
}

/// What each login sees of each contact; what is shown is what the most restricted sees.
#[derive(Debug, Default)]
pub(super) struct Presences {
    seen: HashMap<GhostId, Vec<View>>,
    logins: HashMap<LoginId, Arc<LoginId>>,
    per_login: bool,
}

impl Presences {
    pub(super) fn new(per_login: bool) -> Self {
        Self { per_login, ..Self::default() }
    }

    /// What a login sees now; gives what is to be shown if that changed.
    pub(super) fn update(&mut self, login: &LoginId, presence: GhostPresence) -> Option<Signal> {
        let GhostPresence { ghost, availability, text } = presence;
        let shared = self.logins.entry(login.clone()).or_insert_with(|| Arc::new(login.clone())).clone();
        let text = (!text.is_empty()).then(|| text.into_boxed_str());
        let view = View { login: shared, availability, text };
        self.change(login, &ghost, Some(view))
    }

    /// A login sees nothing of this ghost any more: it signed out, or the contact is none any longer.
    pub(super) fn lose(&mut self, login: &LoginId, ghost: &Ghost) -> Option<Signal> {
        self.change(login, ghost, None)
    }

    /// The logins that see this ghost.
    pub(super) fn logins_of(&self, ghost: &GhostId) -> Vec<LoginId> {
        let views = self.seen.get(ghost).into_iter().flatten();
        views.map(|view| (*view.login).clone()).collect()
    }

    /// A login sees something else of a contact; gives the signal where what is shown changes.
    fn change(&mut self, login: &LoginId, ghost: &Ghost, view: Option<View>) -> Option<Signal> {
        let views = self.seen.entry(ghost.id.clone()).or_default();
        let per_login = self.per_login;
        let shown = |views: &[View]| {
            let concerned = views.iter().filter(|view| !per_login || *view.login == *login);
            concerned.min_by_key(|view| view.availability).map(|view| (view.availability, view.text.clone()))
        };
        let before = shown(views);
        let audience: Vec<LoginId> = match per_login {
            true => vec![login.clone()],
            false => views
                .iter()
                .map(|view| &view.login)
                .filter(|l| ***l != *login)
                .map(|l| (**l).clone())
                .chain([login.clone()])
                .collect(),
        };
        views.retain(|known| *known.login != *login);
        if let Some(view) = view {
            // Most contacts are one login's, and a vector begins with room for four.
            views.reserve_exact(1);
            views.push(view);
        }
        let after = shown(views);
        if views.is_empty() {
            self.seen.remove(&ghost.id);
        }
        let offline = (Availability::Offline, None);
        if before.as_ref().unwrap_or(&offline) == after.as_ref().unwrap_or(&offline) {
            return None;
        }
        let (availability, text) = after.unwrap_or(offline);
        let text = text.map(String::from).unwrap_or_default();
        let presence = GhostPresence { ghost: ghost.clone(), availability, text };
        Some(Signal::Presence { logins: audience, presence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(availability: Availability, text: &str) -> GhostPresence {
        let ghost = Ghost { id: GhostId::new("bob"), name: "Bob".into() };
        GhostPresence { ghost, availability, text: text.into() }
    }

    fn shown(signal: Option<Signal>) -> Option<(Availability, String)> {
        match signal? {
            Signal::Presence { presence, .. } => Some((presence.availability, presence.text)),
            _ => None,
        }
    }

    #[test]
    fn one_ghost_shows_what_the_most_restricted_login_sees() {
        use Availability::{Away, Offline, Online};
        let (ann, eve) = (LoginId::new("ann"), LoginId::new("eve"));
        let ghost = presence(Online, "").ghost;
        let mut all = Presences::new(false);
        assert_eq!(shown(all.update(&ann, presence(Online, "hi"))), Some((Online, "hi".into())));
        // Bob hides from Eve: nobody may be told that he is there.
        assert_eq!(shown(all.update(&eve, presence(Offline, ""))), Some((Offline, String::new())));
        assert_eq!(shown(all.update(&ann, presence(Away, "lunch"))), None);
        assert_eq!(shown(all.lose(&eve, &ghost)), Some((Away, "lunch".into())));
        assert_eq!(shown(all.lose(&ann, &ghost)), Some((Offline, String::new())));
        assert!(all.seen.is_empty());
    }

    #[test]
    fn a_ghost_for_each_login_shows_what_that_login_sees() {
        use Availability::{Offline, Online};
        let (ann, eve) = (LoginId::new("ann"), LoginId::new("eve"));
        let mut all = Presences::new(true);
        assert_eq!(shown(all.update(&ann, presence(Online, ""))), Some((Online, String::new())));
        assert_eq!(shown(all.update(&eve, presence(Offline, ""))), None);
        let Some(Signal::Presence { logins, .. }) = all.update(&ann, presence(Online, "x")) else { panic!() };
        assert_eq!(logins, [ann]);
    }
}
