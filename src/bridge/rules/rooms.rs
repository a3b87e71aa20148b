//! Contacts have rooms before something is said, where a side wants that, and no message waits for it.

use std::time::Duration;

use crate::bridge::event::RemoteKind;
use crate::bridge::ids::GhostId;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::network::ContactLine;
use crate::bridge::record::PortalRecord;
use crate::bridge::testkit::{Act, BOB, World};

const CAROL: &str = "carol@example.com";

fn line(account: &str, name: &str) -> ContactLine {
    ContactLine {
        ghost: GhostId::new(account),
        name: name.to_owned(),
        presence: "offline".into(),
        groups: Vec::new(),
        blocked: false,
        phones: Vec::new(),
    }
}

/// Bob and Carol are on the list.
fn world_with_contacts() -> World {
    let world = World::new();
    for account in [BOB, CAROL] {
        world.msn.gathers(account, &[account], false);
    }
    *world.msn.contacts.lock().unwrap() = Ok(vec![line(BOB, "Bob"), line(CAROL, "Carol")]);
    world
}

#[test]
fn each_contact_has_a_room_after_the_sign_in_under_their_name() {
    let world = world_with_contacts();
    *world.matrix.lists.lock().unwrap() = true;
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.rooms().wait_for(|rooms| rooms.len() == 2).await.unwrap();
        life.pass(Duration::from_secs(1)).await;
    });
    let rooms = world.matrix.rooms().borrow().clone();
    let expected = [(BOB, "Bob"), (CAROL, "Carol")];
    for ((portal, title, makes), (account, name)) in rooms.iter().zip(expected) {
        assert_eq!((portal, title.as_deref(), makes), (&World::portal(account), Some(name), &true));
        let record = PortalRecord::load(&*world.disk, portal).unwrap().expect("it is a conversation now");
        assert!(!record.relays);
    }
}

#[test]
fn where_a_side_lists_no_contacts_only_rooms_that_are_there_are_looked_after() {
    let world = world_with_contacts();
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "hi").await;
        life.until(world.matrix.arrived(), 1).await;
        life.sign_in().await;
        world.matrix.rooms().wait_for(|rooms| !rooms.is_empty()).await.unwrap();
        life.pass(Duration::from_secs(1)).await;
    });
    let rooms = world.matrix.rooms().borrow().clone();
    assert!(rooms.iter().all(|(portal, _, makes)| *portal == World::portal(BOB) && !makes), "{rooms:?}");
}

#[test]
fn a_contact_who_comes_onto_the_list_has_a_room_too() {
    let world = world_with_contacts();
    *world.matrix.lists.lock().unwrap() = true;
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.rooms().wait_for(|rooms| rooms.len() == 2).await.unwrap();
        let new = "dave@example.com";
        world.msn.gathers(new, &[new], false);
        world.msn.contacts.lock().unwrap().as_mut().unwrap().push(line(new, "Dave"));
        life.remote(RemoteKind::Groups(Vec::new())).await;
        let is_there = |rooms: &Vec<(_, Option<String>, bool)>| {
            rooms.iter().any(|room| room.1.as_deref() == Some("Dave"))
        };
        world.matrix.rooms().wait_for(is_there).await.unwrap();
    });
}

#[test]
fn rooms_that_cannot_be_made_hold_up_no_message_and_are_made_later() {
    let world = world_with_contacts();
    *world.matrix.lists.lock().unwrap() = true;
    let refusal = Act::Refuse(DeliveryError::permanent("too long"));
    world.matrix.making.next([Act::transient(), Act::leg_down(), refusal]);
    world.live(async |life| {
        life.sign_in().await;
        life.says(BOB, "hi").await;
        life.until(world.matrix.arrived(), 1).await;
        assert!(world.matrix.rooms().borrow().is_empty(), "the words did not wait");
        // Of Bob, in the end, none; of Carol one.
        world.matrix.rooms().wait_for(|rooms| !rooms.is_empty()).await.unwrap();
    });
    assert_eq!(world.matrix.rooms().borrow()[0].0, World::portal(CAROL));
}

#[test]
fn whoever_asks_for_it_has_all_their_rooms_shown_again() {
    let world = world_with_contacts();
    *world.matrix.lists.lock().unwrap() = true;
    world.live(async |life| {
        life.sign_in().await;
        world.matrix.rooms().wait_for(|rooms| rooms.len() == 2).await.unwrap();
        assert_eq!(world.matrix.doubted(), [], "nothing is doubted by itself");
        life.asks("$1", "sync").await;
        life.until_ann_reads(&world, "The 2 rooms of").await;
        assert_eq!(world.matrix.rooms().borrow().len(), 4);
        *world.msn.contacts.lock().unwrap() = Err("you are not signed in".into());
        life.asks("$2", "sync").await;
        life.until_ann_reads(&world, "were not looked after: you are not signed in.").await;
    });
    assert_eq!(world.matrix.doubted(), [World::portal(BOB).receiver]);
}
