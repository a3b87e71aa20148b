//! One signed-in client of an account: what stands behind an account in `account;{machine}` (§18.5).
//!
//! Knows the form of a machine id. Refuses to know what an endpoint can do; the account itself is [`Email`]'s business.
//!
//! [`Email`]: super::ids::Email

use std::fmt;

/// Longest machine id that is kept, in bytes: a GUID in braces has 38.
const MAX_MACHINE: usize = 40;

/// A client's own name, in lower case and without braces; normally a GUID, opaque to us.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MachineId(Box<str>);

impl MachineId {
    /// The machine id of `[n:]account;{machine}`; `None` where the token is an account and nothing more, or where
    /// something else stands behind it (`;via=…`).
    pub fn of(token: &str) -> Option<Self> {
        let (_, behind) = token.split_once(';')?;
        let inside = behind.strip_prefix('{')?.split('}').next()?;
        let fits = (1..=MAX_MACHINE).contains(&inside.len());
        fits.then(|| Self(inside.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_11_a_machine_id_is_read_whatever_its_case_and_nothing_else_is_one() {
        let id = MachineId::of("bob@example.com;{A1A1A1A1-0000-4000-8000-00000000000F}").unwrap();
        assert_eq!(id.to_string(), "{a1a1a1a1-0000-4000-8000-00000000000f}");
        assert_eq!(MachineId::of("1:bob@example.com;{a1a1a1a1-0000-4000-8000-00000000000f}"), Some(id));
        for other in ["bob@example.com", "bob@example.com;via=9:guid:x", "bob@example.com;{}", "b;", ""] {
            assert_eq!(MachineId::of(other), None, "{other}");
        }
        assert_eq!(MachineId::of(&format!("b@e.c;{{{}}}", "a".repeat(41))), None);
    }
}
