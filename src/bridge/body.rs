//! What a message holds: text with its styles, notices, questions, nudges and files.
//!
//! Knows the forms that every side understands. Refuses to know markup: HTML, `X-MMS-IM-Format` and mIRC codes are made
//! and read by the adapters. Source: section 3 of the product's description.

use serde::{Deserialize, Serialize};

use super::port::media::File;

/// The formatting that one network gives a whole message, kept for the way back (font, effects, colour, and what only
/// that network understands).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Format {
    pub font: String,
    pub style: Style,
    pub charset: u32,
    pub pitch_family: u8,
    pub right_to_left: bool,
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Style {
    pub bold: bool,
    pub italic: bool,
    pub underline: bool,
    pub strike: bool,
    /// `0xRRGGBB`; `None` for the reader's own colour.
    pub color: Option<u32>,
    /// The same of what is behind the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub monospace: bool,
    /// Hidden until the reader asks. A word around it says so too, for sides that hide nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spoiler: bool,
}

impl Style {
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// Bytes that the marks of one style can take.
const MARKS: usize = 192;

/// A stretch of text and its look. Runs follow one another without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub text: String,
    pub style: Style,
}

/// A text: runs, and the whole message's format where it came with one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RichText {
    pub runs: Vec<Run>,
    pub format: Option<Format>,
    /// Pictures that stand for some of its characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emoticons: Vec<Emoticon>,
    /// Whose words these are, where the message names somebody other than its author. A name for this message only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_as: Option<String>,
    /// Left with the network while its receiver was away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_offline: bool,
}

/// A small picture in a text, in the place of its shortcut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emoticon {
    pub shortcut: String,
    pub image: Image,
}

/// Where a small picture is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Image {
    /// The network brings it, or has brought it: it is kept under this digest.
    Kept { digest: String },
    /// On the frontend, by its own name of it.
    Source { source: String },
}

impl RichText {
    pub fn plain(text: impl Into<String>) -> Self {
        Self { runs: vec![Run { text: text.into(), style: Style::default() }], ..Self::default() }
    }

    /// A text that looks the same all over.
    pub fn formatted(text: impl Into<String>, format: Format) -> Self {
        Self {
            runs: vec![Run { text: text.into(), style: format.style }],
            format: Some(format),
            ..Self::default()
        }
    }

    /// Texts below one another, as one.
    pub fn joined<'a>(lines: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for line in lines {
            if let Some(last) = runs.last_mut() {
                last.text.push('\n');
            }
            runs.extend(line.runs.iter().cloned());
        }
        Self { runs, ..Self::default() }
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        1 + self.runs.iter().map(|run| run.text.matches('\n').count()).sum::<usize>()
    }

    /// Bytes that showing it takes at most, the marks of its styles included.
    pub fn weight(&self) -> usize {
        let marked = self.runs.iter().filter(|run| !run.style.is_plain()).count();
        marked * MARKS + self.runs.iter().map(|run| run.text.len()).sum::<usize>()
    }

    /// The words alone.
    pub fn text(&self) -> String {
        self.runs.iter().map(|run| run.text.as_str()).collect()
    }

    /// The style that every visible character has, where there is one.
    pub fn uniform_style(&self) -> Option<Style> {
        let mut visible = self.runs.iter().filter(|run| !run.text.trim().is_empty()).map(|run| run.style);
        let first = visible.next()?;
        visible.all(|style| style == first).then_some(first)
    }
}

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    Text(RichText),
    /// An action: "waves".
    Emote(RichText),
    Nudge,
    /// A file, whole and kept.
    File(File),
    /// A file that lies where it was sent, and is fetched when its turn comes.
    Attachment(Attachment),
    /// Said by the bridge itself. `about` is the origin's own name for the message it speaks of.
    Notice {
        text: String,
        about: Option<String>,
    },
    /// Said by the bridge itself, and changed as things change: what comes under the same id takes the place of what was
    /// said before, where that can be done.
    LiveNotice {
        id: String,
        text: String,
        about: Option<String>,
        /// Nothing was said under this id before.
        is_first: bool,
        /// Nothing more comes under this id.
        is_last: bool,
    },
    /// Asked by the bridge, with the answers that can be given by one sign, and the command each of them is.
    Question {
        text: String,
        answers: Vec<Answer>,
    },
}

/// A file on a frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The frontend's own name of it.
    pub source: String,
    /// As its sender has it, without control characters: whoever stores it makes it harmless.
    pub name: String,
    /// Words that came with it.
    pub caption: Option<RichText>,
}

/// One way to answer a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// An emoji.
    pub sign: String,
    pub command: String,
}

impl Body {
    /// The name that stands for the author's own in this message only.
    pub fn shown_as(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Emote(text) => text.shown_as.as_deref(),
            _ => None,
        }
    }

    pub fn notice(text: impl Into<String>) -> Self {
        Self::Notice { text: text.into(), about: None }
    }
}
