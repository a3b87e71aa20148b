//! Commands about a user's logins: sign in, sign out, connect again, and how each stands.
//!
//! Knows where a sign-in may begin. Refuses to see a password: that is a message of its own.

use super::{CommandContext, CommandSpec, Effect, Refusal, help, nothing, one};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "login",
        arguments: "{sign_in_account}",
        does: "signs in to {network}; {sign_in}",
        run: login,
    },
    CommandSpec { name: "logout", arguments: "", does: "signs out and forgets the password", run: logout },
    CommandSpec { name: "reconnect", arguments: "", does: "connects again, now", run: reconnect },
    CommandSpec {
        name: "cancel",
        arguments: "",
        does: "forgets a login that waits for its password; in a conversation: takes back what waits there",
        run: cancel,
    },
    CommandSpec {
        name: "status",
        arguments: "",
        does: "shows how each of your connections is",
        run: |_, words| nothing(words).map(|()| Effect::Status),
    },
    CommandSpec {
        name: "sync",
        arguments: "",
        does: "looks after all your rooms again: names, pictures, who is in them, and your space",
        run: |context, words| {
            nothing(words)?;
            Ok(Effect::Sync { login: context.login_id()? })
        },
    },
    CommandSpec {
        name: "set-default",
        arguments: "<account>",
        does: "of several logins, chooses the one for commands that name none",
        run: set_default,
    },
    CommandSpec {
        name: "set-management",
        arguments: "",
        does: "makes this room the one in which you are told things",
        run: set_management,
    },
    CommandSpec {
        name: "help",
        arguments: "[topic or command]",
        does: "lists the commands, or says more of some",
        run: help::help,
    },
    CommandSpec {
        name: "hello",
        arguments: "",
        does: "says how to begin",
        run: |context, words| nothing(words).map(|()| Effect::Answer(help::welcome(context))),
    },
    CommandSpec {
        name: "version",
        arguments: "",
        does: "says which program this is",
        run: |_, words| {
            nothing(words)?;
            Ok(Effect::Answer(concat!("This is msnbridge ", env!("CARGO_PKG_VERSION"), ".").into()))
        },
    },
];

fn login(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let account = match words {
        [] if context.sides.has_sign_in_page => None,
        words => Some(one(words)?.to_owned()),
    };
    let host = context.sides.host();
    if !context.is_in_management() || Some(context.given.leg) != host {
        let side = host.as_ref().map_or("a side with rooms", |leg| context.sides.name(leg));
        let text = format!("Give this command in the room on {side} that you share with the bridge alone.");
        return Err(text.into());
    }
    let Some(named) = &account else { return Ok(Effect::SignIn { account }) };
    let id = context.network.login_id(named)?;
    if context.logins.get(&id).is_some_and(|login| login.owner != context.given.user && login.confirmed) {
        return Err(format!("{id} is in use by somebody else here.").into());
    }
    Ok(Effect::SignIn { account })
}

fn logout(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    nothing(words)?;
    Ok(Effect::SignOut { login: context.login_id()? })
}

fn reconnect(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    nothing(words)?;
    let login = context.login_id()?;
    let connect = Effect::Connect { login: login.clone() };
    Ok(Effect::change(login, connect, |login| login.signed_out = None))
}

fn set_default(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let named = one(words)?;
    Ok(Effect::Prefer { login: context.login_called(named)?.id.clone() })
}

/// A room in which a user and the bridge are alone is taken for theirs with the first command there.
fn set_management(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    nothing(words)?;
    if !context.is_in_management() || Some(context.given.leg) != context.sides.host() {
        return Err("Say this in a room with nobody but you and me.".to_owned().into());
    }
    Ok(Effect::Answer("From now on I tell you things in this room.".into()))
}

fn cancel(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    nothing(words)?;
    Ok(match context.is_in_management() {
        true => Effect::Answer("Nothing waits for a password now.".into()),
        false => Effect::TakeBack,
    })
}
