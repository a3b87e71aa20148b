//! Messages under way alone, with the numbers that a board gives.

use super::*;
use crate::connector::tests::{Component, component, email};
use crate::msn::dialect::Dialect;
use crate::msn::ids::Cookie;
use crate::msn::message::TextStyle;
use crate::msn::session::Machine;

type Answers = (oneshot::Receiver<Result<Confirmation, Undelivered>>, oneshot::Receiver<()>);

/// A board on which Bob is.
fn board() -> SwitchboardSession {
    let mut board = SwitchboardSession::call(
        now(),
        Dialect::Msnp11,
        email("alice"),
        Cookie::new("1"),
        vec![email("bob")],
    );
    board
        .handle_input(
            now(),
            b"USR 1 OK alice@example.com A\r\nCAL 2 RINGING 1\r\nJOI bob@example.com Bob 0\r\n",
        )
        .unwrap();
    board
}

/// Our side says this; gives the numbers of its parts too, the first first.
fn send(
    sendings: &mut Sendings,
    call: &Component,
    board: &mut SwitchboardSession,
    text: &str,
) -> (Answers, Vec<MessageHandle>) {
    let ((reply, answer), (tell_overdue, overdue)) = (oneshot::channel(), oneshot::channel());
    let message = Message::Text { text: text.into(), style: TextStyle::default(), emoticons: Vec::new() };
    sendings.send(&call.ctx, board, &message, reply, tell_overdue);
    let number = sendings.next - 1;
    let mut parts: Vec<_> = sendings.parts.iter().filter(|(_, (of, _))| *of == number).collect();
    parts.sort_by_key(|(_, (_, index))| *index);
    ((answer, overdue), parts.into_iter().map(|(part, _)| *part).collect())
}

fn long() -> String {
    "many words ".repeat(400)
}

#[tokio::test]
async fn a_message_of_several_parts_is_answered_once_when_all_have_arrived() {
    let (call, mut board, mut sendings) = (component(), board(), Sendings::default());
    let ((mut answer, _overdue), parts) = send(&mut sendings, &call, &mut board, &long());
    assert!(parts.len() > 1);
    let (last, others) = parts.split_last().unwrap();
    for part in others {
        sendings.part_done(&call.ctx, &mut Vec::new(), *part, Ok(vec![email("bob")]));
        assert!(answer.try_recv().is_err() && !sendings.is_idle());
    }
    sendings.part_done(&call.ctx, &mut Vec::new(), *last, Ok(vec![email("bob")]));
    let missed_by = vec!["bob@example.com".to_owned()];
    assert_eq!(answer.try_recv(), Ok(Ok(Confirmation { missed_by, absent: Vec::new() })), "each named once");
    assert!(sendings.is_idle());
    sendings.part_done(&call.ctx, &mut Vec::new(), *last, Ok(Vec::new()));
}

#[tokio::test]
async fn a_part_that_fails_says_from_where_on_nobody_has_the_text() {
    let (call, mut board, mut sendings) = (component(), board(), Sendings::default());
    let text = long();
    let ((mut answer, _overdue), parts) = send(&mut sendings, &call, &mut board, &text);
    let starts = separate_parts(&text, Some(&TextStyle::default()));
    assert_eq!(starts.len(), parts.len());
    for (index, part) in parts.iter().enumerate() {
        let result = if index == 0 { Ok(Vec::new()) } else { Err(CallFailure::NotDelivered) };
        sendings.part_done(&call.ctx, &mut Vec::new(), *part, result);
    }
    let undelivered = Undelivered { failure: CallFailure::NotDelivered, from: starts[1] };
    assert_eq!(answer.try_recv(), Ok(Err(undelivered)));
}

#[tokio::test]
async fn who_did_not_come_is_told_with_the_first_words_that_arrive() {
    let (call, mut board, mut sendings) = (component(), board(), Sendings::default());
    let mut absent = vec![email("carol")];
    let ((mut lost, _), parts) = send(&mut sendings, &call, &mut board, "x");
    sendings.part_done(&call.ctx, &mut absent, parts[0], Err(CallFailure::NotDelivered));
    assert!(lost.try_recv().unwrap().is_err() && absent.len() == 1, "not with what did not arrive");
    for names in [vec!["carol@example.com".to_owned()], Vec::new()] {
        let ((mut answer, _), parts) = send(&mut sendings, &call, &mut board, "x");
        sendings.part_done(&call.ctx, &mut absent, parts[0], Ok(Vec::new()));
        assert_eq!(answer.try_recv().unwrap().unwrap().absent, names);
    }
}

#[tokio::test]
async fn a_late_acknowledgement_is_told_of_once_and_can_still_come() {
    let (call, mut board, mut sendings) = (component(), board(), Sendings::default());
    let ((mut answer, mut overdue), parts) = send(&mut sendings, &call, &mut board, &long());
    parts.iter().for_each(|part| sendings.part_overdue(*part));
    assert_eq!(overdue.try_recv(), Ok(()));
    parts.iter().for_each(|part| sendings.part_done(&call.ctx, &mut Vec::new(), *part, Ok(Vec::new())));
    assert!(answer.try_recv().unwrap().is_ok());
}

#[tokio::test]
async fn a_call_that_ends_answers_for_everything_that_is_under_way() {
    let (call, mut board, mut sendings) = (component(), board(), Sendings::default());
    let answers: Vec<_> = (0..3).map(|_| send(&mut sendings, &call, &mut board, "x").0.0).collect();
    sendings.lose();
    assert!(sendings.is_idle());
    for answer in answers {
        assert_eq!(answer.await.unwrap(), Err(CallFailure::Lost.into()));
    }
}
