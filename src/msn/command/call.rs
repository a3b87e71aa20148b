//! `RNG CAL ANS IRO JOI BYE MSG ACK NAK` and the switchboard's `USR`: one conversation (§6).
//!
//! Knows the order of parameters on a switchboard, and the machine behind an account from MSNP16 on (§18.5). Refuses to
//! know whether a command is allowed now: sessions do.

use std::fmt;
use std::str::FromStr;

use super::{ClientCommand, Context, Decoded, Link, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Cookie, Email, InvalidToken, SessionId};
use crate::msn::wire::{Args, DecodeError, Encoder};

/// What a sender wants to hear back about a message (§6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acknowledge {
    /// `U`: nothing.
    Never,
    /// `N`: only that it failed.
    OnFailure,
    /// `A`: both.
    Always,
    /// `D`: both, and 282 for a malformed payload; transfers.
    Data,
    /// `S`: only that it arrived; invitations.
    OnSuccess,
}

impl Acknowledge {
    const ALL: [(Self, &str); 5] = [
        (Self::Never, "U"),
        (Self::OnFailure, "N"),
        (Self::Always, "A"),
        (Self::Data, "D"),
        (Self::OnSuccess, "S"),
    ];
}

impl fmt::Display for Acknowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = Self::ALL.into_iter().find(|(kind, _)| kind == self).map_or("U", |(_, code)| code);
        f.write_str(code)
    }
}

impl FromStr for Acknowledge {
    type Err = InvalidToken;
    fn from_str(token: &str) -> Result<Self, InvalidToken> {
        let found = Self::ALL.into_iter().find(|(_, code)| *code == token);
        found.map(|(kind, _)| kind).ok_or_else(|| InvalidToken::new("acknowledgement type", token))
    }
}

pub(super) fn decode_client(verb: &str, args: &mut Args<'_>, context: Context) -> Decoded<ClientCommand> {
    Some(match (verb, context.link) {
        ("USR", Link::Switchboard) => usr(args),
        ("CAL", Link::Switchboard) => cal(args),
        ("ANS", Link::Switchboard) => ans(args),
        ("MSG", _) => msg(args),
        _ => return None,
    })
}

fn usr(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::UsrCall {
        trid: args.trid()?,
        email: args.email()?,
        cookie: Cookie::new(args.required("cookie")?),
    };
    args.end()?;
    Ok(command)
}

fn cal(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Cal { trid: args.trid()?, email: args.email()? };
    args.end()?;
    Ok(command)
}

fn ans(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Ans {
        trid: args.trid()?,
        email: args.email()?,
        cookie: Cookie::new(args.required("cookie")?),
        session: SessionId(args.owned("session id")?),
    };
    args.end()?;
    Ok(command)
}

fn msg(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Msg {
        trid: args.trid()?,
        acknowledge: args.parse("acknowledgement type")?,
        payload: args.payload()?,
    };
    args.end()?;
    Ok(command)
}

pub(super) fn encode_client(command: &ClientCommand) -> Option<Vec<u8>> {
    Some(match command {
        ClientCommand::UsrCall { trid, email, cookie } => {
            Encoder::new("USR").arg(trid).arg(email).arg(cookie.expose()).line()
        }
        ClientCommand::Cal { trid, email } => Encoder::new("CAL").arg(trid).arg(email).line(),
        ClientCommand::Ans { trid, email, cookie, session } => {
            Encoder::new("ANS").arg(trid).arg(email).arg(cookie.expose()).arg(session).line()
        }
        ClientCommand::Msg { trid, acknowledge, payload } => {
            Encoder::new("MSG").arg(trid).arg(acknowledge).payload(payload)
        }
        _ => return None,
    })
}

pub(super) fn decode_server(verb: &str, args: &mut Args<'_>, context: Context) -> Decoded<ServerCommand> {
    Some(match (verb, context.link) {
        ("RNG", Link::Notification) => rng(args),
        ("MSG", _) => msg_relayed(args),
        ("USR", Link::Switchboard) => usr_reply(args),
        ("CAL", Link::Switchboard) => cal_reply(args),
        ("JOI", Link::Switchboard) => joi(args),
        ("IRO", Link::Switchboard) => iro(args),
        ("ANS", Link::Switchboard) => args.trid().map(|trid| ServerCommand::AnsOk { trid }),
        ("BYE", Link::Switchboard) => bye(args),
        ("ACK", Link::Switchboard) => args.trid().map(|trid| ServerCommand::Ack { trid }),
        ("NAK", Link::Switchboard) => args.trid().map(|trid| ServerCommand::Nak { trid }),
        _ => return None,
    })
}

fn rng(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let session = SessionId(args.owned("session id")?);
    let board = args.parse("server address")?;
    args.required("authentication type")?;
    Ok(ServerCommand::Rng {
        session,
        board,
        cookie: Cookie::new(args.required("cookie")?),
        email: args.email()?,
        name: args.text("display name")?,
    })
}

fn msg_relayed(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let sender = args.owned("sender")?;
    let name = args.text("display name")?;
    Ok(ServerCommand::Msg { sender, name, payload: args.payload()? })
}

fn usr_reply(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    args.required("OK")?;
    Ok(ServerCommand::UsrCallOk { trid, email: args.email()?, name: args.text("display name")? })
}

fn cal_reply(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    args.required("RINGING")?;
    Ok(ServerCommand::CalRinging { trid, session: SessionId(args.optional().unwrap_or_default().to_owned()) })
}

fn joi(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let (email, machine) = args.endpoint()?;
    Ok(ServerCommand::Joi {
        email,
        machine,
        name: args.text("display name")?,
        capabilities: args.optional().and_then(|token| token.parse().ok()),
    })
}

fn iro(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let (trid, index, total) = (args.trid()?, args.parse("index")?, args.parse("total")?);
    let (email, machine) = args.endpoint()?;
    Ok(ServerCommand::Iro {
        trid,
        index,
        total,
        email,
        machine,
        name: args.text("display name")?,
        capabilities: args.optional().and_then(|token| token.parse().ok()),
    })
}

fn bye(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let (email, machine) = args.endpoint()?;
    Ok(ServerCommand::Bye { email, machine, idle: args.optional() == Some("1") })
}

fn endpoint(email: &Email, machine: Option<&MachineId>) -> String {
    machine.map_or_else(|| email.to_string(), |machine| format!("{email};{machine}"))
}

pub(super) fn encode_server(command: &ServerCommand, dialect: Dialect) -> Option<Vec<u8>> {
    let with_caps = |caps: &Option<crate::msn::ids::Capabilities>| {
        dialect.roster_has_capabilities().then(|| caps.unwrap_or_default())
    };
    Some(match command {
        ServerCommand::Rng { session, board, cookie, email, name } => {
            let line = Encoder::new("RNG").arg(session).arg(board).arg("CKI").arg(cookie.expose());
            line.arg(email).arg(name).line()
        }
        ServerCommand::UsrCallOk { trid, email, name } => {
            Encoder::new("USR").arg(trid).arg("OK").arg(email).arg(name).line()
        }
        ServerCommand::CalRinging { trid, session } => {
            Encoder::new("CAL").arg(trid).arg("RINGING").arg(session).line()
        }
        ServerCommand::Joi { email, machine, name, capabilities } => Encoder::new("JOI")
            .arg(endpoint(email, machine.as_ref()))
            .arg(name)
            .arg_if(with_caps(capabilities))
            .line(),
        ServerCommand::Iro { trid, index, total, email, machine, name, capabilities } => {
            let line = Encoder::new("IRO").arg(trid).arg(index).arg(total);
            let line = line.arg(endpoint(email, machine.as_ref())).arg(name);
            line.arg_if(with_caps(capabilities)).line()
        }
        ServerCommand::AnsOk { trid } => Encoder::new("ANS").arg(trid).arg("OK").line(),
        ServerCommand::Bye { email, machine, idle } => {
            Encoder::new("BYE").arg(endpoint(email, machine.as_ref())).arg_if(idle.then_some(1)).line()
        }
        ServerCommand::Ack { trid } => Encoder::new("ACK").arg(trid).line(),
        ServerCommand::Nak { trid } => Encoder::new("NAK").arg(trid).line(),
        ServerCommand::Msg { sender, name, payload } => {
            Encoder::new("MSG").arg(sender).arg(name).payload(payload)
        }
        _ => return None,
    })
}
