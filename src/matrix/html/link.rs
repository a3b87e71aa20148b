//! What an address says beside the words that lead to it.
//!
//! Knows which addresses are people, whose name says enough, and which schemes may be shown. Refuses to open any.
//! Source: `matrix.to` and `matrix:` addresses of the Matrix specification.

use percent_encoding::percent_decode_str;

/// Schemes that Matrix allows in HTML.
const SCHEMES: [&str; 6] = ["http:", "https:", "ftp:", "mailto:", "magnet:", "matrix:"];
const MATRIX_TO: &str = "https://matrix.to/#/";

/// The Matrix user whom an address names.
pub(super) fn user(href: &str) -> Option<String> {
    let decoded = percent_decode_str(href).decode_utf8().ok()?;
    if let Some(place) = decoded.strip_prefix(MATRIX_TO) {
        let id = place.split('?').next().unwrap_or_default();
        return id.starts_with('@').then(|| id.to_owned());
    }
    let name = decoded.strip_prefix("matrix:u/")?;
    Some(format!("@{}", name.split('?').next().unwrap_or_default()))
}

/// What is said of an address behind these words: nothing where they say it, or say whom it names.
pub(super) fn beside<'a>(href: &'a str, words: &str) -> Option<&'a str> {
    let href = href.trim();
    let may_be_shown = SCHEMES
        .iter()
        .any(|scheme| href.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
    (may_be_shown && user(href).is_none() && bare(href) != bare(words)).then_some(href)
}

/// An address without what people leave out of it.
fn bare(address: &str) -> String {
    let address = percent_decode_str(address.trim()).decode_utf8_lossy().to_lowercase();
    let begins = ["http://", "https://", "mailto:"];
    let rest = begins.iter().find_map(|begin| address.strip_prefix(begin)).unwrap_or(&address);
    rest.strip_prefix("www.").unwrap_or(rest).trim_end_matches('/').to_owned()
}
