//! What each refusal of a server means, in one table: what it is called, what mends it, and when to try again.
//!
//! Knows numerics. Refuses to act: the session does. Unknown ones count as refused, with the server's text. Source: RFC 2812
//! section 5.2, and the numerics of solanum, hybrid, InspIRCd and UnrealIRCd.

use std::time::Duration;

use crate::retry::Retry;

/// When a channel is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It may open any moment.
    Soon,
    /// Somebody is annoyed, or the network is strained.
    Later,
    /// Somebody has to change the channel or the configuration.
    Rarely,
}

impl Again {
    /// The pauses between attempts.
    pub(super) fn pauses(self) -> Retry {
        let (shortest, longest) = match self {
            Self::Soon => (5, 600),
            Self::Later => (30, 3_600),
            Self::Rarely => (600, 6 * 3_600),
        };
        Retry::new(Duration::from_secs(shortest), Duration::from_secs(longest))
    }
}

/// What a refused JOIN means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    /// What is the matter, after the server's own words.
    pub(super) meaning: &'static str,
    pub(super) again: Again,
}

/// Refusals of JOIN, by number.
const JOIN: [(u16, &str, Again); 17] = [
    (403, "there is no such channel; correct irc.relays", Again::Rarely),
    (404, "nobody may enter now", Again::Later),
    (405, "we are in as many channels as the network allows", Again::Rarely),
    (437, "the network keeps the channel closed for a while", Again::Later),
    (448, "the network forbids the channel", Again::Rarely),
    (471, "the channel is full (+l)", Again::Soon),
    (473, "the channel is for those who are invited (+i): invite the bot", Again::Soon),
    (474, "we are banned from the channel (+b)", Again::Later),
    (475, "the channel has a key (+k): irc.relays has key", Again::Later),
    (476, "that is no name of a channel; correct irc.relays", Again::Rarely),
    (477, "the channel is for those who are logged in (+r): irc.networks has sasl and nickserv", Again::Soon),
    (479, "the network forbids that name", Again::Rarely),
    (485, "the network keeps us out of the channel", Again::Rarely),
    (489, "the channel is for those who use TLS: irc.networks has tls", Again::Rarely),
    (500, "too many enter the channel at once (+j)", Again::Soon),
    (519, "the channel is for the network's administrators", Again::Rarely),
    (520, "the channel is for operators of the network (+O)", Again::Rarely),
];

/// What a refused JOIN means. 480 means different things: its text decides.
pub(super) fn join(number: u16, text: &str) -> Refused {
    let text = text.to_lowercase();
    let of = |meaning, again| Refused { meaning, again };
    match number {
        480 if text.contains("throttle") || text.contains("+j") => {
            of("too many enter the channel at once (+j)", Again::Soon)
        }
        480 if text.contains("ssl") || text.contains("tls") || text.contains("secure") => {
            of("the channel is for those who use TLS: irc.networks has tls", Again::Rarely)
        }
        480 => of("the network keeps us out of the channel", Again::Later),
        _ => {
            let known = JOIN.iter().find(|(known, ..)| *known == number);
            known.map_or_else(|| of("", Again::Later), |(_, meaning, again)| of(meaning, *again))
        }
    }
}

/// The server's words for a refused JOIN, with what they mean.
pub(super) fn explain(number: u16, text: &str) -> String {
    match join(number, text).meaning {
        "" => format!("{text} ({number})"),
        meaning => format!("{text} ({number}: {meaning})"),
    }
}

/// Refusals of what was said, by number.
const SPEAKING: [(u16, &str); 18] = [
    (401, "nobody here is called so"),
    (403, "there is no such channel"),
    (404, "we may not speak there: it is moderated (+m), for its members (+n), or we are banned"),
    (407, "that is sent to too many"),
    (408, "the channel takes no colours (+c)"),
    (411, "it was for nobody"),
    (412, "there was nothing in it"),
    (413, "that is no target"),
    (414, "that is no target"),
    (415, "that is no target"),
    (417, "the line is too long"),
    (477, "only those who are logged in may speak there: irc.networks has sasl and nickserv"),
    (484, "the network restricts us"),
    (486, "only those who are logged in may write to them: irc.networks has sasl and nickserv"),
    (487, "the network does not take that"),
    (489, "only those with a voice may speak there (+v)"),
    (492, "the channel takes no CTCP (+C)"),
    (716, "they take messages only from those whom they know (+g)"),
];

/// The server's words for something that could not be said, with what they mean.
pub(super) fn explain_unsaid(number: u16, text: &str) -> String {
    match SPEAKING.iter().find(|(known, _)| *known == number) {
        Some((_, meaning)) => format!("{text} ({number}: {meaning})"),
        None => format!("{text} ({number})"),
    }
}

/// Whether a number says that something was refused; besides 4xx and 5xx a few of other ranges.
pub(super) fn is_refusal(number: u16) -> bool {
    (400..600).contains(&number) || matches!(number, 707 | 716)
}

/// Whether a refusal of what was said is one of how fast it was said: 439 and 707 are about changing targets.
pub(super) fn is_too_fast(number: u16) -> bool {
    matches!(number, 439 | 707)
}

/// Whether a server's words say that we were too fast.
pub(super) fn is_about_pace(text: &str) -> bool {
    let text = text.to_lowercase();
    ["flood", "recvq exceeded", "max recvq", "too fast", "rate limit"].iter().any(|word| text.contains(word))
}

/// Whether a server's notice warns us that we are too fast. Its greeting may speak of floods too.
pub(super) fn is_warning(notice: &str) -> bool {
    let notice = notice.to_lowercase();
    ["excess flood", "too fast", "slow down", "rate limit", "throttled", "flood detected"]
        .iter()
        .any(|word| notice.contains(word))
}

/// The target of which a server's notice says that what was sent there was dropped, as hybrid does.
pub(super) fn throttled(notice: &str) -> Option<&str> {
    let (front, _) = notice.split_once(" throttled due to flooding")?;
    front.rsplit(' ').next()
}

/// Refusals that are about something else than a channel or what was said: 443 answers INVITE, 421 a command of ours.
pub(super) fn is_about_us(number: u16) -> bool {
    matches!(
        number,
        400 | 402
            | 406
            | 409
            | 410
            | 421
            | 422
            | 423
            | 424
            | 431
            | 432
            | 433
            | 435
            | 436
            | 443
            | 444
            | 445
            | 446
            | 451
            | 461
            | 462
            | 464
            | 467
            | 472
            | 478
            | 481
            | 483
            | 491
            | 501
            | 502
            | 524
            | 525
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_what_mends_it() {
        assert!(JOIN.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (number, ..) in JOIN {
            assert!(!join(number, "").meaning.is_empty() && !is_about_us(number), "{number}");
        }
    }

    #[test]
    fn what_was_too_fast_is_told_from_what_was_refused() {
        assert!(SPEAKING.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(SPEAKING.iter().all(|(number, _)| is_refusal(*number) && !is_about_us(*number)));
        assert_eq!(throttled("*** Message to #friends throttled due to flooding"), Some("#friends"));
        assert_eq!(throttled("*** Looking up your hostname"), None);
        assert!(is_warning("*** You are sending too fast, slow down or be killed for Excess Flood"));
        assert!(
            !is_warning("*** Looking up your hostname") && !is_warning("This server has flood protection")
        );
        for text in ["Closing Link: 1.2.3.4 (Excess Flood)", "RecvQ exceeded", "Targets changing too fast"] {
            assert!(is_about_pace(text), "{text}");
        }
        assert!(!is_about_pace("Closing Link: 1.2.3.4 (K-Lined)"));
        assert_eq!(explain_unsaid(408, "No colours"), "No colours (408: the channel takes no colours (+c))");
        assert_eq!(explain_unsaid(599, "who knows"), "who knows (599)");
    }

    #[test]
    fn the_text_of_480_decides_and_an_unknown_number_is_a_refusal() {
        assert_eq!(join(480, "Cannot join channel (+j) - throttle exceeded").again, Again::Soon);
        assert!(join(480, "Cannot join channel (SSL is required)").meaning.contains("TLS"));
        assert_eq!(join(480, "Cannot knock").again, Again::Later);
        assert_eq!(join(599, "who knows"), Refused { meaning: "", again: Again::Later });
    }
}
