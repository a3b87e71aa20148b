//! Randomness of the rules: GUIDs, tickets, cookies and challenges, all from one seed.
//!
//! Knows shapes of text alone. A test that gives the seed gets the same texts in the same order.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The source of every text that clients are not to guess.
pub(super) struct Random(StdRng);

impl Random {
    /// A source that always gives the same for the same seed.
    pub(super) fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn text(&mut self, length: usize, radix: u32) -> String {
        (0..length).map(|_| char::from_digit(self.0.random_range(0..radix), radix).unwrap_or('0')).collect()
    }

    /// So many hexadecimal digits, in lower case.
    pub(super) fn hex(&mut self, length: usize) -> String {
        self.text(length, 16)
    }

    /// So many decimal digits; the first may be 0.
    pub(super) fn digits(&mut self, length: usize) -> String {
        self.text(length, 10)
    }

    /// So many bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.0.random())
    }

    /// A GUID in lower case, without braces: 32 hexadecimal digits and four hyphens.
    pub(super) fn guid(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|length| self.hex(length)).join("-")
    }
}
