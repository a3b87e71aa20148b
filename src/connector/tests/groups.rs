//! What is said in a group of which not everybody comes.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::connector::call::resources::Begin;
use crate::connector::handle::{Confirmation, Message};
use crate::connector::tests::*;
use crate::msn::ids::Cookie;
use crate::msn::message::TextStyle;

/// A board on which these do not come, with this number, and everybody else does; it confirms what is said.
async fn board(stream: DuplexStream, absent: &[(&str, u32)]) {
    let (reader, mut writer) = tokio::io::split(stream);
    let (mut reader, mut line) = (BufReader::new(reader), String::new());
    while reader.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let parts: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        line.clear();
        let number = &parts[1];
        let answer = match parts[0].as_str() {
            "USR" => format!("USR {number} OK alice@example.com Alice\r\n"),
            "CAL" => match absent.iter().find(|(name, _)| parts[2].starts_with(name)) {
                Some((_, code)) => format!("{code} {number}\r\n"),
                None => format!("CAL {number} RINGING 1\r\nJOI {} {} 0\r\n", parts[2], &parts[2][..3]),
            },
            "MSG" => {
                let mut payload = vec![0; parts[3].parse().unwrap()];
                reader.read_exact(&mut payload).await.unwrap();
                if parts[2] == "A" { format!("ACK {number}\r\n") } else { String::new() }
            }
            _ => String::new(),
        };
        writer.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// What is confirmed of each of so many texts in a group of Bob, Carol and Dave.
async fn said(
    absent: &'static [(&'static str, u32)],
    texts: usize,
) -> Vec<Result<Confirmation, CallFailure>> {
    let (bridge, _core) = Bridge::channel();
    let (near, far) = tokio::io::duplex(1 << 16);
    let shared = shared(bridge, config(), [near]);
    let people = ["bob", "carol", "dave"].map(email);
    let conversation = group::find_or_make(&shared, &alice(), &people).await.unwrap();
    let (assignment, assigned) = oneshot::channel();
    assignment.send(Ok((HostPort { host: "x".into(), port: 1 }, Cookie::new("1")))).unwrap();
    let (news, _heard) = mpsc::channel(16);
    let begin = Begin::Calling { assigned, invitees: people.to_vec() };
    let call = call::start(resources(&shared, news), conversation, begin);
    tokio::spawn(board(far, absent));
    let mut confirmed = Vec::new();
    for n in 0..texts {
        let message =
            Message::Text { text: n.to_string(), style: TextStyle::default(), emoticons: Vec::new() };
        let sent = call.send(message).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(30), sent.answer).await.expect("an answer");
        confirmed.push(answer.unwrap().map_err(|undelivered| undelivered.failure));
    }
    confirmed
}

#[tokio::test(start_paused = true)]
async fn fault_08_who_is_away_in_a_group_is_told_of_once_and_the_others_hear_everything() {
    let absent = |names: &[&str]| Confirmation {
        absent: names.iter().map(|name| format!("{name}@example.com")).collect(),
        ..Confirmation::default()
    };
    let nothing = || Ok(Confirmation::default());
    assert_eq!(said(&[("carol", 217)], 3).await, [Ok(absent(&["carol"])), nothing(), nothing()]);
    let two = said(&[("carol", 217), ("dave", 216)], 2).await;
    assert_eq!(two, [Ok(absent(&["carol", "dave"])), nothing()]);
    assert_eq!(said(&[], 2).await, [nothing(), nothing()]);
    // Nobody: then it is no different from one person.
    let nobody = said(&[("bob", 217), ("carol", 217), ("dave", 217)], 1).await;
    assert!(matches!(nobody[..], [Err(CallFailure::Nobody(_))]), "{nobody:?}");
}
