//! `VER CVR USR XFR SBS`: from the first byte to signed in (§2).
//!
//! Knows both sides of the sign-in, line by line. Refuses to know the order of the steps, which is in `session::login`,
//! and where a ticket comes from.

use super::{ClientCommand, Context, Decoded, Link, ServerCommand};
use crate::msn::dialect::{AccountForm, Dialect};
use crate::msn::ids::{Cookie, Email, Ticket, TrId};
use crate::msn::wire::{Args, DecodeError, Encoder, UrlText};

/// The eight parameters of `CVR` (§2.3). Servers read them and do not check them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// Language, hexadecimal: `0x0409` is American English.
    pub locale: String,
    pub os: String,
    pub os_version: String,
    pub architecture: String,
    pub client: String,
    pub client_version: String,
    /// Always `MSMSGS` from our side.
    pub family: String,
    pub email: Email,
}

pub(super) fn decode_client(verb: &str, args: &mut Args<'_>, context: Context) -> Decoded<ClientCommand> {
    match (verb, context.link) {
        ("VER", _) => Some(ver(args)),
        ("CVR", _) => Some(cvr(args)),
        ("USR", Link::Notification) => Some(usr(args)),
        ("XFR", Link::Notification) => Some(xfr(args)),
        _ => None,
    }
}

fn ver(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let trid = args.trid()?;
    args.peek().ok_or_else(|| args.error(crate::msn::wire::DecodeErrorKind::Missing("version")))?;
    let versions = args.remaining();
    match versions.iter().find(|version| !version.bytes().all(|b| b.is_ascii_graphic())) {
        Some(odd) => Err(args.invalid("version", odd)),
        None => Ok(ClientCommand::Ver { trid, versions }),
    }
}

fn cvr(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let trid = args.trid()?;
    let info = ClientInfo {
        locale: args.owned("locale")?,
        os: args.owned("operating system")?,
        os_version: args.owned("operating system version")?,
        architecture: args.owned("architecture")?,
        client: args.owned("client name")?,
        client_version: args.owned("client version")?,
        family: args.owned("client family")?,
        email: args.email()?,
    };
    args.end()?;
    Ok(ClientCommand::Cvr { trid, info })
}

fn usr(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let trid = args.trid()?;
    let scheme = args.required("sign-in scheme")?;
    if scheme == "SSO" {
        return sso(trid, args);
    }
    if scheme != "TWN" {
        return Ok(ClientCommand::UsrOther { trid, scheme: scheme.to_owned(), rest: args.remaining() });
    }
    let stage = args.required("sign-in stage")?;
    let command = match stage {
        "I" => ClientCommand::UsrInitial { trid, email: args.email()? },
        "S" => ClientCommand::UsrTicket { trid, ticket: Ticket::new(args.required("ticket")?) },
        other => return Err(args.invalid("sign-in stage", other)),
    };
    args.end()?;
    Ok(command)
}

fn sso(trid: TrId, args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = match args.required("sign-in stage")? {
        "I" => ClientCommand::SsoInitial { trid, email: args.email()? },
        "S" => ClientCommand::SsoTicket {
            trid,
            ticket: Ticket::new(args.required("ticket")?),
            proof: args.optional().map(str::to_owned),
            machine: args.optional().map(str::to_owned),
        },
        other => return Err(args.invalid("sign-in stage", other)),
    };
    args.end()?;
    Ok(command)
}

fn xfr(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Xfr { trid: args.trid()?, kind: args.owned("server type")? };
    args.end()?;
    Ok(command)
}

pub(super) fn encode_client(command: &ClientCommand) -> Option<Vec<u8>> {
    Some(match command {
        ClientCommand::Ver { trid, versions } => Encoder::new("VER").arg(trid).args(versions).line(),
        ClientCommand::Cvr { trid, info } => Encoder::new("CVR")
            .arg(trid)
            .args([&info.locale, &info.os, &info.os_version, &info.architecture])
            .args([&info.client, &info.client_version, &info.family])
            .arg(&info.email)
            .line(),
        ClientCommand::UsrInitial { trid, email } => {
            Encoder::new("USR").arg(trid).arg("TWN").arg("I").arg(email).line()
        }
        ClientCommand::UsrTicket { trid, ticket } => {
            Encoder::new("USR").arg(trid).arg("TWN").arg("S").arg(ticket.expose()).line()
        }
        ClientCommand::SsoInitial { trid, email } => {
            Encoder::new("USR").arg(trid).arg("SSO").arg("I").arg(email).line()
        }
        ClientCommand::SsoTicket { trid, ticket, proof, machine } => Encoder::new("USR")
            .arg(trid)
            .arg("SSO")
            .arg("S")
            .arg(ticket.expose())
            .arg_if(proof.as_ref())
            .arg_if(machine.as_ref())
            .line(),
        ClientCommand::UsrOther { trid, scheme, rest } => {
            Encoder::new("USR").arg(trid).arg(scheme).args(rest).line()
        }
        ClientCommand::Xfr { trid, kind } => Encoder::new("XFR").arg(trid).arg(kind).line(),
        _ => return None,
    })
}

pub(super) fn decode_server(verb: &str, args: &mut Args<'_>, context: Context) -> Decoded<ServerCommand> {
    match (verb, context.link) {
        ("VER", _) => Some(args.trid().map(|trid| ServerCommand::Ver { trid, versions: args.remaining() })),
        ("CVR", _) => Some(args.trid().map(|trid| ServerCommand::Cvr { trid, rest: args.remaining() })),
        ("SBS", _) => Some(Ok(ServerCommand::Sbs { rest: args.remaining() })),
        ("USR", Link::Notification) => Some(usr_reply(args, context)),
        ("XFR", _) => Some(xfr_reply(args)),
        _ => None,
    }
}

fn usr_reply(args: &mut Args<'_>, context: Context) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    match args.required("sign-in stage")? {
        "OK" => {
            let email = args.email()?;
            let name = if context.dialect.has_guids() { None } else { Some(args.text("display name")?) };
            let verified = args.optional() != Some("0");
            let kids = args.optional() == Some("1");
            Ok(ServerCommand::UsrOk { trid, email, name, verified, kids })
        }
        "TWN" => {
            args.required("sign-in stage")?;
            Ok(ServerCommand::UsrPolicy { trid, policy: args.owned("policy")? })
        }
        "SSO" => {
            args.required("sign-in stage")?;
            let (policy, nonce) = (args.owned("policy")?, args.owned("nonce")?);
            Ok(ServerCommand::SsoPolicy { trid, policy, nonce })
        }
        other => Err(args.invalid("sign-in stage", other)),
    }
}

fn xfr_reply(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    match args.required("server type")? {
        "NS" => Ok(ServerCommand::XfrNotification {
            trid,
            server: args.parse("server address")?,
            rest: args.remaining(),
        }),
        "SB" => {
            let board = args.parse("server address")?;
            args.required("authentication type")?;
            Ok(ServerCommand::XfrSwitchboard { trid, board, cookie: Cookie::new(args.required("cookie")?) })
        }
        other => Err(args.invalid("server type", other)),
    }
}

/// What ends a line about a switchboard, from MSNP13 on.
pub(super) fn unified_host(dialect: Dialect) -> &'static [&'static str] {
    match (dialect.tail_has_unified_host(), dialect.account_form()) {
        (false, _) => &[],
        (true, AccountForm::Bare) => &["U", "messenger.msn.com"],
        (true, AccountForm::NetworkAfter | AccountForm::NetworkPrefix) => &["U", "messenger.msn.com", "1"],
    }
}

pub(super) fn encode_server(command: &ServerCommand, dialect: Dialect) -> Option<Vec<u8>> {
    Some(match command {
        ServerCommand::Ver { trid, versions } => Encoder::new("VER").arg(trid).args(versions).line(),
        ServerCommand::Cvr { trid, rest } => Encoder::new("CVR").arg(trid).args(rest).line(),
        ServerCommand::UsrPolicy { trid, policy } => {
            Encoder::new("USR").arg(trid).arg("TWN").arg("S").arg(policy).line()
        }
        ServerCommand::SsoPolicy { trid, policy, nonce } => {
            Encoder::new("USR").arg(trid).arg("SSO").arg("S").arg(policy).arg(nonce).line()
        }
        ServerCommand::UsrOk { trid, email, name, verified, kids } => Encoder::new("USR")
            .arg(trid)
            .arg("OK")
            .arg(email)
            .arg_if(name.as_ref().map(UrlText::as_wire))
            .arg(u8::from(*verified))
            .arg(u8::from(*kids))
            .line(),
        ServerCommand::XfrNotification { trid, server, rest } => {
            Encoder::new("XFR").arg(trid).arg("NS").arg(server).args(rest).line()
        }
        ServerCommand::XfrSwitchboard { trid, board, cookie } => {
            let line = Encoder::new("XFR").arg(trid).arg("SB").arg(board).arg("CKI").arg(cookie.expose());
            line.args(unified_host(dialect)).line()
        }
        ServerCommand::Sbs { rest } => Encoder::new("SBS").args(rest).line(),
        _ => return None,
    })
}
