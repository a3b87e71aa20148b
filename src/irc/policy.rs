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
    fn the_text_of_480_decides_and_an_unknown_number_is_a_refusal() {
        assert_eq!(join(480, "Cannot join channel (+j) - throttle exceeded").again, Again::Soon);
        assert!(join(480, "Cannot join channel (SSL is required)").meaning.contains("TLS"));
        assert_eq!(join(480, "Cannot knock").again, Again::Later);
        assert_eq!(join(599, "who knows"), Refused { meaning: "", again: Again::Later });
    }
}
