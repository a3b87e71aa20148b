//! What remote people are called: one source for every place that shows a name.
//!
//! Knows the newest name of everybody who was shown somewhere, across restarts. What is said carries a name too, but
//! only as a hint: it may have waited long, and a name that was newer when it was said is older now. Refuses to know
//! where names come from: the network says which are news.

use std::sync::Arc;

use super::event::{Author, Ghost};
use super::ids::{GhostId, LoginId};
use super::port::delivery::Content;
use super::port::storage::{Batch, Storage, StorageError, Table, Urgency};

/// Most people whom a conversation's title names.
const MAX_IN_TITLE: usize = 5;

/// The names of ghosts. Rows are kept for those who were met: shown in a conversation, or named by themselves.
#[derive(Clone)]
pub(super) struct GhostNames {
    storage: Arc<dyn Storage>,
    per_login: bool,
}

impl GhostNames {
    pub(super) fn new(storage: Arc<dyn Storage>, per_login: bool) -> Self {
        Self { storage, per_login }
    }

    /// The key of a contact's name: of one login, or of all where they share ghosts.
    fn row(&self, login: &LoginId, ghost: &GhostId) -> Vec<u8> {
        match self.per_login {
            true => [login.as_str().as_bytes(), b"\0", ghost.as_str().as_bytes()].concat(),
            false => ghost.as_str().as_bytes().to_vec(),
        }
    }

    /// The name on disk, if one was ever learnt.
    fn known(&self, login: &LoginId, ghost: &GhostId) -> Result<Option<String>, StorageError> {
        let row = self.storage.read(Table::GhostNames, &self.row(login, ghost))?;
        Ok(row.map(|name| String::from_utf8_lossy(&name).into_owned()))
    }

    /// Puts a name on disk, a moment later: losing it costs a look.
    fn write(&self, login: &LoginId, ghost: &Ghost) {
        let mut batch = Batch::default();
        batch.put(Table::GhostNames, self.row(login, &ghost.id), ghost.name.as_bytes());
        // Lost in a crash, it is heard again at the next sign-in.
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// The newest name of somebody; the one that is given where none is known, and where none is given their id.
    pub(super) fn newest(&self, login: &LoginId, ghost: Ghost) -> Ghost {
        let known = self.known(login, &ghost.id).unwrap_or_else(|error| {
            tracing::error!(%login, ghost = %ghost.id, %error, "a name could not be read");
            None
        });
        let name = [known, Some(ghost.name)].into_iter().flatten().find(|name| !name.is_empty());
        Ghost { name: name.unwrap_or_else(|| ghost.id.to_string()), id: ghost.id }
    }

    /// What a conversation with these people is called; `None` with nobody.
    pub(super) fn title(&self, login: &LoginId, people: Vec<GhostId>) -> Option<String> {
        let more = people.len().saturating_sub(MAX_IN_TITLE);
        let name = |id| self.newest(login, Ghost { id, name: String::new() }).name;
        let mut named: Vec<String> = people.into_iter().take(MAX_IN_TITLE).map(name).collect();
        if more > 0 {
            named.push(format!("{more} more"));
        }
        let last = named.pop()?;
        Some(if named.is_empty() { last } else { format!("{} and {last}", named.join(", ")) })
    }

    /// The same of an author.
    pub(super) fn author(&self, login: &LoginId, author: Author) -> Author {
        match author {
            Author::Ghost(ghost) => Author::Ghost(self.newest(login, ghost)),
            author => author,
        }
    }

    /// The same of those whom an entry is about.
    pub(super) fn content(&self, login: &LoginId, content: Content) -> Content {
        match content {
            Content::Joined { ghost } => Content::Joined { ghost: self.newest(login, ghost) },
            Content::Left { ghost } => Content::Left { ghost: self.newest(login, ghost) },
            content => content,
        }
    }

    /// Somebody is shown: from now on their names are kept, beginning with this one if none is known.
    pub(super) fn meet(&self, login: &LoginId, ghost: &Ghost) -> Result<(), StorageError> {
        let known = self.known(login, &ghost.id)?;
        if known.is_none_or(|known| known.is_empty() && !ghost.name.is_empty()) {
            self.write(login, ghost);
        }
        Ok(())
    }

    /// Somebody is called so now. True if they were met and called otherwise: then it is to be shown.
    pub(super) fn learn(&self, login: &LoginId, ghost: &Ghost) -> Result<bool, StorageError> {
        if ghost.name.is_empty() {
            return Ok(false);
        }
        let Some(known) = self.known(login, &ghost.id)? else { return Ok(false) };
        if known == ghost.name {
            return Ok(false);
        }
        self.write(login, ghost);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::testkit::SimStorage;

    fn ghost(name: &str) -> Ghost {
        Ghost { id: GhostId::new("bob"), name: name.into() }
    }

    #[test]
    fn fault_13_the_newest_name_wins_and_what_is_said_is_only_a_hint() {
        let login = LoginId::new("ann");
        let names = GhostNames::new(Arc::new(SimStorage::default()), false);
        let newest = |hint: &str| names.newest(&login, ghost(hint)).name;
        assert_eq!((newest("Bob"), newest("")), ("Bob".into(), "bob".into()));
        // Nobody whom nobody was shown is kept.
        assert_eq!(names.learn(&login, &ghost("Bob")), Ok(false));
        assert_eq!(newest("Robert"), "Robert");
        // Met before anybody said what they are called.
        names.meet(&login, &ghost("")).unwrap();
        assert_eq!((newest("Robert"), newest("")), ("Robert".into(), "bob".into()));
        names.meet(&login, &ghost("Robert")).unwrap();
        names.meet(&login, &ghost("Old Robert")).unwrap();
        assert_eq!(newest("Old Robert"), "Robert");
        assert_eq!(names.learn(&login, &ghost("Bobby")), Ok(true));
        assert_eq!(names.learn(&login, &ghost("Bobby")), Ok(false));
        assert_eq!(names.learn(&login, &ghost("")), Ok(false), "no name is no news");
        assert_eq!(newest("Robert"), "Bobby");
        let title = |people: &[&str]| names.title(&login, people.iter().copied().map(GhostId::new).collect());
        assert_eq!(title(&["bob"]).as_deref(), Some("Bobby"));
        assert_eq!(title(&["bob", "c", "d"]).as_deref(), Some("Bobby, c and d"));
        assert_eq!(title(&["a", "b", "c", "d", "e", "f", "g"]).as_deref(), Some("a, b, c, d, e and 2 more"));
        assert_eq!(title(&[]), None);
        // Another login's contact is the same person, unless each login has its own.
        assert_eq!(names.newest(&LoginId::new("eve"), ghost("")).name, "Bobby");
        let own = GhostNames { per_login: true, ..names.clone() };
        own.meet(&login, &ghost("Bob")).unwrap();
        assert_eq!(own.newest(&LoginId::new("eve"), ghost("Robert")).name, "Robert");
    }
}
