//! Long lists in pages.
//!
//! Knows how many lines a reader takes at once. Refuses to know what the lines are.

/// Lines of one page: about a screen.
const PAGE: usize = 40;

/// The lines of one page, from 1, and the command that shows the next, where there is one. A page that there is not is
/// the last.
pub(super) fn page(lines: &[String], number: usize, command: &str) -> String {
    let pages = lines.len().div_ceil(PAGE).max(1);
    let number = number.clamp(1, pages);
    let shown: Vec<&str> = lines.iter().skip((number - 1) * PAGE).take(PAGE).map(String::as_str).collect();
    let text = shown.join("\n");
    if pages == 1 {
        return text;
    }
    let next = match number < pages {
        true => format!("; «{command} {}» shows the next", number + 1),
        false => String::new(),
    };
    format!("{text}\nPage {number} of {pages}{next}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        (1..=count).map(|n| format!("line {n}")).collect()
    }

    #[test]
    fn a_long_list_comes_in_pages_and_a_short_one_as_it_is() {
        assert_eq!(page(&lines(2), 1, "contacts"), "line 1\nline 2");
        assert!(page(&lines(40), 1, "contacts").ends_with("line 40"));
        let first = page(&lines(81), 1, "contacts");
        assert!(first.ends_with("line 40\nPage 1 of 3; «contacts 2» shows the next."), "{first}");
        assert_eq!(page(&lines(81), 3, "contacts"), "line 81\nPage 3 of 3.");
    }

    #[test]
    fn a_page_that_there_is_not_is_the_last() {
        assert_eq!(page(&lines(41), usize::MAX, "x"), "line 41\nPage 2 of 2.");
        assert_eq!(page(&[], 7, "x"), "");
    }
}
