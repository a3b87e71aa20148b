//! A text as Matrix's HTML.
//!
//! Knows escaping and the few elements written here; white space that HTML would swallow is written so that it is seen.
//! Refuses to write anything that it was given as markup. Source: `m.room.message` of the client-server API.

use crate::bridge::body::{RichText, Run, Style};

/// A space that stays: HTML shows several in a row, and those that begin a line, as one or none.
const HARD_SPACE: &str = "&nbsp;";

/// Escapes text for HTML. `begins_line` says that what stands before it is a line's begin or a space.
fn escape(text: &str, mut begins_line: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("<br>"),
            ' ' if begins_line => out.push_str(HARD_SPACE),
            other => out.push(other),
        }
        begins_line = matches!(character, ' ' | '\n');
    }
}

/// Plain words as HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape(text, false, &mut out);
    out
}

/// HTML with a name before it that clients leave out where they show the name anyway (MSC4144).
pub(crate) fn behind_name(before: &str, html: &str) -> String {
    match before.is_empty() {
        true => html.to_owned(),
        false => format!("<strong data-mx-profile-fallback>{}</strong>{html}", escaped(before)),
    }
}

/// A small picture that is on the homeserver: its shortcut, and where it is.
pub(crate) type Picture = (String, String);

/// The HTML of a text; `None` when plain words say as much.
pub(crate) fn from_rich(text: &RichText, pictures: &[Picture]) -> Option<String> {
    let right_to_left = text.format.as_ref().is_some_and(|format| format.right_to_left);
    if !right_to_left && pictures.is_empty() && text.runs.iter().all(|run| run.style.is_plain()) {
        return None;
    }
    let mut html = String::new();
    let mut begins_line = true;
    for run in &text.runs {
        write_run(run, begins_line, pictures, &mut html);
        begins_line = run.text.chars().next_back().map_or(begins_line, |last| matches!(last, ' ' | '\n'));
    }
    Some(if right_to_left { format!("<div dir=\"rtl\">{html}</div>") } else { html })
}

/// Words, and pictures in the place of their shortcuts.
fn write_words(text: &str, mut begins_line: bool, pictures: &[Picture], out: &mut String) {
    let mut rest = text;
    loop {
        let next = pictures.iter().filter(|(shortcut, _)| !shortcut.is_empty());
        let next = next.filter_map(|(shortcut, uri)| Some((rest.find(shortcut.as_str())?, shortcut, uri)));
        // The longest of those that begin at one place.
        let Some((at, shortcut, uri)) =
            next.min_by_key(|(at, shortcut, _)| (*at, usize::MAX - shortcut.len()))
        else {
            return escape(rest, begins_line, out);
        };
        escape(&rest[..at], begins_line, out);
        begins_line = false;
        out.push_str("<img data-mx-emoticon height=\"32\" src=\"");
        escape(uri, false, out);
        out.push_str("\" alt=\"");
        escape(shortcut, false, out);
        out.push_str("\" title=\"");
        escape(shortcut, false, out);
        out.push_str("\">");
        rest = &rest[at + shortcut.len()..];
    }
}

/// The elements around a run, from the outside to the inside: how each begins, and what ends it.
fn elements(style: &Style) -> Vec<(String, &'static str)> {
    let Style { bold, italic, underline, strike, color, background, monospace, spoiler } = *style;
    // The oldest of these three is the only one that some clients show, and is allowed in `font` alone.
    let attributes = [("color", color), ("data-mx-color", color), ("data-mx-bg-color", background)];
    let colors =
        attributes.into_iter().filter_map(|(name, color)| Some(format!(" {name}=\"#{:06x}\"", color?)));
    let colors: String = colors.collect();
    let tags = [
        (spoiler, "<span data-mx-spoiler>".to_owned(), "</span>"),
        (!colors.is_empty(), format!("<font{colors}>"), "</font>"),
        (bold, "<strong>".into(), "</strong>"),
        (italic, "<em>".into(), "</em>"),
        (underline, "<u>".into(), "</u>"),
        (strike, "<del>".into(), "</del>"),
        (monospace, "<code>".into(), "</code>"),
    ];
    tags.into_iter().filter_map(|(on, begin, end)| on.then_some((begin, end))).collect()
}

fn write_run(run: &Run, begins_line: bool, pictures: &[Picture], out: &mut String) {
    let elements = elements(&run.style);
    elements.iter().for_each(|(begin, _)| out.push_str(begin));
    write_words(&run.text, begins_line, pictures, out);
    elements.iter().rev().for_each(|(_, end)| out.push_str(end));
}
