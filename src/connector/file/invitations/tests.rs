//! Invitations alone: what is declined, what is remembered of it, and what is shown.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::*;
use crate::connector::tests::{Component, component, component_with, config, email};

#[test]
fn fault_22_an_invitation_is_repeated_by_the_same_person_under_the_same_cookie_to_the_same_thing() {
    let voice = |cookie| {
        Invitation::new(InvitationCommand::Invite, cookie)
            .with("Application-GUID", "{02D3C01F-BF30-4825-A83A-DE7AF41648AA}")
    };
    let mut declined = Declined::default();
    declined.remember(&email("bob"), &voice(7));
    assert!(declined.is_repeated(&email("bob"), &voice(7)));
    assert!(!declined.is_repeated(&email("bob"), &voice(8)));
    assert!(!declined.is_repeated(&email("carol"), &voice(7)));
    let file = Invitation::new(InvitationCommand::Invite, 7).with("Application-File", "a.txt");
    assert!(!declined.is_repeated(&email("bob"), &file), "cookies are used again");
    assert!(declined.knows(&email("bob"), 7));
    for cookie in 100..200 {
        declined.remember(&email("bob"), &voice(cookie));
    }
    assert_eq!(declined.known.len(), REMEMBERED);
    assert!(!declined.knows(&email("bob"), 7), "the oldest goes");
}

fn invitations() -> Invitations {
    Invitations::new(Streams::new(Arc::new(Semaphore::new(1))))
}

/// An invitation, an answer or a cancellation of Bob.
async fn came(
    invitations: &mut Invitations,
    call: &mut Component,
    invitation: &Invitation,
    is_waiting: bool,
) {
    let event = InvitationEvent::Came { email: email("bob"), read: Ok(invitation.clone()), is_waiting };
    invitations.handle(&mut call.ctx, event).await;
}

fn voice(cookie: u32) -> Invitation {
    Invitation::new(InvitationCommand::Invite, cookie)
        .with("Application-GUID", "{02D3C01F-BF30-4825-A83A-DE7AF41648AA}")
}

fn file(cookie: u32, size: &str) -> Invitation {
    Invitation::new(InvitationCommand::Invite, cookie)
        .with("Application-Name", "File Transfer")
        .with("Application-GUID", "{5D3E02AB-6190-11d3-BBBB-00C04F795683}")
        .with("Application-File", "a.bin")
        .with("Application-FileSize", size)
}

#[tokio::test]
async fn what_there_is_no_program_for_is_declined_and_shown_once() {
    let (mut call, mut invitations) = (component(), invitations());
    for _ in 0..3 {
        came(&mut invitations, &mut call, &voice(7), false).await;
    }
    let [said] = &call.said()[..] else { panic!("it is answered once") };
    assert!(
        said.contains("Invitation-Command: CANCEL") && said.contains("Cancel-Code: REJECT_NOT_INSTALLED"),
        "{said}"
    );
    assert!(call.shown().await.contains("it was declined, since there is no program for it here"));
    // Its end is no news either.
    came(&mut invitations, &mut call, &Invitation::cancel(7, &CancelCode::Timeout), false).await;
    assert!(call.is_silent() && call.said().is_empty());
    came(&mut invitations, &mut call, &Invitation::cancel(8, &CancelCode::Timeout), false).await;
    assert!(call.shown().await.starts_with("cancelled an invitation: "));
}

#[tokio::test]
async fn a_negotiation_that_was_never_begun_here_is_ended_there() {
    let (mut call, mut invitations) = (component(), invitations());
    for command in [InvitationCommand::Accept, InvitationCommand::Context] {
        came(&mut invitations, &mut call, &Invitation::new(command, 9), false).await;
    }
    let [said] = &call.said()[..] else { panic!("it is answered once") };
    assert!(said.contains("Cancel-Code: FAIL"), "{said}");
    assert!(call.is_silent());
}

#[tokio::test]
async fn an_invitation_that_cannot_be_read_is_shown() {
    let (mut call, mut invitations) = (component(), invitations());
    let read = Invitation::parse(b"nothing");
    assert!(read.is_err());
    let event = InvitationEvent::Came { email: email("bob"), read, is_waiting: false };
    invitations.handle(&mut call.ctx, event).await;
    assert_eq!(call.shown().await, "sent an invitation that cannot be read here");
}

#[tokio::test]
async fn a_large_file_is_asked_about_and_its_repetitions_are_not() {
    let mut config = config();
    config.ask_above = 4000;
    let (mut call, mut invitations) = (component_with(config), invitations());
    came(&mut invitations, &mut call, &file(7, "5000"), false).await;
    let Some(InvitationOutcome::OwnerWanted { name, size: 5000, invitation, .. }) = invitations.poll_event()
    else {
        panic!("nobody is asked")
    };
    assert_eq!((name.as_str(), invitation.cookie), ("a.bin", 7));
    came(&mut invitations, &mut call, &file(7, "5000"), true).await;
    assert!(invitations.poll_event().is_none() && call.said().is_empty());
    // The owner does not want it; and the contact offers it again.
    let declined = InvitationEvent::Declined { email: email("bob"), invitation };
    invitations.handle(&mut call.ctx, declined).await;
    came(&mut invitations, &mut call, &file(7, "5000"), false).await;
    let [said] = &call.said()[..] else { panic!("it is declined once") };
    assert!(said.contains("Cancel-Code: REJECT\r\n"), "{said}");
    assert!(invitations.poll_event().is_none() && call.is_silent());
}

#[tokio::test]
async fn a_file_that_nobody_was_asked_about_is_declined_with_the_reason() {
    let (mut call, mut invitations) = (component(), invitations());
    came(&mut invitations, &mut call, &file(1, "many"), false).await;
    assert!(call.shown().await.contains("in a way that is not understood here"));
    assert!(call.said()[0].contains("Cancel-Code: FAIL"));
    // Nobody's computer is dialled here.
    came(&mut invitations, &mut call, &file(2, "5000"), false).await;
    let text = "offers the file «a.bin» (4.9 kB); it was declined: the bridge does not connect to contacts' computers";
    assert_eq!(call.shown().await, text);
    assert!(call.said()[0].contains("Cancel-Code: REJECT\r\n"));
    let invitation = Box::new(file(3, "5000"));
    let (name, size, reason) = ("a.bin".to_owned(), 5000, "too many wait");
    let refused = InvitationEvent::Refused { email: email("bob"), invitation, name, size, reason };
    invitations.handle(&mut call.ctx, refused).await;
    assert!(call.shown().await.ends_with("it was declined: too many wait"));
    assert!(invitations.streams.is_idle());
}

#[tokio::test]
async fn of_offers_that_are_declined_ever_more_no_more_than_ten_are_shown() {
    let (mut call, mut invitations) = (component(), invitations());
    for cookie in 0..20 {
        came(&mut invitations, &mut call, &voice(cookie), false).await;
    }
    for _ in 0..9 {
        assert!(call.shown().await.contains("no program"));
    }
    assert_eq!(call.shown().await, "offers ever more, which is declined and not shown any more");
    assert!(call.is_silent());
    assert_eq!(call.said().len(), 20, "each is answered all the same");
}
