//! A cursor over the parameters of one frame, so that every decoder reports what was missing or wrong, and where.

use std::str::FromStr;

use bytes::Bytes;

use super::{DecodeError, DecodeErrorKind, Frame, UrlText, Verb};
use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Email, TrId};

pub struct Args<'a> {
    verb: Verb,
    trid: Option<TrId>,
    rest: std::slice::Iter<'a, String>,
    payload: Option<&'a Bytes>,
}

impl<'a> Args<'a> {
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

    pub fn optional(&mut self) -> Option<&'a str> {
        self.rest.next().map(String::as_str)
    }

    pub fn required(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        self.optional().ok_or_else(|| self.error(DecodeErrorKind::Missing(what)))
    }

    /// The next parameter as a `T`.
    pub fn parse<T: FromStr>(&mut self, what: &'static str) -> Result<T, DecodeError> {
        let token = self.required(what)?;
        token.parse().map_err(|_| self.invalid(what, token))
    }

    pub fn invalid(&self, what: &'static str, token: &str) -> DecodeError {
        self.error(DecodeErrorKind::Invalid { what, got: token.chars().take(80).collect() })
    }

    pub fn trid(&mut self) -> Result<TrId, DecodeError> {
        self.parse("transaction id")
    }

    pub fn email(&mut self) -> Result<Email, DecodeError> {
        let token = self.required("account")?;
        Email::parse(token).map_err(|_| self.invalid("account", token))
    }

    /// The next parameter as an account, and which of its clients it names.
    pub fn endpoint(&mut self) -> Result<(Email, Option<MachineId>), DecodeError> {
        let machine = self.peek().and_then(MachineId::of);
        Ok((self.email()?, machine))
    }

    pub fn text(&mut self, what: &'static str) -> Result<UrlText, DecodeError> {
        Ok(UrlText::from_wire(self.required(what)?))
    }

    pub fn optional_text(&mut self) -> Option<UrlText> {
        self.optional().map(UrlText::from_wire)
    }

    pub fn owned(&mut self, what: &'static str) -> Result<String, DecodeError> {
        Ok(self.required(what)?.to_owned())
    }

    /// Everything that is left.
    pub fn remaining(&mut self) -> Vec<String> {
        self.rest.by_ref().cloned().collect()
    }

    pub fn payload(&self) -> Result<Bytes, DecodeError> {
        self.payload.cloned().ok_or_else(|| self.error(DecodeErrorKind::NoPayload))
    }

    /// Nothing may be left.
    pub fn end(&mut self) -> Result<(), DecodeError> {
        match self.optional() {
            None => Ok(()),
            Some(excess) => Err(self.error(DecodeErrorKind::Excess(excess.chars().take(80).collect()))),
        }
    }
}
