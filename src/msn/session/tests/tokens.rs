//! Signing in by security tokens, from MSNP15 on.

use super::*;
use crate::msn::command::ServerCommand;
use crate::msn::endpoint::MachineId;
use crate::msn::sso::{ProofSecret, TokenExchange, TokenStep, Tokens};

const NONCE: &str = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5v";
const POLICIES: &str = "GCF 0 21\r\n<Policies></Policies>";

fn tokens(address: &str) -> Tokens {
    let secret = ProofSecret::new([1; 24]).to_base64();
    let body = format!(
        "<E><RequestSecurityTokenResponse><Address>{address}</Address><BinarySecurityToken>t=1&amp;p=</BinarySecurityToken><BinarySecret>{secret}</BinarySecret></RequestSecurityTokenResponse></E>"
    );
    match TokenExchange::default().handle(&body).unwrap() {
        TokenStep::Done(tokens) => tokens,
        TokenStep::AskAt(_) => panic!("no redirect was given"),
    }
}

fn machine() -> MachineId {
    MachineId::parse("A1A1A1A1-0000-4000-8000-00000000000f").unwrap()
}

/// Says what a server says up to the policy, with `before` and `after` around its answer to `USR`.
fn asked(now: Instant, dialect: Dialect, before: &str, after: &str) -> NotificationSession {
    let mut session = notification(now, &[Dialect::Msnp18, Dialect::Msnp15, Dialect::Msnp12]);
    assert_eq!(written(&mut session), "VER 1 MSNP18 MSNP15 MSNP12 CVR0\r\n");
    session.handle_input(now, format!("VER 1 {dialect}\r\nCVR 2 1 1 1 x y\r\n").as_bytes()).unwrap();
    let usr = written(&mut session);
    assert!(usr.ends_with("USR 3 SSO I alice@example.com\r\n"), "{usr}");
    let policy = format!("{before}USR 3 SSO S MBI_KEY_OLD {NONCE}\r\n{after}");
    session.handle_input(now, policy.as_bytes()).unwrap();
    session
}

fn wanted() -> [NotificationEvent; 1] {
    [NotificationEvent::TokensWanted { policy: "MBI_KEY_OLD".into() }]
}

#[test]
fn conf_107_the_servers_choice_counts_and_only_among_what_was_offered() {
    let now = Instant::now();
    for dialect in [Dialect::Msnp18, Dialect::Msnp15] {
        let mut session = asked(now, dialect, "", "");
        assert_eq!((session.dialect(), events(&mut session)), (dialect, wanted().to_vec()));
    }
    // Down to a dialect of the login page.
    let mut old = notification(now, &[Dialect::Msnp18, Dialect::Msnp15, Dialect::Msnp12]);
    old.handle_input(now, b"VER 1 MSNP12\r\nCVR 2 1 1 1 x y\r\n").unwrap();
    assert!(written(&mut old).ends_with("USR 3 TWN I alice@example.com\r\n"));
    for other in ["MSNP16", "MSNP21", "MSNP11"] {
        let mut session = notification(now, &[Dialect::Msnp18, Dialect::Msnp15, Dialect::Msnp12]);
        let answer = session.handle_input(now, format!("VER 1 {other}\r\n").as_bytes());
        assert_eq!(answer, Err(LoginFailure::DialectNotOffered(other.into()).into()));
    }
}

#[test]
fn conf_108_policies_come_before_the_answer_behind_it_or_never() {
    let now = Instant::now();
    for (before, after) in [("", ""), (POLICIES, ""), ("", POLICIES)] {
        let mut session = asked(now, Dialect::Msnp15, before, after);
        assert_eq!(events(&mut session), wanted(), "{before}|{after}");
    }
}

#[test]
fn the_ticket_goes_on_with_its_proof_and_with_a_machine_where_the_dialect_has_places() {
    let now = Instant::now();
    let proof = ProofSecret::new([1; 24]).prove(NONCE, [7; 8]);
    for (dialect, rest) in [
        (Dialect::Msnp15, String::new()),
        (Dialect::Msnp18, " {a1a1a1a1-0000-4000-8000-00000000000f}".to_owned()),
    ] {
        let mut session = asked(now, dialect, POLICIES, "");
        session.provide_tokens(now, &tokens("messengerclear.live.com"), [7; 8], &machine());
        assert_eq!(written(&mut session), format!("USR 4 SSO S t=1&p= {proof}{rest}\r\n"));
        // A second time changes nothing.
        session.provide_tokens(now, &tokens("messengerclear.live.com"), [8; 8], &machine());
        assert_eq!(written(&mut session), "");
        session.handle_input(now, b"USR 4 OK alice@example.com 1 0\r\n").unwrap();
        assert!(session.is_signed_in());
    }
}

#[test]
fn tokens_that_never_come_and_a_proof_that_is_refused_end_the_session() {
    let now = Instant::now();
    let mut session = asked(now, Dialect::Msnp18, "", "");
    let late = session.handle_timeout(now + Duration::from_secs(90));
    assert!(matches!(late, Err(SessionError::TimedOut(_))), "{late:?}");
    let mut session = asked(now, Dialect::Msnp18, "", "");
    session.provide_tokens(now, &tokens("messengerclear.live.com"), [7; 8], &machine());
    assert_eq!(session.handle_input(now, b"911 4\r\n"), Err(LoginFailure::Rejected.into()));
}

#[test]
fn a_server_that_asks_for_the_other_way_of_signing_in_is_not_waited_for() {
    let now = Instant::now();
    let others = [
        (Dialect::Msnp12, format!("SSO S MBI_KEY_OLD {NONCE}")),
        (Dialect::Msnp15, "TWN S lc=1033".to_owned()),
    ];
    for (dialect, other) in others {
        let mut session = notification(now, &[dialect]);
        // The same of an answer to something that was not asked at all.
        let said = format!("VER 1 {dialect}\r\nCVR 2 1 1 1 x y\r\nUSR 3 {other}\r\nVER 3 {dialect}\r\n");
        session.handle_input(now, said.as_bytes()).unwrap();
        assert_eq!(events(&mut session), [], "{dialect}: nobody is asked for a ticket");
        let late = session.handle_timeout(now + Duration::from_secs(90));
        assert!(matches!(late, Err(SessionError::TimedOut(_))), "{dialect}: {late:?}");
    }
}

#[test]
fn policies_without_a_name_are_written_as_they_are_read() {
    let gcf = ServerCommand::Gcf {
        trid: crate::msn::ids::TrId(0),
        file: String::new(),
        data: "<Policies></Policies>".into(),
    };
    assert_eq!(gcf.encode(Dialect::Msnp15), POLICIES.as_bytes());
}
