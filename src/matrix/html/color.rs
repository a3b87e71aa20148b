//! Colours as HTML writes them.
//!
//! Knows the forms of three and six digits and the sixteen names that every browser had. Refuses everything else.

/// The names of HTML 4, and the one that everybody misses there.
const NAMES: [(&str, u32); 17] = [
    ("black", 0x00_0000),
    ("silver", 0xC0_C0C0),
    ("gray", 0x80_8080),
    ("white", 0xFF_FFFF),
    ("maroon", 0x80_0000),
    ("red", 0xFF_0000),
    ("purple", 0x80_0080),
    ("fuchsia", 0xFF_00FF),
    ("green", 0x00_8000),
    ("lime", 0x00_FF00),
    ("olive", 0x80_8000),
    ("yellow", 0xFF_FF00),
    ("navy", 0x00_0080),
    ("blue", 0x00_00FF),
    ("teal", 0x00_8080),
    ("aqua", 0x00_FFFF),
    ("orange", 0xFF_A500),
];

/// `#ff0080`, `#f08`, or a name, as `0xRRGGBB`.
pub(super) fn parse(value: &str) -> Option<u32> {
    let value = value.trim();
    let Some(digits) = value.strip_prefix('#') else {
        return NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value)).map(|(_, color)| *color);
    };
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    match digits.len() {
        3 => digits.chars().try_fold(0, |all, digit| Some((all << 8) | (digit.to_digit(16)? * 0x11))),
        6 => u32::from_str_radix(digits, 16).ok(),
        _ => None,
    }
}
