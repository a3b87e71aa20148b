//! The answer to a server's challenge (`CHL`/`QRY`, §4.6): proof that the client holds a product key.
//!
//! Knows both ways of computing it and the published product keys. Refuses to know when a challenge comes.

use md5::{Digest, Md5};

use super::dialect::Dialect;

/// A client's identity towards the server: an id, and the key that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    pub id: String,
    pub key: String,
}

/// Ids and keys published with the documents of the protocol, and whether they are for MSNP11 and later.
const PUBLISHED: [(&str, &str, bool); 17] = [
    ("msmsgs@msnmsgr.com", "Q1P7W2E4J9R8U3S5", false),
    ("PROD0038W!61ZTF9", "VT6PX?UQTM4WM%YR", false),
    ("PROD0058#7IL2{QD", "QHDCY@7R1TB6W?5B", false),
    ("PROD0061VRRZH@4F", "JXQ6J@TUOGYV@N0M", false),
    ("PROD00504RLUG%WL", "I2EBK%PYNLZL5_J4", false),
    ("PROD0076ENE8*@AW", "CEQJ8}OE0!WTSWII", false),
    ("PROD0090YUAUV{2B", "YMM8C_H7KCQ2S_KL", true),
    ("PROD00974#MT*RC2", "LMCVO*18PQJ3H!K3", true),
    ("PROD0101{0RM?UBW", "CFHUR$52U_{VIX5T", true),
    ("PROD0104U6VVM{UJ", "VK67B}379XYM5}$T", true),
    ("PROD01065C%ZFN6F", "O4BG@C7BWLYQX?5G", true),
    ("PROD0112J1LW7%NB", "RH96F{PHI8PPX_TJ", true),
    ("PROD0113H11T8$X_", "RG@XY*28Q5QHS%Q5", true),
    ("PROD0114ES4Z%Q5W", "PK}_A_0N_K%O?A9S", true),
    ("PROD0118R6%2WYOS", "YIXPX@5I2P0UT*LK", true),
    ("PROD0119GSJUC$18", "ILTXC!4IXB5FB*PX", true),
    ("PROD0120PW!CCV9@", "C1BX{V4W}Q3*10SM", true),
];

impl Product {
    /// A published product that is valid in `dialect`.
    pub fn published(id: &str, dialect: Dialect) -> Option<Self> {
        let (id, key, _) = PUBLISHED
            .into_iter()
            .find(|(known, _, long)| *known == id && *long == dialect.has_long_challenge())?;
        Some(Self { id: id.to_owned(), key: key.to_owned() })
    }

    /// The 32 lower-case hexadecimal digits that answer `challenge` in `dialect`.
    pub fn answer(&self, challenge: &str, dialect: Dialect) -> String {
        if dialect.has_long_challenge() {
            hex(&self.long_answer(challenge))
        } else {
            hex(&self.digest(challenge))
        }
    }

    fn digest(&self, challenge: &str) -> [u8; 16] {
        Md5::new().chain_update(challenge).chain_update(&self.key).finalize().into()
    }

    /// The arithmetic of MSNP11. The numbers are bounded by the reductions, so 64 bits suffice.
    fn long_answer(&self, challenge: &str) -> [u8; 16] {
        const M: u64 = 0x7FFF_FFFF;
        let hash = words(&self.digest(challenge));
        let key: Vec<u64> = hash.iter().map(|h| u64::from(*h) & M).collect();
        let mut padded = format!("{challenge}{}", self.id).into_bytes();
        padded.resize(padded.len().next_multiple_of(8), b'0');

        let (mut high, mut low) = (0u64, 0u64);
        for pair in words(&padded).chunks_exact(2) {
            let mut t = u64::from(pair[0]) * 0x0E79_A9C1 % M;
            t = (t + high) * key[0] % M + key[1];
            t %= M;
            high = (u64::from(pair[1]) + t) % M;
            high = (high * key[2] + key[3]) % M;
            low = low.wrapping_add(high).wrapping_add(t);
        }
        let high = ((high + key[1]) % M) as u32;
        let low = (low.wrapping_add(key[3]) % M) as u32;

        let mut out = [0; 16];
        let mixed = [hash[0] ^ high, hash[1] ^ low, hash[2] ^ high, hash[3] ^ low];
        for (slot, word) in out.chunks_exact_mut(4).zip(mixed) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        out
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_061_all_nine_published_answers() {
        let (old, new) = (Dialect::Msnp10, Dialect::Msnp11);
        for (challenge, product, dialect, answer) in [
            ("15570131571988941333", "msmsgs@msnmsgr.com", old, "8f2f5a91b72102cd28355e9fc9000d6e"),
            ("29409134351025259292", "msmsgs@msnmsgr.com", old, "d0c1178c689350104350d99f8c36ed9c"),
            ("29409134351025259292", "PROD0038W!61ZTF9", old, "0a92b938ee214352d5e1f93b0acd1552"),
            ("22210219642164014968", "PROD0061VRRZH@4F", old, "a59c980720e4bd3339b6448dcf34ad27"),
            ("22210219642164014968", "PROD0090YUAUV{2B", new, "85ecb0db8f32113df79ce0892b9a102c"),
            ("29409134351025259292", "PROD0090YUAUV{2B", new, "e08f0c6cdbfa1248c9dbcbd409b651e6"),
            ("15570131571988941333", "PROD0101{0RM?UBW", new, "a2bcaf5dec2e7407282d443a8e38abd8"),
            ("13038318816579321232", "PROD0101{0RM?UBW", new, "5f6ae998b8fa70c37b62980f71a0e736"),
            ("22210219642164014968", "PROD0119GSJUC$18", new, "a400af809ac86fbdf6deec7286fc06b8"),
        ] {
            let product = Product::published(product, dialect).unwrap();
            assert_eq!(product.answer(challenge, dialect), answer, "{}", product.id);
            // The rule broken: another challenge or another key has another answer.
            assert_ne!(product.answer("1", dialect), answer);
        }
        assert!(Product::published("PROD0090YUAUV{2B", old).is_none());
        assert!(Product::published("PROD0038W!61ZTF9", new).is_none());
    }
}
