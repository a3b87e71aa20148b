//! What may differ from the recorded server, and what of it a line needs.

use super::unit::{Side, Unit, decoded, trid};

/// A difference that is meant. Patterns are words: `_` is any word, `*` any word that may differ, `..` all that follow,
/// `**` all that follow and may differ, `@` a word that each server makes itself and that is called by ours from then on.
/// `|` stands between alternatives, of which the first of theirs goes with the first of ours and so on; what stands before
/// one in brackets is where it holds: the dialect (`[8]`) or the end of a connection's name (`[SB4]`).
pub(super) struct Rule {
    pub(super) theirs: &'static str,
    pub(super) ours: &'static str,
    /// Number of the conformance list, or the section that says so.
    pub(super) source: &'static str,
    pub(super) reason: &'static str,
}

/// Words that differ wherever they stand: the rest of the line must agree.
pub(super) const fn same(pattern: &'static str, source: &'static str, reason: &'static str) -> Rule {
    Rule { theirs: pattern, ours: pattern, source, reason }
}

/// Only the recorded server says it.
pub(super) const fn theirs(pattern: &'static str, source: &'static str, reason: &'static str) -> Rule {
    Rule { theirs: pattern, ours: "", source, reason }
}

/// Only ours says it.
pub(super) const fn ours(pattern: &'static str, source: &'static str, reason: &'static str) -> Rule {
    Rule { theirs: "", ours: pattern, source, reason }
}

/// What differs, and why.
pub(super) const RULES: &[Rule] = &[
    same(
        "XFR _ SB @ CKI @|RNG @ @ CKI @ ..|CAL _ RINGING @",
        "65, 67",
        "each server has its own boards, cookies and session numbers",
    ),
    same(
        "CVR _ **|USR _ TWN S *|URL _ **|GCF _ _ *",
        "19, 22, 5.3",
        "programs, policies, pages and blocks are each server's own",
    ),
    same("MSG Hotmail Hotmail *", "31", "a profile holds times, addresses and tickets"),
    theirs("NOT *", "5.6", "news of an address book that is not here"),
    theirs("[11]MSG Hotmail Hotmail *", "5.2", "no mailboxes here"),
    same(
        "[8]ADD _ _ * _ ..|[8]REM _ _ * _ ..|[8]REA _ * _ ..|[8]ADG _ * _ _ 0|[8]REG _ * _ _ 0|[8]RMG _ * _|[8]PRP _ * _ ..|[8]GTC _ * _|[8]BLP _ * _|[8]BPR * _ _ ..|[8]SYN _ * _ _|[8]SYN _ *",
        "47",
        "the list version counts changes, and the recorded server takes some that are none",
    ),
    same("[11]ADC _ FL _ _ @", "41", "each server names contacts itself"),
    Rule {
        theirs: "[11]ADG _ _ @ 0",
        ours: "[11]ADG _ 1 _ @ 0",
        source: "48",
        reason: "each server names groups itself; another server's form, which independent clients wait for",
    },
    Rule {
        theirs: "VER _ _|[8]224 _",
        ours: "VER _ _ CVR0|[8]230 _",
        source: "16, 48",
        reason: "the form and the number that Microsoft's servers used",
    },
    same("QNG *", "64", "each server says when it wants the next one"),
    Rule {
        theirs: "ADD _ FL * bob@example.com ..|ADD _ AL * ..|ADC _ FL _ _ _|ADC _ AL _|205 57|403 _",
        ours: "215 _|215 _|215 _|215 _|216 _|216 _",
        source: "42, 43",
        reason: "what is there already, or is not there, is said to be",
    },
    ours(
        "201 27|201 28|201 56|201 58|502 58|502 60|[E9.NS]715 2",
        "1.6",
        "a bad request is answered, not passed over",
    ),
    ours("CHG _ NLN|NLN NLN _ _ 0", "55", "capabilities may be absent"),
    Rule {
        theirs: "[8]PRP _ * MOB N|[11]PRP _ MOB N",
        ours: "[8]PRP _ * MOB Y|[11]PRP _ MOB Y",
        source: "3.3",
        reason: "pages can be sent to everybody who wants them",
    },
    ours("PRP MOB Y|[8]BPR * _ MOB ..|[11]BPR _ MOB ..", "3.3", "so that is kept, and told"),
    theirs("[8]BPR * _ _|[11]BPR _ _|[8]BPR * _ _ N|[11]BPR _ _ N", "3.2", "what is unset is not told"),
    same("LST _ * ..", "41", "a name that was given is kept; the recorded server takes it back"),
    Rule {
        theirs: "[8]LST _ * _ 0|[8]LST _ * 5 0|[11]LST _ * 16|[11]LST _ * _ 19 ..|[A4.NS]LST _ * 16|[8]LST _ * 11 1",
        ours: "[8]LST _ * _|[8]LST _ * 4|[11]LST _ * 24|[11]LST _ * _ 11 ..|[A4.NS]LST _ * 8|[8]LST _ * 11 0,1",
        source: "41",
        reason: "only forward contacts have groups, up to MSNP9 group 0 too; who adds is on the reverse list at once",
    },
    Rule {
        theirs: "[8]218 _|[11]218 _",
        ours: "[8]BLP _ * _|[11]BLP _ _",
        source: "3.3",
        reason: "an unchanged setting is echoed; there are clients whose session 218 ends",
    },
    Rule { theirs: "ACK _", ours: "NAK _", source: "70", reason: "nobody was there to get the message" },
    same(
        "UBX _ *|[11]NLN _ _ _ _ **",
        "55, 4.3",
        "nothing to say or show is written as nothing, or as an empty element",
    ),
    Rule {
        theirs: "[8]216 _|[11]216 _",
        ours: "[8]REM _ FL * _|[11]REM _ FL _",
        source: "43",
        reason: "who leaves the last group is in none, and still a contact",
    },
    ours(
        "[E11.NS](closed)|[X.SB](closed)",
        "16, 65",
        "whoever does not begin by signing in is not waited for",
    ),
    theirs(
        "[SB4](closed)|[SB4]BYE _",
        "70",
        "the recorded server closes at a packet that asks for no acknowledgement",
    ),
    ours("[SB4]MSG _ _ *", "70", "ours relays it"),
];

/// Where a line was said: the recording and the connection.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) tag: &'a str,
}

impl Place<'_> {
    /// The alternative of a pattern that a line fits.
    pub(super) fn fitting<'a>(&self, patterns: &'a str, line: &str) -> Option<&'a str> {
        patterns.split('|').find_map(|pattern| self.holds(pattern).filter(|pattern| words_fit(pattern, line)))
    }

    /// `8` for the dialects that number lists and groups, `11` for those that name them.
    fn dialect(&self) -> &'static str {
        let with_names = match self.file {
            file if file.contains("amsn") => self.tag.starts_with("A."),
            file => file.contains("msnp11"),
        };
        if with_names { "11" } else { "8" }
    }

    /// The pattern without its brackets, where it holds.
    pub(super) fn holds<'a>(&self, pattern: &'a str) -> Option<&'a str> {
        let Some((scope, bare)) = pattern.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
            return Some(pattern).filter(|pattern| !pattern.is_empty());
        };
        (self.dialect() == scope || self.tag.ends_with(scope)).then_some(bare)
    }

    /// The first two units without a partner that a rule makes partners; of rules for one side, that one.
    pub(super) fn excused(
        &self,
        rule: &Rule,
        theirs: &Side,
        ours: &Side,
    ) -> Option<(Option<usize>, Option<usize>)> {
        let free = |side: &Side, pattern: &str| {
            let pattern = self.holds(pattern)?.to_owned();
            let odd = (0..side.units.len()).filter(|&at| !side.paired[at]);
            Some(odd.filter(|&at| words_fit(&pattern, &side.units[at].line)).collect::<Vec<_>>())
        };
        let one = |side: &Side, patterns: &str| {
            patterns.split('|').filter_map(|pattern| free(side, pattern)).flatten().next()
        };
        match (rule.theirs, rule.ours) {
            (theirs_say, "") => one(theirs, theirs_say).map(|at| (Some(at), None)),
            ("", ours_say) => one(ours, ours_say).map(|at| (None, Some(at))),
            (theirs_say, ours_say) => theirs_say.split('|').zip(ours_say.split('|')).find_map(|(l, r)| {
                let (left, right) = (free(theirs, l)?, free(ours, r)?);
                let answers = |l: usize, r: usize| trid(&theirs.units[l]) == trid(&ours.units[r]);
                left.iter().find_map(|&l| right.iter().find(|&&r| answers(l, r)).map(|&r| (Some(l), Some(r))))
            }),
        }
    }
}

pub(super) fn words_fit(pattern: &str, line: &str) -> bool {
    let (mut pattern, mut words) = (pattern.split(' '), line.split(' '));
    loop {
        match (pattern.next(), words.next()) {
            (Some("**" | ".."), _) | (None, None) => return true,
            (Some("*" | "@" | "_"), Some(_)) => {}
            (Some(wanted), Some(word)) if wanted == word => {}
            _ => return false,
        }
    }
}

/// The line with what may differ taken out; without a payload where its length may differ. Names compare as they read:
/// the recorded server writes them without escapes.
pub(super) fn masked(unit: &Unit, place: Place<'_>, used: &mut [bool]) -> Unit {
    let line = unit.line.split(' ').map(decoded).collect::<Vec<_>>().join(" ");
    let mut unit = Unit { line, payload: unit.payload.clone() };
    for (at, rule) in RULES.iter().enumerate().filter(|(_, rule)| rule.theirs == rule.ours) {
        let Some(pattern) = place.fitting(rule.theirs, &unit.line) else { continue };
        used[at] = true;
        let pattern: Vec<&str> = pattern.split(' ').collect();
        let mut kept: Vec<&str> = Vec::new();
        for (at, word) in unit.line.split(' ').enumerate() {
            match pattern.get(at).or_else(|| pattern.last().filter(|last| **last == "..")) {
                Some(&"**") | None => break,
                Some(&"*") => kept.push("*"),
                _ => kept.push(word),
            }
        }
        if pattern.last().is_some_and(|last| matches!(*last, "*" | "**")) {
            unit.payload.clear();
        }
        unit.line = kept.join(" ");
    }
    unit
}
