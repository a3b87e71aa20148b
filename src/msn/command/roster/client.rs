//! List changes as a client asks for them.
//!
//! Knows which parameters each dialect takes for one change. Refuses to know whether the change makes sense: the plan
//! of a session and the service do (§3.3).

use super::super::{ClientCommand, Decoded};
use super::{SyncStamp, listing};
use crate::msn::ids::{ContactId, Email, GroupId};
use crate::msn::wire::{Args, DecodeError, Encoder, UrlText};

pub(in super::super) fn decode_client(verb: &str, args: &mut Args<'_>) -> Decoded<ClientCommand> {
    Some(match verb {
        "SYN" => syn(args),
        "ADD" => add(args),
        "ADC" => adc(args),
        "REM" => rem(args),
        "REA" => rea(args),
        "PRP" => prp(args),
        "SBP" => sbp(args),
        "ADG" => adg(args),
        "REG" => reg(args),
        "RMG" => rmg(args),
        "GTC" => setting(args).map(|(trid, setting)| ClientCommand::Gtc { trid, setting }),
        "BLP" => setting(args).map(|(trid, setting)| ClientCommand::Blp { trid, setting }),
        "LST" => setting(args).map(|(trid, list)| ClientCommand::Lst { trid, list }),
        _ => return listing::decode_client(verb, args),
    })
}

fn syn(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let trid = args.trid()?;
    let first = args.required("version")?;
    let stamp = match args.optional() {
        Some(second) => SyncStamp::Stamps(first.to_owned(), second.to_owned()),
        None => SyncStamp::Version(first.parse().map_err(|_| args.invalid("version", first))?),
    };
    args.end()?;
    Ok(ClientCommand::Syn { trid, stamp })
}

fn add(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Add {
        trid: args.trid()?,
        list: args.parse("list")?,
        email: args.email()?,
        name: args.optional_text(),
        group: args.optional().map(|g| GroupId(g.to_owned())),
    };
    args.end()?;
    Ok(command)
}

/// The parameters `N=`, `F=`, `C=` in any order, and a bare one that is a group.
pub(super) struct ContactFields {
    pub(super) email: Option<Email>,
    pub(super) name: Option<UrlText>,
    pub(super) contact: Option<ContactId>,
    pub(super) bare: Vec<String>,
}

/// Reads what `ADC` and its echo have behind the list (§3.3); from `args` everything is taken.
///
/// # Errors
/// The account behind `N=` cannot be one.
pub(super) fn contact_fields(args: &mut Args<'_>) -> Result<ContactFields, DecodeError> {
    let mut fields = ContactFields { email: None, name: None, contact: None, bare: Vec::new() };
    while let Some(token) = args.optional() {
        if let Some(email) = token.strip_prefix("N=") {
            fields.email = Some(Email::parse(email).map_err(|_| args.invalid("account", email))?);
        } else if let Some(name) = token.strip_prefix("F=") {
            fields.name = Some(UrlText::from_wire(name));
        } else if let Some(contact) = token.strip_prefix("C=") {
            fields.contact = Some(ContactId(contact.to_owned()));
        } else {
            fields.bare.push(token.to_owned());
        }
    }
    Ok(fields)
}

fn adc(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let trid = args.trid()?;
    let list = args.parse("list")?;
    let ContactFields { email, name, contact, bare } = contact_fields(args)?;
    if email.is_none() && contact.is_none() {
        return Err(args.error(crate::msn::wire::DecodeErrorKind::Missing("account")));
    }
    let mut bare = bare.into_iter();
    let group = bare.next().map(GroupId);
    match bare.next() {
        None => Ok(ClientCommand::Adc { trid, list, email, name, contact, group }),
        Some(excess) => Err(args.error(crate::msn::wire::DecodeErrorKind::Excess(excess))),
    }
}

fn rem(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Rem {
        trid: args.trid()?,
        list: args.parse("list")?,
        target: args.owned("contact")?,
        group: args.optional().map(|g| GroupId(g.to_owned())),
    };
    args.end()?;
    Ok(command)
}

fn rea(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command =
        ClientCommand::Rea { trid: args.trid()?, email: args.email()?, name: args.text("display name")? };
    args.end()?;
    Ok(command)
}

fn prp(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Prp {
        trid: args.trid()?,
        property: args.owned("property")?,
        value: args.optional_text(),
    };
    args.end()?;
    Ok(command)
}

fn sbp(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    Ok(ClientCommand::Sbp {
        trid: args.trid()?,
        contact: ContactId(args.owned("contact")?),
        property: args.owned("property")?,
        value: args.optional_text(),
        rest: args.remaining(),
    })
}

fn adg(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    Ok(ClientCommand::Adg { trid: args.trid()?, name: args.text("group name")?, rest: args.remaining() })
}

fn reg(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    Ok(ClientCommand::Reg {
        trid: args.trid()?,
        group: GroupId(args.owned("group")?),
        name: args.text("group name")?,
        rest: args.remaining(),
    })
}

fn rmg(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Rmg { trid: args.trid()?, group: GroupId(args.owned("group")?) };
    args.end()?;
    Ok(command)
}

fn setting(args: &mut Args<'_>) -> Result<(crate::msn::ids::TrId, String), DecodeError> {
    let setting = (args.trid()?, args.owned("setting")?);
    args.end()?;
    Ok(setting)
}

pub(in super::super) fn encode_client(command: &ClientCommand) -> Option<Vec<u8>> {
    Some(match command {
        ClientCommand::Syn { trid, stamp } => encode_stamp(Encoder::new("SYN").arg(trid), stamp).line(),
        ClientCommand::Add { trid, list, email, name, group } => {
            let line = Encoder::new("ADD").arg(trid).arg(list).arg(email);
            line.arg_if(name.as_ref()).arg_if(group.as_ref()).line()
        }
        ClientCommand::Adc { trid, list, email, name, contact, group } => Encoder::new("ADC")
            .arg(trid)
            .arg(list)
            .arg_if(email.as_ref().map(|e| format!("N={e}")))
            .arg_if(name.as_ref().map(|n| format!("F={n}")))
            .arg_if(contact.as_ref().map(|c| format!("C={c}")))
            .arg_if(group.as_ref())
            .line(),
        ClientCommand::Rem { trid, list, target, group } => {
            Encoder::new("REM").arg(trid).arg(list).arg(target).arg_if(group.as_ref()).line()
        }
        ClientCommand::Rea { trid, email, name } => Encoder::new("REA").arg(trid).arg(email).arg(name).line(),
        ClientCommand::Prp { trid, property, value } => {
            Encoder::new("PRP").arg(trid).arg(property).arg_if(value.as_ref()).line()
        }
        ClientCommand::Sbp { trid, contact, property, value, rest } => {
            let line = Encoder::new("SBP").arg(trid).arg(contact).arg(property);
            line.arg_if(value.as_ref()).args(rest).line()
        }
        ClientCommand::Adg { trid, name, rest } => Encoder::new("ADG").arg(trid).arg(name).args(rest).line(),
        ClientCommand::Reg { trid, group, name, rest } => {
            Encoder::new("REG").arg(trid).arg(group).arg(name).args(rest).line()
        }
        ClientCommand::Rmg { trid, group } => Encoder::new("RMG").arg(trid).arg(group).line(),
        ClientCommand::Gtc { trid, setting } => Encoder::new("GTC").arg(trid).arg(setting).line(),
        ClientCommand::Blp { trid, setting } => Encoder::new("BLP").arg(trid).arg(setting).line(),
        ClientCommand::Lst { trid, list } => Encoder::new("LST").arg(trid).arg(list).line(),
        other => return listing::encode_client(other),
    })
}

pub(super) fn encode_stamp(line: Encoder, stamp: &SyncStamp) -> Encoder {
    match stamp {
        SyncStamp::Version(version) => line.arg(version),
        SyncStamp::Stamps(first, second) => line.arg(first).arg(second),
    }
}
