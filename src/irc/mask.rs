//! Who somebody on IRC is: masks of nick, user and host, with `*` and `?`, compared without regard to ASCII case.
//!
//! Knows no network: a mask is a text. Refuses to trust a nick alone where the mask asks for more.

/// Whether `text` fits `mask`. Takes time in proportion to both lengths.
pub(super) fn fits(mask: &str, text: &str) -> bool {
    let (mask, text) = (mask.as_bytes(), text.as_bytes());
    let (mut m, mut t) = (0, 0);
    // Where to go back to when what follows the last star does not fit.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match mask.get(m) {
            Some(b'*') => {
                star = Some((m, t));
                m += 1;
            }
            Some(c) if *c == b'?' || c.eq_ignore_ascii_case(&text[t]) => {
                m += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    m = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    mask[m..].iter().all(|c| *c == b'*')
}

/// The nick that a mask names, if it names one.
pub(super) fn nick(mask: &str) -> Option<&str> {
    let nick = mask.split('!').next().unwrap_or(mask);
    (!nick.is_empty() && !nick.contains(['*', '?'])).then_some(nick)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_fit_whole_sources() {
        assert!(fits("eve!*@*", "Eve!~e@host.example"));
        assert!(fits("*!*@*.example", "eve!e@a.example"));
        assert!(fits("e?e!*", "eve!x@y"));
        assert!(fits("**", ""));
        for (mask, text) in [("eve!*@*", "evel!e@h"), ("*.example", "example"), ("e?e", "ee"), ("", "x")] {
            assert!(!fits(mask, text), "{mask} {text}");
        }
        assert!(!fits(&"*a".repeat(50), &"a".repeat(49)));
        assert_eq!((nick("eve!*@*"), nick("*!x@y"), nick("eve")), (Some("eve"), None, Some("eve")));
    }
}
