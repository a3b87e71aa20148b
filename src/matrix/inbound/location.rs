//! Places, which the network does not have: one line with an address of a map.
//!
//! Knows a place in a message, as an event of its own, and shared as it changes: of that one line is said where it begins.
//! Refuses to follow anybody. Source: `m.location` of the client-server API, MSC3488, MSC3489.

use super::extensible::plain;
use super::reading::{Content, Reading, compact, part, text};

const PLACES: [&str; 2] = ["m.location", "org.matrix.msc3488.location"];
const ASSETS: [&str; 2] = ["m.asset", "org.matrix.msc3488.asset"];

/// Whether an event of this type is a place.
pub(super) fn is_place(kind: &str) -> bool {
    PLACES.contains(&kind)
}

/// Whether a state event of this type says that somebody shares where they are.
pub(super) fn is_live(kind: &str) -> bool {
    kind == "m.beacon_info" || kind == "org.matrix.msc3672.beacon_info"
}

/// A place.
pub(super) fn place(content: &Content) -> Reading {
    let block = part(content, &PLACES);
    let uri = text(content, &["geo_uri"]).or_else(|| block.and_then(|block| text(block, &["uri"])));
    let is_own = part(content, &ASSETS).and_then(|asset| text(asset, &["type"])) == Some("m.self");
    let what = if is_own { "their location" } else { "a location" };
    let described = block.and_then(|block| text(block, &["description"])).or_else(|| described(content));
    let parts = [described.map(compact), uri.and_then(map)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => Reading::refused("the location has neither a place nor words"),
        false => Reading::Line(format!("shared {what}: {}", parts.join(" "))),
    }
}

/// Words about a place that are more than the place: clients without any write its coordinates.
fn described(content: &Content) -> Option<&str> {
    plain(content).filter(|words| !words.contains("geo:"))
}

/// The address of a map for `geo:51.5,-0.12;u=35`; `None` for what is no place on Earth.
fn map(uri: &str) -> Option<String> {
    let (begin, place) = uri.trim().split_at_checked("geo:".len())?;
    let numbers = place.split([';', '?']).next().filter(|_| begin.eq_ignore_ascii_case("geo:"))?;
    let mut numbers = numbers.split(',').map(|number| number.trim().parse::<f64>().ok());
    let (latitude, longitude) = (numbers.next()??, numbers.next()??);
    let is_one = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    is_one.then(|| format!("https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}"))
}

/// Somebody begins to share where they are. Updates, and the end, are no news.
pub(super) fn live(content: &Content) -> Reading {
    let content = part(content, &["m.beacon_info", "org.matrix.msc3672.beacon_info"]).unwrap_or(content);
    if content.get("live").and_then(serde_json::Value::as_bool) != Some(true) {
        return Reading::Nothing;
    }
    let of =
        text(content, &["description"]).map(|words| format!(" ({})", compact(words))).unwrap_or_default();
    Reading::Line(format!("shares a live location{of}, which cannot be followed from MSN"))
}
