//! The key that seals what the store holds: XChaCha20-Poly1305, with the row's key as associated data, so that a value
//! cannot be moved to another place.

use std::io::Write;
use std::path::Path;

use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::StoreError;

const NONCE: usize = 24;

/// A value that this key did not seal, or that was changed since.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a value was not sealed with this key, or was changed")]
pub(super) struct Unsealable;

/// 32 secret bytes. Never shown, wiped when dropped.
#[derive(Clone)]
pub struct SealingKey {
    bytes: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

impl SealingKey {
    /// A new key, from the system's randomness.
    pub fn generate() -> Self {
        Self { bytes: Zeroizing::new(XChaCha20Poly1305::generate_key(&mut OsRng).into()) }
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`StoreError::KeyFile`]: it cannot be read, or holds something else than 64 hexadecimal digits.
    pub fn load(file: &Path) -> Result<Self, StoreError> {
        let fail = |reason: String| StoreError::KeyFile { file: file.to_owned(), reason };
        let text = Zeroizing::new(std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))?);
        let digits = text.trim().as_bytes();
        let mut bytes = Zeroizing::new([0; 32]);
        if digits.len() != 64 {
            return Err(fail("it must hold 64 hexadecimal digits".into()));
        }
        for (slot, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            *slot = u8::from_str_radix(pair, 16)
                .map_err(|_| fail("it must hold 64 hexadecimal digits".into()))?;
        }
        Ok(Self { bytes })
    }

    /// Writes a new key that only its owner can read; an existing file is left alone.
    ///
    /// # Errors
    /// [`StoreError::KeyFile`]: it is there already, or cannot be written.
    pub fn create(file: &Path) -> Result<Self, StoreError> {
        use std::os::unix::fs::OpenOptionsExt;
        let fail =
            |error: std::io::Error| StoreError::KeyFile { file: file.to_owned(), reason: error.to_string() };
        let key = Self::generate();
        let digits: Zeroizing<String> =
            Zeroizing::new(key.bytes.iter().map(|b| format!("{b:02x}")).collect());
        let mut out =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(fail)?;
        writeln!(out, "{}", *digits).and_then(|()| out.sync_all()).map_err(fail)?;
        Ok(key)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }

    /// Seals a value to its place: the same bytes under another key of the store do not open.
    pub(super) fn seal(&self, place: &[u8], value: &[u8]) -> Vec<u8> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: value, aad: place };
        // Fails only for messages of more than 256 GiB.
        let sealed = self.cipher().encrypt(&nonce, payload).unwrap_or_default();
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens a value that was sealed to this place.
    ///
    /// # Errors
    /// The value was sealed with another key, to another place, or is damaged.
    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(Unsealable)?;
        let payload = Payload { msg: sealed, aad: place };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).map_err(|_| Unsealable)
    }

    /// A keyed hash for names that others can see and nobody should be able to guess, such as room aliases.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&*self.bytes)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}
