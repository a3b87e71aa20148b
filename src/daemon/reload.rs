//! SIGHUP: the configuration is read again while the bridge runs.
//!
//! Knows what takes effect at once (who may use the bridge, the log filter, the channels of IRC) and names what waits for a
//! restart. Refuses a file that is not right as a whole: what was in effect stays in effect.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::logging::FilterHandle;
use super::signals;
use crate::bridge::ids::{PortalKey, UserId};
use crate::bridge::port::frontend::{Level, Permissions};
use crate::config::{Config, IrcSection, PermissionTable};
use crate::irc::{IrcFrontend, RelayConfig};

/// Permissions that can be replaced while they are asked.
#[derive(Clone, Default)]
pub(super) struct CurrentPermissions {
    table: Arc<RwLock<PermissionTable>>,
}

impl CurrentPermissions {
    /// Those that count until others are read.
    pub(super) fn new(table: PermissionTable) -> Self {
        Self { table: Arc::new(RwLock::new(table)) }
    }

    /// From now on these count.
    fn replace(&self, table: PermissionTable) {
        // Nothing that holds the lock panics.
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }
}

impl Permissions for CurrentPermissions {
    fn level(&self, user: &UserId) -> Level {
        self.table.read().unwrap_or_else(PoisonError::into_inner).level(user)
    }
}

/// Channels that can be replaced while the bridge runs.
pub(super) struct CurrentRelays {
    irc: Option<Arc<IrcFrontend>>,
    /// Groups of which the MSN side was told when it started: it holds no others together.
    groups: BTreeSet<PortalKey>,
}

impl CurrentRelays {
    /// The IRC side, if it runs, and what it was started with.
    pub(super) fn new(irc: Option<Arc<IrcFrontend>>, relays: &[RelayConfig]) -> Self {
        Self { irc, groups: groups(relays).cloned().collect() }
    }

    /// From now on these count, but for groups that wait for a restart. Says whether there are some.
    async fn replace(&self, relays: Vec<RelayConfig>) -> anyhow::Result<bool> {
        let waiting: BTreeSet<PortalKey> =
            groups(&relays).filter(|portal| !self.groups.contains(portal)).cloned().collect();
        let ready = relays.into_iter().filter(|relay| !waiting.contains(&relay.portal));
        if let Some(irc) = &self.irc {
            irc.configure(ready.collect()).await.context("the channels of IRC")?;
        }
        Ok(!waiting.is_empty())
    }
}

/// The conversations of more than one contact.
fn groups(relays: &[RelayConfig]) -> impl Iterator<Item = &PortalKey> {
    relays.iter().filter(|relay| relay.members.len() > 1).map(|relay| &relay.portal)
}

/// What can be set again, and what is in effect.
pub(super) struct Reload {
    pub(super) file: PathBuf,
    /// As it was read last.
    pub(super) config: Config,
    pub(super) permissions: CurrentPermissions,
    pub(super) relays: CurrentRelays,
    pub(super) filter: FilterHandle,
}

impl Reload {
    /// Reads the file again at each SIGHUP.
    ///
    /// # Errors
    /// The runtime cannot listen for signals.
    pub(super) fn listen(
        self,
        cancel: CancellationToken,
    ) -> std::io::Result<impl Future<Output = ()> + use<>> {
        let mut asked = signals::reloads()?;
        let mut reload = self;
        Ok(async move {
            loop {
                tokio::select! {
                    asked = asked.recv() => if asked.is_none() { return },
                    () = cancel.cancelled() => return,
                }
                match reload.read().await {
                    Ok(waiting) if waiting.is_empty() => tracing::info!("read the configuration again"),
                    Ok(waiting) => tracing::warn!(
                        sections = waiting.join(", "),
                        "read the configuration again; what has changed in these sections waits for a restart"
                    ),
                    Err(error) => tracing::error!(
                        error = format!("{error:#}"),
                        "the configuration was not read again; the one before stays in effect"
                    ),
                }
            }
        })
    }

    /// Puts into effect what can be; the rest is named by its section.
    async fn read(&mut self) -> anyhow::Result<Vec<&'static str>> {
        let config = Config::load(&self.file)?;
        let checked = config.check()?;
        self.filter.set(&config.log).context("the log filter")?;
        self.permissions.replace(checked.permissions);
        let mut waiting = waiting(&self.config, &config);
        if self.relays.replace(checked.irc.relays).await? {
            waiting.push("irc.relays: new groups");
        }
        self.config = Config { permissions: config.permissions, log: config.log, ..self.config.clone() };
        Ok(waiting)
    }
}

/// Whether something of the IRC side has changed besides its relays.
fn differs(old: &IrcSection, new: &IrcSection) -> bool {
    let without_relays = |section: &IrcSection| IrcSection { relays: Vec::new(), ..section.clone() };
    without_relays(old) != without_relays(new)
}

/// Sections in which something has changed that only a start reads.
fn waiting(old: &Config, new: &Config) -> Vec<&'static str> {
    let sections = [
        ("homeserver", old.homeserver != new.homeserver),
        ("appservice", old.appservice != new.appservice),
        ("msn", old.msn != new.msn),
        ("matrix", old.matrix != new.matrix),
        ("encryption", old.encryption != new.encryption),
        ("ghost", old.ghost != new.ghost),
        ("service", old.service != new.service),
        ("store", old.store != new.store),
        ("files", old.files != new.files),
        ("web", old.web != new.web),
        ("logins", old.logins != new.logins),
        ("irc", differs(&old.irc, &new.irc)),
        ("metrics", old.metrics != new.metrics),
        ("log.json", old.log.json != new.log.json),
    ];
    sections.into_iter().filter(|(_, has_changed)| *has_changed).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "homeserver: {url: 'http://127.0.0.1:8008', server_name: example.org}\n\
         appservice: {as_token: a, hs_token: b}\n\
         msn: {server: 'm.example.org:1863', nexus: 'https://n.example.org/'}\n";

    fn config(more: &str) -> Config {
        Config::parse(&format!("{WRITTEN}{more}"), std::path::Path::new("/etc/bridge.yaml")).unwrap()
    }

    #[test]
    fn a_section_that_only_a_start_reads_is_named() {
        let old = config("permissions: {example.org: user}\n");
        let new = config("permissions: {}\nmatrix: {rooms: spoken}\nlog: {filter: debug}\n");
        assert_eq!(waiting(&old, &new), ["matrix"]);
        assert!(waiting(&old, &old).is_empty());
    }

    #[tokio::test]
    async fn a_group_that_the_network_side_was_not_told_of_waits_for_a_restart_and_a_contact_does_not() {
        let relays = |contacts: &str| {
            let text = format!(
                "irc:\n  networks: {{n: {{server: irc.example.org}}}}\n  relays:\n    - {{network: n, channel: '#c', login: \
                 a@example.org, contacts: [{contacts}]}}\n"
            );
            let config = config(&text);
            assert!(
                waiting(&self::config("irc: {networks: {n: {server: irc.example.org}}}"), &config).is_empty()
            );
            config.check().unwrap().irc.relays
        };
        let current = CurrentRelays::new(None, &relays("b@example.org, c@example.org"));
        assert!(!current.replace(relays("c@example.org, b@example.org")).await.unwrap());
        assert!(!current.replace(relays("d@example.org")).await.unwrap());
        assert!(current.replace(relays("b@example.org, d@example.org")).await.unwrap());
    }

    #[test]
    fn who_may_use_the_bridge_is_what_was_read_last() {
        let (ann, table) =
            (UserId::new("@ann:example.org"), |config: Config| config.check().unwrap().permissions);
        let permissions = CurrentPermissions::new(table(config("permissions: {example.org: user}\n")));
        let handed_out: Arc<dyn Permissions> = Arc::new(permissions.clone());
        assert!(handed_out.may_use(&ann));
        permissions.replace(table(config("permissions: {'@bea:example.org': user}\n")));
        assert!(!handed_out.may_use(&ann));
    }
}
