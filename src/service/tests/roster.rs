//! Lists, groups, names and settings, in the forms of every dialect.

use super::*;

/// Alice signed in and synchronised, Bob online and willing.
fn pair(dialect: Dialect) -> (Stage, ConnId, ConnId) {
    let mut stage = Stage::new();
    let bob = stage.online("bob", Dialect::Msnp11);
    let alice = stage.online("alice", dialect);
    stage.sent.clear();
    (stage, alice, bob)
}

#[test]
fn conf_041_adding_somebody_who_is_there_shows_them_with_the_number_of_the_request() {
    for (dialect, add) in [
        (Dialect::Msnp9, "ADD 7 FL bob@example.com Bob\r\n"),
        (Dialect::Msnp11, "ADC 7 FL N=bob@example.com F=Bob\r\n"),
    ] {
        let (mut stage, alice, bob) = pair(dialect);
        let answer = stage.say(alice, add);
        assert!(answer.contains("ILN 7 NLN bob@example.com Bob 32\r\n"), "{dialect} {answer}");
        assert!(stage.heard(bob).contains("ADC 0 RL N=alice@example.com F=Alice"));
        // The rule broken: somebody who hides is not shown.
        let (mut stage, alice, bob) = pair(dialect);
        stage.say(bob, "ADC 7 BL N=alice@example.com\r\n");
        assert!(!stage.say(alice, add).contains("ILN"));
    }
}

#[test]
fn conf_042_additions_that_cannot_be_have_their_numbers() {
    let (mut stage, alice, _) = pair(Dialect::Msnp9);
    assert_eq!(stage.say(alice, "ADD 7 FL nobody@example.com N\r\n"), "205 7\r\n");
    assert!(stage.say(alice, "ADD 8 BL bob@example.com Bob\r\n").starts_with("ADD 8 BL "));
    assert_eq!(stage.say(alice, "ADD 9 BL bob@example.com Bob\r\n"), "215 9\r\n");
    assert_eq!(stage.say(alice, "ADD 10 AL bob@example.com Bob\r\n"), "219 10\r\n");
    assert_eq!(stage.say(alice, "ADD 11 FL bob\r\n"), "201 11\r\n");
    let (mut stage, alice, _) = pair(Dialect::Msnp10);
    assert_eq!(stage.say(alice, "ADC 7 FL N=nobody@example.com F=N\r\n"), "208 7\r\n");
    // The other dialect's command is an error, and the session goes on.
    assert_eq!(stage.say(alice, "ADD 8 FL bob@example.com Bob 0\r\n"), "502 8\r\n");
    assert!(stage.say(alice, "ADC 9 FL N=bob@example.com F=Bob\r\n").starts_with("ADC 9 FL "));
}

#[test]
fn conf_043_nobody_is_taken_off_a_list_they_are_not_on_and_the_reverse_list_is_the_servers() {
    let (mut stage, alice, _) = pair(Dialect::Msnp11);
    assert_eq!(stage.say(alice, "REM 7 AL bob@example.com\r\n"), "216 7\r\n");
    stage.say(alice, "ADC 8 AL N=bob@example.com\r\n");
    assert_eq!(stage.say(alice, "REM 9 AL bob@example.com\r\n"), "REM 9 AL bob@example.com\r\n");
    stage.say(alice, "REM 10 RL bob@example.com\r\n");
    assert!(stage.is_closed(alice));
}

#[test]
fn conf_044_the_forward_list_goes_by_id_from_msnp10_on() {
    let (mut stage, alice, bob) = pair(Dialect::Msnp11);
    let added = stage.say(alice, "ADC 7 FL N=bob@example.com F=Bob\r\nADC 8 AL N=bob@example.com\r\n");
    let id = added.split("C=").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    assert_eq!(stage.say(alice, "REM 9 FL bob@example.com\r\n"), "216 9\r\n");
    stage.heard(bob);
    assert_eq!(stage.say(alice, &format!("REM 10 FL {id}\r\n")), format!("REM 10 FL {id}\r\n"));
    assert_eq!(stage.heard(bob), "REM 0 RL alice@example.com\r\n");
    assert_eq!(stage.say(alice, "REM 11 AL bob@example.com\r\n"), "REM 11 AL bob@example.com\r\n");
    let (mut stage, alice, _) = pair(Dialect::Msnp8);
    stage.say(alice, "ADD 7 FL bob@example.com Bob\r\n");
    assert!(stage.say(alice, "REM 8 FL bob@example.com\r\n").ends_with(" bob@example.com\r\n"));
}

#[test]
fn conf_047_every_change_raises_the_list_version_up_to_msnp9() {
    let (mut stage, alice, bob) = pair(Dialect::Msnp9);
    let version =
        |answer: &str, verb: &str, index: usize| -> u32 { Stage::word(answer, verb, index).parse().unwrap() };
    let mut seen = vec![version(&stage.say(alice, "ADD 7 FL bob@example.com Bob\r\n"), "ADD", 3)];
    seen.push(version(&stage.say(alice, "ADG 8 Friends 0\r\n"), "ADG", 2));
    seen.push(version(&stage.say(alice, "ADD 9 FL bob@example.com Bob 1\r\n"), "ADD", 3));
    seen.push(version(&stage.say(alice, "REG 10 1 Pals 0\r\n"), "REG", 2));
    seen.push(version(&stage.say(alice, "REA 11 alice@example.com Al\r\n"), "REA", 2));
    seen.push(version(&stage.say(alice, "PRP 12 PHH 1\r\n"), "PRP", 2));
    seen.push(version(&stage.say(alice, "GTC 13 N\r\n"), "GTC", 2));
    seen.push(version(&stage.say(alice, "BLP 14 BL\r\n"), "BLP", 2));
    seen.push(version(&stage.say(alice, "REM 15 FL bob@example.com 1\r\n"), "REM", 3));
    // What others do counts too.
    stage.heard(alice);
    stage.say(bob, "ADC 6 FL N=alice@example.com F=A\r\n");
    seen.push(version(&stage.heard(alice), "ADD", 3));
    seen.push(version(&stage.say(alice, "RMG 16 1\r\n"), "RMG", 2));
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seen:?}");
    assert_eq!(
        stage.say(alice, &format!("SYN 17 {}\r\n", seen.last().unwrap())),
        format!("SYN 17 {}\r\n", seen.last().unwrap())
    );
    // From MSNP10 on none is shown.
    let (mut stage, alice, _) = pair(Dialect::Msnp10);
    assert_eq!(stage.say(alice, "GTC 7 N\r\n"), "GTC 7 N\r\n");
}

#[test]
fn conf_048_groups_have_limits_and_their_own_numbers() {
    let (mut stage, alice, _) = pair(Dialect::Msnp9);
    let long = "x".repeat(62);
    assert_eq!(stage.say(alice, &format!("ADG 7 {long} 0\r\n")), "229 7\r\n");
    assert!(stage.say(alice, &format!("ADG 8 {} 0\r\n", &long[1..])).starts_with("ADG 8 "));
    assert_eq!(stage.say(alice, "RMG 9 0\r\n"), "230 9\r\n");
    assert_eq!(stage.say(alice, "RMG 10 29\r\n"), "224 10\r\n");
    assert!(stage.say(alice, "ADG 11 A 0\r\n").ends_with(" A 2 0\r\n"));
    assert_eq!(stage.say(alice, "ADG 12 A 0\r\n"), "228 12\r\n");
    for n in 2..30 {
        stage.say(alice, &format!("ADG 13 g{n} 0\r\n"));
    }
    assert_eq!(stage.say(alice, "ADG 14 more 0\r\n"), "223 14\r\n");
    assert_eq!(stage.say(alice, "ADD 15 FL bob@example.com Bob 31\r\n"), "224 15\r\n");

    let (mut stage, alice, bob) = pair(Dialect::Msnp11);
    let made = stage.say(alice, "ADG 7 My%20friends\r\n");
    let guid = Stage::word(&made, "ADG", 4).trim().to_owned();
    assert_eq!(made, format!("ADG 7 1 My%20friends {guid} 0\r\n"));
    let added = stage.say(alice, "ADC 8 FL N=bob@example.com F=Bob\r\n");
    let id = added.split("C=").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    assert_eq!(
        stage.say(alice, &format!("ADC 9 FL C={id} {guid}\r\n")),
        format!("ADC 9 FL C={id} {guid}\r\n")
    );
    assert_eq!(stage.say(alice, &format!("ADC 10 FL C={id} {guid}\r\n")), "215 10\r\n");
    let listed = stage.say(alice, "SYN 11 0 0\r\n");
    assert!(listed.contains(&format!("LSG My%20friends {guid}\r\n")), "{listed}");
    assert!(listed.contains(&format!("C={id} 1 {guid}\r\n")), "{listed}");
    assert_eq!(stage.say(alice, "RMG 12 00000000-0000-0000-0000-000000000000\r\n"), "224 12\r\n");
    // Renamed by its id, removed by its name, and whoever was in it alone goes with it.
    assert!(stage.say(alice, &format!("REG 13 {guid} Pals\r\n")).contains("Pals"));
    stage.heard(bob);
    assert_eq!(stage.say(alice, "RMG 14 Pals\r\n"), "RMG 14 1 Pals\r\n");
    assert_eq!(stage.heard(bob), "REM 0 RL alice@example.com\r\n");
    assert_eq!(stage.say(alice, "RMG 15 no-guid-at-all\r\n"), "224 15\r\n");
}

#[test]
fn contacts_move_between_groups_in_either_order() {
    let (mut stage, alice, _) = pair(Dialect::Msnp9);
    stage.say(alice, "ADG 7 A 0\r\nADG 8 B 0\r\nADD 9 FL bob@example.com Bob 1\r\n");
    stage.say(alice, "REM 10 FL bob@example.com 1\r\nADD 11 FL bob@example.com Bob 2\r\n");
    assert!(stage.say(alice, "SYN 12 0\r\n").contains("LST bob@example.com Bob 1 2\r\n"));
    stage.say(alice, "ADD 13 FL bob@example.com Bob 1\r\nREM 14 FL bob@example.com 2\r\n");
    assert!(stage.say(alice, "SYN 15 0\r\n").contains("LST bob@example.com Bob 1 1\r\n"));
    assert_eq!(stage.say(alice, "REM 16 FL bob@example.com 2\r\n"), "225 16\r\n");
}

#[test]
fn conf_049_a_setting_that_is_so_already_is_218_but_for_privacy() {
    for dialect in [Dialect::Msnp9, Dialect::Msnp11] {
        let (mut stage, alice, _) = pair(dialect);
        assert_eq!(stage.say(alice, "GTC 8 A\r\n"), "218 8\r\n");
        assert!(stage.say(alice, "BLP 9 BL\r\nGTC 10 N\r\n").starts_with("BLP 9 "));
        assert_eq!(stage.say(alice, "BLP 11 XX\r\n"), "201 11\r\n");
    }
}

#[test]
fn conf_050_a_new_name_is_seen_by_others_and_rea_is_gone_from_msnp10_on() {
    for (dialect, line) in [
        (Dialect::Msnp9, "REA 9 alice@example.com Al%20ice\r\n"),
        (Dialect::Msnp11, "PRP 9 MFN Al%20ice\r\n"),
    ] {
        let mut stage = Stage::new();
        let (alice, bob) = stage.friends();
        stage.say(alice, "OUT\r\n");
        let alice = stage.online("alice", dialect);
        stage.heard(bob);
        stage.say(alice, line);
        assert_eq!(stage.heard(bob), "NLN NLN alice@example.com Al%20ice 32\r\n", "{dialect}");
    }
    let (mut stage, alice, _) = pair(Dialect::Msnp11);
    assert_eq!(stage.say(alice, "REA 9 alice@example.com Al\r\n"), "502 9\r\n");
}

#[test]
fn conf_051_a_name_of_more_than_387_bytes_is_209() {
    let name = |length: usize| "%20".repeat(length / 3);
    let (mut stage, alice, _) = pair(Dialect::Msnp11);
    assert_eq!(stage.say(alice, &format!("PRP 7 MFN {}\r\n", name(390))), "209 7\r\n");
    assert!(stage.say(alice, &format!("PRP 8 MFN {}\r\n", name(387))).starts_with("PRP 8 MFN "));
    let (mut stage, alice, _) = pair(Dialect::Msnp8);
    assert_eq!(stage.say(alice, &format!("REA 7 alice@example.com {}\r\n", name(390))), "209 7\r\n");
}

#[test]
fn phones_are_told_to_those_who_may_know_them() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    assert_eq!(stage.say(alice, "PRP 9 PHM 555%201\r\n"), "PRP 9 PHM 555%201\r\n");
    assert_eq!(stage.heard(bob), "BPR alice@example.com PHM 555%201\r\n");
    assert!(stage.say(bob, "SYN 10 0 0\r\n").contains("\r\nBPR PHM 555%201\r\n"));
    stage.say(alice, "REM 10 AL bob@example.com\r\nADC 11 BL N=bob@example.com\r\n");
    stage.heard(bob);
    stage.say(alice, "PRP 12 PHM\r\n");
    assert_eq!(stage.heard(bob), "");
}

#[test]
fn pages_reach_those_who_take_them_and_old_commands_have_their_answers() {
    let mut stage = Stage::new();
    let (alice, bob) = stage.friends();
    let page = "<TEXT xml:space=\"preserve\" enc=\"utf-8\">call me</TEXT>";
    let send = format!("PGD 9 bob@example.com 1 {}\r\n{page}", page.len());
    assert_eq!(stage.say(alice, &send), "220 9\r\n");
    stage.say(bob, "PRP 8 MOB Y\r\n");
    stage.heard(alice);
    assert_eq!(stage.say(alice, &send), "");
    let told = stage.heard(bob);
    assert!(
        told.contains("IPG ") && told.contains("call me") && told.contains("alice@example.com"),
        "{told}"
    );
    assert_eq!(stage.say(alice, "IMS 10 OFF\r\n"), "IMS 10 0 OFF\r\n");
    assert_eq!(stage.say(alice, "SND 11 eve@example.com 0x0409 M X\r\n"), "SND 11 OK\r\n");
    assert_eq!(stage.say(alice, "LKP 12 x\r\n"), "502 12\r\n");
    assert_eq!(
        stage.say(alice, "SDC 13 eve@example.com 0x0409 MSMSGS MSMSGS X X A 2\r\nhi"),
        "SDC 13 OK\r\n"
    );
    assert_eq!(stage.say(alice, "ZZZ 14 x\r\n"), "");
}
