//! `X-MMS-IM-Format`: the one font, effect and colour of a whole message (§7.2).
//!
//! Knows fonts, effects and the order of the bytes of a colour. Refuses to know how a style is shown: frontends do.

use super::super::wire::UrlText;

/// Values as the header has them; missing keys have the value that official clients assume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextStyle {
    /// Font name, decoded; empty for none.
    pub font: String,
    pub bold: bool,
    pub italic: bool,
    pub underline: bool,
    pub strike: bool,
    /// `0xRRGGBB`; the wire has the bytes the other way round.
    pub color: u32,
    /// Windows character set of the font; says nothing about the body, which is UTF-8.
    pub charset: u32,
    /// Family in the high four bits, pitch in the low four.
    pub pitch_family: u8,
    pub right_to_left: bool,
}

impl TextStyle {
    /// Reads the header's value. Unknown keys and unreadable numbers count as missing.
    pub fn parse(value: &str) -> Self {
        let mut style = Self::default();
        for (key, value) in value.split(';').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim();
            match key.trim() {
                "FN" => style.font = UrlText::from_wire(value).decode(),
                "EF" => style.set_effects(value),
                "CO" => style.color = parse_color(value),
                "CS" => style.charset = u32::from_str_radix(value, 16).unwrap_or_default(),
                "PF" => style.pitch_family = u8::from_str_radix(value, 16).unwrap_or_default(),
                "RL" => style.right_to_left = value == "1",
                _ => {}
            }
        }
        style
    }

    fn set_effects(&mut self, letters: &str) {
        let has = |letter: char| letters.chars().any(|c| c.eq_ignore_ascii_case(&letter));
        self.bold = has('B');
        self.italic = has('I');
        self.underline = has('U');
        self.strike = has('S');
    }

    /// The effects in the order that official clients write them.
    pub fn effects(&self) -> String {
        let letters = [(self.bold, 'B'), (self.italic, 'I'), (self.underline, 'U'), (self.strike, 'S')];
        letters.into_iter().filter_map(|(on, letter)| on.then_some(letter)).collect()
    }

    pub fn encode(&self) -> String {
        // `;` and `=` would end the value, so the font escapes them too.
        let font = UrlText::encode(&self.font).to_string().replace(';', "%3B").replace('=', "%3D");
        let (effects, color) = (self.effects(), swap_bytes(self.color));
        let mut value = format!(
            "FN={font}; EF={effects}; CO={color:x}; CS={:x}; PF={:x}",
            self.charset, self.pitch_family
        );
        if self.right_to_left {
            value.push_str("; RL=1");
        }
        value
    }
}

/// BBGGRR with leading zeros dropped, sometimes to an odd number of digits.
fn parse_color(value: &str) -> u32 {
    let value = u32::from_str_radix(value, 16).unwrap_or_default();
    swap_bytes(value & 0xFF_FFFF)
}

fn swap_bytes(color: u32) -> u32 {
    (color & 0xFF) << 16 | color & 0xFF00 | color >> 16 & 0xFF
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conf_076_the_format_header_is_read_in_any_order() {
        let style = TextStyle::parse("FN=MS%20Sans%20Serif; EF=UB; CO=ff; CS=ba; PF=22; RL=1");
        assert_eq!(style.font, "MS Sans Serif");
        assert_eq!(style.effects(), "BU");
        assert_eq!(style.color, 0xFF_0000, "ff is red");
        assert_eq!((style.charset, style.pitch_family, style.right_to_left), (0xba, 0x22, true));
        assert_eq!(TextStyle::parse("CO=0").color, 0);
        assert_eq!(TextStyle::parse("CO=8").color, 0x08_0000);
        assert_eq!(TextStyle::parse("CO=ff0000").color, 0xFF, "ff0000 is blue");
        assert_eq!(TextStyle::parse(""), TextStyle::default());
        // The rule broken: nonsense is the default, not an error, and not a colour.
        assert_eq!(TextStyle::parse("CO=xyz; PF=999; EF; =;;"), TextStyle::default());
    }

    prop_compose! {
        fn any_style()(font in "\\PC{0,31}", flags in any::<[bool; 5]>(), color in 0u32..0x100_0000, charset in any::<u32>(), pitch_family in any::<u8>()) -> TextStyle {
            let [bold, italic, underline, strike, right_to_left] = flags;
            TextStyle { font, bold, italic, underline, strike, color, charset, pitch_family, right_to_left }
        }
    }

    proptest! {
        #[test]
        fn conf_076_the_format_header_round_trips(style in any_style()) {
            prop_assert_eq!(TextStyle::parse(&style.encode()), style);
        }
    }
}
