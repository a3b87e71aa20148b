//! What is known of an address before anybody writes to it: by the lists, and by a call that says nothing.
//!
//! Of those on the list presence says whether they are there. Of others only a switchboard knows: it is asked to call
//! them, and left before a word is said. Texts are for people.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::connector::clock::now;
use crate::connector::context::Shared;
use crate::connector::handle::Assignment;
use crate::connector::login::pending::UnderWay;
use crate::connector::net::dial::Dialler;
use crate::connector::net::pump::Pump;
use crate::connector::translate::convert;
use crate::msn::command::{ErrorCode, ListKind, Status};
use crate::msn::dialect::Dialect;
use crate::msn::gateway::Destination;
use crate::msn::ids::Email;
use crate::msn::session::{CallEvent, InviteFailure, NotificationSession, SwitchboardSession};

/// How long the server may take to say whether it knows somebody.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a switchboard says to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Present,
    Refused(ErrorCode),
    /// They were rung and did not come, or nothing was said in time.
    Silence,
}

impl Answer {
    fn describe(&self) -> String {
        match self {
            Self::Present => "They are online.".into(),
            // Servers say one of these for an account that does not exist (§1.6).
            Self::Refused(code @ ErrorCode(201 | 205 | 208)) => {
                format!("The MSN server does not know this address ({}): check how it is written.", code.0)
            }
            Self::Refused(ErrorCode(216 | 217)) => "They are offline, or do not let you see them.".into(),
            Self::Refused(code) => format!("The MSN server says of them: {code}."),
            Self::Silence => "Whether they are there is not known: they did not answer.".into(),
        }
    }
}

/// Says in `reply` what is known of somebody.
pub(in crate::connector) fn answer(
    shared: &Shared,
    own: Email,
    machine: &mut NotificationSession,
    under_way: &mut UnderWay,
    who: &Email,
    reply: oneshot::Sender<String>,
) {
    let contact = machine.roster().contact(who).filter(|c| c.lists.has(ListKind::Forward));
    if let Some(contact) = contact {
        let known = match contact.status {
            Status::Offline | Status::Hidden => "They are offline now.".to_owned(),
            status => format!("They are there: {}.", convert::status_words(status)),
        };
        return drop(reply.send(known)); // whoever asked may have gone
    }
    if own == *who {
        return drop(reply.send("This is your own address.".into())); // whoever asked may have gone
    }
    let (assignment, assigned) = oneshot::channel();
    under_way.expect_board(machine.request_switchboard(now()), assignment);
    let (dialler, dialect, who) = (shared.dialler.clone(), machine.dialect(), who.clone());
    shared.tasks.spawn(async move {
        let asked = call_silently(dialler, assigned, dialect, own, who.clone());
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked).await.unwrap_or(Answer::Silence);
        let known =
            format!("{who} is not on your contact list; «add {who}» adds them. {}", answer.describe());
        let _ = reply.send(known); // whoever asked may have gone
    });
}

async fn call_silently(
    dialler: Arc<Dialler>,
    assigned: oneshot::Receiver<Assignment>,
    dialect: Dialect,
    own: Email,
    who: Email,
) -> Answer {
    let Ok(Ok((board, cookie))) = assigned.await else { return Answer::Silence };
    let Ok(way) = dialler.open(Destination::Switchboard, &board).await else { return Answer::Silence };
    let mut pump = Pump::new(SwitchboardSession::call(now(), dialect, own, cookie, vec![who]), way.stream);
    let answer = loop {
        match pump.next().await {
            Ok(CallEvent::Joined { .. }) => break Answer::Present,
            Ok(CallEvent::InviteFailed { failure: InviteFailure::Refused(code), .. }) => {
                break Answer::Refused(code);
            }
            Ok(CallEvent::InviteFailed { .. }) | Err(_) => break Answer::Silence,
            Ok(_) => {}
        }
    };
    pump.machine.leave();
    pump.close().await;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_19_what_the_server_says_of_an_address_is_said_in_words() {
        let said = |code| Answer::Refused(ErrorCode(code)).describe();
        for unknown in [201, 205, 208] {
            assert!(said(unknown).contains("does not know this address"), "{unknown}");
        }
        for offline in [216, 217] {
            assert!(said(offline).contains("offline"), "{offline}");
        }
        assert!(said(713).contains("says of them"));
        for answer in [Answer::Present, Answer::Silence, Answer::Refused(ErrorCode(999))] {
            let text = answer.describe();
            assert!(text.ends_with('.') && !text.ends_with(".."), "{text}");
        }
    }
}
