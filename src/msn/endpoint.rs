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
    /// One that nobody else has, of random bytes.
    pub fn of_random(mut bytes: [u8; 16]) -> Self {
        // Version and variant of a GUID that was drawn (RFC 9562).
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (groups, mut at) = ([8, 4, 4, 4, 12], 0);
        let parts = groups.map(|length| {
            at += length;
            hex.get(at - length..at).unwrap_or_default()
        });
        Self(parts.join("-").into())
    }

    /// The machine id of `[n:]account;{machine}`; `None` where the token is an account and nothing more, or where
    /// something else stands behind it (`;via=…`).
    pub fn of(token: &str) -> Option<Self> {
        let (_, behind) = token.split_once(';')?;
        let inside = behind.strip_prefix('{')?.split('}').next()?;
        let fits = (1..=MAX_MACHINE).contains(&inside.len());
        fits.then(|| Self(inside.to_ascii_lowercase().into()))
    }

    /// The machine id of a sign-in: a GUID in letters of any case, with or without braces; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let groups: Vec<&str> = bare.split('-').collect();
        let is_hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fits = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
        (fits && groups.into_iter().all(is_hex)).then(|| Self(bare.to_ascii_lowercase().into()))
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
    fn a_drawn_name_is_a_guid_that_a_sign_in_can_name() {
        let id = MachineId::of_random([0xff; 16]);
        assert_eq!(id.to_string(), "{ffffffff-ffff-4fff-bfff-ffffffffffff}");
        assert_eq!(MachineId::parse(&id.to_string()), Some(id));
        assert_ne!(MachineId::of_random([1; 16]), MachineId::of_random([2; 16]));
    }

    #[test]
    fn a_sign_in_names_a_guid_and_nothing_else() {
        let guid = "a1a1a1a1-0000-4000-8000-00000000000f";
        let id = MachineId::parse(guid).unwrap();
        assert_eq!(id.to_string(), format!("{{{guid}}}"));
        assert_eq!(MachineId::parse(&format!("{{{}}}", guid.to_uppercase())), Some(id));
        for other in [
            "",
            "{}",
            "a1a1a1a1",
            "a1a1a1a1-0000-4000-8000-00000000000g",
            "{a1a1a1a1-0000-4000-8000-00000000000f",
        ] {
            assert_eq!(MachineId::parse(other), None, "{other}");
        }
    }

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
