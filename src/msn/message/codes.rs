//! Colour and style codes that add-ons of old clients put into names and personal messages: what remains without them.
//!
//! Knows four styles: `[c=4]…[/c]` and `[b]`, `·$4` and `·#`, mIRC's characters, and their unbalanced forms, which those
//! clients accept. A bracketed word that is no tag stays. Refuses to know what the codes would look like.
//! Source: errata 10, observed from Messenger Plus.

/// Names of colours in tags; others are words of their writer.
const COLOURS: [&str; 18] = [
    "white", "black", "silver", "gray", "grey", "maroon", "red", "purple", "fuchsia", "green", "lime",
    "olive", "yellow", "navy", "blue", "teal", "aqua", "orange",
];
/// Longest tag that is read, in bytes.
const MAX_TAG: usize = 40;

/// `text` without codes.
pub fn without_codes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match code(first, &rest[first.len_utf8()..]) {
            Some(behind) => rest = behind,
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    plain
}

/// What stands behind the code that begins with this character; `None` where it begins none.
fn code(first: char, rest: &str) -> Option<&str> {
    match first {
        '[' => tag(rest),
        '·' => dotted(rest),
        '\x03' => Some(colour_pair(rest).unwrap_or(rest)),
        '\x04' => Some(hex(rest).unwrap_or(rest)),
        '\x02' | '\x0F' | '\x11' | '\x16' | '\x1D' | '\x1E' | '\x1F' => Some(rest),
        _ => None,
    }
}

/// `b]`, `/b]`, `c=4]`, `c=#F960E5,3]`, `/c=12]`: behind an opening bracket.
fn tag(rest: &str) -> Option<&str> {
    let end = rest.bytes().take(MAX_TAG).position(|byte| byte == b']')?;
    let (inside, behind) = (&rest[..end], &rest[end + 1..]);
    let lower = inside.to_ascii_lowercase();
    let (is_end, name) = match lower.strip_prefix('/') {
        Some(name) => (true, name),
        None => (false, lower.as_str()),
    };
    let is_tag = match name.split_once('=') {
        None => matches!(name, "b" | "i" | "u" | "s") || is_end && matches!(name, "c" | "a"),
        Some(("c" | "a", value)) => is_colour_value(value),
        Some(_) => false,
    };
    is_tag.then_some(behind)
}

/// One colour or several: `4`, `#F960E5`, `255,0,0`, `red`, `4,#000`.
fn is_colour_value(value: &str) -> bool {
    let value = value.trim();
    let value = value.strip_prefix("rgb(").and_then(|inside| inside.strip_suffix(')')).unwrap_or(value);
    let is_colour = |part: &str| {
        let part = part.trim();
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let hex = part.strip_prefix('#').is_some_and(is_hex);
        digits || hex || COLOURS.contains(&part)
    };
    value.split(',').count() <= 3 && value.split(',').all(is_colour)
}

fn is_hex(digits: &str) -> bool {
    matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `$4`, `$4,1`, `$#F960E5`, `$(255,0,0)`, or a sign: behind a middle dot.
fn dotted(rest: &str) -> Option<&str> {
    let mut characters = rest.chars();
    match characters.next()? {
        '#' | '&' | '@' | '\'' | '0' => Some(characters.as_str()),
        '$' => {
            let behind = characters.as_str();
            // A colour code without a colour ends the one before.
            Some(colour_pair(behind).unwrap_or(behind))
        }
        _ => None,
    }
}

/// A colour and perhaps a background behind a comma; what stands behind them.
fn colour_pair(rest: &str) -> Option<&str> {
    let behind = colour(rest)?;
    let background = behind.strip_prefix(',').and_then(colour);
    Some(background.unwrap_or(behind))
}

fn colour(rest: &str) -> Option<&str> {
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        return Some(&rest[digits..]);
    }
    if let Some(behind) = rest.strip_prefix('#') {
        return hex(behind);
    }
    let (inside, behind) = rest.strip_prefix('(')?.split_once(')')?;
    is_colour_value(inside).then_some(behind)
}

/// Six hexadecimal digits.
fn hex(rest: &str) -> Option<&str> {
    let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
    (rest.bytes().take(6).take_while(|byte| is_digit(byte)).count() == 6).then(|| &rest[6..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fault_14_the_four_styles_go_balanced_or_not() {
        for (name, plain) in [
            ("[c=#F960E5]Bob[/c]", "Bob"),
            ("[C=4]B[/C]o[c=12,3]b", "Bob"),
            ("[c=4]Bob[/c=12]", "Bob"),
            ("[a=#000000][c=255,0,0]Bob[/c][/a]", "Bob"),
            ("[c=red]Bob", "Bob"),
            ("[c=rgb(1,2,3)]Bob[/c]", "Bob"),
            ("[b][i]Bob[/i][/b]", "Bob"),
            ("Bob[/b][u]", "Bob"),
            ("[s]Bob", "Bob"),
            ("·$4Bob", "Bob"),
            ("·$4,1Bob·$", "Bob"),
            ("·$12,·#Bob", ",Bob"),
            ("·$#F960E5Bob·0", "Bob"),
            ("·$(255,0,0)Bob", "Bob"),
            ("·#B·&o·@b·'", "Bob"),
            ("\x0304,01Bob\x03", "Bob"),
            ("\x034Bob\x0F", "Bob"),
            ("\x02\x1D\x1F\x1E\x16\x11Bob\x02", "Bob"),
            ("\x04F960E5Bob\x04", "Bob"),
            ("[c=4]·$4\x033[b]", ""),
        ] {
            assert_eq!(without_codes(name), plain, "{name:?}");
        }
    }

    #[test]
    fn fault_14_a_bracketed_word_that_is_no_tag_stays() {
        for name in [
            "[away] Bob",
            "[band]",
            "[B] ".trim_end().to_ascii_lowercase().replace("[b]", "[bo]").as_str(),
            "[c]",
            "[c=]",
            "[c=hello]",
            "[/away]",
            "[=4]",
            "[c=4",
            "[i love you]",
            "[[x]]",
            "·",
            "a · b",
            "·Bob·",
            "Bob [busy] #1 $4 & co",
            "[c=4444]",
            "[]",
        ] {
            assert_eq!(without_codes(name), name, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn fault_14_any_text_is_survived_and_words_without_codes_stay(text in any::<String>(), words in "[a-z ☃é]{0,20}") {
            let plain = without_codes(&text);
            prop_assert!(plain.len() <= text.len());
            prop_assert_eq!(without_codes(&words), words);
        }
    }
}
