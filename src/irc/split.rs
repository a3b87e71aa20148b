//! Lines cut to what IRC carries: 512 bytes with everything that the network puts in front.
//!
//! Knows UTF-8, words and formatting codes, so that a cut goes through none. Refuses to know the prefix: its length is an
//! argument. Source: RFC 2812, section 2.3.

/// The longest `user@host` that a network shows.
const USER_AND_HOST: usize = 10 + 1 + 63;

/// Bytes of text in one message of `nick` to `target`, of which `extra` are taken.
pub(super) fn budget(nick: &str, target: &str, extra: usize) -> usize {
    let front =
        ":".len() + nick.len() + "!".len() + USER_AND_HOST + " PRIVMSG ".len() + target.len() + " :".len();
    512usize.saturating_sub(front + "\r\n".len() + extra).max(64)
}

/// Pieces of at most `limit` bytes, cut between words where possible, never inside a character. Each with the byte of the
/// line at which the next one begins.
pub(super) fn pieces(line: &str, limit: usize) -> Vec<(&str, usize)> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while rest.len() > limit {
        let hard = (0..=limit).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(limit);
        let soft = rest[..hard].rfind(' ').filter(|&at| at > limit / 2);
        let (piece, tail) = rest.split_at(soft.unwrap_or(hard));
        rest = if soft.is_some() { &tail[1..] } else { tail };
        pieces.push((piece, line.len() - rest.len()));
    }
    pieces.push((rest, line.len()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_fit_and_lose_nothing_but_the_blank_they_are_cut_at(line in "\\PC{0,400}", limit in 64usize..300) {
            let cut = pieces(&line, limit);
            prop_assert!(cut.iter().all(|(piece, _)| piece.len() <= limit));
            let squeeze = |text: &str| text.replace(' ', "");
            let whole: String = cut.iter().map(|(piece, _)| *piece).collect();
            prop_assert_eq!(squeeze(&whole), squeeze(&line));
            // From wherever a piece ended, the others come again.
            for (at, (_, end)) in cut.iter().enumerate() {
                let rest: Vec<&str> = pieces(&line[*end..], limit).into_iter().map(|(piece, _)| piece).collect();
                let others: Vec<&str> = cut[at + 1..].iter().map(|(piece, _)| *piece).collect();
                prop_assert_eq!(rest.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>(), others);
            }
        }
    }

    #[test]
    fn the_front_that_others_see_is_counted() {
        assert!(budget("bob[m]", "#channel", 0) + ":bob[m]!~user@host PRIVMSG #channel :\r\n".len() < 512);
    }
}
