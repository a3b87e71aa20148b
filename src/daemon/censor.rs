//! What nobody may read in anything that the program prints: the user and password of an address.
//!
//! One place for the log, for `check` and for the errors that end the program: whoever words them need not think of it.

use std::borrow::Cow;
use std::io::Write;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Libraries that write every line they send or receive into the log, passwords among them.
const TALKATIVE: [&str; 4] = ["irc", "h2", "hyper", "reqwest"];

/// Whether what is logged from here can hold no secret: a wish of the configuration does not count.
pub(super) fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let of = |library: &str| metadata.target().split("::").next() == Some(library);
    *metadata.level() <= Level::INFO || !TALKATIVE.iter().any(|library| of(library))
}

/// A text without the users and passwords of the addresses in it.
pub(super) fn censor(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find("://") else { return Cow::Borrowed(text) };
    let (before, mut rest) = text.split_at(first);
    let mut out = before.to_owned();
    while let Some(at) = rest.find("://") {
        let (scheme, behind) = rest.split_at(at + 3);
        out.push_str(scheme);
        let end = behind.find(|c: char| c.is_whitespace() || "/?#\"'<>«»\\".contains(c));
        let authority = &behind[..end.unwrap_or(behind.len())];
        // A password may hold the sign that ends it: the last one does.
        rest = match authority.rfind('@') {
            Some(user) => {
                out.push('…');
                &behind[user..]
            }
            None => behind,
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Standard error, without what nobody may read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Censored;

impl Write for Censored {
    /// Each event comes as one piece.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        std::io::stderr().write_all(censor(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

impl MakeWriter<'_> for Censored {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn fault_34_addresses_lose_their_users_and_nothing_else() {
        for (text, clean) in [
            ("http://ann:pa55@hs.example:8008/x", "http://…@hs.example:8008/x"),
            ("socks5://ann@proxy:1080 failed", "socks5://…@proxy:1080 failed"),
            ("https://a:b@c@d/e and http://f:g@h", "https://…@d/e and http://…@h"),
            ("«http://u:p@h»: refused", "«http://…@h»: refused"),
            ("url \"http://u:p@h\", again", "url \"http://…@h\", again"),
            ("http://u:p%40q@[::1]:80?x=y@z", "http://…@[::1]:80?x=y@z"),
            ("ann@example.com at http://plain.example/@ann", "ann@example.com at http://plain.example/@ann"),
            ("nothing", "nothing"),
            ("ends in ://", "ends in ://"),
        ] {
            assert_eq!(censor(text), clean);
        }
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn fault_34_no_filter_makes_a_library_log_a_password() {
        let page = Page::default();
        let written = page.clone();
        for filter in ["trace", "irc=trace,info", "irc::client=trace", "irc::client::transport=debug"] {
            let filter = super::super::logging::filter(filter).unwrap();
            let page = page.clone();
            let subscriber = super::super::logging::subscriber(filter, move || page.clone(), false);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(subscriber), || {
                tracing::trace!(target: "irc::client", "[SENT] PASS hunter2");
                tracing::debug!(target: "irc::client::transport", "[SEND] PASS hunter2");
                tracing::trace!(target: "h2::hpack", "authorization: Bearer hunter2");
                tracing::trace!(target: "hyper::proto", "authorization: Bearer hunter2");
                tracing::warn!(target: "irc::client", "the ping was not answered");
                tracing::info!(target: "msnbridge::irc", "joined");
            });
        }
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("the ping was not answered") && text.contains("joined"), "{text}");
    }
}
