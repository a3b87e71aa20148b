//! Signing in by security tokens, from MSNP15 on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::msn::dialect::SignIn;
use crate::msn::sso::ProofSecret;

const MACHINE: &str = "{a1a1a1a1-0000-4000-8000-00000000000f}";

/// A service that speaks every dialect.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.world.rules.dialects = Dialect::ALL.to_vec();
    stage
}

/// A client up to the policy; gives the nonce.
fn challenged(stage: &mut Stage, dialect: Dialect) -> (ConnId, String) {
    let conn = stage.connect(Door::Notification);
    stage.say(conn, &format!("VER 1 {dialect}\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS a@b.c\r\n"));
    let answer = stage.say(conn, "USR 3 SSO I alice@example.com\r\n");
    let policy = "GCF 0 21\r\n<Policies></Policies>USR 3 SSO S MBI_KEY_OLD ";
    let nonce = answer.strip_prefix(policy).unwrap_or_else(|| panic!("{answer}")).trim_end();
    assert_eq!(nonce.len(), 64);
    (conn, nonce.to_owned())
}

/// A ticket of Alice's and its secret.
fn ticket(stage: &mut Stage) -> (String, ProofSecret) {
    let issued = stage.world.issue_ticket(stage.now, "alice@example.com", "a").unwrap();
    (issued.text, issued.secret)
}

#[test]
fn conf_109_a_way_of_signing_in_that_is_not_the_dialects_closes() {
    for dialect in Dialect::ALL {
        let proves = dialect.sign_in() == SignIn::Proof;
        for (scheme, fits) in [("TWN", !proves), ("SSO", proves)] {
            let mut stage = stage();
            let conn = stage.connect(Door::Notification);
            stage.say(conn, &format!("VER 1 {dialect}\r\nCVR 2 0x0409 winnt 5.1 i386 M 7 MSMSGS a@b.c\r\n"));
            let answer = stage.say(conn, &format!("USR 3 {scheme} I alice@example.com\r\n"));
            assert_eq!(stage.is_closed(conn), !fits, "{dialect} {scheme}");
            assert_eq!(answer.contains(&format!("USR 3 {scheme} S ")), fits, "{dialect} {scheme}: {answer}");
        }
    }
}

#[test]
fn conf_111_a_right_proof_signs_in_and_any_flipped_bit_does_not() {
    let mut stage = stage();
    let (text, secret) = ticket(&mut stage);
    let (conn, nonce) = challenged(&mut stage, Dialect::Msnp15);
    let answer = stage.say(conn, &format!("USR 4 SSO S {text} {}\r\n", secret.prove(&nonce, [5; 8])));
    assert!(answer.starts_with("USR 4 OK alice@example.com 1 0\r\n"), "{answer}");
    for bit in (0..128 * 8).step_by(7) {
        let (conn, nonce) = challenged(&mut stage, Dialect::Msnp15);
        let mut proof = STANDARD.decode(secret.prove(&nonce, [5; 8])).unwrap();
        proof[bit / 8] ^= 1 << (bit % 8);
        let answer = stage.say(conn, &format!("USR 4 SSO S {text} {}\r\n", STANDARD.encode(proof)));
        assert_eq!(answer, "911 4\r\n", "bit {bit}");
        assert!(stage.is_closed(conn));
    }
}

#[test]
fn a_proof_for_an_earlier_nonce_or_of_another_ticket_or_none_is_refused() {
    let mut stage = stage();
    let ((text, secret), (_, other)) = (ticket(&mut stage), ticket(&mut stage));
    let (_, earlier) = challenged(&mut stage, Dialect::Msnp15);
    let (_, nonce) = challenged(&mut stage, Dialect::Msnp15);
    assert_ne!(earlier, nonce);
    let proofs = [secret.prove(&earlier, [5; 8]), other.prove(&nonce, [5; 8]), String::new()];
    for proof in proofs {
        let (conn, _) = challenged(&mut stage, Dialect::Msnp15);
        assert_eq!(stage.say(conn, &format!("USR 4 SSO S {text} {proof}\r\n")), "911 4\r\n");
        assert!(stage.is_closed(conn));
    }
}

#[test]
fn from_msnp16_on_a_sign_in_names_its_machine() {
    for dialect in [Dialect::Msnp15, Dialect::Msnp16, Dialect::Msnp17, Dialect::Msnp18] {
        let machines = [("", !dialect.has_endpoints()), ("{odd}", !dialect.has_endpoints()), (MACHINE, true)];
        for (machine, is_let_in) in machines {
            let mut stage = stage();
            let (text, secret) = ticket(&mut stage);
            let (conn, nonce) = challenged(&mut stage, dialect);
            let proof = secret.prove(&nonce, [5; 8]);
            let answer = stage.say(conn, &format!("USR 4 SSO S {text} {proof} {machine}\r\n"));
            assert_eq!(answer.contains("USR 4 OK"), is_let_in, "{dialect} {machine}: {answer}");
            assert_eq!(stage.is_closed(conn), !is_let_in, "{dialect} {machine}");
        }
    }
}
