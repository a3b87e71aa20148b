//! Commands of those who run the bridge: see and command the logins of others.
//!
//! Knows that an administrator acts in the place of a user. Refuses to widen what that user may do: a command given as
//! somebody is that user's command, and its answer alone goes to the administrator.

use super::{CommandContext, CommandSpec, Effect, Refusal, nothing, one, page};
use crate::bridge::ids::UserId;
use crate::bridge::port::frontend::Level;

/// Section 1 of the topics for [`Level::Admin`].
pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "all-logins",
        arguments: "[page]",
        does: "lists every login, whose it is, and how it stands",
        run: |_, words| Ok(Effect::AllLogins { page: page(words)? }),
    },
    CommandSpec {
        name: "as",
        arguments: "<user> <command>",
        does: "gives a command in the place of a user",
        run: act_as,
    },
    CommandSpec {
        name: "kick",
        arguments: "<account>",
        does: "ends a login, whosever it is, and tells its owner; «block <user>» and «unblock <user>» shut a user out",
        run: kick,
    },
    CommandSpec {
        name: "shutdown",
        arguments: "",
        does: "ends the bridge; what is on its way goes on when it is started again",
        run: |_, words| nothing(words).map(|()| Effect::Shutdown),
    },
    CommandSpec {
        name: "dead-letters",
        arguments: "[page] | retry | discard",
        does: "lists the messages that could not be delivered, tries them again, or forgets them",
        run: dead_letters,
    },
    CommandSpec {
        name: "discard-dead-letters",
        arguments: "",
        does: "forgets the messages that could not be delivered",
        run: |_, words| nothing(words).map(|()| Effect::DiscardDeadLetters),
    },
];

fn kick(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let named = one(words)?;
    let found = context.logins.keys().find(|login| login.as_str().eq_ignore_ascii_case(named));
    let login =
        found.ok_or_else(|| Refusal::Because("There is no such login. Say «all-logins» for all.".into()))?;
    Ok(Effect::Kick { login: login.clone() })
}

fn dead_letters(_: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    match words {
        ["retry"] => Ok(Effect::RetryDeadLetters),
        ["discard"] => Ok(Effect::DiscardDeadLetters),
        words => Ok(Effect::DeadLetters { page: page(words)? }),
    }
}

/// `block` and `unblock` with a user of the bridge in place of a contact: `None` for a contact, and for a giver who may
/// not shut anybody out.
pub(super) fn shut_out(context: &CommandContext<'_>, typed: &str, is_out: bool) -> Option<Effect> {
    let is_user = typed.starts_with('@') && typed.contains(':');
    if !is_user || context.level < Level::Admin {
        return None;
    }
    if typed == context.given.user.as_str() {
        return Some(Effect::Answer("You cannot shut yourself out.".into()));
    }
    Some(Effect::ShutOut { user: UserId::new(typed), is_out })
}

/// A command in the place of a user. What only a user can say, a password, cannot be said so.
fn act_as(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let [user, name, rest @ ..] = words else { return Err(Refusal::Usage) };
    let is_own = matches!(name.to_ascii_lowercase().as_str(), "as" | "login" | "all-logins");
    if is_own || context.find(&name.to_ascii_lowercase()).is_none() {
        return Err("That command cannot be given in the place of a user.".to_owned().into());
    }
    let quoted = |word: &&str| {
        if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { (*word).to_owned() }
    };
    let text: Vec<String> = [*name].iter().chain(rest).map(quoted).collect();
    Ok(Effect::As { user: UserId::new(*user), text: text.join(" ") })
}
