//! Which sides the bridge has, and how each is called in sentences for people.
//!
//! Knows the traits that each side states about itself. Refuses to know anything else of a side: a frontend or a network
//! that is new needs no line here. Source: section 2 of the product's description.

use std::sync::Arc;

use super::ids::Leg;
use super::port::frontend::{Frontend, FrontendTraits};
use super::port::network::{Network, NetworkTraits};

/// The network and the frontends, by what they state about themselves.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    pub(super) network: NetworkTraits,
    frontends: Arc<[(Leg, FrontendTraits)]>,
    /// Whether there is a page on which users sign in.
    pub(super) has_sign_in_page: bool,
}

impl Sides {
    pub(super) fn new(
        network: &dyn Network,
        frontends: &[Arc<dyn Frontend>],
        has_sign_in_page: bool,
    ) -> Self {
        let frontends = frontends.iter().map(|frontend| (frontend.leg(), frontend.traits())).collect();
        Self { network: network.traits(), frontends, has_sign_in_page }
    }

    /// The traits of a frontend; `None` for the network, and for a side that is not configured any more.
    pub(super) fn traits(&self, leg: Leg) -> Option<&FrontendTraits> {
        self.frontends.iter().find(|(of, _)| *of == leg).map(|(_, traits)| traits)
    }

    /// A leg's name for people; a side that is not configured any more goes by the name in the store.
    pub(super) fn name<'a>(&'a self, leg: &'a Leg) -> &'a str {
        match leg {
            Leg::Frontend(id) => self.traits(*leg).map_or(id.as_str(), |traits| traits.name),
            Leg::Remote | Leg::Files => self.network.name,
        }
    }

    /// A leg's name where figures are kept: short, and the same in every run.
    pub(super) fn label(&self, leg: Leg) -> String {
        match leg {
            Leg::Remote => self.network.name.to_lowercase(),
            Leg::Files | Leg::Frontend(_) => leg.as_str().to_owned(),
        }
    }

    /// The side on which users and the bridge have rooms of their own.
    pub(super) fn host(&self) -> Option<Leg> {
        self.frontends.iter().find(|(_, traits)| traits.hosts_rooms).map(|(leg, _)| *leg)
    }

    /// All legs there are.
    pub(super) fn legs(&self) -> impl Iterator<Item = Leg> {
        self.frontends.iter().map(|(leg, _)| *leg).chain(Leg::NETWORK)
    }

    /// A command as it is written in a conversation: `!msn cancel`.
    pub(super) fn in_conversation(&self, command: &str) -> String {
        format!("{} {command}", self.network.command_prefix)
    }
}
