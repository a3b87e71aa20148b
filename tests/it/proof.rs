//! The proof of a sign-in, made once more by a program that others wrote.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use msnbridge::msn::sso::ProofSecret;
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("openssl is installed");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    output.stdout
}

fn hmac(key: &[u8], input: &[u8]) -> Vec<u8> {
    let key = format!("hexkey:{}", hex(key));
    openssl(&["dgst", "-sha1", "-mac", "HMAC", "-macopt", &key, "-binary"], input)
}

fn key(secret: &[u8], label: &str) -> Vec<u8> {
    let label = format!("WS-SecureConversation{label}").into_bytes();
    let first = hmac(secret, &label);
    let second = hmac(secret, &[first.as_slice(), &label].concat());
    let third = hmac(secret, &first);
    let fourth = hmac(secret, &[third.as_slice(), &label].concat());
    [&second[..], &fourth[..4]].concat()
}

fn proof(secret: &[u8], nonce: &str, iv: [u8; 8]) -> String {
    let mac = hmac(&key(secret, "SESSION KEY HASH"), nonce.as_bytes());
    let key = hex(&key(secret, "SESSION KEY ENCRYPTION"));
    let sealed = openssl(&["enc", "-des-ede3-cbc", "-K", &key, "-iv", &hex(&iv)], nonce.as_bytes());
    let length = u32::try_from(sealed.len()).unwrap();
    let header = [28, 1, 0x6603, 0x8004, 8, 20, length].map(u32::to_le_bytes).concat();
    STANDARD.encode([header.as_slice(), &iv, &mac, &sealed].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn conf_110_another_program_makes_the_same_proof(
        secret in any::<[u8; 24]>(),
        nonce in "[A-Za-z0-9+/=]{1,80}",
        iv in any::<[u8; 8]>(),
    ) {
        let theirs = proof(&secret, &nonce, iv);
        let ours = ProofSecret::new(secret);
        prop_assert!(ours.verifies(&nonce, &theirs));
        prop_assert_eq!(ours.prove(&nonce, iv), theirs);
    }
}
