//! What the bot says of itself: its first words, the list of commands, and how one is used.
//!
//! Knows how a line of the list looks, and that a list of everything is read by nobody. Refuses to know the commands: the
//! topics list them, and the network gives the words for its accounts and presences.

use super::{CommandContext, CommandSpec, Effect, Refusal, Topic};
use crate::bridge::sides::Sides;

/// A text of a command in the words of the network.
pub(super) fn fill(text: &str, sides: &Sides) -> String {
    let network = &sides.network;
    let (argument, sign_in) = match sides.has_sign_in_page {
        true => ("[<account>]", "the answer is a link to a page that asks for the password"),
        false => ("<account>", "the next message is the password"),
    };
    text.replace("{sign_in_account}", argument)
        .replace("{sign_in}", sign_in)
        .replace("<account>", &format!("<{}>", network.account))
        .replace("{account}", network.account)
        .replace("{network}", network.name)
        .replace("{prefix}", network.command_prefix)
        .replace("{presences}", network.presences)
}

fn form(command: &CommandSpec) -> String {
    format!("{} {}", command.name, command.arguments).trim().to_owned()
}

/// `help`, `help <topic>` or `help <command>`.
pub(super) fn help(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let text = match words {
        [] => overview(context),
        [word, ..] => {
            let word = word.to_ascii_lowercase();
            let topic = context.topics().find(|topic| topic.name == word);
            match (topic, context.find(&word)) {
                (Some(topic), _) => all_of(topic),
                (None, Some(command)) => format!("{} — {}.", form(command), command.does),
                (None, None) => return Err(context.unknown(&word).into()),
            }
        }
    };
    Ok(Effect::Answer(fill(&text, context.sides)))
}

/// The names of all commands, a line for each topic.
fn overview(context: &CommandContext<'_>) -> String {
    let line = |topic: &Topic| {
        let names: Vec<&str> = topic.commands.iter().map(|command| command.name).collect();
        format!("  {}: {}", topic.name, names.join(", "))
    };
    let lines: Vec<String> = context.topics().map(line).collect();
    format!(
        "Commands; «help <topic>» and «help <command>» say more:\n{}\n\
         In a conversation, write {{prefix}} before a command. With several accounts, add --login=<account>.",
        lines.join("\n")
    )
}

/// The commands of one topic, one a line.
fn all_of(topic: &Topic) -> String {
    let line = |command: &CommandSpec| format!("  {} — {}", form(command), command.does);
    let lines: Vec<String> = topic.commands.iter().map(line).collect();
    format!("{}:\n{}", topic.heading, lines.join("\n"))
}

/// The bot's first words.
pub(super) fn welcome(context: &CommandContext<'_>) -> String {
    let how = match context.sides.has_sign_in_page {
        true => {
            "Say «login» to sign in: I answer with a link to a page that asks for your {account} address and password."
        }
        false => "Say «login» and your {account} address to sign in; your next message is the password then.",
    };
    let text =
        format!("Hello! I bring your {{network}} contacts here.\n{how}\n«help» lists what else I can do.");
    fill(&text, context.sides)
}

/// How one command is used.
pub(super) fn usage(command: &CommandSpec, context: &CommandContext<'_>) -> String {
    fill(&format!("Use it like this: {} — {}.", form(command), command.does), context.sides)
}
