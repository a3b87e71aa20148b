//! Words on their way, between a login and boards that the test plays: which board each attempt is on, what is final, and
//! what saves a repeat.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::bridge::Bridge;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::Author;
use crate::bridge::ids::EntryId;
use crate::bridge::port::delivery::Content;
use crate::bridge::port::network::Network;
use crate::bridge::testkit::{SimMedia, SimStorage};
use crate::connector::config::MsnConfig;
use crate::connector::handle::CallCommand;
use crate::connector::network::LoginHandle;
use crate::connector::tests::{alice, config, email};
use crate::connector::translate::convert;

fn all(failure: &CallFailure, is_group: bool) -> Vec<Next> {
    let mut tally = Tally::default();
    (0..4).map(|_| tally.next(failure, is_group)).collect()
}

#[test]
fn fault_03_attempts_are_counted_and_final_reasons_are_final() {
    use Next::{Again, Await, Examine, GiveUp, Later};
    let no_board = |code| CallFailure::NoBoard(ErrorCode(code));
    let nobody = |code| CallFailure::Nobody(InviteFailure::Refused(ErrorCode(code)));
    assert_eq!(all(&CallFailure::NotDelivered, false), [Again, GiveUp, GiveUp, GiveUp]);
    assert_eq!(all(&CallFailure::NotDelivered, true)[0], GiveUp, "others in the group have it");
    for failure in [CallFailure::Deserted, CallFailure::Lost, CallFailure::NotOpened("refused".into())] {
        assert_eq!(all(&failure, true), [Again, Again, GiveUp, GiveUp], "{failure}");
    }
    for failure in [CallFailure::Unconfirmed, CallFailure::NoAssignment] {
        assert_eq!(all(&failure, false), [Examine, Examine, GiveUp, GiveUp], "{failure}");
    }
    for failure in [nobody(217), no_board(913)] {
        assert_eq!(all(&failure, false), [Await; 4], "{failure}");
    }
    for code in [800, 713, 910, 600, 500] {
        for failure in [no_board(code), nobody(code), CallFailure::Refused(ErrorCode(code))] {
            assert_eq!(all(&failure, false), [Later; 4], "{failure}");
        }
    }
    let refused = CallFailure::Refused(ErrorCode::MALFORMED_MESSAGE);
    let silent = CallFailure::Nobody(InviteFailure::NoAnswer);
    for failure in [nobody(216), nobody(205), no_board(502), no_board(280), refused, silent] {
        assert_eq!(all(&failure, false)[0], GiveUp, "{failure}");
    }
}

#[test]
fn fault_08_a_sender_reads_whom_their_words_did_not_reach_and_why() {
    let note = |missed: &[&str], absent: &[&str]| {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        delivered(&Confirmation { missed_by: names(missed), absent: names(absent) }).note
    };
    assert_eq!(note(&[], &[]), None);
    let text = note(&["Dave"], &["Carol", "Erin"]).unwrap();
    assert!(text.contains("did not reach Dave, who left"), "{text}");
    assert!(text.contains("does not reach Carol, Erin now"), "{text}");
    assert!(!note(&[], &["Carol"]).unwrap().contains("left"));
}

type Reply = oneshot::Sender<Result<Confirmation, Undelivered>>;

/// A login that the test plays, and the words that are on their way.
struct Played {
    asks: mpsc::Receiver<LoginCommand>,
    delivered: JoinHandle<Result<Delivered, DeliveryError>>,
}

/// A board that the test plays.
struct Board {
    call: CallHandle,
    asks: mpsc::Receiver<CallCommand>,
}

impl Board {
    /// The words come; gives who waits for them, and who waits to hear that their acknowledgement is late.
    async fn hears(&mut self) -> (Reply, oneshot::Sender<()>) {
        match self.asks.recv().await {
            Some(CallCommand::Send { message: Message::Text { text, .. }, reply, overdue }) => {
                assert_eq!(text, "hello");
                (reply, overdue)
            }
            _ => panic!("no words"),
        }
    }

    /// The words come, and this becomes of them.
    async fn answers(&mut self, failure: CallFailure) {
        assert!(self.hears().await.0.send(Err(failure.into())).is_ok());
    }
}

impl Played {
    /// Alice says hello to Bob.
    fn new(config: MsnConfig) -> Self {
        let (bridge, _core) = Bridge::channel();
        let (storage, media) = (Arc::new(SimStorage::default()), Arc::new(SimMedia::default()));
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let connector = MsnConnector::new(config, bridge, storage, media, tasks, cancel.clone()).unwrap();
        let (mailbox, asks) = mpsc::channel(8);
        connector.logins().insert(alice(), LoginHandle { mailbox, cancel });
        let delivery = Delivery {
            portal: PortalKey::new(alice(), convert::direct(&email("bob"))),
            id: EntryId::new("e1"),
            sequence: 1,
            author: Author::Owner { name: "Al".into() },
            content: Content::Said { body: Body::Text(RichText::plain("hello")) },
            at: 0,
            unconfirmed: false,
            pack: Vec::new(),
        };
        let delivered = tokio::spawn(async move { connector.deliver(delivery, Vec::new()).await });
        Self { asks, delivered }
    }

    /// A board is asked for, in place of one that is worn out.
    async fn opens(&mut self, in_place_of: Option<&Board>) -> Board {
        let Some(LoginCommand::Call { worn, reply, .. }) = self.asks.recv().await else { panic!("no call") };
        let is_it = match (&worn, in_place_of) {
            (Some(worn), Some(board)) => worn.is_same(&board.call),
            (worn, board) => worn.is_none() && board.is_none(),
        };
        assert!(is_it, "another board is worn out");
        let (mailbox, asks) = mpsc::channel(8);
        let call = CallHandle { asks: mailbox };
        assert!(reply.send(Ok(call.clone())).is_ok());
        Board { call, asks }
    }

    /// Whoever doubts the session hears that it works.
    async fn is_examined(&mut self) {
        let Some(LoginCommand::Examine { reply }) = self.asks.recv().await else { panic!("no doubt") };
        assert_eq!(reply.send(()), Ok(()));
    }

    /// What became of the words, after which the login is asked nothing more.
    async fn ends(mut self) -> Result<Delivered, DeliveryError> {
        let ended =
            tokio::time::timeout(DELIVERY_TIMEOUT, self.delivered).await.expect("it goes on").unwrap();
        assert!(self.asks.recv().await.is_none(), "something more is asked");
        ended
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_on_a_board_of_its_own_and_three_are_all() {
    let mut words = Played::new(config());
    let mut first = words.opens(None).await;
    first.answers(CallFailure::Deserted).await;
    let mut second = words.opens(Some(&first)).await;
    second.answers(CallFailure::Lost).await;
    let mut third = words.opens(Some(&second)).await;
    third.answers(CallFailure::Deserted).await;
    let ended = words.ends().await;
    assert_eq!(ended, Err(DeliveryError::permanent(CallFailure::Deserted.to_string())));
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_that_comes_late_saves_a_repeat_whatever_is_being_done_then() {
    // While the session is tried, while another board has the words, and in the pause behind that.
    for boards in 1..=3 {
        let mut words = Played::new(config());
        let mut first = words.opens(None).await;
        let (late, overdue) = first.hears().await;
        assert_eq!(overdue.send(()), Ok(()));
        let (mut kept, mut trials) = (Vec::new(), Vec::new());
        if boards > 1 {
            words.is_examined().await;
            let mut second = words.opens(Some(&first)).await;
            let (reply, _) = second.hears().await;
            match boards {
                2 => kept.push(reply),
                _ => assert!(reply.send(Err(CallFailure::Deserted.into())).is_ok()),
            }
        } else {
            let Some(LoginCommand::Examine { reply }) = words.asks.recv().await else { panic!("no doubt") };
            trials.push(reply);
        }
        tokio::task::yield_now().await;
        assert!(late.send(Ok(Confirmation::default())).is_ok(), "nobody waits for it any more");
        assert_eq!(words.ends().await, Ok(Delivered::default()), "{boards}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_is_watched_for_where_words_wait() {
    for (policy, waits) in [(OfflinePolicy::Hold, true), (OfflinePolicy::Fail, false)] {
        for failure in [
            CallFailure::Nobody(InviteFailure::Refused(ErrorCode::NOT_ONLINE)),
            CallFailure::NoBoard(ErrorCode::HIDDEN),
        ] {
            let mut words = Played::new(MsnConfig { offline: policy, ..config() });
            words.opens(None).await.answers(failure.clone()).await;
            let reason = failure.to_string();
            if waits {
                let Some(LoginCommand::Watch { conversation }) = words.asks.recv().await else {
                    panic!("nobody says when they are back")
                };
                assert_eq!(conversation, convert::direct(&email("bob")));
                assert_eq!(words.ends().await, Err(DeliveryError::Away { reason }));
            } else {
                assert_eq!(words.ends().await, Err(DeliveryError::Permanent { reason }));
            }
        }
    }
}
