//! Files that somebody was offered and has not taken yet: those behind them go meanwhile.
//!
//! Knows which entries of the files' leg were let pass, so that its cursor stays before them. Refuses to outlive the program:
//! what was not taken is offered again after the next start, as everything that is behind a cursor.

/// Offers that others are let past at once: more than that is nobody's to answer.
const MAX_PASSED: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// At the head of its leg.
    Heads,
    /// On its way, and others go.
    Passed,
    /// Others went; it came back, and is tried again.
    Back,
}

/// The files of one portal that were offered, in no order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::bridge) struct Offers(Vec<(u64, Step)>);

impl Offers {
    /// Those whom the file at the head of the leg is for know of it.
    pub(in crate::bridge) fn offered(&mut self, sequence: u64) {
        self.ended(sequence);
        self.0.push((sequence, Step::Heads));
    }

    /// Lets others pass the head, where it was offered and there is room; whether that is so.
    pub(in crate::bridge) fn let_pass(&mut self) -> bool {
        let has_room = self.0.iter().filter(|(_, step)| *step == Step::Passed).count() < MAX_PASSED;
        let head = self.0.iter_mut().find(|(_, step)| *step == Step::Heads).filter(|_| has_room);
        head.map(|(_, step)| *step = Step::Passed).is_some()
    }

    /// It is to be tried again; whether others were let past it.
    pub(in crate::bridge) fn comes_back(&mut self, sequence: u64) -> bool {
        match self.0.iter().position(|(known, _)| *known == sequence) {
            Some(at) if self.0[at].1 == Step::Passed => {
                self.0[at].1 = Step::Back;
                true
            }
            Some(at) if self.0[at].1 == Step::Heads => {
                self.0.swap_remove(at);
                false
            }
            _ => false,
        }
    }

    /// Whether it is on its way, and others go.
    pub(in crate::bridge) fn is_passed(&self, sequence: u64) -> bool {
        self.0.contains(&(sequence, Step::Passed))
    }

    /// Its leg is done with it; whether others were let past it.
    pub(super) fn ended(&mut self, sequence: u64) -> bool {
        let at = self.0.iter().position(|(known, _)| *known == sequence);
        at.is_some_and(|at| self.0.swap_remove(at).1 == Step::Passed)
    }

    /// The first that others were let past, and with which the leg is not done.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.iter().filter(|(_, step)| *step != Step::Heads).map(|(sequence, _)| *sequence).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_let_past_and_one_more_when_one_has_ended() {
        let mut offers = Offers::default();
        assert!(!offers.let_pass(), "nothing was offered");
        for sequence in 1..=MAX_PASSED as u64 {
            offers.offered(sequence);
            assert!(offers.let_pass());
        }
        offers.offered(9);
        assert!(!offers.let_pass());
        assert_eq!(offers.first(), Some(1));
        assert!(offers.ended(1));
        assert!(offers.let_pass() && offers.is_passed(9));
        assert_eq!(offers.first(), Some(2));
    }

    #[test]
    fn one_that_came_back_is_not_on_its_way_and_holds_the_cursor() {
        let mut offers = Offers::default();
        offers.offered(1);
        assert!(!offers.comes_back(1), "it was at the head");
        assert_eq!(offers.first(), None);
        offers.offered(1);
        offers.let_pass();
        assert!(offers.comes_back(1) && !offers.is_passed(1));
        assert_eq!(offers.first(), Some(1));
        offers.offered(1);
        assert!(offers.let_pass() && offers.ended(1));
        assert_eq!(offers, Offers::default());
    }
}
