//! A cursor over the parameters of one frame, so that every decoder reports what was missing or wrong, and where.
//!
//! Knows the place in the line and the words for errors. Refuses to know verbs: each decoder asks for what its own line
//! has.

use std::str::FromStr;

use bytes::Bytes;

use super::{DecodeError, DecodeErrorKind, Frame, UrlText, Verb};
use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Email, TrId};

/// The parameters of a frame that were not read yet, and its payload.
pub struct Args<'a> {
    verb: Verb,
    trid: Option<TrId>,
    rest: std::slice::Iter<'a, String>,
    payload: Option<&'a Bytes>,
}

impl<'a> Args<'a> {
    /// At the first parameter. The number of the request is remembered where the first one is a number.
    pub fn new(frame: &'a Frame) -> Self {
        let trid = frame.args.first().and_then(|a| a.parse().ok());
        Self { verb: frame.verb, trid, rest: frame.args.iter(), payload: frame.payload.as_ref() }
    }

    /// An error about this frame.
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { verb: self.verb, trid: self.trid, kind }
    }

    /// How many parameters are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next parameter without taking it.
    pub fn peek(&self) -> Option<&'a str> {
        self.rest.as_slice().first().map(String::as_str)
    }

    /// The next parameter, where the line may end before it.
    pub fn optional(&mut self) -> Option<&'a str> {
        self.rest.next().map(String::as_str)
    }

    /// The next parameter; `what` names it in the error.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Missing`].
    pub fn required(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        self.optional().ok_or_else(|| self.error(DecodeErrorKind::Missing(what)))
    }

    /// The next parameter as a `T`.
    ///
    /// # Errors
    /// The parameter is missing, or is no `T`.
    pub fn parse<T: FromStr>(&mut self, what: &'static str) -> Result<T, DecodeError> {
        let token = self.required(what)?;
        token.parse().map_err(|_| self.invalid(what, token))
    }

    /// An error about a parameter that was read, with 80 characters of it at most.
    pub fn invalid(&self, what: &'static str, token: &str) -> DecodeError {
        self.error(DecodeErrorKind::Invalid { what, got: token.chars().take(80).collect() })
    }

    /// The next parameter as the number of a request.
    ///
    /// # Errors
    /// The parameter is missing, or no number of 32 bits.
    pub fn trid(&mut self) -> Result<TrId, DecodeError> {
        self.parse("transaction id")
    }

    /// The next parameter as an account; a machine behind it is dropped (§18.5).
    ///
    /// # Errors
    /// The parameter is missing, or no account.
    pub fn email(&mut self) -> Result<Email, DecodeError> {
        let token = self.required("account")?;
        Email::parse(token).map_err(|_| self.invalid("account", token))
    }

    /// The next parameter as an account, and which of its clients it names.
    ///
    /// # Errors
    /// The same as of [`Args::email`].
    pub fn endpoint(&mut self) -> Result<(Email, Option<MachineId>), DecodeError> {
        let machine = self.peek().and_then(MachineId::of);
        Ok((self.email()?, machine))
    }

    /// The next parameter as percent-coded text. Nothing in it is wrong: what cannot be decoded stands as it is.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Missing`].
    pub fn text(&mut self, what: &'static str) -> Result<UrlText, DecodeError> {
        Ok(UrlText::from_wire(self.required(what)?))
    }

    /// The same, where the line may end before it.
    pub fn optional_text(&mut self) -> Option<UrlText> {
        self.optional().map(UrlText::from_wire)
    }

    /// The next parameter as it stands.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Missing`].
    pub fn owned(&mut self, what: &'static str) -> Result<String, DecodeError> {
        Ok(self.required(what)?.to_owned())
    }

    /// Everything that is left.
    pub fn remaining(&mut self) -> Vec<String> {
        self.rest.by_ref().cloned().collect()
    }

    /// The payload, which may be empty; it is shared and not copied.
    ///
    /// # Errors
    /// [`DecodeErrorKind::NoPayload`] where the line announced none.
    pub fn payload(&self) -> Result<Bytes, DecodeError> {
        self.payload.cloned().ok_or_else(|| self.error(DecodeErrorKind::NoPayload))
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Excess`].
    pub fn end(&mut self) -> Result<(), DecodeError> {
        match self.optional() {
            None => Ok(()),
            Some(excess) => Err(self.error(DecodeErrorKind::Excess(excess.chars().take(80).collect()))),
        }
    }
}
