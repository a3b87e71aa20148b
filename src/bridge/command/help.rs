//! The list of commands, for people.
//!
//! Knows how a line of the list looks. Refuses to know the commands: the topics list them, and the network gives the words
//! for its accounts and presences.

use super::{CommandSpec, TOPICS};
use crate::bridge::sides::Sides;

/// A text of a command in the words of the network.
pub(super) fn fill(text: &str, sides: &Sides) -> String {
    let network = &sides.network;
    text.replace("<account>", &format!("<{}>", network.account))
        .replace("{network}", network.name)
        .replace("{presences}", network.presences)
}

fn form(command: &CommandSpec) -> String {
    format!("{} {}", command.name, command.arguments).trim().to_owned()
}

/// All commands, one a line.
pub(super) fn help(sides: &Sides) -> String {
    let line = |command: &CommandSpec| format!("  {} — {}", form(command), command.does);
    let topic = |(heading, commands): &(&str, &[CommandSpec])| {
        let lines: Vec<String> = commands.iter().map(line).collect();
        format!("{heading}:\n{}", lines.join("\n"))
    };
    let topics: Vec<String> = TOPICS.iter().map(topic).collect();
    let text = format!(
        "{}\nIn a conversation, write {} before a command. With several accounts, add --login=<account>.",
        topics.join("\n"),
        sides.network.command_prefix
    );
    fill(&text, sides)
}

/// How one command is used.
pub(super) fn usage(command: &CommandSpec, sides: &Sides) -> String {
    fill(&format!("Use it like this: {} — {}.", form(command), command.does), sides)
}
