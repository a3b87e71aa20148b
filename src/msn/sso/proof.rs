//! The proof that a client holds the secret of its ticket (policy `MBI_KEY_OLD`, §18.4).
//!
//! Knows the derivation of keys and the form of the answer, of both sides. Refuses to make random bytes: they are handed in.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockEncryptMut, KeyIvInit};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::msn::ids::InvalidToken;

/// Bytes of the initial vector, a block of 3DES.
pub const IV: usize = 8;
/// Bytes of the secret.
const SECRET: usize = 24;
/// Bytes in front of the initial vector: seven numbers.
const HEADER: usize = 28;
const MAC: u32 = 20;
/// Numbers of the procedures, as the system of the time counts them: CBC, 3DES, SHA-1.
const PROCEDURES: [u32; 3] = [1, 0x6603, 0x8004];
/// Longest proof that is looked at, in characters of base64; one for a nonce of 64 has 172.
const MAX_PROOF: usize = 1024;

/// What the server and the holder of a ticket share, 24 bytes (`BinarySecret`).
#[derive(Clone)]
pub struct ProofSecret(Zeroizing<[u8; SECRET]>);

impl fmt::Debug for ProofSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofSecret(..)")
    }
}

impl PartialEq for ProofSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for ProofSecret {}

impl ProofSecret {
    pub fn new(bytes: [u8; SECRET]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the base64 of `BinarySecret`.
    ///
    /// # Errors
    /// No base64, or of another length than 24 bytes.
    pub fn from_base64(text: &str) -> Result<Self, InvalidToken> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).ok();
        let bytes = bytes.and_then(|bytes| <[u8; SECRET]>::try_from(bytes.as_slice()).ok());
        // The text is a secret: the error does not repeat it.
        bytes.map(Self::new).ok_or_else(|| InvalidToken::new("proof secret", ".."))
    }

    pub fn to_base64(&self) -> String {
        STANDARD.encode(*self.0)
    }

    /// The answer to the nonce of `USR S`, as `USR SSO S` carries it behind the ticket. The text of the nonce is the input,
    /// not what it encodes.
    pub fn prove(&self, nonce: &str, iv: [u8; IV]) -> String {
        STANDARD.encode(self.response(nonce.as_bytes(), iv))
    }

    /// Whether a proof is the one for this nonce, whatever initial vector it names.
    pub fn verifies(&self, nonce: &str, proof: &str) -> bool {
        let response = if proof.len() <= MAX_PROOF { STANDARD.decode(proof).ok() } else { None };
        let Some(response) = response else { return false };
        let iv = response.get(HEADER..HEADER + IV).and_then(|iv| <[u8; IV]>::try_from(iv).ok());
        iv.is_some_and(|iv| self.response(nonce.as_bytes(), iv).ct_eq(&response).into())
    }

    fn response(&self, nonce: &[u8], iv: [u8; IV]) -> Vec<u8> {
        let mac = digest(&self.key("SESSION KEY HASH")[..], &[nonce]);
        let key = self.key("SESSION KEY ENCRYPTION");
        let cipher = cbc::Encryptor::<des::TdesEde3>::new((&*key).into(), &iv.into());
        let sealed = cipher.encrypt_padded_vec_mut::<Pkcs7>(nonce);
        let [mode, cipher, hash] = PROCEDURES;
        let lengths = [IV as u32, MAC, u32::try_from(sealed.len()).unwrap_or(u32::MAX)];
        let numbers = [HEADER as u32, mode, cipher, hash].into_iter().chain(lengths);
        let header = numbers.flat_map(u32::to_le_bytes);
        header.chain(iv).chain(mac).chain(sealed).collect()
    }

    /// The key for one use, which its label names.
    fn key(&self, label: &str) -> Zeroizing<[u8; SECRET]> {
        let label = [b"WS-SecureConversation", label.as_bytes()].concat();
        let secret = &self.0[..];
        let first = digest(secret, &[&label]);
        let third = digest(secret, &[&first]);
        let parts = [digest(secret, &[&first, &label]), digest(secret, &[&third, &label])];
        let mut key = Zeroizing::new([0; SECRET]);
        key.iter_mut().zip(parts.iter().flatten()).for_each(|(slot, byte)| *slot = *byte);
        key
    }
}

/// HMAC-SHA1 over the parts, one behind the other.
fn digest(key: &[u8], parts: &[&[u8]]) -> [u8; MAC as usize] {
    // A key of any length fits.
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(key) else { return [0; MAC as usize] };
    parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Vector {
        secret: &'static str,
        nonce: &'static str,
        iv: u64,
        keys: [&'static str; 2],
        proof: &'static str,
    }

    const VECTORS: [Vector; 3] = [
        Vector {
            secret: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
            nonce: "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5v",
            iv: 0xa0a1_a2a3_a4a5_a6a7,
            keys: [
                "06af2ac1f46df3fde6e65fef60a13bd21eabb69f09a542c0",
                "2dd0114b936beb17cc1d7fa10191010bb4b7b487404c43e3",
            ],
            proof: "HAAAAAEAAAADZgAABIAAAAgAAAAUAAAASAAAAKChoqOkpaanN5TN0hgKE54C2LDxK1jvVwUpWK1nLdOqJnQHnA5LIocSx4QZfZWntmdzxQEvULso0NXzZzYuu2PsgtJw+z8UH3BfUzw7nFWZaBpVSUi0A4PWkdsGBq4/E1XHjS8=",
        },
        Vector {
            secret: "CzBVep/E6Q4zWH2ix+wRNluApcrvFDle",
            nonce: "AwofQnOy/1rDOr9S86JfKgPq3+LzEj96wxp/8nMCn0oDyp+Cc3J/msP6P5LzYt9q",
            iv: 0x0011_2233_4455_6677,
            keys: [
                "ad0b4fe8f0c6f12963c458ad00335e95ae71c7b610af9819",
                "e0c2b541bb6fc962cc9c6f67b47f42806996b76e6e857427",
            ],
            proof: "HAAAAAEAAAADZgAABIAAAAgAAAAUAAAASAAAAAARIjNEVWZ37G3/pcTVwJQxrMt5oNW3YhF3IJSWxSB4vrvyEPyuQErbDAla4GTe2ZQhstJs33Oz7vxe/VdPFcH3X3hAfhNd7hWkHlaCxQ5oPVWr8kBosPt6PhKKIDUCYogA7OE=",
        },
        // Another length of the nonce, which a fixed 72 would miss.
        Vector {
            secret: "//bt5NvSycC3rqWck4qBeG9mXVRLQjkw",
            nonce: "short-nonce-of-20-by",
            iv: 0xdead_beef_0102_0304,
            keys: [
                "02d05b2494d4b292442d4bf85e326ef3889f913c810eff2c",
                "5c02d4c53bf1759c7a46dc7bba0cb90675809f15ee36647c",
            ],
            proof: "HAAAAAEAAAADZgAABIAAAAgAAAAUAAAAGAAAAN6tvu8BAgMEay0BJ1MoTdZOmkPsxdX8TxzTHQ2t9EU2D5iUmEWqLNpXb0P2azgPrFbuxLc=",
        },
    ];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn conf_110_the_three_published_proofs_and_the_keys_behind_them() {
        for vector in VECTORS {
            let secret = ProofSecret::from_base64(vector.secret).unwrap();
            let keys = ["SESSION KEY HASH", "SESSION KEY ENCRYPTION"].map(|label| hex(&*secret.key(label)));
            assert_eq!(keys, vector.keys);
            assert_eq!(secret.prove(vector.nonce, vector.iv.to_be_bytes()), vector.proof);
            assert!(secret.verifies(vector.nonce, vector.proof));
        }
    }

    #[test]
    fn a_proof_with_one_flipped_bit_or_for_another_nonce_is_refused() {
        let vector = &VECTORS[0];
        let secret = ProofSecret::from_base64(vector.secret).unwrap();
        let right = STANDARD.decode(vector.proof).unwrap();
        for bit in 0..right.len() * 8 {
            let mut flipped = right.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!secret.verifies(vector.nonce, &STANDARD.encode(flipped)), "bit {bit}");
        }
        assert!(!secret.verifies("another", vector.proof));
        let longer = STANDARD.encode([right.as_slice(), &[0]].concat());
        for odd in ["", "HAAA", "no base64!", longer.as_str(), "A".repeat(4096).as_str()] {
            assert!(!secret.verifies(vector.nonce, odd), "{odd}");
        }
    }

    #[test]
    fn a_secret_has_24_bytes_and_stays_out_of_debug_output_and_errors() {
        for odd in ["", "AAEC", "not base64 at all !!", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA=="] {
            let error = ProofSecret::from_base64(odd).unwrap_err().to_string();
            assert!(odd.is_empty() || !error.contains(odd), "{error}");
        }
        let secret = ProofSecret::from_base64(VECTORS[0].secret).unwrap();
        assert_eq!(format!("{secret:?}"), "ProofSecret(..)");
        assert_eq!(secret.to_base64(), VECTORS[0].secret);
    }

    proptest! {
        #[test]
        fn any_text_is_a_proof_or_not(secret in any::<[u8; SECRET]>(), nonce in "\\PC{0,80}", proof in "\\PC{0,80}", iv in any::<[u8; IV]>()) {
            let secret = ProofSecret::new(secret);
            prop_assert!(!secret.verifies(&nonce, &proof));
            prop_assert!(secret.verifies(&nonce, &secret.prove(&nonce, iv)));
        }
    }
}
