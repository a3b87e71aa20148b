//! Lists, groups and names changed from the client's side, in the forms of every dialect.

use super::*;
use crate::msn::ids::GroupId;

const BOB_ID: &str = "c1f9a363-4ee9-4a33-a434-b056a4c55b98";
const GROUP: &str = "2d4f1c60-0000-4000-8000-000000000001";

/// Signed in, with Bob listed and allowed, in one group, and Eve waiting for an answer.
fn listed(now: Instant, dialect: Dialect) -> NotificationSession {
    let mut session = notification(now, &[dialect]);
    let mut say = |text: &str| session.handle_input(now, text.as_bytes()).unwrap();
    say(&format!("VER 1 {dialect}\r\nCVR 2 1 1 1 http://x http://y\r\nUSR 3 TWN S x\r\n"));
    session.provide_ticket(now, Ticket::new("t"));
    let mut say = |text: &str| session.handle_input(now, text.as_bytes()).unwrap();
    if dialect.has_guids() {
        say("USR 4 OK alice@e.c 1 0\r\nSYN 5 a b 2 1\r\nPRP MFN Alice\r\n");
        say(&format!("LSG Friends {GROUP}\r\n"));
        let kind = if dialect.lst_has_type() { "1 " } else { "" };
        say(&format!("LST N=bob@e.c F=Bob C={BOB_ID} 3 {kind}{GROUP}\r\nLST N=eve@e.c F=Eve 16 {kind}\r\n"));
    } else {
        say("USR 4 OK alice@e.c Alice 1 0\r\nSYN 5 9 2 2\r\nLSG 0 Other 0\r\nLSG 1 Friends 0\r\n");
        say("LST bob@e.c Bob 3 1\r\nLST eve@e.c Eve 8\r\n");
    }
    written(&mut session);
    session
}

fn change(session: &mut NotificationSession, now: Instant, change: Change) -> String {
    session.change(now, change);
    written(session)
}

/// What became of the changes so far.
fn results(session: &mut NotificationSession) -> Vec<Result<(), ChangeFailure>> {
    let done = |event| match event {
        NotificationEvent::ChangeDone { result, .. } => Some(result),
        _ => None,
    };
    events(session).into_iter().filter_map(done).collect()
}

fn group(dialect: Dialect) -> GroupId {
    GroupId(if dialect.has_guids() { GROUP } else { "1" }.into())
}

#[test]
fn conf_040_adding_names_account_and_name_and_an_id_only_for_groups() {
    let now = Instant::now();
    let dan = || email("dan@e.c");
    let mut old = listed(now, Dialect::Msnp9);
    let add = Change::Add { email: dan(), group: Some(group(Dialect::Msnp9)) };
    assert_eq!(change(&mut old, now, add), "ADD 7 AL dan@e.c dan@e.c\r\n");
    old.handle_input(now, b"ADD 7 AL 10 dan@e.c dan@e.c\r\n").unwrap();
    assert_eq!(written(&mut old), "ADD 8 FL dan@e.c dan@e.c 1\r\n");
    old.handle_input(now, b"ADD 8 FL 11 dan@e.c Dan 1\r\n").unwrap();
    assert_eq!(results(&mut old), [Ok(())]);
    assert_eq!(old.roster().contact(&dan()).unwrap().groups, [GroupId("1".into())]);

    let mut new = listed(now, Dialect::Msnp11);
    let add = Change::Add { email: dan(), group: Some(group(Dialect::Msnp11)) };
    let first = change(&mut new, now, add);
    assert!(first.ends_with("AL N=dan@e.c\r\n") && !first.contains("F="), "{first}");
    new.handle_input(now, b"ADC 9 AL N=dan@e.c\r\n").unwrap();
    assert_eq!(written(&mut new), "ADC 10 FL N=dan@e.c F=dan@e.c\r\n");
    new.handle_input(now, b"ADC 10 FL N=dan@e.c F=Dan C=77\r\n").unwrap();
    assert_eq!(written(&mut new), format!("ADC 11 FL C=77 {GROUP}\r\n"));
    new.handle_input(now, format!("ADC 11 FL C=77 {GROUP}\r\n").as_bytes()).unwrap();
    assert_eq!(results(&mut new), [Ok(())]);
    // The rule broken: without an id from the server nothing is put into a group.
    let mut odd = listed(now, Dialect::Msnp11);
    odd.handle_input(now, b"ADC 0 FL N=fay@e.c F=Fay\r\n").unwrap();
    let into = Change::IntoGroup { email: email("fay@e.c"), group: group(Dialect::Msnp11) };
    assert_eq!(change(&mut odd, now, into), "");
    assert!(matches!(results(&mut odd)[..], [Err(ChangeFailure::Impossible(_))]));
}

#[test]
fn conf_044_the_forward_list_goes_by_id_and_the_others_by_account() {
    let now = Instant::now();
    let mut new = listed(now, Dialect::Msnp10);
    let block = change(&mut new, now, Change::Block { email: email("bob@e.c") });
    assert_eq!(block, "REM 7 AL bob@e.c\r\n");
    new.handle_input(now, b"REM 7 AL bob@e.c\r\n").unwrap();
    assert_eq!(written(&mut new), "ADC 8 BL N=bob@e.c\r\n");
    new.handle_input(now, b"ADC 8 BL N=bob@e.c\r\n").unwrap();
    let remove = change(&mut new, now, Change::Remove { email: email("bob@e.c") });
    assert_eq!(remove, format!("REM 9 FL {BOB_ID}\r\n"));
    new.handle_input(now, format!("REM 9 FL {BOB_ID}\r\n").as_bytes()).unwrap();
    assert_eq!(results(&mut new), [Ok(()), Ok(())]);
    let lists = new.roster().contact(&email("bob@e.c")).unwrap().lists;
    assert_eq!(lists.0, ListKind::Block as u32);
    let mut old = listed(now, Dialect::Msnp8);
    assert_eq!(change(&mut old, now, Change::Remove { email: email("bob@e.c") }), "REM 7 FL bob@e.c\r\n");
}

#[test]
fn conf_045_only_somebody_on_neither_list_asks() {
    let now = Instant::now();
    for (dialect, line) in
        [(Dialect::Msnp9, "ADD 0 RL 20 {} Name\r\n"), (Dialect::Msnp11, "ADC 0 RL N={} F=Name\r\n")]
    {
        let mut session = listed(now, dialect);
        events(&mut session);
        for (who, expected) in [("dan@e.c", true), ("bob@e.c", false)] {
            session.handle_input(now, line.replace("{}", who).as_bytes()).unwrap();
            let expected =
                NotificationEvent::AddedBy { email: email(who), name: "Name".into(), asks: expected };
            let mut told = events(&mut session);
            told.retain(|event| !matches!(event, NotificationEvent::Named { .. }));
            assert_eq!(told, [expected]);
        }
    }
}

#[test]
fn conf_046_pending_entries_ask_at_sign_in_and_an_acceptance_confirms_them() {
    let now = Instant::now();
    for dialect in Dialect::COMPLETE {
        let mut session = listed(now, dialect);
        let eve = NotificationEvent::AddedBy { email: email("eve@e.c"), name: "Eve".into(), asks: true };
        assert!(events(&mut session).contains(&eve), "{dialect}");
    }
    let mut session = listed(now, Dialect::Msnp11);
    let mut lines = vec![change(&mut session, now, Change::Accept { email: email("eve@e.c") })];
    for reply in
        ["ADC 9 AL N=eve@e.c", "ADC 10 RL N=eve@e.c", "REM 11 PL eve@e.c", "ADC 12 FL N=eve@e.c F=Eve C=5"]
    {
        session.handle_input(now, format!("{reply}\r\n").as_bytes()).unwrap();
        lines.push(written(&mut session));
    }
    assert_eq!(
        lines,
        [
            "ADC 9 AL N=eve@e.c\r\n",
            "ADC 10 RL N=eve@e.c\r\n",
            "REM 11 PL eve@e.c\r\n",
            "ADC 12 FL N=eve@e.c F=eve@e.c\r\n",
            ""
        ]
    );
    assert_eq!(results(&mut session), [Ok(())]);
    let eve = session.roster().contact(&email("eve@e.c")).unwrap();
    assert!(!Roster::is_request(eve, Dialect::Msnp11));
    // A server that leaves the confirmation unanswered, and one that refuses it, change nothing.
    let mut session = listed(now, Dialect::Msnp11);
    change(&mut session, now, Change::Accept { email: email("eve@e.c") });
    session.handle_input(now, b"ADC 9 AL N=eve@e.c\r\n201 10\r\n").unwrap();
    session.handle_timeout(now + REPLY_TIMEOUT).unwrap();
    assert!(written(&mut session).ends_with("FL N=eve@e.c F=eve@e.c\r\n"));
}

#[test]
fn conf_048_groups_are_made_renamed_and_removed_in_both_forms() {
    let now = Instant::now();
    let mut old = listed(now, Dialect::Msnp9);
    assert_eq!(
        change(&mut old, now, Change::CreateGroup { name: "My friends".into() }),
        "ADG 7 My%20friends 0\r\n"
    );
    old.handle_input(now, b"ADG 7 10 My%20friends 4 0\r\n").unwrap();
    assert_eq!(old.roster().groups()[&GroupId("4".into())], "My friends");
    let rename = Change::RenameGroup { group: GroupId("4".into()), name: "Pals".into() };
    assert_eq!(change(&mut old, now, rename), "REG 8 4 Pals 0\r\n");
    old.handle_input(now, b"REG 8 11 4 Pals 0\r\n").unwrap();
    assert_eq!(old.roster().groups()[&GroupId("4".into())], "Pals");
    // Bob is in the group that goes, and in no other: he is moved first.
    let mut lines = vec![change(&mut old, now, Change::RemoveGroup { group: group(Dialect::Msnp9) })];
    for reply in ["ADD 9 FL 12 bob@e.c Bob 0", "REM 10 FL 13 bob@e.c 1", "RMG 11 14 1"] {
        old.handle_input(now, format!("{reply}\r\n").as_bytes()).unwrap();
        lines.push(written(&mut old));
    }
    assert_eq!(lines, ["ADD 9 FL bob@e.c Bob 0\r\n", "REM 10 FL bob@e.c 1\r\n", "RMG 11 1\r\n", ""]);
    assert_eq!(old.roster().contact(&email("bob@e.c")).unwrap().groups, [GroupId("0".into())]);

    let fresh = "77777777-0000-4000-8000-000000000001";
    for reply in [format!("ADG 9 New {fresh}"), format!("ADG 9 1 New {fresh} 0")] {
        let mut new = listed(now, Dialect::Msnp11);
        assert_eq!(change(&mut new, now, Change::CreateGroup { name: "New".into() }), "ADG 9 New\r\n");
        new.handle_input(now, format!("{reply}\r\n").as_bytes()).unwrap();
        assert_eq!(new.roster().groups()[&GroupId(fresh.into())], "New");
    }
    let mut new = listed(now, Dialect::Msnp12);
    let gone = change(&mut new, now, Change::RemoveGroup { group: group(Dialect::Msnp12) });
    assert_eq!(gone, format!("REM 9 FL {BOB_ID} {GROUP}\r\n"));
    new.handle_input(now, format!("REM 9 FL {BOB_ID} {GROUP}\r\n").as_bytes()).unwrap();
    assert_eq!(written(&mut new), format!("RMG 10 {GROUP}\r\n"));
    new.handle_input(now, b"224 10\r\n").unwrap();
    let refused = ChangeFailure::Refused(ErrorCode::INVALID_GROUP);
    assert_eq!(results(&mut new), [Err(refused)]);
    assert!(new.roster().groups().contains_key(&group(Dialect::Msnp12)), "it is still there");
}

#[test]
fn conf_050_names_are_changed_by_rea_up_to_msnp9_and_by_prp_and_sbp_after() {
    let now = Instant::now();
    let mut old = listed(now, Dialect::Msnp8);
    assert_eq!(
        change(&mut old, now, Change::OwnName("A & B".into())),
        "REA 7 alice@example.com A%20&%20B\r\n"
    );
    old.handle_input(now, b"REA 7 10 alice@example.com A%20&%20B\r\n").unwrap();
    assert_eq!(old.name(), "A & B");
    let rename = || Change::Rename { email: email("bob@e.c"), name: "Bobby".into() };
    assert_eq!(change(&mut old, now, rename()), "REA 8 bob@e.c Bobby\r\n");
    let mut new = listed(now, Dialect::Msnp10);
    assert_eq!(change(&mut new, now, Change::OwnName("Al".into())), "PRP 7 MFN Al\r\n");
    new.handle_input(now, b"209 7\r\n").unwrap();
    assert_eq!(new.name(), "Alice");
    assert_eq!(change(&mut new, now, rename()), format!("SBP 8 {BOB_ID} MFN Bobby\r\n"));
    new.handle_input(now, format!("SBP 8 {BOB_ID} MFN Bobby\r\n").as_bytes()).unwrap();
    assert_eq!(new.roster().contact(&email("bob@e.c")).unwrap().name, "Bobby");
    assert_eq!(results(&mut new), [Err(ChangeFailure::Refused(ErrorCode::NAME_NOT_ALLOWED)), Ok(())]);
}

#[test]
fn settings_are_read_and_changed_and_what_is_so_already_is_no_failure() {
    let now = Instant::now();
    let mut session = listed(now, Dialect::Msnp11);
    session.handle_input(now, b"BLP BL\r\nGTC N\r\nPRP PHH 01%20234\r\n").unwrap();
    let settings = session.roster().settings.clone();
    assert_eq!((settings.strangers_allowed, settings.asks), (Some(false), Some(false)));
    assert_eq!(settings.properties["PHH"], "01 234");
    assert_eq!(change(&mut session, now, Change::Strangers { allowed: true }), "BLP 9 AL\r\n");
    session.handle_input(now, b"218 9\r\n").unwrap();
    assert_eq!(change(&mut session, now, Change::AskAboutAdditions(true)), "GTC 10 A\r\n");
    session.handle_input(now, b"GTC 10 A\r\n").unwrap();
    let phone = Change::Property { name: "PHM".into(), value: None };
    assert_eq!(change(&mut session, now, phone), "PRP 11 PHM\r\n");
    session.handle_timeout(now + REPLY_TIMEOUT).unwrap();
    assert_eq!(results(&mut session), [Ok(()), Ok(()), Err(ChangeFailure::NoAnswer)]);
    assert_eq!(session.roster().settings.strangers_allowed, Some(true));
}

#[test]
fn changes_wait_for_one_another_and_not_without_bound() {
    let now = Instant::now();
    let mut session = listed(now, Dialect::Msnp11);
    for n in 0..200 {
        session.change(now, Change::OwnName(format!("n{n}")));
    }
    assert_eq!(written(&mut session), "PRP 9 MFN n0\r\n");
    assert_eq!(results(&mut session).len(), 200 - 129);
}

#[test]
fn whoever_comes_onto_the_list_or_goes_changes_what_is_shown_and_other_lists_do_not() {
    let now = Instant::now();
    let changed = |session: &mut NotificationSession, line: &str| {
        session.handle_input(now, line.as_bytes()).unwrap();
        events(session).iter().filter(|event| matches!(event, NotificationEvent::GroupsChanged)).count()
    };
    let mut session = listed(now, Dialect::Msnp11);
    events(&mut session);
    assert_eq!(changed(&mut session, "ADC 0 AL N=dan@e.c\r\n"), 0);
    assert_eq!(changed(&mut session, "ADC 0 FL N=dan@e.c F=Dan C=77\r\n"), 1);
    assert_eq!(changed(&mut session, "ADC 0 FL N=dan@e.c F=Dan C=77\r\n"), 0, "again is no news");
    assert_eq!(changed(&mut session, "REM 0 FL 77\r\n"), 1);
}
