//! Random traffic under random faults: nothing is lost, doubled without cause, or out of order. The seed is printed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::bridge::ids::Leg;
use crate::bridge::testkit::{Act, Disk, IRC, Life, MATRIX, World};

const CONTACTS: [&str; 3] = ["bob@x", "carol@x", "dave@x"];

/// What was acknowledged, in its order, by contact.
#[derive(Default)]
struct Said {
    /// By contacts: on disk, as the bridge said.
    remote: HashMap<&'static str, Vec<String>>,
    /// On Matrix: the homeserver was answered.
    local: HashMap<&'static str, Vec<String>>,
    /// What was under way when the bridge stopped, and is said again by whoever was not answered.
    open: Option<Open>,
    /// What contacts said again, because they were not answered.
    again: HashSet<String>,
    number: usize,
    channel_is_away: bool,
}

enum Open {
    Remote(&'static str, String),
    Local(&'static str, String),
}

impl Said {
    async fn step(&mut self, life: &Life, world: &World, chance: &mut StdRng) {
        if let Some(open) = self.open.take() {
            return self.say_again(life, open).await;
        }
        self.number += 1;
        let contact = CONTACTS[chance.random_range(0..CONTACTS.len())];
        match chance.random_range(0..100) {
            0..40 => self.say(life, Open::Remote(contact, format!("b{}", self.number))).await,
            40..80 => self.say(life, Open::Local(contact, format!("m{}", self.number))).await,
            80..86 => life.pass(Duration::from_millis(chance.random_range(1..40_000))).await,
            86..90 => life.leg_up(MATRIX).await,
            90..92 => life.reachable(None).await,
            92..94 => {
                // The channel is away for a while, or is back.
                let away = !self.channel_is_away;
                self.channel_is_away = away;
                world.irc.is_away_now(away);
                if !away {
                    life.leg_up(IRC).await;
                }
            }
            94..96 => {
                world.disk.becomes(if chance.random() { Disk::Full } else { Disk::FailsAndKeeps });
                life.pass(Duration::from_millis(chance.random_range(1..5_000))).await;
                world.disk.becomes(Disk::Works);
            }
            _ => life.says("noise@x", "x").await,
        }
    }

    async fn say_again(&mut self, life: &Life, open: Open) {
        if let Open::Remote(_, text) = &open {
            self.again.insert(text.clone());
        }
        self.say(life, open).await;
    }

    async fn say(&mut self, life: &Life, open: Open) {
        match open {
            Open::Remote(contact, text) => {
                self.open = Some(Open::Remote(contact, text.clone()));
                life.says_surely(contact, &text).await;
                self.remote.entry(contact).or_default().push(text);
                self.open = None;
            }
            Open::Local(contact, text) => {
                self.open = Some(Open::Local(contact, text.clone()));
                while !life.writes(contact, &text, &text).await {
                    life.pass(Duration::from_secs(1)).await;
                }
                self.local.entry(contact).or_default().push(text);
                self.open = None;
            }
        }
    }
}

/// First occurrences, in order, and how many there are besides.
fn firsts(texts: &[String]) -> (Vec<String>, usize) {
    let mut seen = HashSet::new();
    let first: Vec<String> = texts.iter().filter(|text| seen.insert(*text)).cloned().collect();
    let repeated = texts.len() - first.len();
    (first, repeated)
}

fn faulty(world: &World, seed: u64) {
    world.msn.script.by_seed(seed);
    world.matrix.script.by_seed(seed ^ 1);
    world.irc.script.by_seed(seed ^ 2);
    world.irc.is_away_now(false);
    world.matrix.reading.usually(Act::Take);
}

fn healed(world: &World) {
    world.msn.script.usually(Act::Take);
    world.matrix.script.usually(Act::Take);
    world.irc.script.usually(Act::Take);
}

/// `lives` of the bridge, each ended by a crash after so many steps of what is said at most.
fn run(seed: u64, lives: usize, steps: usize) {
    println!("seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let world = World::relayed();
    let mut said = Said::default();
    for life in 0..lives {
        said.channel_is_away = false;
        faulty(&world, seed + life as u64 * 8);
        if chance.random_range(0..3) > 0 {
            world.steps.stop_at(chance.random_range(1..steps * 12));
        }
        let kept = chance.random_range(0..8);
        world.crash_after(kept, async |life| {
            life.sign_in().await;
            for _ in 0..steps {
                said.step(life, &world, &mut chance).await;
            }
        });
        world.disk.becomes(Disk::Works);
    }
    healed(&world);
    world.irc.is_away_now(false);
    world.live(async |life| {
        life.sign_in().await;
        if let Some(open) = said.open.take() {
            said.say_again(life, open).await;
        }
        for contact in CONTACTS {
            life.says_surely(contact, "last").await;
            assert!(life.writes(contact, &format!("last {contact}"), "last").await);
        }
        for leg in [MATRIX, IRC, Leg::Remote] {
            life.leg_up(leg).await;
        }
        let done = |side: &World| {
            CONTACTS.iter().all(|contact| {
                side.room(contact).iter().any(|text| text == "last")
                    && side.heard(contact).iter().any(|text| text == "last")
                    && side.channel(contact).iter().filter(|text| *text == "last").count() >= 2
            })
        };
        while !done(&world) {
            life.pass(Duration::from_secs(10)).await;
        }
    });
    judge(&world, &said, lives);
}

fn judge(world: &World, said: &Said, lives: usize) {
    let (mut to_msn, mut to_channel) = (0, 0);
    for contact in CONTACTS {
        let last = || std::iter::once("last".to_owned());
        let of = |all: &HashMap<&str, Vec<String>>| {
            all.get(contact).into_iter().flatten().cloned().chain(last()).collect::<Vec<_>>()
        };
        let (shown, _) = firsts(&world.room(contact));
        assert_eq!(shown, of(&said.remote), "the room with {contact}");
        for text in repeats(&world.room(contact)) {
            // A contact who was not answered says it again.
            assert!(
                said.again.contains(&text),
                "{text} was said once and is twice in the room with {contact}"
            );
        }
        let (heard, repeated) = firsts(&world.heard(contact));
        assert_eq!(heard, of(&said.local), "what {contact} heard");
        to_msn += repeated;
        to_channel += judge_channel(world, said, contact);
    }
    // Neither can be asked: each fault in which something may have arrived repeats that one thing.
    let may_repeat = |faults: usize| faults + lives;
    let (msn, irc) = (world.msn.script.ambiguous(), world.irc.script.ambiguous());
    assert!(to_msn <= may_repeat(msn), "{to_msn} heard twice, {msn} ends were not clear");
    assert!(
        // How far the channel is, is written down a moment later: a crash repeats what was said in that moment.
        to_channel <= may_repeat(irc) + lives * 8 + said.again.len(),
        "{to_channel} twice in the channel, {irc} ends were not clear"
    );
}

/// Nothing is missing that was not counted, and what was said by one side comes in its order; gives how much was repeated.
fn judge_channel(world: &World, said: &Said, contact: &str) -> usize {
    let arrived = world.irc.arrived();
    let all = arrived.borrow();
    let own = all.iter().filter(|shown| shown.portal == World::portal(contact));
    let missed: u64 = own.map(|shown| shown.missed).sum();
    let (shown, repeated) = firsts(&world.channel(contact));
    let mut missing = 0;
    let is_shown: HashSet<&String> = shown.iter().collect();
    for side in [&said.remote, &said.local] {
        let said: Vec<&String> = side.get(contact).into_iter().flatten().collect();
        let is_said: HashSet<&String> = said.iter().copied().collect();
        let there: Vec<&String> = said.iter().copied().filter(|text| is_shown.contains(text)).collect();
        let in_order: Vec<&String> = shown.iter().filter(|text| is_said.contains(text)).collect();
        assert_eq!(in_order, there, "the channel with {contact}");
        missing += (said.len() - there.len()) as u64;
    }
    assert!(missing <= missed, "{missing} are not in the channel with {contact}, which was told of {missed}");
    repeated
}

/// What is there more than once.
fn repeats(texts: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    texts.iter().filter(|text| !seen.insert(*text)).cloned().collect()
}

#[test]
fn ten_thousand_steps_of_random_traffic_under_random_faults_lose_nothing() {
    // Two worlds beside each other: each alone takes one core for seconds.
    let seed: u64 = rand::random::<u32>().into();
    std::thread::scope(|scope| {
        for world in 0..2 {
            scope.spawn(move || run(seed + world * 1_000, 20, 250));
        }
    });
}

#[test]
#[ignore = "takes minutes: tests/run --long"]
fn a_million_steps_of_random_traffic_under_random_faults_lose_nothing() {
    let first: u64 = rand::random::<u32>().into();
    for run_number in 0..100 {
        run(first + run_number * 1_000, 40, 250);
    }
}
