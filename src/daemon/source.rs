//! Time of day and random names, which the parts of the bridge are handed and never ask the machine for themselves.
//!
//! Knows the system's clock and its randomness, and nothing else of the program.

/// 128 random bits in 32 lower-case hexadecimal digits: names a thing that nobody is to guess.
pub(super) fn random_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// 256 random bits, for what opens something.
pub(super) fn random_secret() -> [u8; 32] {
    rand::random()
}

/// Milliseconds since 1970, UTC; 0 where the machine says that it is earlier.
pub(super) fn time_of_day() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
