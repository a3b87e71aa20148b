//! Commands about what others see of a user: presence, personal message, name, font and phone numbers.
//!
//! Knows which of them are kept with the login. Refuses to know the network's presences: the network lists them.

use super::{CommandContext, CommandSpec, Effect, Refusal, line, one};
use crate::bridge::body::{Format, Style};
use crate::bridge::clean;
use crate::bridge::port::network::{ContactChange, Request};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "presence",
        arguments: "<state>",
        does: "{presences}; or follow, to show what your own client shows",
        run: presence,
    },
    CommandSpec {
        name: "psm",
        arguments: "[text] [♫ title - artist]",
        does: "sets or clears your personal message, and what you are listening to",
        run: personal_message,
    },
    CommandSpec { name: "name", arguments: "<name>", does: "sets your display name", run: name },
    CommandSpec {
        name: "font",
        arguments: "[name] [#rrggbb] [bold] [italic]",
        does: "sets what your messages look like; «font reset» forgets it",
        run: font,
    },
    CommandSpec {
        name: "phone",
        arguments: "<home|work|mobile> [number]",
        does: "sets or removes a phone number that your contacts see",
        run: phone,
    },
];

fn presence(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let state = one(words)?.to_ascii_lowercase();
    let login = context.login_id()?;
    let follows = state == "follow";
    // A user who says so is there.
    let word = if follows { "online".to_owned() } else { state };
    let done = match follows {
        true => context.fill(
            "{network} sees what your own client shows now: online, idle, and away while it is closed.",
        ),
        false => format!("You are now «{word}»."),
    };
    let request = Effect::request(login.clone(), Request::Presence(word.clone()), done);
    Ok(Effect::change(login, request, move |login| {
        login.presence.clone_from(&word);
        login.follows = follows;
    }))
}

fn personal_message(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let text = words.join(" ");
    let login = context.login_id()?;
    let done =
        if text.is_empty() { "Your personal message is empty now." } else { "Your personal message is set." };
    let request = Effect::request(login.clone(), Request::PersonalMessage(text.clone()), done);
    Ok(Effect::change(login, request, move |login| login.personal_message.clone_from(&text)))
}

fn name(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let name = line(words)?;
    let login = context.login_id()?;
    let name = clean::line(&name);
    if name.is_empty() {
        return Err("A name needs at least one character that can be seen.".to_owned().into());
    }
    let done = format!("You are called «{name}» now.");
    Ok(Effect::request(login, Request::OwnName(name), done))
}

fn font(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    match words {
        [] => return font_now(context),
        ["reset"] => {
            let then = Effect::Answer("Your messages have no font of their own now.".into());
            return Ok(Effect::change(context.login_id()?, then, |login| login.format = None));
        }
        _ => {}
    }
    let format = format_of(words)?;
    let then = Effect::Answer(context.fill("Your messages will look like that on {network}."));
    Ok(Effect::change(context.login_id()?, then, move |login| login.format = Some(format.clone())))
}

fn font_now(context: &CommandContext<'_>) -> Result<Effect, Refusal> {
    Ok(Effect::Answer(match &context.login()?.format {
        None => "Your messages have no font of their own.".into(),
        Some(format) => {
            let color = format.style.color.map(|c| format!(", #{c:06x}")).unwrap_or_default();
            format!("Your messages are written in «{}»{color}.", format.font)
        }
    }))
}

/// A name, a colour and styles, in any order.
fn format_of(words: &[&str]) -> Result<Format, Refusal> {
    let (mut name, mut style) = (Vec::new(), Style::default());
    for word in words {
        match (*word, word.strip_prefix('#')) {
            ("bold", _) => style.bold = true,
            ("italic", _) => style.italic = true,
            (_, Some(digits)) if digits.len() == 6 => {
                style.color = Some(u32::from_str_radix(digits, 16).map_err(|_| Refusal::Usage)?);
            }
            (_, Some(_)) => return Err(Refusal::Usage),
            (word, None) => name.push(word),
        }
    }
    Ok(Format { font: name.join(" "), style, ..Format::default() })
}

fn phone(context: &CommandContext<'_>, words: &[&str]) -> Result<Effect, Refusal> {
    let [kind @ ("home" | "work" | "mobile"), number @ ..] = words else { return Err(Refusal::Usage) };
    let number = line(number).ok();
    let done = match &number {
        Some(number) => format!("Your contacts see {number} as your {kind} phone."),
        None => format!("Your contacts see no {kind} phone of yours."),
    };
    let change = ContactChange::Phone { kind: (*kind).to_owned(), number };
    Ok(Effect::request(context.login_id()?, Request::Contacts(change), done))
}
