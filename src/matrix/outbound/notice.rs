//! How the bridge's own words look: commands and names between « and » as code, lines that are set in as a list.
//!
//! Knows the two marks that the core writes. Refuses to know what a notice says.

use crate::matrix::html::escaped;

/// A line of a list begins with this.
const ITEM: &str = "  ";

/// A notice as HTML; `None` where the plain words are as good.
pub(super) fn html(text: &str) -> Option<String> {
    let has_code = text.lines().any(|line| code(line).is_some());
    let has_list = text.lines().any(|line| line.starts_with(ITEM));
    if !has_code && !has_list {
        return None;
    }
    let (mut html, mut in_list, mut is_first) = (String::new(), false, true);
    for line in text.lines() {
        let item = line.strip_prefix(ITEM);
        if item.is_some() != in_list {
            html.push_str(if in_list { "</ul>" } else { "<ul>" });
            in_list = !in_list;
            is_first = true;
        }
        let words = code(item.unwrap_or(line)).unwrap_or_else(|| escaped(item.unwrap_or(line)));
        match item {
            Some(_) => html.push_str(&format!("<li>{words}</li>")),
            None if is_first => html.push_str(&words),
            None => html.push_str(&format!("<br>{words}")),
        }
        is_first = false;
    }
    if in_list {
        html.push_str("</ul>");
    }
    Some(html)
}

/// A line with what stands between « and » as code; `None` where nothing does.
fn code(line: &str) -> Option<String> {
    let (before, rest) = line.split_once('«')?;
    let (inside, after) = rest.split_once('»')?;
    let after = code(after).unwrap_or_else(|| escaped(after));
    Some(format!("{}<code>{}</code>{after}", escaped(before), escaped(inside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_code_and_lines_that_are_set_in_are_a_list() {
        assert_eq!(html("Hello.\nHow are you?"), None);
        assert_eq!(
            html("Say «help <topic>» & wait.").unwrap(),
            "Say <code>help &lt;topic&gt;</code> &amp; wait."
        );
        assert_eq!(
            html("Commands:\n  a: «b», «c»\n  d\nMore.\nEnd").unwrap(),
            "Commands:<ul><li>a: <code>b</code>, <code>c</code></li><li>d</li></ul>More.<br>End"
        );
        assert_eq!(html("  only").unwrap(), "<ul><li>only</li></ul>");
    }

    #[test]
    fn a_mark_that_does_not_end_is_a_character_and_nothing_becomes_an_element() {
        assert_eq!(html("a « b"), None);
        assert_eq!(html("» and «"), None);
        let hostile = html("«<script>» <img src=x>\n  <b>").unwrap();
        assert_eq!(hostile, "<code>&lt;script&gt;</code> &lt;img src=x&gt;<ul><li>&lt;b&gt;</li></ul>");
    }
}
