//! Registrations played message by message.

use super::*;
use crate::irc::config::Mechanism;

fn identity(sasl: Option<SaslConfig>) -> Identity {
    Identity {
        nicks: vec!["bot".into(), "bot2".into()],
        real_name: "MSN bridge".into(),
        password: None,
        sasl,
        user: "msnbridge".into(),
        gateway: None,
    }
}

fn plain() -> Option<SaslConfig> {
    let (user, password) = ("jilles".into(), Some("sesame".to_owned().into()));
    Some(SaslConfig { mechanism: Mechanism::Plain, user, password })
}

fn begin(sasl: Option<SaslConfig>) -> Registration {
    let (registration, first) = Registration::begin(identity(sasl), "nonce");
    let first: Vec<String> = first.iter().map(|command| String::from(command).trim().to_owned()).collect();
    assert_eq!(first, ["CAP LS 302", "NICK bot", "USER msnbridge 0 * :MSN bridge"]);
    registration
}

/// What is answered to a line.
fn play(registration: &mut Registration, line: &str) -> Vec<String> {
    match registration.handle(line.parse().unwrap()) {
        Step::Send(commands) => commands.iter().map(|c| String::from(c).trim().to_owned()).collect(),
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(registration: &mut Registration, line: &str) -> Refusal {
    match registration.handle(line.parse().unwrap()) {
        Step::Refused(refusal) => refusal,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn capabilities_in_several_lines_are_asked_for_when_all_are_known() {
    let mut registration = begin(None);
    assert!(play(&mut registration, ":s CAP * LS * :multi-prefix server-time").is_empty());
    assert_eq!(
        play(&mut registration, ":s CAP * LS :echo-message sasl=PLAIN,EXTERNAL draft/x=1"),
        ["CAP REQ :echo-message server-time"]
    );
    assert_eq!(play(&mut registration, ":s CAP * ACK :echo-message server-time"), ["CAP END"]);
    match registration.handle(":s 001 bot :Welcome".parse().unwrap()) {
        Step::Welcomed(welcome) => {
            assert_eq!(welcome.nick, "bot");
            assert!(welcome.capabilities.contains("echo-message"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_without_capabilities_or_with_none_of_ours_lets_us_in_too() {
    let mut registration = begin(None);
    assert!(play(&mut registration, ":s 421 * CAP :Unknown command").is_empty());
    assert!(matches!(registration.handle(":s 001 bot :hi".parse().unwrap()), Step::Welcomed(_)));
    assert_eq!(play(&mut begin(None), ":s CAP * LS :multi-prefix"), ["CAP END"]);
    let mut registration = begin(None);
    play(&mut registration, ":s CAP * LS :echo-message");
    assert_eq!(play(&mut registration, ":s CAP * NAK :echo-message"), ["CAP END"]);
}

#[test]
fn sasl_ends_before_registration_does() {
    let mut registration = begin(plain());
    assert_eq!(play(&mut registration, ":s CAP * LS :sasl=EXTERNAL,PLAIN"), ["CAP REQ sasl"]);
    assert_eq!(play(&mut registration, ":s CAP * ACK :sasl"), ["AUTHENTICATE PLAIN"]);
    assert_eq!(play(&mut registration, "AUTHENTICATE +"), ["AUTHENTICATE amlsbGVzAGppbGxlcwBzZXNhbWU="]);
    assert!(play(&mut registration, ":s 900 bot bot!u@h jilles :You are now logged in as jilles").is_empty());
    assert_eq!(play(&mut registration, ":s 903 bot :SASL authentication successful"), ["CAP END"]);
    match registration.handle(":s 001 bot :Welcome".parse().unwrap()) {
        Step::Welcomed(welcome) => assert!(welcome.has_account),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_password_or_mechanism_is_final_and_services_that_are_away_are_not() {
    let authenticating = || {
        let mut registration = begin(plain());
        play(&mut registration, ":s CAP * LS :sasl");
        play(&mut registration, ":s CAP * ACK :sasl");
        registration
    };
    let mut registration = authenticating();
    assert!(play(&mut registration, ":s 908 bot EXTERNAL,SCRAM-SHA-256 :are available").is_empty());
    let refused = refusal(&mut registration, ":s 904 bot :SASL authentication failed");
    assert!(refused.is_final && refused.reason.contains("it takes EXTERNAL,SCRAM-SHA-256"), "{refused:?}");
    let refused = refusal(&mut authenticating(), ":s 904 bot :SASL authentication failed");
    assert!(refused.is_final && refused.reason.contains("SASL authentication failed"), "{refused:?}");
    assert!(refusal(&mut begin(plain()), ":s CAP * LS :sasl=EXTERNAL").is_final);
    assert!(!refusal(&mut begin(plain()), ":s CAP * LS :multi-prefix").is_final);
    assert!(!refusal(&mut begin(plain()), ":s 001 bot :Welcome").is_final);
    assert!(!refusal(&mut begin(None), "ERROR :Closing Link: (SASL access only)").is_final);
    assert!(!refusal(&mut begin(None), ":s 465 bot :You are banned").is_final);
    assert!(refusal(&mut begin(None), ":s 464 bot :Password incorrect").is_final);
}

#[test]
fn scram_is_believed_only_when_the_server_has_proven_itself() {
    let sasl = plain().map(|sasl| SaslConfig { mechanism: Mechanism::ScramSha256, ..sasl });
    let mut registration = begin(sasl);
    play(&mut registration, ":s CAP * LS :sasl");
    assert_eq!(play(&mut registration, ":s CAP * ACK :sasl"), ["AUTHENTICATE SCRAM-SHA-256"]);
    play(&mut registration, "AUTHENTICATE +");
    assert!(refusal(&mut registration, ":s 903 bot :yes").reason.contains("without having proven"));
}

#[test]
fn the_next_nick_is_taken_where_one_is_not_free() {
    let mut registration = begin(None);
    assert_eq!(play(&mut registration, ":s 433 * bot :Nickname is already in use"), ["NICK bot2"]);
    let refused = refusal(&mut registration, ":s 433 * bot2 :Nickname is already in use");
    assert!(!refused.is_final && refused.reason.contains("already in use"), "{refused:?}");
    assert_eq!(play(&mut begin(None), "PING :123"), ["PONG 123"]);
}

#[test]
fn whoever_has_an_address_of_their_own_says_so_before_everything_else() {
    let gateway = |address: &str| {
        let password = SecretString::from("let-me".to_owned());
        Some(Gateway { password, address: address.parse().unwrap() })
    };
    for (address, told) in [("fd00::7", "fd00::7 fd00::7"), ("::7", "0::7 0::7")] {
        let identity = Identity { gateway: gateway(address), ..identity(None) };
        let (_, commands) = Registration::begin(identity, "nonce");
        assert_eq!(String::from(&commands[0]), format!("WEBIRC let-me msnbridge {told}"));
        assert!(matches!(commands[1], Command::CAP(..)));
    }
}
