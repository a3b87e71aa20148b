//! The XML that clients and servers of the time wrote, read as generously as they read it themselves.
//!
//! Knows elements by their names, attributes, and entities; a bare `&`, a naked `<`, what breaks off, and what stands
//! there twice are read, not refused. Refuses to know what an element means. Limits are the callers'.
//! Source: §4.5, §9.8, observed from official clients, aMSN, msn-pecan and Messenger Plus.

/// The text of the first element of this name, wherever it stands; `None` where there is none. An element that is not
/// closed goes to the end of its surroundings.
pub(crate) fn element(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (_, behind) = rest.split_once('<')?;
        rest = behind;
        let Some(head) = strip_name(behind, name) else { continue };
        if !head.starts_with(|c: char| c == '>' || c == '/' || c.is_whitespace()) {
            continue;
        }
        let (attributes, content) = head.split_once('>')?;
        if attributes.trim_end().ends_with('/') {
            return Some(String::new());
        }
        return Some(unescaped(inside(content, name)));
    }
}

fn strip_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.get(..name.len())?;
    head.eq_ignore_ascii_case(name).then(|| &text[name.len()..])
}

/// The content up to the end of the element, or to the end of what surrounds it.
fn inside<'a>(content: &'a str, name: &str) -> &'a str {
    let ends = content.match_indices("</").map(|(at, _)| at);
    let is_own = |at: &usize| strip_name(&content[at + 2..], name).is_some();
    let end = ends.clone().find(is_own).or_else(|| ends.last());
    &content[..end.unwrap_or(content.len())]
}

/// Attributes of the first tag, in order: names in lower case, values without their quotes and entities.
pub(crate) fn attributes(tag: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = tag;
    while let Some((before, behind)) = rest.split_once('=') {
        let name = before.trim_end().rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let behind = behind.trim_start();
        let (value, after) = match behind.chars().next() {
            Some(quote @ ('"' | '\'')) => behind[1..].split_once(quote).unwrap_or_else(|| (&behind[1..], "")),
            _ => {
                let end = behind.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(behind.len());
                (behind[..end].trim_end_matches('/'), &behind[end..])
            }
        };
        found.push((name, unescaped(value)));
        rest = after;
    }
    found
}

/// Text without its entities and CDATA marks. What is no entity stays as it stands.
pub(crate) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let Some(at) = rest.find(['&', '<']) else {
            plain.push_str(rest);
            return plain;
        };
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(behind) = rest.strip_prefix("<![CDATA[") {
            let (inside, after) = behind.split_once("]]>").unwrap_or((behind, ""));
            plain.push_str(inside);
            rest = after;
        } else if let Some((character, after)) = entity(rest) {
            plain.push(character);
            rest = after;
        } else {
            plain.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
}

/// Longest entity that is looked for, in bytes behind the ampersand.
const MAX_ENTITY: usize = 10;

fn entity(text: &str) -> Option<(char, &str)> {
    let behind = text.strip_prefix('&')?;
    let end = behind.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
    let (name, after) = (&behind[..end], &behind[end + 1..]);
    let number = name.strip_prefix('#').map(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    });
    let character = match (number, name) {
        (Some(number), _) => number.ok().and_then(char::from_u32)?,
        (None, "amp") => '&',
        (None, "lt") => '<',
        (None, "gt") => '>',
        (None, "quot") => '"',
        (None, "apos") => '\'',
        (None, "nbsp") => '\u{A0}',
        _ => return None,
    };
    Some((character, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fault_17_elements_are_read_as_old_clients_read_them() {
        for (text, expected) in [
            ("<Data><PSM>a &amp; b</PSM></Data>", Some("a & b")),
            ("<Data><PSM>Tom & Jerry</PSM></Data>", Some("Tom & Jerry")),
            ("<Data><PSM>AT&T; R&B;x &</PSM></Data>", Some("AT&T; R&B;x &")),
            ("<Data><PSM>I <3 you</PSM></Data>", Some("I <3 you")),
            ("<Data><PSM>1 < 2 > 0</PSM></Data>", Some("1 < 2 > 0")),
            ("<Data><PSM><![CDATA[a & <b>]]></PSM></Data>", Some("a & <b>")),
            ("<Data><PSM>&#9835; &#x2603; &#xD800; &#0x;</PSM></Data>", Some("♫ ☃ &#xD800; &#0x;")),
            ("<Data><PSM>broken", Some("broken")),
            ("<Data><PSM>broken</Data>", Some("broken")),
            ("<psm xml:space='preserve'>x</psm>", Some("x")),
            ("<PSM/>", Some("")),
            ("<PSM />", Some("")),
            ("<PSM></PSM>", Some("")),
            ("<PSMX>no</PSMX><PSM>yes</PSM>", Some("yes")),
            ("<PSM", None),
            ("PSM", None),
            ("", None),
        ] {
            assert_eq!(element(text, "PSM").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn fault_17_attributes_are_read_with_any_quotes_and_raw_signs() {
        let read = attributes("<msnobj Creator='a&b@e.c' Size=\"3\" size = \"4\" Type=3 X=\"<&amp;>\"/>");
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(read, [("creator", "a&b@e.c"), ("size", "3"), ("size", "4"), ("type", "3"), ("x", "<&>")]);
        assert_eq!(attributes("<a b=\"open"), [("b".to_owned(), "open".to_owned())]);
        assert_eq!(attributes("<msnobj/>"), []);
    }

    proptest! {
        #[test]
        fn fault_17_any_text_is_survived(text in any::<String>(), cut in "[<>&;/=\"'a-zA-Z#x0-9 é]{0,60}") {
            for text in [text, cut] {
                let _ = (element(&text, "PSM"), element(&text, ""), attributes(&text), unescaped(&text));
            }
        }
    }
}
