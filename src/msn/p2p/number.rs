//! Numbers that a peer reads: sessions, cookies, secrets, identifiers of messages.
//!
//! Knows what old clients read without loss: they take a decimal number for a signed one of 32 bits, add small steps to an
//! identifier, and keep the lowest few for themselves (errata 1, §9.4). Refuses to know what a number names.

/// The lowest and the highest number that is ever given out: the few behind the highest are for those who count on.
const LOWEST: u32 = 1_000;
const HIGHEST: u32 = i32::MAX as u32 - 1_000_000;

/// A number that every client reads as it was meant, made of any 32 random bits.
pub fn peer_number(random: u32) -> u32 {
    match random {
        LOWEST..=HIGHEST => random,
        outside => LOWEST + outside % (HIGHEST - LOWEST + 1),
    }
}

/// The number behind one of these: the first again behind the last.
pub(super) fn next_number(number: u32) -> u32 {
    match number {
        LOWEST..HIGHEST => number + 1,
        _ => LOWEST,
    }
}

/// Reads a number of 32 bits as whoever wrote it meant it: newer clients write it unsigned, old ones signed.
pub fn read_number(digits: &str) -> Option<u32> {
    let number = digits.trim().parse::<i64>().ok()?;
    let unsigned = u32::try_from(number).ok();
    unsigned.or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Both edges of every range that matters, and a walk over everything between.
    fn whole_range() -> impl Iterator<Item = u32> {
        let edges = [0, 1, 2, 3, 4, 63, 64, 65, 999, 1000, HIGHEST, 1 << 31, (1 << 31) - 1, u32::MAX];
        let around =
            edges.into_iter().flat_map(|edge: u32| [edge.saturating_sub(1), edge, edge.saturating_add(1)]);
        around.chain((0..=u32::MAX).step_by(1_000_003))
    }

    #[test]
    fn fault_02_every_number_that_is_given_out_is_read_the_same_signed_and_unsigned() {
        for random in whole_range() {
            let number = peer_number(random);
            assert!((1000..=(1 << 31) - 1 - 1000).contains(&number), "{random} became {number}");
            assert_eq!(number.to_string().parse::<i32>().map(i32::cast_unsigned), Ok(number));
        }
    }

    #[test]
    fn fault_02_steps_from_any_base_stay_off_the_edges() {
        for base in whole_range() {
            let mut number = peer_number(base);
            for _ in 0..100 {
                let next = next_number(number);
                assert!(next != number && (1000..1 << 31).contains(&next), "{number} was followed by {next}");
                number = next;
            }
        }
        assert_eq!(next_number(HIGHEST), LOWEST);
    }

    #[test]
    fn fault_02_what_old_clients_write_signed_is_read_as_they_mean_it() {
        assert_eq!(read_number("3519537038"), Some(3_519_537_038));
        assert_eq!(read_number("-775430258"), Some(3_519_537_038));
        assert_eq!(read_number(" 7 "), Some(7));
        assert_eq!(read_number("-2147483648"), Some(1 << 31));
        for wrong in ["", "-2147483649", "4294967296", "x", "1x", "99999999999999999999"] {
            assert_eq!(read_number(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn fault_02_any_number_is_read_again_from_either_form(number: u32) {
            prop_assert_eq!(read_number(&number.to_string()), Some(number));
            prop_assert_eq!(read_number(&number.cast_signed().to_string()), Some(number));
        }
    }
}
