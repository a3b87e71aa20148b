//! Commands about conversations: open one, call somebody in, take somebody out, answer a file, let others speak.
//!
//! Knows which of them need a conversation. Refuses to know calls and groups of the network: requests name them.

use super::{CommandContext, CommandSpec, Effect, Refusal, nothing, one, switch};
use crate::bridge::body::Body;
use crate::bridge::ids::{ConversationId, EntryId};
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
    CommandSpec {
        name: "who",
        arguments: "",
        does: "says who is in this conversation",
        run: |context, words| {
            nothing(words)?;
            here(context, "a conversation", "who").map(|_| Effect::Who)
        },
    },
    CommandSpec {
        name: "explain",
        arguments: "[event]",
        does: "says what became of a message: of the one that you reply to with this, or of the last",
        run: explain,
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
        name: "bridge",
        arguments: "<account>",
        does: "makes the room in which you say it, an ordinary one into which you invited me, the conversation with a contact",
        run: bridge,
    },
    CommandSpec {
        name: "unbridge",
        arguments: "",
        does: "makes this conversation's room an ordinary one again: the contact and I leave it",
        run: |context, words| remove_room(context, words, true),
    },
    CommandSpec {
        name: "delete-portal",
        arguments: "",
        does: "removes this conversation's room, for you too; what is said later makes another",
        run: |context, words| remove_room(context, words, false),
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

/// The message is the one that the command answers, the one whose name is given, or the newest of the conversation.
fn explain(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let given = context.given;
    let entry = match words {
        [] => given.about.clone(),
        [name] => Some(EntryId::brought(given.leg, name)),
        _ => return Err(Refusal::Usage),
    };
    if entry.is_none() {
        here(context, "a conversation", "explain")?;
    }
    Ok(Effect::Explain { entry })
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

fn bridge(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let typed = one(words)?;
    let login = context.login_id()?;
    if !context.is_in_management() {
        return Err("This room is a conversation already. Invite me into another, and say it there."
            .to_owned()
            .into());
    }
    let (_, conversation) = context.contact(typed)?;
    Ok(Effect::AdoptRoom { login, conversation })
}

fn remove_room(context: &CommandContext<'_>, words: &[&str], keeps_people: bool) -> Result<Effect, Refusal> {
    nothing(words)?;
    context.login_id()?;
    let command = if keeps_people { "unbridge" } else { "delete-portal" };
    here(context, "a conversation", command)?;
    Ok(Effect::RemoveRoom { keeps_people })
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
