//! Sizes of files, as people say them.
//!
//! Knows units of 1024. Refuses to know what is that large.

/// A size in words: `19.5 kB`.
pub(in crate::connector) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")];
    match UNITS.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", count as f64 / unit as f64),
        None => format!("{count} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_as_people_do() {
        assert_eq!(bytes(17), "17 bytes");
        assert_eq!(bytes(20_000), "19.5 kB");
        assert_eq!(bytes(100 << 20), "100.0 MB");
    }
}
