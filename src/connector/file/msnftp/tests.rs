//! Streams alone: what is agreed on the board, who is dialled or waited for, and what ends when nobody answers.

use tokio::sync::oneshot;

use super::*;
use crate::connector::config::MsnConfig;
use crate::connector::tests::{Component, component_with, config, email};

/// Contacts are dialled, in this machine too.
fn dialling() -> MsnConfig {
    let mut config = config();
    config.direct.dial = true;
    config.direct.allow = vec!["127.0.0.0/8".parse().unwrap()];
    config
}

fn streams(permits: usize) -> Streams {
    Streams::new(Arc::new(Semaphore::new(permits)))
}

fn offer(cookie: u32) -> Invitation {
    Invitation::new(InvitationCommand::Invite, cookie).with("Application-File", "a.bin")
}

async fn accept_offer(streams: &mut Streams, call: &mut Component, offer: &Invitation) -> Result<(), String> {
    streams.accept(&mut call.ctx, &email("bob"), offer, "a.bin", 5000).await
}

/// Our side offers a file; gives its cookie, and what becomes of it.
fn send(streams: &mut Streams, call: &mut Component) -> (u32, oneshot::Receiver<Result<(), CallFailure>>) {
    let file = File { media: call.media.add("kept", &[7; 5000]), name: "a.bin".into(), size: 5000 };
    let (reply, answer) = oneshot::channel();
    streams.offer(&mut call.ctx, &email("bob"), file, reply.into());
    (streams.known.last().map_or(0, |stream| stream.cookie), answer)
}

#[tokio::test(start_paused = true)]
async fn what_they_take_back_or_decline_is_over_at_once() {
    let (mut call, mut streams) = (component_with(dialling()), streams(1));
    let cancelled = |cookie| Invitation::cancel(cookie, &CancelCode::Reject);
    assert!(!streams.cancelled(&call.ctx, &email("bob"), &cancelled(7)).await, "of nothing that is known");
    accept_offer(&mut streams, &mut call, &offer(7)).await.unwrap();
    assert!(!streams.cancelled(&call.ctx, &email("carol"), &cancelled(7)).await, "not theirs");
    assert!(streams.cancelled(&call.ctx, &email("bob"), &cancelled(7)).await);
    assert!(call.shown().await.contains("«a.bin» (4.9 kB), which did not arrive"));
    let (cookie, mut answer) = send(&mut streams, &mut call);
    assert!(!streams.is_offered(&email("bob"), cookie), "it is ours");
    assert!(streams.cancelled(&call.ctx, &email("bob"), &cancelled(cookie)).await);
    assert!(matches!(answer.try_recv(), Ok(Err(CallFailure::File(_)))));
    assert!(streams.is_idle());
}

#[tokio::test(start_paused = true)]
async fn an_offer_that_cannot_be_taken_is_declined_with_the_reason() {
    let two = |call: &mut Component| call.ctx.members.push(email("carol"));
    let unreachable = offer(7).with("Connectivity", "N");
    for (config, offer, prepare, reason) in [
        (config(), offer(7), None, "the bridge does not connect to contacts' computers"),
        (dialling(), unreachable, None, "neither their computer nor this bridge can be connected to"),
        (dialling(), offer(7), Some(two as fn(&mut Component)), "it cannot be told whom it is for"),
    ] {
        let (mut call, mut streams) = (component_with(config), streams(1));
        prepare.into_iter().for_each(|prepare| prepare(&mut call));
        assert_eq!(accept_offer(&mut streams, &mut call, &offer).await, Err(reason.to_owned()));
        assert!(call.said()[0].contains("Cancel-Code: REJECT") && streams.is_idle());
    }
    let (mut call, mut streams) = (component_with(dialling()), streams(1));
    accept_offer(&mut streams, &mut call, &offer(7)).await.unwrap();
    let again = accept_offer(&mut streams, &mut call, &offer(7)).await;
    assert_eq!(again, Err("it cannot be told whom it is for".into()), "the same cookie");
    let other = accept_offer(&mut streams, &mut call, &offer(8)).await;
    assert_eq!(other, Err("too many are on their way already".into()), "no permit is left");
}

#[tokio::test(start_paused = true)]
async fn a_file_goes_to_an_old_client_only_where_the_two_could_meet() {
    for (config, size, why) in [
        (config(), 1, "which this bridge does not make"),
        (dialling(), u64::from(u32::MAX) + 1, "takes no files of this size"),
    ] {
        let (mut call, mut streams) = (component_with(config), streams(1));
        let file = File { media: call.media.add("kept", b"x"), name: "a.bin".into(), size };
        let (reply, mut answer) = oneshot::channel();
        streams.offer(&mut call.ctx, &email("bob"), file, reply.into());
        let failure = answer.try_recv().unwrap().unwrap_err();
        assert!(failure.to_string().contains(why), "{failure}");
        assert!(call.said().is_empty() && streams.is_idle());
    }
    // They took it, and neither can be connected to.
    let (mut call, mut streams) = (component_with(dialling()), streams(1));
    let (cookie, mut answer) = send(&mut streams, &mut call);
    call.said();
    let accepted = Invitation::new(InvitationCommand::Accept, cookie);
    assert!(streams.accepted(&mut call.ctx, &email("bob"), &accepted).await);
    assert!(matches!(answer.try_recv(), Ok(Err(CallFailure::File(_)))));
    assert!(call.said()[0].contains("Cancel-Code: FTTIMEOUT") && streams.is_idle());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_dialled_where_that_is_not_allowed() {
    let mut config = dialling();
    config.direct.allow.clear();
    let (mut call, mut streams) = (component_with(config), streams(1));
    accept_offer(&mut streams, &mut call, &offer(7)).await.unwrap();
    call.said();
    let accepted = Invitation::new(InvitationCommand::Accept, 7)
        .with("IP-Address", "127.0.0.1")
        .with("Port", "6891")
        .with("AuthCookie", "1");
    assert!(streams.accepted(&mut call.ctx, &email("bob"), &accepted).await);
    assert!(call.shown().await.contains("the bridge may not connect to their computer"));
    assert!(call.said()[0].contains("Cancel-Code: FTTIMEOUT") && streams.is_idle());
}

#[tokio::test]
async fn a_stream_that_never_meets_is_cancelled_on_the_board() {
    let (mut call, mut streams) = (component_with(dialling()), streams(1));
    accept_offer(&mut streams, &mut call, &offer(7)).await.unwrap();
    call.said();
    // A port at which nobody listens.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let accepted = Invitation::new(InvitationCommand::Accept, 7)
        .with("IP-Address", "127.0.0.1")
        .with("Port", &port)
        .with("AuthCookie", "1");
    assert!(streams.accepted(&mut call.ctx, &email("bob"), &accepted).await);
    assert!(streams.next_timeout().is_none(), "a running stream sees to its end itself");
    let end = streams.ended().await;
    streams.handle_end(&mut call.ctx, &end);
    assert!(call.said()[0].contains("Cancel-Code: FTTIMEOUT") && streams.is_idle());
    assert!(call.shown().await.contains("could not connect to each other"));
}

#[tokio::test(start_paused = true)]
async fn what_was_only_spoken_of_ends_with_the_call() {
    let (mut call, mut streams) = (component_with(dialling()), streams(1));
    accept_offer(&mut streams, &mut call, &offer(7)).await.unwrap();
    let (_, mut answer) = send(&mut streams, &mut call);
    streams.lose(&call.ctx).await;
    assert!(call.shown().await.contains("the conversation was closed"));
    assert_eq!(answer.try_recv().unwrap(), Err(CallFailure::Lost));
    assert!(streams.is_idle());
}
