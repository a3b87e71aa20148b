//! What old clients say that stricter servers refused, as their authors' programs say it.

use super::*;

/// Alice of a dialect and Bob of MSNP11, both online; Bob has added Alice.
fn added(dialect: Dialect) -> (Stage, ConnId, ConnId) {
    let mut stage = Stage::new();
    let (bob, alice) = (stage.online("bob", Dialect::Msnp11), stage.online("alice", dialect));
    stage.say(bob, "ADC 6 FL N=alice@example.com F=Alice\r\n");
    stage.sent.clear();
    (stage, alice, bob)
}

fn lists(stage: &mut Stage, conn: ConnId) -> String {
    let synced = stage.say(conn, "SYN 90 0 0\r\n");
    synced.lines().find(|line| line.starts_with("LST ")).unwrap_or_default().trim().to_owned()
}

#[test]
fn fault_37_privacy_that_is_so_already_is_echoed_and_changes_nothing() {
    for (dialect, same, other) in [
        (Dialect::Msnp8, "BLP 7 1 AL\r\n", "BLP 8 2 BL\r\n"),
        (Dialect::Msnp9, "BLP 7 1 AL\r\n", "BLP 8 2 BL\r\n"),
        (Dialect::Msnp10, "BLP 7 AL\r\n", "BLP 8 BL\r\n"),
        (Dialect::Msnp12, "BLP 7 AL\r\n", "BLP 8 BL\r\n"),
    ] {
        let mut stage = Stage::new();
        let (_, bob) = stage.friends();
        let alice = stage.online("alice", dialect);
        let version = |text: &str| text.replace(" 1 ", " V ").replace(" 2 ", " V ");
        stage.sent.clear();
        let echoed = stage.say(alice, "BLP 7 AL\r\n");
        assert_eq!(echoed.split(' ').next_back(), same.split(' ').next_back(), "{dialect} {echoed}");
        assert_eq!(echoed.split(' ').count(), version(same).split(' ').count(), "{dialect} {echoed}");
        assert_eq!(stage.say(alice, "BLP 7 AL\r\n"), echoed, "the list version is what it was");
        assert_eq!(stage.heard(bob), "", "nobody is told of what did not change");
        let changed = stage.say(alice, "BLP 8 BL\r\n");
        assert_eq!(changed.split(' ').count(), other.split(' ').count(), "{dialect} {changed}");
        assert_ne!(stage.say(alice, "BLP 8 BL\r\n"), "218 8\r\n");
        assert_eq!(stage.say(alice, "BLP 9 XX\r\n"), "201 9\r\n");
    }
}

#[test]
fn fault_37_out_of_the_last_group_is_off_the_list_up_to_msnp9() {
    for dialect in [Dialect::Msnp8, Dialect::Msnp9] {
        // In a group of its own, in the first group by name, and in the first group for want of another.
        for (add, remove) in [
            ("ADD 8 FL bob@example.com Bob 1\r\n", "REM 9 FL bob@example.com 1\r\n"),
            ("ADD 8 FL bob@example.com Bob 0\r\n", "REM 9 FL bob@example.com 0\r\n"),
            ("ADD 8 FL bob@example.com Bob\r\n", "REM 9 FL bob@example.com 0\r\n"),
        ] {
            let mut stage = Stage::new();
            let (bob, alice) = (stage.online("bob", Dialect::Msnp11), stage.online("alice", dialect));
            stage.say(alice, "ADG 7 Friends 0\r\n");
            stage.say(alice, add);
            stage.heard(bob);
            let answer = stage.say(alice, remove);
            assert!(answer.starts_with("REM 9 FL ") && answer.contains(" bob@example.com "), "{answer}");
            assert_eq!(stage.heard(bob), "REM 0 RL alice@example.com\r\n", "{dialect} {add}");
            assert_eq!(lists(&mut stage, alice), "", "{dialect} {add}");
            assert_eq!(stage.say(alice, "REM 10 FL bob@example.com\r\n"), "216 10\r\n");
        }
    }
}

#[test]
fn fault_37_out_of_one_group_of_several_is_still_on_the_list() {
    let mut stage = Stage::new();
    let (bob, alice) = (stage.online("bob", Dialect::Msnp11), stage.online("alice", Dialect::Msnp9));
    stage.say(alice, "ADG 7 A 0\r\nADG 7 B 0\r\nADD 8 FL bob@example.com Bob 0\r\n");
    stage.heard(bob);
    // From the first group into another and back, in both orders.
    for (words, groups) in [
        ("ADD 9 FL bob@example.com Bob 1\r\n", "0,1"),
        ("REM 9 FL bob@example.com 0\r\n", "1"),
        ("ADD 9 FL bob@example.com Bob 0\r\n", "0,1"),
        ("REM 9 FL bob@example.com 1\r\n", "0"),
        ("ADD 9 FL bob@example.com Bob 2\r\n", "0,2"),
        ("ADD 9 FL bob@example.com Bob 1\r\n", "0,1,2"),
        ("REM 9 FL bob@example.com 2\r\n", "0,1"),
        ("RMG 9 1\r\n", "0"),
    ] {
        let answer = stage.say(alice, words);
        assert!(answer.starts_with(&words[..3]), "{words} {answer}");
        assert_eq!(lists(&mut stage, alice), format!("LST bob@example.com Bob 1 {groups}"), "{words}");
    }
    assert_eq!(stage.heard(bob), "", "he was never off the list");
    assert_eq!(stage.say(alice, "REM 9 FL bob@example.com 2\r\n"), "225 9\r\n");
    // From MSNP10 on people can be in no group at all.
    let mut stage = Stage::new();
    let alice = stage.online("alice", Dialect::Msnp11);
    let made = stage.say(alice, "ADG 7 A\r\nADC 8 FL N=bob@example.com F=Bob\r\n");
    let guid = Stage::word(&made, "ADG", 4);
    let id = made.split("C=").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    stage.say(alice, &format!("ADC 9 FL C={id} {guid}\r\n"));
    assert_eq!(stage.say(alice, &format!("REM 10 FL {id} {guid}\r\n")), format!("REM 10 FL {id} {guid}\r\n"));
    assert!(lists(&mut stage, alice).starts_with("LST N=bob@example.com"));
    assert_eq!(stage.say(alice, &format!("REM 11 FL {id} {guid}\r\n")), "225 11\r\n");
}

#[test]
fn fault_37_who_is_allowed_or_blocked_waits_no_longer() {
    for (words, mask) in [
        ("ADC 7 AL N=bob@example.com\r\n", "10"),
        ("ADC 7 BL N=bob@example.com\r\n", "12"),
        ("ADC 7 RL N=bob@example.com\r\n", "8"),
        // As aMSN answers a request, and as others do: all of it is taken.
        ("ADC 7 AL N=bob@example.com\r\nADC 7 RL N=bob@example.com\r\nREM 7 PL bob@example.com\r\n", "10"),
        ("REM 7 PL bob@example.com\r\nADC 7 AL N=bob@example.com\r\n", "10"),
        ("ADC 7 RL N=bob@example.com\r\nADC 7 BL N=bob@example.com\r\nREM 7 PL bob@example.com\r\n", "12"),
    ] {
        let (mut stage, alice, _) = added(Dialect::Msnp11);
        assert!(lists(&mut stage, alice).ends_with(" 24"), "on RL and PL");
        let answer = stage.say(alice, words);
        assert!(!answer.contains("21"), "{words}: {answer}");
        let shown = lists(&mut stage, alice);
        assert!(shown.ends_with(&format!(" {mask}")), "{words}: {shown}");
    }
    // Up to MSNP9 nobody is shown as waiting, and an answer is as final.
    let (mut stage, alice, _) = added(Dialect::Msnp9);
    stage.say(alice, "ADD 7 AL bob@example.com Bob\r\nOUT\r\n");
    let alice = stage.online("alice", Dialect::Msnp12);
    assert!(lists(&mut stage, alice).contains(" 10"));
    // Somebody who never asked is neither confirmed nor taken off.
    assert_eq!(stage.say(alice, "ADC 8 RL N=carol@example.com\r\n"), "201 8\r\n");
    assert_eq!(stage.say(alice, "REM 9 PL carol@example.com\r\n"), "216 9\r\n");
}
