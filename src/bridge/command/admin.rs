//! Commands of those who run the bridge: see and command the logins of others.
//!
//! Knows that an administrator acts in the place of a user. Refuses to widen what that user may do: a command given as
//! somebody is that user's command, and its answer alone goes to the administrator.

use super::{CommandContext, CommandSpec, Effect, Refusal, nothing};
use crate::bridge::ids::UserId;

/// Section 1 of the topics for [`Level::Admin`](crate::bridge::port::frontend::Level::Admin).
pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "all-logins",
        arguments: "",
        does: "lists every login, whose it is, and how it stands",
        run: |_, words| nothing(words).map(|()| Effect::AllLogins),
    },
    CommandSpec {
        name: "as",
        arguments: "<user> <command>",
        does: "gives a command in the place of a user",
        run: act_as,
    },
];

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
