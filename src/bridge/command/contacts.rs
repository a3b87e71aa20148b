//! Commands about contacts and their groups.
//!
//! Knows the change that each asks for and what is said when the network has made it. Refuses to know lists and bits of
//! the network: [`ContactChange`] names what a person means.

use super::{CommandContext, CommandSpec, Effect, NetworkRequest, Refusal, admin, line, one, page, switch};
use crate::bridge::ids::{GhostId, PortalKey};
use crate::bridge::port::network::{ContactChange, Request};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "contacts",
        arguments: "[page]",
        does: "lists your contacts and who is online",
        run: |context, words| {
            let page = page(words)?;
            Ok(Effect::ListContacts { login: context.login_id()?, with: None, page })
        },
    },
    CommandSpec {
        name: "search",
        arguments: "<words>",
        does: "lists the contacts in whose name or address the words are",
        run: |context, words| {
            let with = Some(line(words)?);
            Ok(Effect::ListContacts { login: context.login_id()?, with, page: 1 })
        },
    },
    CommandSpec { name: "add", arguments: "<account> [group]", does: "adds a contact", run: add },
    CommandSpec { name: "remove", arguments: "<account>", does: "removes a contact", run: remove },
    CommandSpec {
        name: "rename",
        arguments: "<account> <name>",
        does: "calls a contact something else in your list",
        run: rename,
    },
    CommandSpec {
        name: "block",
        arguments: "<account>",
        does: "lets somebody neither see nor call you",
        run: block,
    },
    CommandSpec { name: "unblock", arguments: "<account>", does: "lets them again", run: unblock },
    CommandSpec {
        name: "accept",
        arguments: "<account>",
        does: "lets somebody who asked see you, and adds them",
        run: accept,
    },
    CommandSpec { name: "decline", arguments: "<account>", does: "does not", run: decline },
    CommandSpec {
        name: "move",
        arguments: "<account> <group>",
        does: "moves a contact to a group",
        run: move_to_group,
    },
    CommandSpec {
        name: "group",
        arguments: "create <name> | rename <name> <name> | delete <name> | put <account> <name> | take <account> <name>",
        does: "changes your groups; a name with blanks goes in quotes",
        run: group,
    },
    CommandSpec {
        name: "strangers",
        arguments: "<on|off>",
        does: "whether people who are not on your lists may see and call you",
        run: strangers,
    },
    CommandSpec {
        name: "ask",
        arguments: "<on|off>",
        does: "whether other {network} clients of yours ask before somebody who adds you may see you",
        run: ask,
    },
];

/// Asks the network for a change of the login that the command is for.
fn changed(
    context: &CommandContext<'_>,
    change: ContactChange,
    done: impl Into<String>,
) -> Result<Effect, Refusal> {
    Ok(Effect::request(context.login_id()?, Request::Contacts(change), done))
}

/// The same for a change that answers somebody who asked to see the login.
fn answered(
    context: &CommandContext<'_>,
    ghost: GhostId,
    change: ContactChange,
    done: String,
) -> Result<Effect, Refusal> {
    let (login, request) = (context.login_id()?, Request::Contacts(change));
    Ok(Effect::Request(NetworkRequest { login, request, done, opens: None, answers: Some(ghost) }))
}

/// The contact that was typed, after the login: a user without one hears of that first.
fn ghost(context: &CommandContext<'_>, typed: &str) -> Result<GhostId, Refusal> {
    context.login()?;
    context.contact(typed).map(|(ghost, _)| ghost)
}

/// `add <account> --chat` is made of an act and not typed: a user who invites a contact wants to talk to them too.
fn add(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let [typed, rest @ ..] = words else { return Err(Refusal::Usage) };
    let login = context.login_id()?;
    let (ghost, conversation) = context.contact(typed)?;
    let opens = (rest == ["--chat"]).then(|| {
        let text = format!("This is your conversation with {ghost}. What you write here goes to them.");
        (PortalKey::new(login.clone(), conversation), text)
    });
    let group = line(rest).ok().filter(|_| opens.is_none());
    let done = format!("{ghost} is among your contacts now.");
    let request = Request::Contacts(ContactChange::Add { ghost, group });
    Ok(Effect::Request(NetworkRequest { login, request, done, opens, answers: None }))
}

fn remove(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let ghost = ghost(context, one(words)?)?;
    let done = format!(
        "{ghost} is no contact of yours any more. They may still see you; «block {ghost}» ends that."
    );
    changed(context, ContactChange::Remove { ghost }, done)
}

fn rename(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let [typed, name @ ..] = words else { return Err(Refusal::Usage) };
    let name = line(name)?;
    let ghost = ghost(context, typed)?;
    let done = format!("{ghost} is called «{name}» in your list now.");
    changed(context, ContactChange::Rename { ghost, name }, done)
}

fn block(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    if let Some(effect) = admin::shut_out(context, one(words)?, true) {
        return Ok(effect);
    }
    let ghost = ghost(context, one(words)?)?;
    let done = format!("{ghost} can neither see nor call you now.");
    answered(context, ghost.clone(), ContactChange::Block { ghost }, done)
}

fn unblock(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    if let Some(effect) = admin::shut_out(context, one(words)?, false) {
        return Ok(effect);
    }
    let ghost = ghost(context, one(words)?)?;
    let done = format!("{ghost} can see and call you again.");
    changed(context, ContactChange::Unblock { ghost }, done)
}

fn accept(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let ghost = ghost(context, one(words)?)?;
    let done =
        format!("{ghost} can see you now, and is among your contacts. «chat {ghost}» opens a conversation.");
    answered(context, ghost.clone(), ContactChange::Accept { ghost }, done)
}

fn decline(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let ghost = ghost(context, one(words)?)?;
    let done = format!("{ghost} was not let in.");
    answered(context, ghost.clone(), ContactChange::Decline { ghost }, done)
}

fn move_to_group(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let [typed, group @ ..] = words else { return Err(Refusal::Usage) };
    let group = line(group)?;
    let ghost = ghost(context, typed)?;
    let done = format!("{ghost} is in the group «{group}» now.");
    changed(context, ContactChange::Move { ghost, group }, done)
}

fn group(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let (change, done) = match words {
        ["create", name @ ..] => {
            let name = line(name)?;
            let done = format!("There is a group «{name}» now.");
            (ContactChange::CreateGroup { name }, done)
        }
        ["delete", name @ ..] => {
            let name = line(name)?;
            let done = format!("There is no group «{name}» any more.");
            (ContactChange::DeleteGroup { name }, done)
        }
        ["rename", from, to] => {
            let done = format!("The group «{from}» is called «{to}» now.");
            (ContactChange::RenameGroup { from: (*from).to_owned(), to: (*to).to_owned() }, done)
        }
        ["put", typed, group @ ..] => {
            let (group, ghost) = (line(group)?, ghost(context, typed)?);
            let done = format!("{ghost} is in the group «{group}» too now.");
            (ContactChange::IntoGroup { ghost, group }, done)
        }
        ["take", typed, group @ ..] => {
            let (group, ghost) = (line(group)?, ghost(context, typed)?);
            let done = format!("{ghost} is not in the group «{group}» any more.");
            (ContactChange::OutOfGroup { ghost, group }, done)
        }
        _ => return Err(Refusal::Usage),
    };
    changed(context, change, done)
}

fn strangers(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let allowed = switch(words)?;
    let done = match allowed {
        true => "People who are not on your lists may see and call you.",
        false => "Only people whom you let may see and call you.",
    };
    changed(context, ContactChange::Strangers { allowed }, done)
}

fn ask(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let on = switch(words)?;
    let done = match on {
        true => "Your {network} clients ask before somebody who adds you may see you.",
        false => "Your {network} clients let everybody who adds you see you, without asking.",
    };
    changed(context, ContactChange::Ask { on }, context.fill(done))
}
