//! The lines that HTML becomes: where one ends, and what stands before it.
//!
//! Knows that white space with a line break in it is one space, that blocks stand on lines of their own, and that each
//! line of a quotation or of a list's item has something before it. Refuses to know elements: the reader does.

use crate::bridge::body::{Emoticon, Format, RichText, Run, Style};

/// Quotations and lists inside one another that are marked; the lines of a deeper one look like those of the last.
const MAX_FRAMES: usize = 8;

/// How text is to be written.
#[derive(Clone, Copy, Default)]
pub(super) struct Manner {
    pub(super) style: Style,
    pub(super) right_to_left: bool,
    /// White space is words too: code.
    pub(super) verbatim: bool,
}

/// What a block is, as far as the lines around it go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// Between two of these an empty line is left.
    Paragraph,
    Other,
}

/// The line end that waits for whatever comes next.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Pending {
    #[default]
    Nothing,
    Line,
    AfterParagraph,
    EmptyLine,
}

/// What stands before each line inside of something.
#[derive(Default)]
struct Frame {
    /// In place of `rest` before the first line.
    first: Option<String>,
    rest: String,
}

/// Collects runs, line by line.
#[derive(Default)]
pub(super) struct Flow {
    runs: Vec<Run>,
    emoticons: Vec<Emoticon>,
    frames: Vec<Frame>,
    /// Line breaks that were written by hand and wait for what follows them.
    breaks: usize,
    pending: Pending,
    /// White space with a line break in it stands before what comes next.
    gap: bool,
    /// Inside of how many table cells: there are no lines there.
    flat: usize,
    /// Nothing was said in the cell yet.
    cell_begins: bool,
    right_to_left: Option<bool>,
}

fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{C}')
}

impl Flow {
    /// Words as they stand between tags.
    pub(super) fn text(&mut self, text: &str, manner: Manner) {
        if manner.verbatim {
            return self.lines(text, manner);
        }
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let white = is_white(first);
            let end = rest.find(|c| is_white(c) != white).unwrap_or(rest.len());
            let (piece, tail) = rest.split_at(end);
            match white {
                true if piece.contains(['\n', '\r']) => self.gap = true,
                // The white space between a block's begin and its words.
                true if self.begins_something() => {}
                _ => self.words(piece, manner),
            }
            rest = tail;
        }
    }

    /// Words whose lines are lines.
    pub(super) fn lines(&mut self, text: &str, manner: Manner) {
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.line_break();
            }
            if !line.is_empty() {
                self.words(line, manner);
            }
        }
    }

    /// Words of one line, as they are.
    pub(super) fn words(&mut self, words: &str, manner: Manner) {
        let gap = std::mem::take(&mut self.gap) && !std::mem::take(&mut self.cell_begins);
        self.cell_begins = false;
        self.end_lines(gap, manner.style);
        self.push(words, manner.style);
        self.right_to_left.get_or_insert(manner.right_to_left);
    }

    /// A small picture: its shortcut stands for it, and the same shortcut is the same picture.
    pub(super) fn emoticon(&mut self, emoticon: Emoticon, manner: Manner) {
        self.words(&emoticon.shortcut, manner);
        if self.emoticons.iter().all(|known| known.shortcut != emoticon.shortcut) {
            self.emoticons.push(emoticon);
        }
    }

    /// A line break that was written by hand.
    pub(super) fn line_break(&mut self) {
        if self.flat > 0 {
            self.gap = true;
            return;
        }
        self.breaks = self.waiting() + 1;
        self.pending = Pending::Nothing;
        self.gap = false;
    }

    /// Something on lines of its own.
    pub(super) fn open(&mut self, block: Block) {
        if self.flat > 0 {
            self.gap = true;
            return;
        }
        self.pending = match (self.pending, block) {
            (Pending::AfterParagraph | Pending::EmptyLine, Block::Paragraph) => Pending::EmptyLine,
            _ => Pending::Line,
        };
    }

    /// The end of something on lines of its own.
    pub(super) fn close(&mut self, block: Block) {
        self.gap = self.flat > 0;
        if self.flat > 0 {
            return;
        }
        self.pending = match block {
            Block::Paragraph => Pending::AfterParagraph,
            Block::Other => Pending::Line,
        };
    }

    /// From here on `first` stands before the first line, and `rest` before each other.
    pub(super) fn enter(&mut self, first: Option<String>, rest: String) {
        let is_shown = self.frames.len() < MAX_FRAMES;
        self.frames.push(if is_shown { Frame { first, rest } } else { Frame::default() });
    }

    /// Up to here. A first line without words is shown all the same.
    pub(super) fn leave(&mut self, manner: Manner) {
        if self.frames.last().is_some_and(|frame| frame.first.is_some()) {
            self.words("", manner);
        }
        self.frames.pop();
    }

    /// Between two cells of a row.
    pub(super) fn next_cell(&mut self, manner: Manner) {
        self.gap = false;
        let begins = self.end_lines(false, manner.style);
        self.trim();
        self.push(if begins { "| " } else { " | " }, manner.style);
    }

    /// Inside of a cell there are no lines.
    pub(super) fn enter_cell(&mut self) {
        self.flat += 1;
        self.cell_begins = true;
    }

    pub(super) fn leave_cell(&mut self) {
        self.flat -= 1;
        self.gap = self.flat > 0;
    }

    /// The text. Line breaks at its end are none that anybody sees.
    pub(super) fn finish(mut self) -> RichText {
        soften(&mut self.runs);
        let is_rtl = self.right_to_left == Some(true);
        let format = is_rtl.then(|| Format { right_to_left: true, ..Format::default() });
        RichText { runs: self.runs, emoticons: self.emoticons, format, ..RichText::default() }
    }

    /// Whether a block or a cell has begun and nothing was said in it.
    fn begins_something(&self) -> bool {
        self.pending != Pending::Nothing || self.flat > 0 && self.cell_begins
    }

    /// Line ends before what comes next.
    fn waiting(&self) -> usize {
        let of_blocks = match self.pending {
            _ if self.runs.is_empty() => 0,
            Pending::Nothing => 0,
            Pending::Line | Pending::AfterParagraph => 1,
            Pending::EmptyLine => 2,
        };
        self.breaks.max(of_blocks)
    }

    /// Writes the line ends that wait, and what stands before the new line; in the middle of one the white space that waits.
    /// Says whether a line begins here.
    fn end_lines(&mut self, gap: bool, style: Style) -> bool {
        let count = self.waiting();
        let is_block = self.pending != Pending::Nothing && count > 0;
        (self.breaks, self.pending) = (0, Pending::Nothing);
        if is_block {
            self.trim();
        }
        for number in 0..count {
            if number > 0 {
                let empty: String = self.frames.iter().map(|frame| frame.rest.as_str()).collect();
                self.push(empty.trim_end(), style);
            }
            self.push("\n", style);
        }
        let begins = count > 0 || self.runs.is_empty();
        if gap && !begins {
            self.push(" ", style);
        }
        let before = self.before_line(begins);
        self.push(&before, style);
        begins
    }

    /// What stands before a line; in the middle of one, what an item that begins there is marked with.
    fn before_line(&mut self, begins: bool) -> String {
        let frames = self.frames.iter_mut();
        let part = |frame: &mut Frame| match frame.first.take() {
            Some(first) => first,
            None if begins => frame.rest.clone(),
            None => String::new(),
        };
        frames.map(part).collect()
    }

    /// Takes the spaces off the end of a block or of a cell.
    fn trim(&mut self) {
        if let Some(last) = self.runs.last_mut() {
            last.text.truncate(last.text.trim_end_matches(' ').len());
        }
    }

    fn push(&mut self, text: &str, style: Style) {
        match self.runs.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.style == style => last.text.push_str(text),
            _ => self.runs.push(Run { text: text.to_owned(), style }),
        }
    }
}

/// A space that stays is how HTML writes a second space, and one that begins a line: beside another it is one like any.
fn soften(runs: &mut [Run]) {
    let all: Vec<char> = runs.iter().flat_map(|run| run.text.chars()).collect();
    let is_space =
        |at: Option<usize>| at.and_then(|at| all.get(at)).is_some_and(|c| matches!(c, ' ' | '\u{A0}'));
    let is_begin = |at: usize| at == 0 || all.get(at - 1) == Some(&'\n');
    let mut at = 0;
    for run in runs {
        let soft = |c: char| {
            let is_beside = is_begin(at) || is_space(at.checked_sub(1)) || is_space(Some(at + 1));
            at += 1;
            if c == '\u{A0}' && is_beside { ' ' } else { c }
        };
        run.text = run.text.chars().map(soft).collect();
    }
}
