//! Lists as a server sends them: the lines of `SYN`, and the replies to changes.
//!
//! Knows positional lines before MSNP10 and named fields from it on (§3.2). Refuses to count them: a session knows how
//! many were announced.

use super::super::{Context, Decoded, ServerCommand};
use super::client::{ContactFields, contact_fields, encode_stamp};
use super::{ContactEntry, ListMask, SyncStamp, listing};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{ContactId, Email, GroupId, TrId};
use crate::msn::wire::{Args, DecodeError, DecodeErrorKind, Encoder, Verb};

pub(in super::super) fn decode_server(
    verb: Verb,
    args: &mut Args<'_>,
    context: Context,
) -> Decoded<ServerCommand> {
    let dialect = context.dialect;
    Some(match verb.as_str() {
        "SYN" => syn(args, dialect),
        "GTC" => setting(args).map(|(trid, version, setting)| ServerCommand::Gtc { trid, version, setting }),
        "BLP" => setting(args).map(|(trid, version, setting)| ServerCommand::Blp { trid, version, setting }),
        "PRP" => prp(args),
        "BPR" => bpr(args),
        "LSG" => lsg(args, dialect),
        "LST" if dialect.has_guids() => lst_named(args),
        "LST" => lst_positional(args),
        "ADD" => add(args),
        "ADC" => adc(args),
        "REM" => rem(args, dialect),
        "REA" => rea(args),
        "SBP" => sbp(args),
        "ADG" | "REG" | "RMG" => {
            args.trid().map(|trid| ServerCommand::Group { verb, trid, rest: args.remaining() })
        }
        other => return listing::decode_server(other, args),
    })
}

fn syn(args: &mut Args<'_>, dialect: Dialect) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    let stamp = if dialect.has_guids() {
        SyncStamp::Stamps(args.owned("first stamp")?, args.owned("second stamp")?)
    } else {
        SyncStamp::Version(args.parse("version")?)
    };
    let counts = match args.peek() {
        None => None,
        Some(_) => Some((args.parse("number of contacts")?, args.parse("number of groups")?)),
    };
    Ok(ServerCommand::Syn { trid, stamp, counts })
}

/// The numbers in front of a setting or property: none in `SYN`, TrID in replies, and a list version up to MSNP9.
fn leading_numbers(args: &mut Args<'_>) -> (Option<TrId>, Option<u32>) {
    let mut number = || {
        let value = args.peek().and_then(|token| token.parse::<u32>().ok())?;
        args.optional();
        Some(value)
    };
    (number().map(TrId), number())
}

fn setting(args: &mut Args<'_>) -> Result<(Option<TrId>, Option<u32>, String), DecodeError> {
    let (trid, version) = leading_numbers(args);
    Ok((trid, version, args.owned("setting")?))
}

fn prp(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let (trid, version) = leading_numbers(args);
    Ok(ServerCommand::Prp { trid, version, property: args.owned("property")?, value: args.optional_text() })
}

fn bpr(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let (version, _) = leading_numbers(args);
    let is_account = args.peek().is_some_and(|t| t.contains('@') || t.starts_with("tel:"));
    let email = if is_account { Some(args.email()?) } else { None };
    let property = args.owned("property")?;
    Ok(ServerCommand::Bpr { version: version.map(|v| v.0), email, property, value: args.optional_text() })
}

fn lsg(args: &mut Args<'_>, dialect: Dialect) -> Result<ServerCommand, DecodeError> {
    let (first, second) = (args.required("group")?, args.required("group name")?);
    let (group, name) = if dialect.has_guids() { (second, first) } else { (first, second) };
    let name = crate::msn::wire::UrlText::from_wire(name);
    Ok(ServerCommand::Lsg { group: GroupId(group.to_owned()), name })
}

fn lst_positional(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let email = args.email()?;
    let name = Some(args.text("display name")?);
    let lists = ListMask(args.parse("lists")?);
    let groups = args.optional().map(groups).unwrap_or_default();
    Ok(ServerCommand::Lst(ContactEntry { email, name, contact: None, lists, groups }))
}

/// The list mask comes first among the bare parameters, then a network type (MSNP12), then the groups; a bare number
/// is a type, anything else is groups (§3.2).
fn lst_named(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let ContactFields { email, name, contact, bare } = contact_fields(args)?;
    let email = email.ok_or_else(|| args.error(DecodeErrorKind::Missing("account")))?;
    let mut bare = bare.iter();
    let mask = bare.next().ok_or_else(|| args.error(DecodeErrorKind::Missing("lists")))?;
    let lists = ListMask(mask.parse().map_err(|_| args.invalid("lists", mask))?);
    let groups = bare.filter(|token| token.parse::<u32>().is_err()).flat_map(|token| groups(token)).collect();
    Ok(ServerCommand::Lst(ContactEntry { email, name, contact, lists, groups }))
}

fn groups(token: &str) -> Vec<GroupId> {
    token.split(',').filter(|g| !g.is_empty()).map(|g| GroupId(g.to_owned())).collect()
}

fn add(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    Ok(ServerCommand::Add {
        trid: args.trid()?,
        list: args.parse("list")?,
        version: args.parse("list version")?,
        email: args.email()?,
        name: args.optional_text(),
        group: args.optional().map(|g| GroupId(g.to_owned())),
    })
}

fn adc(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    let list = args.parse("list")?;
    let ContactFields { email, name, contact, bare } = contact_fields(args)?;
    let group = bare.into_iter().next().map(GroupId);
    Ok(ServerCommand::Adc { trid, list, email, name, contact, group })
}

fn rem(args: &mut Args<'_>, dialect: Dialect) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    let list = args.parse("list")?;
    let has_version = !dialect.has_guids() && args.left() > 1;
    let version = if has_version { Some(args.parse("list version")?) } else { None };
    let target = args.required("contact")?;
    let target = target.strip_prefix("N=").unwrap_or(target).to_owned();
    let group = args.optional().map(|g| GroupId(g.to_owned()));
    Ok(ServerCommand::Rem { trid, list, version, target, group })
}

fn rea(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    Ok(ServerCommand::Rea {
        trid: args.trid()?,
        version: args.parse("list version")?,
        email: args.email()?,
        name: args.text("display name")?,
    })
}

fn sbp(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    Ok(ServerCommand::Sbp {
        trid: args.trid()?,
        contact: ContactId(args.owned("contact")?),
        property: args.owned("property")?,
        value: args.optional_text(),
    })
}

pub(in super::super) fn encode_server(command: &ServerCommand, dialect: Dialect) -> Option<Vec<u8>> {
    Some(match command {
        ServerCommand::Syn { trid, stamp, counts } => {
            let line = encode_stamp(Encoder::new("SYN").arg(trid), stamp);
            line.arg_if(counts.map(|c| c.0)).arg_if(counts.map(|c| c.1)).line()
        }
        ServerCommand::Gtc { trid, version, setting } => {
            Encoder::new("GTC").arg_if(*trid).arg_if(*version).arg(setting).line()
        }
        ServerCommand::Blp { trid, version, setting } => {
            Encoder::new("BLP").arg_if(*trid).arg_if(*version).arg(setting).line()
        }
        ServerCommand::Prp { trid, version, property, value } => {
            Encoder::new("PRP").arg_if(*trid).arg_if(*version).arg(property).arg_if(value.as_ref()).line()
        }
        ServerCommand::Bpr { version, email, property, value } => Encoder::new("BPR")
            .arg_if(*version)
            .arg_if(email.as_ref())
            .arg(property)
            .arg_if(value.as_ref())
            .line(),
        ServerCommand::Lsg { group, name } if dialect.has_guids() => {
            Encoder::new("LSG").arg(name).arg(group).line()
        }
        ServerCommand::Lsg { group, name } => Encoder::new("LSG").arg(group).arg(name).arg(0).line(),
        ServerCommand::Lst(entry) => encode_lst(entry, dialect),
        ServerCommand::Sbp { trid, contact, property, value } => {
            Encoder::new("SBP").arg(trid).arg(contact).arg(property).arg_if(value.as_ref()).line()
        }
        ServerCommand::Group { verb, trid, rest } => Encoder::new(verb.as_str()).arg(trid).args(rest).line(),
        other => return encode_change(other),
    })
}

fn encode_change(command: &ServerCommand) -> Option<Vec<u8>> {
    Some(match command {
        ServerCommand::Add { trid, list, version, email, name, group } => {
            let line = Encoder::new("ADD").arg(trid).arg(list).arg(version).arg(email);
            line.arg_if(name.as_ref()).arg_if(group.as_ref()).line()
        }
        ServerCommand::Adc { trid, list, email, name, contact, group } => Encoder::new("ADC")
            .arg(trid)
            .arg(list)
            .arg_if(email.as_ref().map(|e| format!("N={e}")))
            .arg_if(name.as_ref().map(|n| format!("F={n}")))
            .arg_if(contact.as_ref().map(|c| format!("C={c}")))
            .arg_if(group.as_ref())
            .line(),
        ServerCommand::Rem { trid, list, version, target, group } => {
            Encoder::new("REM").arg(trid).arg(list).arg_if(*version).arg(target).arg_if(group.as_ref()).line()
        }
        ServerCommand::Rea { trid, version, email, name } => {
            Encoder::new("REA").arg(trid).arg(version).arg(email).arg(name).line()
        }
        other => return listing::encode_server(other),
    })
}

fn encode_lst(entry: &ContactEntry, dialect: Dialect) -> Vec<u8> {
    let groups: Vec<&str> = entry.groups.iter().map(|g| g.0.as_str()).collect();
    let groups = (!groups.is_empty()).then(|| groups.join(","));
    if !dialect.has_guids() {
        let line = Encoder::new("LST").arg(&entry.email).arg(name_or_email(entry));
        return line.arg(entry.lists.0).arg_if(groups).line();
    }
    Encoder::new("LST")
        .arg(format!("N={}", entry.email))
        .arg_if(entry.name.as_ref().map(|n| format!("F={n}")))
        .arg_if(entry.contact.as_ref().map(|c| format!("C={c}")))
        .arg(entry.lists.0)
        .arg_if(dialect.lst_has_type().then_some(1))
        .arg_if(groups)
        .line()
}

fn name_or_email(entry: &ContactEntry) -> String {
    entry.name.as_ref().map_or_else(|| Email::as_str(&entry.email).to_owned(), ToString::to_string)
}
