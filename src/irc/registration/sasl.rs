//! SASL as IRC carries it: base64 in pieces of 400 bytes.
//!
//! Knows the mechanisms PLAIN, EXTERNAL and SCRAM-SHA-256. Refuses to know which numeric ends it: the registration does.
//! Source: IRCv3 sasl-3.1, RFC 4616, RFC 4422 appendix A, RFC 7677.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::scram::Scram;
use crate::irc::config::{Mechanism, SaslConfig};

/// Bytes of base64 in one AUTHENTICATE; a shorter one is the last.
const PIECE: usize = 400;
/// The longest challenge.
const MAX_CHALLENGE: usize = 16 * 1024;

enum Dialogue {
    External,
    Plain { user: String, password: SecretString },
    Scram(Box<Scram>),
}

/// One attempt to log in.
pub(super) struct Sasl {
    mechanism: Mechanism,
    dialogue: Dialogue,
    challenge: String,
}

impl Sasl {
    /// `nonce` is fresh, printable and without a comma.
    pub(super) fn new(config: &SaslConfig, nonce: &str) -> Self {
        let user = config.user.clone();
        let password = config.password.clone().unwrap_or_default();
        let dialogue = match config.mechanism {
            Mechanism::External => Dialogue::External,
            Mechanism::Plain => Dialogue::Plain { user, password },
            Mechanism::ScramSha256 => Dialogue::Scram(Box::new(Scram::new(&user, password, nonce))),
        };
        Self { mechanism: config.mechanism, dialogue, challenge: String::new() }
    }

    /// The name on the wire.
    pub(super) fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }

    /// Whether a yes of the server may be believed: SCRAM proves both sides.
    pub(super) fn is_proven(&self) -> bool {
        match &self.dialogue {
            Dialogue::Scram(scram) => scram.is_proven(),
            _ => true,
        }
    }

    /// The arguments of the AUTHENTICATEs that answer this one; none while more of a challenge is to come.
    ///
    /// # Errors
    /// The challenge is none, or proves that the server does not know the password.
    pub(super) fn answer(&mut self, piece: &str) -> Result<Vec<String>, String> {
        if piece != "+" {
            self.challenge.push_str(piece);
        }
        if self.challenge.len() > MAX_CHALLENGE {
            return Err("the challenge is too long".into());
        }
        if piece.len() == PIECE {
            return Ok(Vec::new());
        }
        let challenge = STANDARD.decode(std::mem::take(&mut self.challenge));
        let challenge = challenge.map_err(|_| "the challenge is not base64".to_owned())?;
        let answer = match &mut self.dialogue {
            Dialogue::External => Zeroizing::new(String::new()),
            Dialogue::Plain { user, password } => {
                Zeroizing::new(format!("{user}\0{user}\0{}", password.expose_secret()))
            }
            Dialogue::Scram(scram) => Zeroizing::new(scram.answer(&challenge)?),
        };
        Ok(pieces(&STANDARD.encode(answer.as_bytes())))
    }
}

/// Cuts base64; what ends with a whole piece, or is empty, is ended by a plus.
fn pieces(encoded: &str) -> Vec<String> {
    let whole = encoded.as_bytes().chunks(PIECE);
    let mut pieces: Vec<String> = whole.map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
    if encoded.len().is_multiple_of(PIECE) {
        pieces.push("+".into());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_at_400_bytes_and_end_with_a_shorter_piece() {
        let lengths = |bytes: usize| pieces(&"x".repeat(bytes)).iter().map(String::len).collect::<Vec<_>>();
        assert_eq!(lengths(0), [1]);
        assert_eq!(lengths(399), [399]);
        assert_eq!(lengths(400), [400, 1]);
        assert_eq!(lengths(801), [400, 400, 1]);
        assert_eq!(lengths(800), [400, 400, 1]);
        assert_eq!(pieces(&"x".repeat(400))[1], "+");
    }

    #[test]
    fn plain_says_the_account_twice_and_the_password() {
        let config = SaslConfig {
            mechanism: Mechanism::Plain,
            user: "jilles".into(),
            password: Some("sesame".to_owned().into()),
        };
        let answer = Sasl::new(&config, "n").answer("+").unwrap();
        assert_eq!(answer, ["amlsbGVzAGppbGxlcwBzZXNhbWU="]);
    }
}
