//! What an owner is told when the contact list is not what the server announced (§3.2).
//!
//! Knows what was said last. Refuses to know the lists themselves.

use crate::msn::session::{ListCount, RosterGap};

/// What was said last: the same is not said again at each sign-in.
#[derive(Debug, Default)]
pub(in crate::connector) struct GapNotices {
    said: Option<String>,
}

impl GapNotices {
    /// What is to be said of a gap, if it is news.
    pub(in crate::connector) fn words(&mut self, gap: &RosterGap) -> Option<String> {
        let lists = [(gap.contacts, "contact"), (gap.groups, "group")];
        let found: Vec<String> = lists.into_iter().filter_map(|(count, what)| missing(count, what)).collect();
        if found.is_empty() {
            return None;
        }
        let text = format!(
            "Your contact list came from MSN with gaps: {}. What is missing is not shown here. The list is asked for again at the next sign-in; «reconnect» does that now.",
            found.join("; ")
        );
        (self.said.as_ref() != Some(&text)).then(|| self.said.insert(text).clone())
    }
}

/// What is missing of one list; `what` is one entry of it.
fn missing(count: ListCount, what: &str) -> Option<String> {
    let ListCount { announced, came, unreadable } = count;
    let many = |n: u32| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    let lines = match unreadable {
        0 => String::new(),
        1 => "1 line could not be read".to_owned(),
        n => format!("{n} lines could not be read"),
    };
    match announced {
        // It never said how many there are, and that is a gap only where something came of it.
        None if came == 0 && unreadable == 0 => None,
        None if unreadable == 0 => {
            Some(format!("{} came, and the server never said how many there are", many(came)))
        }
        None => Some(format!("{} came, and {lines}", many(came))),
        Some(announced) if came < announced => {
            let why = if lines.is_empty() { "the rest did not come".to_owned() } else { lines };
            Some(format!("{came} of {} came, {why}", many(announced)))
        }
        Some(_) if unreadable > 0 => Some(format!("{} came, and besides {lines}", many(came))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(announced: Option<u32>, came: u32, unreadable: u32) -> ListCount {
        ListCount { announced, came, unreadable }
    }

    #[test]
    fn fault_07_the_owner_hears_once_what_is_missing_in_plain_words() {
        let whole = count(Some(2), 2, 0);
        for (contacts, groups, words) in [
            (count(Some(7), 6, 0), whole, "6 of 7 contacts came, the rest did not come"),
            (count(Some(7), 6, 1), whole, "6 of 7 contacts came, 1 line could not be read"),
            (count(Some(7), 0, 0), whole, "0 of 7 contacts came, the rest did not come"),
            (count(Some(1), 0, 3), whole, "0 of 1 contact came, 3 lines could not be read"),
            (count(Some(3), 3, 1), whole, "3 contacts came, and besides 1 line could not be read"),
            (whole, count(Some(2), 1, 0), "1 of 2 groups came, the rest did not come"),
            (
                count(None, 4, 0),
                count(None, 0, 0),
                "4 contacts came, and the server never said how many there are",
            ),
        ] {
            let (mut notices, gap) = (GapNotices::default(), RosterGap { contacts, groups });
            let said = notices.words(&gap).unwrap();
            assert!(said.contains(&format!(" with gaps: {words}. ")), "{said}");
            assert_eq!(notices.words(&gap), None, "once");
            let other = RosterGap { contacts: count(Some(9), 1, 0), ..gap };
            assert!(notices.words(&other).is_some(), "other news");
        }
    }
}
