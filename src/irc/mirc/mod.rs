//! mIRC's formatting codes: bold 02, colour 03, hexadecimal colour 04, plain 0F, monospace 11, reverse 16, italic 1D,
//! strike 1E, underline 1F.
//!
//! Knows both directions. Refuses to know lines and their lengths. Source: modern.ircdocs.horse/formatting.

mod palette;
mod read;
mod write;

pub(super) use read::parse;
pub(super) use write::{clean, codes, rows};

const BOLD: char = '\x02';
const COLOR: char = '\x03';
const HEX_COLOR: char = '\x04';
const PLAIN: char = '\x0F';
const MONOSPACE: char = '\x11';
const REVERSE: char = '\x16';
const ITALIC: char = '\x1D';
const STRIKE: char = '\x1E';
const UNDERLINE: char = '\x1F';

/// What stands before words that are hidden until somebody asks, for sides that hide nothing.
pub(super) const SPOILER: &str = "[spoiler: ";
/// What stands behind them.
pub(super) const SPOILER_END: &str = "]";

#[cfg(test)]
mod tests;
