//! SCRAM-SHA-256: both sides prove that they know a password, and neither says it.
//!
//! Knows the messages of one exchange without channel binding. Refuses a server that asks for endless work, or proves
//! nothing. Source: RFC 5802, RFC 7677.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Rounds that a server may ask for: fewer are no protection, more are an attack.
const ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=500_000;

enum Stage {
    Unsaid,
    /// The first message without its header was said.
    Asked(String),
    /// What the server must prove itself with.
    Answered([u8; 32]),
    Proven,
}

/// One exchange.
pub(super) struct Scram {
    user: String,
    password: SecretString,
    nonce: String,
    stage: Stage,
}

fn keyed(key: &[u8], message: &[u8]) -> [u8; 32] {
    // A key of any length is one.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The value of an attribute in a message: `r=…,s=…`.
fn attribute<'a>(message: &'a str, name: &str) -> Result<&'a str, String> {
    let found = message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.ok_or_else(|| format!("the server's message has no {name}="))
}

impl Scram {
    /// `nonce` is fresh, printable and without a comma.
    pub(super) fn new(user: &str, password: SecretString, nonce: &str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self { user, password, nonce: nonce.to_owned(), stage: Stage::Unsaid }
    }

    /// Whether the server has shown that it knows the password too.
    pub(super) fn is_proven(&self) -> bool {
        matches!(self.stage, Stage::Proven)
    }

    /// The next message of ours.
    ///
    /// # Errors
    /// The server's message is no step of the exchange, or proves that it does not know the password.
    pub(super) fn answer(&mut self, challenge: &[u8]) -> Result<String, String> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| "the challenge is no text".to_owned())?;
        match std::mem::replace(&mut self.stage, Stage::Unsaid) {
            Stage::Unsaid => {
                let first = format!("n={},r={}", self.user, self.nonce);
                let message = format!("n,,{first}");
                self.stage = Stage::Asked(first);
                Ok(message)
            }
            Stage::Asked(first) => self.prove(&first, challenge),
            Stage::Answered(signature) => {
                self.verify(&signature, challenge)?;
                Ok(String::new())
            }
            Stage::Proven => Err("the server asks for more than SCRAM has".into()),
        }
    }

    fn prove(&mut self, first: &str, challenge: &str) -> Result<String, String> {
        let nonce = attribute(challenge, "r")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the server's answer belongs to another exchange".into());
        }
        let salt =
            STANDARD.decode(attribute(challenge, "s")?).map_err(|_| "the salt is not base64".to_owned())?;
        let rounds = attribute(challenge, "i")?.parse::<u32>().ok().filter(|rounds| ROUNDS.contains(rounds));
        let rounds = rounds.ok_or("the server asks for too few or too many rounds")?;
        let password = self.password.expose_secret().as_bytes();
        let salted: [u8; 32] = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, &salt, rounds);
        let client_key = keyed(&salted, b"Client Key");
        let last = format!("c=biws,r={nonce}");
        let signed = format!("{first},{challenge},{last}");
        let signature = keyed(&Sha256::digest(client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        self.stage = Stage::Answered(keyed(&keyed(&salted, b"Server Key"), signed.as_bytes()));
        Ok(format!("{last},p={}", STANDARD.encode(proof)))
    }

    fn verify(&mut self, expected: &[u8; 32], message: &str) -> Result<(), String> {
        if let Ok(error) = attribute(message, "e") {
            return Err(format!("the server refuses: {error}"));
        }
        let shown = STANDARD.decode(attribute(message, "v")?).unwrap_or_default();
        if !bool::from(shown.as_slice().ct_eq(expected)) {
            return Err("the server does not know the password itself; it may be a false one".into());
        }
        self.stage = Stage::Proven;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn exchange() -> Scram {
        let mut scram = Scram::new("user", "pencil".to_owned().into(), NONCE);
        assert_eq!(scram.answer(b"").unwrap(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        scram
    }

    #[test]
    fn the_exchange_of_rfc_7677_is_reproduced() {
        let mut scram = exchange();
        assert_eq!(
            scram.answer(FIRST.as_bytes()).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(!scram.is_proven());
        assert_eq!(scram.answer(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap(), "");
        assert!(scram.is_proven());
    }

    #[test]
    fn a_server_that_proves_nothing_is_not_believed() {
        for last in ["v=AAAA", "v=", "e=other-error", "", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="] {
            let mut scram = exchange();
            scram.answer(FIRST.as_bytes()).unwrap();
            assert!(scram.answer(last.as_bytes()).is_err() && !scram.is_proven(), "{last}");
        }
    }

    #[test]
    fn challenges_of_another_exchange_or_with_endless_work_are_refused() {
        for challenge in [
            "r=other,s=AAAA,i=4096".to_owned(),
            format!("r={NONCE},s=AAAA,i=4096"),
            FIRST.replace("4096", "1"),
            FIRST.replace("4096", "4000000000"),
            FIRST.replace("4096", "x"),
            FIRST.replace("s=", "t="),
        ] {
            assert!(exchange().answer(challenge.as_bytes()).is_err(), "{challenge}");
        }
    }

    #[test]
    fn commas_and_equal_signs_in_a_name_are_escaped() {
        let mut scram = Scram::new("a,b=c", "x".to_owned().into(), "n");
        assert_eq!(scram.answer(b"").unwrap(), "n,,n=a=2Cb=3Dc,r=n");
    }
}
