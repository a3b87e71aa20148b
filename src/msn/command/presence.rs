//! `CHG ILN NLN FLN UUX UBX`: who is there, in what state, under what name (§4).
//!
//! Knows codes of states, and the fields that each dialect adds to a line. Refuses to know whose presence matters:
//! rosters do.

use std::fmt;
use std::str::FromStr;

use super::{ClientCommand, Decoded, ServerCommand};
use crate::msn::dialect::{AccountForm, Dialect};
use crate::msn::ids::{Capabilities, Email, InvalidToken};
use crate::msn::wire::{Args, DecodeError, Encoder, UrlText};

/// A state somebody can be in or ask for (§4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    Online,
    Busy,
    Idle,
    BeRightBack,
    Away,
    OnThePhone,
    OutToLunch,
    /// Only asked for, never shown: others see offline.
    Hidden,
    /// Only shown (as `FLN`), never asked for.
    Offline,
}

impl Status {
    pub const ALL: [Self; 9] = [
        Self::Online,
        Self::Busy,
        Self::Idle,
        Self::BeRightBack,
        Self::Away,
        Self::OnThePhone,
        Self::OutToLunch,
        Self::Hidden,
        Self::Offline,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::Online => "NLN",
            Self::Busy => "BSY",
            Self::Idle => "IDL",
            Self::BeRightBack => "BRB",
            Self::Away => "AWY",
            Self::OnThePhone => "PHN",
            Self::OutToLunch => "LUN",
            Self::Hidden => "HDN",
            Self::Offline => "FLN",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Status {
    type Err = InvalidToken;
    fn from_str(token: &str) -> Result<Self, InvalidToken> {
        let found = Self::ALL.into_iter().find(|status| status.code() == token);
        found.ok_or_else(|| InvalidToken::new("status", token))
    }
}

/// What `ILN` and `NLN` say of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    pub status: Status,
    pub email: Email,
    pub name: UrlText,
    pub capabilities: Option<Capabilities>,
    /// The MSNObject of the display picture, percent-encoded as it came. `None` for absent, `0` and `<msnobj/>`.
    pub object: Option<UrlText>,
}

/// Absent, `0` and an empty element all mean that there is no object (§9.8).
pub(super) fn object(token: Option<&str>) -> Option<UrlText> {
    let text = UrlText::from_wire(token?);
    let decoded = text.decode();
    let attributes = decoded.trim().trim_start_matches("<msnobj").trim_end_matches("/>").trim();
    (!matches!(attributes, "" | "0")).then_some(text)
}

pub(super) fn decode_client(verb: &str, args: &mut Args<'_>) -> Decoded<ClientCommand> {
    Some(match verb {
        "CHG" => chg(args),
        "UUX" => uux(args),
        _ => return None,
    })
}

fn chg(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let trid = args.trid()?;
    let status = args.parse("status")?;
    let capabilities = if args.left() > 0 { Some(args.parse("capabilities")?) } else { None };
    let object = args.optional_text();
    args.end()?;
    Ok(ClientCommand::Chg { trid, status, capabilities, object })
}

fn uux(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Uux { trid: args.trid()?, data: args.payload()? };
    args.end()?;
    Ok(command)
}

pub(super) fn encode_client(command: &ClientCommand) -> Option<Vec<u8>> {
    Some(match command {
        ClientCommand::Chg { trid, status, capabilities, object } => {
            Encoder::new("CHG").arg(trid).arg(status).arg_if(*capabilities).arg_if(object.as_ref()).line()
        }
        ClientCommand::Uux { trid, data } => Encoder::new("UUX").arg(trid).payload(data),
        _ => return None,
    })
}

pub(super) fn decode_server(verb: &str, args: &mut Args<'_>, dialect: Dialect) -> Decoded<ServerCommand> {
    Some(match verb {
        "CHG" => chg_reply(args),
        "ILN" => iln(args, dialect),
        "NLN" => presence(args, dialect).map(|presence| ServerCommand::Nln { presence }),
        "FLN" => account(args, dialect).map(|email| ServerCommand::Fln { email }),
        "UUX" => args.trid().map(|trid| ServerCommand::Uux { trid }),
        "UBX" => ubx(args, dialect),
        _ => return None,
    })
}

fn chg_reply(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    let status = args.parse("status")?;
    let capabilities = args.optional().and_then(|token| token.parse().ok());
    Ok(ServerCommand::Chg { trid, status, capabilities, object: object(args.optional()) })
}

fn iln(args: &mut Args<'_>, dialect: Dialect) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    Ok(ServerCommand::Iln { trid, presence: presence(args, dialect)? })
}

/// An account, and the number of its network where one stands behind it.
fn account(args: &mut Args<'_>, dialect: Dialect) -> Result<Email, DecodeError> {
    let email = args.email()?;
    if dialect.account_form() == AccountForm::NetworkAfter {
        args.optional();
    }
    Ok(email)
}

fn presence(args: &mut Args<'_>, dialect: Dialect) -> Result<Presence, DecodeError> {
    let status = args.parse("status")?;
    let email = account(args, dialect)?;
    let name = args.text("display name")?;
    // Servers send any number here, or none; a bad one says nothing about who is online.
    let capabilities = args.optional().and_then(|token| token.parse().ok());
    Ok(Presence { status, email, name, capabilities, object: object(args.optional()) })
}

fn ubx(args: &mut Args<'_>, dialect: Dialect) -> Result<ServerCommand, DecodeError> {
    Ok(ServerCommand::Ubx { email: account(args, dialect)?, data: args.payload()? })
}

pub(super) fn encode_server(command: &ServerCommand, dialect: Dialect) -> Option<Vec<u8>> {
    Some(match command {
        ServerCommand::Chg { trid, status, capabilities, object } => {
            let object = object.as_ref().filter(|_| dialect.has_msn_objects());
            Encoder::new("CHG").arg(trid).arg(status).arg_if(*capabilities).arg_if(object).line()
        }
        ServerCommand::Iln { trid, presence } if !dialect.initial_presence_is_nln() => {
            encode_presence(Encoder::new("ILN").arg(trid), presence, dialect)
        }
        ServerCommand::Iln { presence, .. } => encode_presence(Encoder::new("NLN"), presence, dialect),
        ServerCommand::Nln { presence } => encode_presence(Encoder::new("NLN"), presence, dialect),
        ServerCommand::Fln { email } => {
            let none = capabilities(Capabilities::default(), dialect);
            let none = (dialect.account_form() != AccountForm::Bare).then_some(none);
            with_account(Encoder::new("FLN"), email, dialect).arg_if(none).line()
        }
        ServerCommand::Uux { trid } => Encoder::new("UUX").arg(trid).payload(b""),
        ServerCommand::Ubx { email, data } => with_account(Encoder::new("UBX"), email, dialect).payload(data),
        _ => return None,
    })
}

fn encode_presence(line: Encoder, presence: &Presence, dialect: Dialect) -> Vec<u8> {
    let can = capabilities(presence.capabilities.unwrap_or_default(), dialect);
    let object = presence.object.as_ref().filter(|_| dialect.has_msn_objects());
    let line = with_account(line.arg(presence.status), &presence.email, dialect).arg(&presence.name);
    line.arg(can).arg_if(object).line()
}

/// The network of everybody here: Passport.
const PASSPORT: u32 = 1;

fn with_account(line: Encoder, email: &Email, dialect: Dialect) -> Encoder {
    match dialect.account_form() {
        AccountForm::Bare => line.arg(email),
        AccountForm::NetworkAfter => line.arg(email).arg(PASSPORT),
        AccountForm::NetworkPrefix => line.arg(format!("{PASSPORT}:{email}")),
    }
}

/// The second number is of abilities that came with MSNP16, of which nobody here has any.
fn capabilities(first: Capabilities, dialect: Dialect) -> String {
    if dialect.capabilities_are_pair() { format!("{first}:0") } else { first.to_string() }
}
