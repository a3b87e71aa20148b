//! Lines that belong together: the answer to one of ours, and a message of several lines.
//!
//! Knows the batches that are open, a few and bounded. Refuses to know what a line means. Source: IRCv3 batch,
//! labeled-response and draft/multiline.

use irc::proto::message::Tag;
use irc::proto::{BatchSubCommand, Command, Message, Prefix};

use crate::irc::registration::MULTILINE;

/// Batches that may be open at a time; of more, lines count by themselves.
const MAX_OPEN: usize = 16;
/// Bytes of one message of several lines; what is longer comes in parts.
const MAX_BYTES: usize = 64 * 1024;
const LABELED: &str = "labeled-response";

/// An answer under way: the name of its batch, and the label of the line that it answers.
type Answer = (String, String);

/// A message of several lines under way.
#[derive(Debug)]
struct Joined {
    name: String,
    /// Of the line that opened it: when it was said.
    tags: Option<Vec<Tag>>,
    prefix: Option<Prefix>,
    target: String,
    text: String,
    is_notice: bool,
}

/// The batches that are open.
#[derive(Debug, Default)]
pub(super) struct Batches {
    answers: Vec<Answer>,
    joined: Vec<Joined>,
}

/// The value of a tag.
pub(super) fn tag<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let tag = message.tags.as_ref()?.iter().find(|Tag(known, _)| known == name)?;
    tag.1.as_deref()
}

impl Joined {
    fn message(self) -> Message {
        let (target, text) = (self.target, self.text);
        let command = match self.is_notice {
            true => Command::NOTICE(target, text),
            false => Command::PRIVMSG(target, text),
        };
        Message { tags: self.tags, prefix: self.prefix, command }
    }
}

impl Batches {
    /// The label of the line of ours that a message answers.
    pub(super) fn label(&self, message: &Message) -> Option<String> {
        let own = tag(message, "label").map(str::to_owned);
        own.or_else(|| {
            let batch = tag(message, "batch")?;
            self.answers.iter().find(|(name, _)| name == batch).map(|(_, label)| label.clone())
        })
    }

    /// What follows from a message: itself, or nothing while it is a part of something, or the whole of that with its last
    /// part. The label is of the answer that has ended with it.
    pub(super) fn take(&mut self, message: Message) -> (Option<Message>, Option<String>) {
        match &message.command {
            Command::BATCH(name, kind, arguments) => match (name.split_at_checked(1), kind) {
                (Some(("+", name)), Some(BatchSubCommand::CUSTOM(kind))) => {
                    let target = arguments.as_ref().and_then(|arguments| arguments.first());
                    self.open(name, kind, target.cloned(), &message);
                    (None, None)
                }
                (Some(("-", name)), _) => self.close(name),
                _ => (None, None),
            },
            Command::PRIVMSG(_, text) | Command::NOTICE(_, text) => {
                let batch = tag(&message, "batch");
                let joined = self.joined.iter_mut().find(|joined| Some(joined.name.as_str()) == batch);
                let Some(joined) = joined.filter(|joined| joined.text.len() + text.len() < MAX_BYTES) else {
                    return (Some(message), None);
                };
                let goes_on = tag_is_there(&message, "draft/multiline-concat");
                if joined.prefix.is_some() && !goes_on {
                    joined.text.push('\n');
                }
                joined.text.push_str(text);
                joined.is_notice = matches!(message.command, Command::NOTICE(..));
                joined.prefix = message.prefix;
                (None, None)
            }
            _ => (Some(message), None),
        }
    }

    fn open(&mut self, name: &str, kind: &str, target: Option<String>, message: &Message) {
        if self.answers.len() + self.joined.len() >= MAX_OPEN {
            return;
        }
        if kind.eq_ignore_ascii_case(LABELED)
            && let Some(label) = tag(message, "label")
        {
            self.answers.push((name.to_owned(), label.to_owned()));
        }
        if let (true, Some(target)) = (kind.eq_ignore_ascii_case(MULTILINE), target) {
            let (name, tags, text) = (name.to_owned(), message.tags.clone(), String::new());
            self.joined.push(Joined { name, tags, prefix: None, target, text, is_notice: false });
        }
    }

    fn close(&mut self, name: &str) -> (Option<Message>, Option<String>) {
        if let Some(at) = self.answers.iter().position(|(known, _)| known == name) {
            return (None, Some(self.answers.remove(at).1));
        }
        let at = self.joined.iter().position(|joined| joined.name == name);
        let joined = at.map(|at| self.joined.remove(at)).filter(|joined| joined.prefix.is_some());
        (joined.map(Joined::message), None)
    }
}

fn tag_is_there(message: &Message, name: &str) -> bool {
    message.tags.as_ref().is_some_and(|tags| tags.iter().any(|Tag(known, _)| known == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(batches: &mut Batches, line: &str) -> (Option<Message>, Option<String>) {
        batches.take(line.parse().unwrap())
    }

    #[test]
    fn a_message_of_several_lines_is_heard_once_with_its_last_line() {
        let mut batches = Batches::default();
        assert_eq!(take(&mut batches, "@time=t :eve!e@h BATCH +1 draft/multiline #c\r\n"), (None, None));
        for line in ["@batch=1 :eve!e@h PRIVMSG #c :one", "@batch=1 :eve!e@h PRIVMSG #c :two"] {
            assert_eq!(take(&mut batches, line), (None, None));
        }
        // Somebody else's words go on between.
        let (between, _) = take(&mut batches, ":dan!d@h PRIVMSG #c :hello");
        assert!(between.is_some());
        take(&mut batches, "@batch=1;draft/multiline-concat :eve!e@h PRIVMSG #c : and a half");
        let (whole, _) = take(&mut batches, "BATCH -1");
        let whole = whole.unwrap();
        assert_eq!(whole.command, Command::PRIVMSG("#c".into(), "one\ntwo and a half".into()));
        assert_eq!((whole.source_nickname(), tag(&whole, "time")), (Some("eve"), Some("t")));
        assert_eq!(take(&mut batches, "BATCH -1"), (None, None), "once");
    }

    #[test]
    fn an_answer_bears_the_label_of_what_it_answers_in_a_batch_too() {
        let mut batches = Batches::default();
        let label = |batches: &Batches, line: &str| batches.label(&line.parse().unwrap());
        assert_eq!(label(&batches, "@label=l7 :irc.test ACK").as_deref(), Some("l7"));
        take(&mut batches, "@label=l8 :irc.test BATCH +x labeled-response");
        assert_eq!(label(&batches, "@batch=x :irc.test 404 bot #c :no").as_deref(), Some("l8"));
        assert_eq!(take(&mut batches, ":irc.test BATCH -x").1.as_deref(), Some("l8"));
        assert_eq!(label(&batches, "@batch=x :irc.test 404 bot #c :no"), None);
    }

    #[test]
    fn batches_that_nobody_closes_are_bounded() {
        let mut batches = Batches::default();
        (0..1_000).for_each(|n| drop(take(&mut batches, &format!(":e!e@h BATCH +{n} draft/multiline #c"))));
        assert_eq!(batches.joined.len(), MAX_OPEN);
        for _ in 0..1_000 {
            take(&mut batches, &format!("@batch=0 :e!e@h PRIVMSG #c :{}", "x".repeat(300)));
        }
        assert!(batches.joined[0].text.len() <= MAX_BYTES);
    }
}
