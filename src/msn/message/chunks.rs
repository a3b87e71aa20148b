//! Messages in several parts (§7.3): putting together what comes, and cutting what is too long for one `MSG`.
//!
//! Knows `Message-ID`, `Chunks` and `Chunk`, and bounds of parts, bytes and time. Refuses to know what a message says.
//! What does not come whole is dropped as one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::{Content, Envelope, TextStyle};

/// The longest payload that a switchboard relays (§1.5).
pub const MAX_PAYLOAD: usize = 1664;
/// Text bytes in one part: what the longest header block leaves of [`MAX_PAYLOAD`], with some room.
const PART: usize = 1200;
/// Most parts of one message: 64 times 1664 bytes is more than any client sends.
const MAX_PARTS: usize = 64;
/// Most unfinished messages kept for one sender.
const MAX_PENDING: usize = 4;
/// How long the parts of a message may take.
const CHUNKS_TIMEOUT: Duration = Duration::from_secs(90);

struct Partial {
    id: String,
    since: Instant,
    first: Option<Envelope>,
    parts: Vec<Option<Bytes>>,
}

/// Puts the parts of one sender's messages together.
#[derive(Default)]
pub struct Assembler {
    pending: VecDeque<Partial>,
}

impl Assembler {
    /// Takes an envelope: gives it back if it is whole, or the whole message when this was its last missing part.
    pub fn accept(&mut self, now: Instant, envelope: Envelope) -> Option<Envelope> {
        self.pending.retain(|partial| now.saturating_duration_since(partial.since) < CHUNKS_TIMEOUT);
        let Some(id) = envelope.header("Message-ID").map(str::to_owned) else { return Some(envelope) };
        let number = |name| envelope.header(name).and_then(|n| n.parse::<usize>().ok());
        match (number("Chunks"), number("Chunk")) {
            (Some(total), _) if (2..=MAX_PARTS).contains(&total) => self.first(now, id, total, envelope),
            (None, Some(index)) if (1..MAX_PARTS).contains(&index) => {
                self.later(now, id, index, envelope.body)
            }
            (None, Some(_)) => None,
            _ => Some(envelope),
        }
    }

    fn first(&mut self, now: Instant, id: String, total: usize, envelope: Envelope) -> Option<Envelope> {
        let partial = self.partial(now, &id);
        partial.parts.resize(total, None);
        partial.parts[0] = Some(envelope.body.clone());
        partial.first = Some(envelope);
        self.finish(&id)
    }

    fn later(&mut self, now: Instant, id: String, index: usize, body: Bytes) -> Option<Envelope> {
        let partial = self.partial(now, &id);
        if partial.first.is_some() && index >= partial.parts.len() {
            return None;
        }
        if partial.parts.len() <= index {
            partial.parts.resize(index + 1, None);
        }
        partial.parts[index] = Some(body);
        self.finish(&id)
    }

    fn partial(&mut self, now: Instant, id: &str) -> &mut Partial {
        let at = self.pending.iter().position(|partial| partial.id == id).unwrap_or_else(|| {
            if self.pending.len() == MAX_PENDING {
                self.pending.pop_front();
            }
            let fresh = Partial { id: id.to_owned(), since: now, first: None, parts: Vec::new() };
            self.pending.push_back(fresh);
            self.pending.len() - 1
        });
        &mut self.pending[at]
    }

    fn finish(&mut self, id: &str) -> Option<Envelope> {
        let at = self.pending.iter().position(|partial| {
            partial.id == id && partial.first.is_some() && partial.parts.iter().all(Option::is_some)
        })?;
        let partial = self.pending.remove(at)?;
        let mut body = BytesMut::new();
        partial.parts.iter().flatten().for_each(|part| body.extend_from_slice(part));
        Some(Envelope { body: body.freeze(), ..partial.first? })
    }
}

/// The payloads that carry `text`: one if it fits, else parts of one message towards a peer that can put them together
/// (`message_id` names it), else several messages cut between words.
pub fn text_payloads(text: &str, style: Option<&TextStyle>, message_id: Option<&str>) -> Vec<Vec<u8>> {
    let whole = Content::text(text, style);
    if whole.body.len() <= PART {
        return vec![whole.encode()];
    }
    match message_id {
        Some(id) if whole.body.len() <= PART * MAX_PARTS => chunked(&whole, id),
        _ => split_words(text, PART / 2).iter().map(|part| Content::text(part, style).encode()).collect(),
    }
}

/// Where in a text each of the messages begins that [`text_payloads`] makes of it for clients that put nothing together.
pub fn separate_parts(text: &str, style: Option<&TextStyle>) -> Vec<usize> {
    if Content::text(text, style).body.len() <= PART {
        return vec![0];
    }
    let begin = text.as_ptr().addr();
    split_words(text, PART / 2).iter().map(|part| part.as_ptr().addr() - begin).collect()
}

fn chunked(whole: &Envelope, id: &str) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> = whole.body.chunks(PART).collect();
    let total = parts.len().to_string();
    let part = |(index, body): (usize, &&[u8])| {
        let envelope = if index == 0 {
            whole.clone().with("Message-ID", id).with("Chunks", &total)
        } else {
            Envelope::bare().with("Message-ID", id).with("Chunk", &index.to_string())
        };
        envelope.with_body(Bytes::copy_from_slice(body)).encode()
    };
    parts.iter().enumerate().map(part).collect()
}

/// Pieces of at most `limit` bytes, cut at a blank where there is one in the second half, else between characters.
fn split_words(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let hard = (0..=limit).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(limit);
        let soft = rest[..hard].rfind([' ', '\n']).filter(|&at| at > limit / 2);
        let (piece, tail) = rest.split_at(soft.unwrap_or(hard));
        pieces.push(piece);
        rest = if soft.is_some() { &tail[1..] } else { tail };
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_01_each_message_of_a_long_text_begins_where_the_one_before_it_ends() {
        let text: String = (0..900).map(|n| format!("wörd{n} ")).collect();
        let starts = separate_parts(&text, None);
        let payloads = text_payloads(&text, None, None);
        assert_eq!(starts.len(), payloads.len());
        for (start, payload) in starts.iter().zip(envelopes(&payloads)) {
            assert!(text[*start..].starts_with(&text_of(&payload)));
        }
        assert_eq!(separate_parts("short", None), [0]);
    }

    fn envelopes(payloads: &[Vec<u8>]) -> Vec<Envelope> {
        payloads.iter().map(|p| Envelope::parse(&Bytes::copy_from_slice(p)).unwrap()).collect()
    }

    fn text_of(envelope: &Envelope) -> String {
        match Content::parse(envelope).unwrap() {
            Content::Text { text, .. } => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn conf_077_parts_in_any_order_and_across_a_character_make_one_text() {
        let now = Instant::now();
        // One byte in front moves every cut into the middle of a two-byte character.
        let text = format!("x{}", "é".repeat(1800));
        let parts = envelopes(&text_payloads(&text, Some(&TextStyle::default()), Some("{1}")));
        assert_eq!(parts.len(), 4);
        assert!(std::str::from_utf8(&parts[0].body).is_err());
        for order in [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]] {
            let mut assembler = Assembler::default();
            let done: Vec<_> =
                order.iter().filter_map(|&i| assembler.accept(now, parts[i].clone())).collect();
            assert_eq!(done.len(), 1);
            assert_eq!(text_of(&done[0]), text);
        }
        // The rule broken: after the time-out the late part completes nothing.
        let mut assembler = Assembler::default();
        for part in &parts[..3] {
            assert!(assembler.accept(now, part.clone()).is_none());
        }
        assert!(assembler.accept(now + Duration::from_secs(120), parts[3].clone()).is_none());
    }

    #[test]
    fn unfinished_messages_are_bounded() {
        let now = Instant::now();
        let mut assembler = Assembler::default();
        for n in 0..100 {
            let part = Envelope::bare().with("Message-ID", &n.to_string()).with("Chunk", "63");
            assert!(assembler.accept(now, part).is_none());
        }
        assert_eq!(assembler.pending.len(), MAX_PENDING);
        let absurd = Envelope::bare().with("Message-ID", "x").with("Chunk", "4000000000");
        assert!(assembler.accept(now, absurd).is_none());
    }

    #[test]
    fn long_texts_for_simple_clients_are_cut_between_words_and_lose_nothing() {
        let text = "one word after the other, ".repeat(200);
        let payloads = text_payloads(text.trim(), None, None);
        assert!(payloads.iter().all(|p| p.len() <= MAX_PAYLOAD));
        let joined: Vec<String> = envelopes(&payloads).iter().map(text_of).collect();
        assert_eq!(joined.join(" "), text.trim());
        let solid = "日".repeat(2000);
        let joined: Vec<String> = envelopes(&text_payloads(&solid, None, None)).iter().map(text_of).collect();
        assert_eq!(joined.concat(), solid);
    }
}
