//! Commands about channels, which belong to other people: have one be an end of a conversation, or an end of that.
//!
//! Knows which conversation a command is for. Refuses to decide who may: the side that has the channel does.

use super::{CommandContext, CommandSpec, Effect, Refusal, one};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::channels::{ChannelAct, ChannelName, Member};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "plumb",
        arguments: "<channel> [network] [<account>]",
        does: "makes a channel an end of this conversation, or of that with a contact; an operator there may be asked",
        run: plumb,
    },
    CommandSpec {
        name: "unplumb",
        arguments: "[channel] [network]",
        does: "ends that, for this conversation's channel or for the one named",
        run: unplumb,
    },
    CommandSpec {
        name: "rejoin",
        arguments: "<account>",
        does: "has a contact enter this conversation's channel again, who was put out there",
        run: rejoin,
    },
];

/// Whether a word names a channel.
fn is_channel(word: &str) -> bool {
    word.starts_with(['#', '&', '+', '!']) && word.len() > 1
}

fn name(channel: &str, network: Option<&&str>) -> ChannelName {
    ChannelName { channel: channel.to_owned(), network: network.map(|name| (*name).to_owned()) }
}

fn plumb(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let [channel, rest @ ..] = words else { return Err(Refusal::Usage) };
    if !is_channel(channel) || rest.len() > 2 {
        return Err(Refusal::Usage);
    }
    let (accounts, networks): (Vec<&str>, Vec<&str>) = rest.iter().partition(|word| word.contains('@'));
    let portal = portal(context, accounts.first().copied())?;
    let people = context.network.audience(&portal).people.into_iter();
    let member = |ghost: crate::bridge::ids::GhostId| {
        let (ghost, conversation) = context.network.direct_conversation(ghost.as_str()).ok()?;
        Some(Member { ghost, direct: PortalKey::new(portal.receiver.clone(), conversation) })
    };
    let members = people.filter_map(member).collect();
    Ok(Effect::AskChannel(ChannelAct::Plumb { name: name(channel, networks.first()), portal, members }))
}

/// The conversation of a command: with the contact that is named, else the one in which it was given.
fn portal(context: &CommandContext<'_>, account: Option<&str>) -> Result<PortalKey, Refusal> {
    let login = context.login_id()?;
    match account {
        Some(typed) => Ok(PortalKey::new(login, context.contact(typed)?.1)),
        None if context.is_in_management() => {
            let text = "Say with whom: «plumb <channel> <account>», or use this in a conversation.";
            Err(context.fill(text).into())
        }
        None if context.given.portal.receiver != login => {
            Err("This conversation is not of that account.".to_owned().into())
        }
        None => Ok(context.given.portal.clone()),
    }
}

fn unplumb(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let name = match words {
        [] => None,
        [channel, network @ ..] if is_channel(channel) && network.len() < 2 => {
            Some(name(channel, network.first()))
        }
        _ => return Err(Refusal::Usage),
    };
    if name.is_none() && context.is_in_management() {
        return Err("Say which channel, or use this in a conversation.".to_owned().into());
    }
    Ok(Effect::AskChannel(ChannelAct::Unplumb { name, portal: context.given.portal.clone() }))
}

fn rejoin(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let (ghost, conversation) = context.contact(one(words)?)?;
    let login = context.login_id()?;
    let portal = match context.is_in_management() {
        true => PortalKey::new(login, conversation),
        false => context.given.portal.clone(),
    };
    Ok(Effect::AskChannel(ChannelAct::Rejoin { portal, ghost }))
}
