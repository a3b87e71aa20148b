//! The objects of a call alone: what is fetched, what is given, and what is shown.

use super::*;
use crate::connector::clock::now;
use crate::connector::context::peers::session_names;
use crate::connector::context::people::Directory;
use crate::connector::tests::{Component, bob, component, contact, email};
use crate::msn::command::Status;
use crate::msn::p2p::{Peer, PeerEvent};
use crate::msn::session::Contact;
use crate::msn::wire::UrlText;

fn object(kind: ObjectKind, data: &[u8]) -> MsnObject {
    MsnObject::new("bob@example.com", kind, "x", data)
}

fn objects(own: Option<OwnPicture>) -> Objects {
    Objects::new(watch::Sender::new(own.map(Arc::new)).subscribe())
}

/// A file that has come in, with these bytes.
async fn came(call: &Component, data: &'static [u8]) -> Box<dyn Incoming> {
    let mut file = call.ctx.shared.media.begin(data.len() as u64).await.unwrap();
    file.write(data.into()).await.unwrap();
    file
}

/// All bytes of an object have come from Bob, who has not heard so.
fn arrived(call: &mut Component, object: &MsnObject, data: &[u8]) -> (Peer, TransferId) {
    let mut bob = bob();
    // A peer of its own each time, as Bob's is.
    call.ctx.peers.take(&email("bob"));
    let transfer = call.ctx.peers.open(&email("bob")).unwrap().want(now(), object, session_names());
    call.exchange(&mut bob);
    let Some(PeerEvent::ObjectWanted { transfer: wanted, .. }) = bob.poll_event() else {
        panic!("nobody asks")
    };
    bob.accept(now(), wanted);
    call.exchange(&mut bob);
    call.send(&mut bob, data, 9);
    let told = std::iter::from_fn(|| call.ctx.peers.poll_event(&email("bob"))).last();
    assert_eq!(told, Some(PeerEvent::Arrived(transfer)));
    (bob, transfer)
}

/// What Bob's client says in the end.
fn is_delivered(call: &mut Component, bob: &mut Peer) -> bool {
    call.exchange(bob);
    match &std::iter::from_fn(|| bob.poll_event()).collect::<Vec<_>>()[..] {
        [PeerEvent::Finished(_)] => true,
        [PeerEvent::Failed { .. }] => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn fault_02_a_picture_whose_keeping_fails_has_not_arrived() {
    let (mut call, mut objects) = (component(), objects(None));
    let picture = object(ObjectKind::DisplayPicture, b"face");
    let (mut bob, transfer) = arrived(&mut call, &picture, b"face");
    let file = came(&call, b"face").await;
    call.media.fill();
    let event = ObjectEvent::PictureCame { transfer, object: picture.clone(), file };
    objects.handle(&mut call.ctx, &email("bob"), event).await;
    assert!(!is_delivered(&mut call, &mut bob) && call.is_silent());
    assert_eq!(cache::kept(&call.ctx.shared, &cache::digest(&picture)), None);
}

fn fetched(objects: &mut Objects) -> Option<(MsnObject, bool)> {
    match objects.poll_event()? {
        ObjectOutcome::Fetch { email: from, object, name, is_once } => {
            assert!(from == email("bob") && name.is_empty());
            Some((object, is_once))
        }
        other => panic!("{other:?}"),
    }
}

/// Bob announces this picture by presence.
fn announce(call: &mut Component, picture: &MsnObject) {
    let directory = Directory::default();
    call.ctx.people = directory.about(vec![email("bob")]);
    let object = Some(UrlText::encode(picture.as_xml()));
    directory.note(&Contact { object, ..contact("bob", Status::Online, 0) });
}

#[tokio::test]
async fn a_picture_is_fetched_when_it_is_new_and_shown_from_the_disk_after_that() {
    let (mut call, mut objects) = (component(), objects(None));
    let picture = object(ObjectKind::DisplayPicture, b"face");
    announce(&mut call, &picture);
    objects.handle(&mut call.ctx, &email("bob"), ObjectEvent::Joined).await;
    assert_eq!(fetched(&mut objects), Some((picture.clone(), false)));
    let (mut bob, transfer) = arrived(&mut call, &picture, b"face");
    let (object, file) = (picture.clone(), came(&call, b"face").await);
    let event = ObjectEvent::PictureCame { transfer, object, file };
    objects.handle(&mut call.ctx, &email("bob"), event).await;
    assert!(is_delivered(&mut call, &mut bob));
    objects.handle(&mut call.ctx, &email("bob"), ObjectEvent::Joined).await;
    for _ in 0..2 {
        let RemoteKind::Picture { ghost, picture: Some(shown) } = call.told().await else {
            panic!("no picture")
        };
        assert_eq!((ghost.id.as_str(), shown.size), ("bob@example.com", 4));
        assert_eq!(shown.digest, cache::digest(&picture));
        assert_eq!(call.media.data(&shown.media), b"face");
    }
    assert!(fetched(&mut objects).is_none() && call.is_silent());
}

#[tokio::test]
async fn a_picture_that_is_another_than_was_announced_is_not_fetched_again() {
    let (mut call, mut objects) = (component(), objects(None));
    let picture = object(ObjectKind::DisplayPicture, b"face");
    announce(&mut call, &picture);
    objects.handle(&mut call.ctx, &email("bob"), ObjectEvent::Joined).await;
    assert!(fetched(&mut objects).is_some());
    let (mut bob, transfer) = arrived(&mut call, &picture, b"mask");
    let (object, file) = (picture.clone(), came(&call, b"mask").await);
    let event = ObjectEvent::PictureCame { transfer, object, file };
    objects.handle(&mut call.ctx, &email("bob"), event).await;
    assert!(!is_delivered(&mut call, &mut bob), "nor is its sender told that it came");
    assert!(call.is_silent(), "nobody sees it");
    assert_eq!(cache::kept(&call.ctx.shared, &cache::digest(&picture)), None);
    objects.handle(&mut call.ctx, &email("bob"), ObjectEvent::Joined).await;
    assert_eq!(fetched(&mut objects), None);
}

#[tokio::test]
async fn emoticons_are_fetched_and_named_by_the_next_words() {
    let (mut call, mut objects) = (component(), objects(None));
    let (cat, dog) = (object(ObjectKind::Emoticon, b"cat"), object(ObjectKind::Emoticon, b"dog"));
    let (mut bob, transfer) = arrived(&mut call, &dog, b"dog");
    let file = came(&call, b"dog").await;
    let event = ObjectEvent::PictureCame { transfer, object: dog.clone(), file };
    objects.handle(&mut call.ctx, &email("bob"), event).await;
    assert!(is_delivered(&mut call, &mut bob));
    assert!(call.is_silent(), "an emoticon is shown in words only");
    let announced = |shortcut: &str, object: &MsnObject| Announced {
        shortcut: shortcut.into(),
        object: object.as_xml().to_owned(),
    };
    let list = vec![
        announced(":cat:", &cat),
        announced(":dog:", &dog),
        announced(":face:", &object(ObjectKind::DisplayPicture, b"face")),
        announced(":big:", &object(ObjectKind::Emoticon, &vec![0; 300 << 10])),
        Announced { shortcut: ":x:".into(), object: "no object".into() },
    ];
    objects.handle(&mut call.ctx, &email("bob"), ObjectEvent::Emoticons(list)).await;
    assert_eq!(fetched(&mut objects), Some((cat, true)));
    assert_eq!(fetched(&mut objects), None, "the dog is here");
    let words = Body::Text(crate::bridge::body::RichText::plain(":cat: :dog: :face: :big: :x:"));
    let Body::Text(text) = objects.attach(&email("bob"), words) else { panic!("no text") };
    let named: Vec<&str> = text.emoticons.iter().map(|emoticon| emoticon.shortcut.as_str()).collect();
    assert_eq!(named, [":cat:", ":dog:"]);
}

#[tokio::test]
async fn nothing_is_given_but_what_our_side_has_announced() {
    let mut call = component();
    let face = MsnObject::new("alice@example.com", ObjectKind::DisplayPicture, "x", b"alice");
    let cat = MsnObject::new("alice@example.com", ObjectKind::Emoticon, "x", b"cat");
    let other = MsnObject::new("alice@example.com", ObjectKind::DisplayPicture, "x", b"secret");
    let own =
        |object: &MsnObject, name| OwnPicture { object: object.clone(), media: MediaId::new(name).unwrap() };
    let mut objects = objects(Some(own(&face, "face")));
    let emoticon = OfferedEmoticon { shortcut: ":cat:".into(), picture: Arc::new(own(&cat, "cat")) };
    objects.offer(&mut call.ctx, &[]);
    assert!(call.said().is_empty());
    objects.offer(&mut call.ctx, &[emoticon]);
    let [said] = &call.said()[..] else { panic!("it is not announced") };
    assert!(said.contains("text/x-mms-emoticon") && said.contains(":cat:"), "{said}");
    let mut bob = bob();
    for (asked, given) in [(&face, Some("face")), (&cat, Some("cat")), (&other, None)] {
        bob.want(now(), asked, session_names());
        call.exchange(&mut bob);
        let Some(PeerEvent::ObjectWanted { transfer, object }) = call.ctx.peers.poll_event(&email("bob"))
        else {
            panic!("nobody asks")
        };
        objects.handle(&mut call.ctx, &email("bob"), ObjectEvent::Wanted { transfer, object }).await;
        match objects.poll_event() {
            Some(ObjectOutcome::Give { media, transfer: to, .. }) => {
                assert!(to == transfer && Some(media.as_str()) == given);
            }
            other => assert!(other.is_none() && given.is_none(), "{other:?}"),
        }
        call.exchange(&mut bob);
        assert_eq!(bob.poll_event().is_some(), given.is_none(), "a refusal is heard at once");
    }
}

#[tokio::test]
async fn clips_are_fetched_unless_they_are_large_and_shown_as_files() {
    let (mut call, mut objects) = (component(), objects(None));
    let clip = object(ObjectKind::VoiceClip, b"RIFF");
    for (announced, name) in [
        (&clip, Some("voice clip.wav")),
        (&object(ObjectKind::Wink, b"MSCF"), Some("wink.mct")),
        (&object(ObjectKind::VoiceClip, &vec![0; 3 << 20]), None),
        (&object(ObjectKind::DisplayPicture, b"face"), None),
    ] {
        let data = announced.as_xml().to_owned();
        objects.handle(&mut call.ctx, &email("bob"), ObjectEvent::Clip(data)).await;
        match objects.poll_event() {
            Some(ObjectOutcome::Fetch { name: called, is_once: true, .. }) => {
                assert_eq!(Some(&*called), name)
            }
            other => assert!(other.is_none() && name.is_none(), "{other:?}"),
        }
    }
    let file =
        |data: &[u8]| File { media: call.media.add("clip", data), name: "voice clip.wav".into(), size: 4 };
    let (wrong, right) = (file(b"mask"), File { media: call.media.add("right", b"RIFF"), ..file(b"mask") });
    let (mut bob, transfer) = arrived(&mut call, &clip, b"mask");
    let event = ObjectEvent::ClipCame { transfer, object: clip.clone(), file: wrong };
    objects.handle(&mut call.ctx, &email("bob"), event).await;
    assert_eq!(call.shown().await, "sent «voice clip.wav», which is not what was announced");
    assert!(!is_delivered(&mut call, &mut bob), "nor is its sender told that it came");
    let (mut bob, transfer) = arrived(&mut call, &clip, b"RIFF");
    let event = ObjectEvent::ClipCame { transfer, object: clip, file: right.clone() };
    objects.handle(&mut call.ctx, &email("bob"), event).await;
    assert!(is_delivered(&mut call, &mut bob));
    let RemoteKind::Message { body: Body::File(shown), .. } = call.told().await else { panic!("no file") };
    assert_eq!(shown, right, "what everybody can play stays as it is");
    call.ctx.shared.tasks.close();
    call.ctx.shared.tasks.wait().await;
    assert_eq!(call.media.data(&shown.media), b"RIFF");
}
