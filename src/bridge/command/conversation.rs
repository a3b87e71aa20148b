//! Commands about conversations: open one, call somebody in, take somebody out, answer a file, let others speak.
//!
//! Knows which of them need a conversation. Refuses to know calls and groups of the network: requests name them.

use super::{CommandContext, CommandSpec, Effect, Refusal, nothing, one, switch};
use crate::bridge::body::Body;
use crate::bridge::ids::ConversationId;
use crate::bridge::port::network::Request;

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec { name: "chat", arguments: "<account>", does: "opens a conversation", run: chat },
    CommandSpec {
        name: "invite",
        arguments: "<account>",
        does: "calls somebody into this conversation",
        run: invite,
    },
    CommandSpec {
        name: "drop",
        arguments: "<account>",
        does: "takes somebody out of this group for good",
        run: drop_member,
    },
    CommandSpec { name: "nudge", arguments: "", does: "sends a nudge in this conversation", run: nudge },
    CommandSpec {
        name: "file",
        arguments: "accept|decline [number]",
        does: "answers a contact who offers a large file in this conversation",
        run: file,
    },
    CommandSpec {
        name: "relay",
        arguments: "<on|off>",
        does: "lets other people in this conversation's room be heard on {network}, through your account",
        run: relay,
    },
    CommandSpec {
        name: "page",
        arguments: "<account> <text>",
        does: "sends a page to a contact's phone",
        run: page,
    },
];

/// The conversation the command was given in.
fn here(context: &CommandContext<'_>, place: &str, command: &str) -> Result<ConversationId, Refusal> {
    if context.is_in_management() {
        let command = context.fill(&context.sides.in_conversation(command));
        return Err(format!("Use this in {place}: {command}.").into());
    }
    Ok(context.given.portal.conversation.clone())
}

fn chat(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let typed = one(words)?;
    let login = context.login_id()?;
    let (ghost, conversation) = context.contact(typed)?;
    Ok(Effect::OpenChat { login, ghost, conversation })
}

fn invite(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let typed = one(words)?;
    let login = context.login_id()?;
    let conversation = here(context, "a conversation", "invite <account>")?;
    let (ghost, _) = context.contact(typed)?;
    let done = format!("{ghost} is being called.");
    Ok(Effect::request(login, Request::Invite { conversation, ghost }, done))
}

fn drop_member(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let typed = one(words)?;
    let login = context.login_id()?;
    let conversation = here(context, "a group", "drop <account>")?;
    let (ghost, _) = context.contact(typed)?;
    let done = format!("{ghost} is out of this group: your next words do not call them.");
    Ok(Effect::request(login, Request::Drop { conversation, ghost }, done))
}

/// A nudge is a message like any other.
fn nudge(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    nothing(words)?;
    here(context, "a conversation", "nudge").map(|_| Effect::Say(Body::Nudge))
}

fn file(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let (answer, number) = match words {
        [answer] => (*answer, None),
        [answer, number] => {
            (*answer, Some(number.trim_start_matches('#').parse().map_err(|_| Refusal::Usage)?))
        }
        _ => return Err(Refusal::Usage),
    };
    let accept = match answer {
        "accept" => true,
        "decline" => false,
        _ => return Err(Refusal::Usage),
    };
    let login = context.login_id()?;
    if context.is_in_management() && number.is_none() {
        let (accept, decline) =
            (context.sides.in_conversation("file accept"), context.sides.in_conversation("file decline"));
        return Err(format!("Use this in a conversation: {accept}, or {decline}.").into());
    }
    let done = if accept { "The file is coming." } else { "The file was declined." };
    let conversation = context.given.portal.conversation.clone();
    Ok(Effect::request(login, Request::AnswerFile { conversation, number, accept }, done))
}

/// Only the conversation's owner decides: others' commands in its room are not read.
fn relay(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let on = switch(words)?;
    let login = context.login_id()?;
    if context.is_in_management() || context.given.portal.receiver != login {
        let command = context.sides.in_conversation("relay on");
        return Err(format!("Use this in a conversation: {command}.").into());
    }
    Ok(Effect::Relay { on })
}

fn page(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let (typed, text) = match words {
        [typed, text @ ..] if !text.is_empty() => (*typed, text.join(" ")),
        _ => return Err(Refusal::Usage),
    };
    let login = context.login_id()?;
    let (ghost, _) = context.contact(typed)?;
    let done = format!("A page to {ghost} is on its way.");
    Ok(Effect::request(login, Request::Page { ghost, text }, done))
}
