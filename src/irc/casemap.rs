//! Which letters a network takes for the same.
//!
//! Knows the mappings that networks state. Refuses everything beyond ASCII: no network folds that. Source: RFC 2812, 2.2;
//! CASEMAPPING of 005.

/// How names are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Casemap {
    Ascii,
    /// Brackets are letters too: `[]\~` are `{}|^`.
    #[default]
    Rfc1459,
    /// The same without the tilde.
    Strict,
}

impl Casemap {
    /// The one that a network names; an unknown one is compared as ASCII, which takes no two names for one.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "rfc1459" => Self::Rfc1459,
            "strict-rfc1459" | "rfc1459-strict" => Self::Strict,
            _ => Self::Ascii,
        }
    }

    /// The same text for all names that are one.
    pub(super) fn fold(self, name: &str) -> String {
        let fold = |c: char| match (self, c) {
            (Self::Ascii, _) => c.to_ascii_lowercase(),
            (_, '[') => '{',
            (_, ']') => '}',
            (_, '\\') => '|',
            (Self::Rfc1459, '~') => '^',
            _ => c.to_ascii_lowercase(),
        };
        name.chars().map(fold).collect()
    }

    /// Whether two names are one.
    pub(super) fn same(self, one: &str, other: &str) -> bool {
        self.fold(one) == self.fold(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_as_the_network_takes_them() {
        for (mapping, same) in
            [("rfc1459", true), ("strict-rfc1459", true), ("ascii", false), ("precis", false)]
        {
            assert_eq!(Casemap::named(mapping).same("Bob[M]", "bob{m}"), same, "{mapping}");
            assert!(Casemap::named(mapping).same("BOB", "bob"));
            assert!(!Casemap::named(mapping).same("É", "é"));
        }
        assert!(Casemap::Rfc1459.same("a~", "A^") && !Casemap::Strict.same("a~", "A^"));
    }
}
