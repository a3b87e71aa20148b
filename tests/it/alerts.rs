//! Alerts that a real bridge makes fire: what it shows while it is well and while something fails, judged by Prometheus' own
//! tool. That a figure stays for minutes is told to the tool; one that grows, grows on as it was seen to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use msnbridge::measure;

use crate::chat::World;
use crate::disk::{limit_files, restart};
use crate::irc::relay_config;
use crate::support::irc::Ngircd;
use crate::support::msn::{Peer, text};
use crate::support::{free_port, within};

/// Messages that are given up in one breath; the alert wants more than five.
const GIVEN_UP: usize = 7;
/// For how many minutes the bridge was well, and how long after that it is looked at.
const MINUTES: [u32; 2] = [60, 12];

/// The figures of one moment, by series as Prometheus would keep them.
type Page = BTreeMap<String, f64>;

/// A series with the label that Prometheus gives it.
fn labelled(series: &str) -> String {
    match series.split_once('{') {
        Some((name, labels)) => format!("{name}{{job=\"msnbridge\",{labels}"),
        None => format!("{series}{{job=\"msnbridge\"}}"),
    }
}

/// What the bridge shows, and that it could be asked; nothing but that it could not where it does not run.
async fn scrape(url: &str) -> Page {
    let text = match reqwest::get(url).await {
        Ok(answer) => answer.text().await.unwrap(),
        Err(_) => return Page::from([("up{job=\"msnbridge\"}".to_owned(), 0.0)]),
    };
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let mut page: Page =
        lines.map(|(series, figure)| (labelled(series), figure.parse().expect("a figure"))).collect();
    page.insert("up{job=\"msnbridge\"}".into(), 1.0);
    page
}

/// The figures once `wanted` is true of them.
async fn scrape_until(url: &str, what: &str, wanted: impl Fn(&dyn Fn(&str) -> Option<f64>) -> bool) -> Page {
    let right = async {
        loop {
            let page = scrape(url).await;
            let figure = |name: &str| page.get(&labelled(name)).copied();
            if wanted(&figure) {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within(what, right).await
}

/// A series of a bridge that was well for an hour and is ill since, in the tool's words; `growth` is for each minute.
fn series(name: &str, well: Option<f64>, ill: Option<f64>, growth: f64) -> String {
    let well = well.map_or_else(|| format!("_x{}", MINUTES[0]), |well| format!("{well}+0x{}", MINUTES[0]));
    let ill = ill.map_or_else(|| format!("_x{}", MINUTES[1]), |ill| format!("{ill}+{growth}x{}", MINUTES[1]));
    format!("      - {{series: '{name}', values: '{well} {ill}'}}\n")
}

/// Has the tool agree that these alerts fire twelve minutes after the bridge fell ill, no others, and none before.
fn assert_firing(well: &Page, ill: &Page, growth: &Page, alerts: &[&str]) {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/watch/alerts.yaml");
    let mut test = format!(
        "rule_files: ['{}']\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n",
        rules.display()
    );
    let names: BTreeSet<&String> = well.keys().chain(ill.keys()).collect();
    for name in names {
        let growth = growth.get(name).copied().unwrap_or_default();
        test.push_str(&series(name, well.get(name).copied(), ill.get(name).copied(), growth));
    }
    test += "    promql_expr_test:\n";
    for (minute, alerts) in [(MINUTES[0], &[] as &[&str]), (MINUTES[0] + MINUTES[1], alerts)] {
        let fires = |alert: &&str| format!("{{labels: '{{alertname=\"{alert}\"}}', value: 1}}");
        let fires: Vec<String> = alerts.iter().map(fires).collect();
        write!(
            test,
            "      - expr: 'group by (alertname) (ALERTS{{alertstate=\"firing\"}})'\n        eval_time: {minute}m\n        \
             exp_samples: [{}]\n",
            fires.join(", ")
        )
        .unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.yaml");
    std::fs::write(&file, &test).unwrap();
    let said = Command::new("promtool").args(["test", "rules"]).arg(&file).output().unwrap();
    assert!(
        said.status.success(),
        "{}{}\n{test}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
}

/// The program may open so few files that four of five are open.
async fn limit_descriptors(url: &str, pid: u32) {
    let page = scrape(url).await;
    let most = page[&labelled("process_open_fds")] * 1.15;
    let limit = format!("--nofile={}:", most as u64);
    assert!(Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).status().unwrap().success());
}

#[tokio::test]
#[ignore = "needs Prometheus' own tool"]
async fn whatever_goes_away_fires_its_alert_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut irc = Ngircd::start(directory.path(), 0).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let config = format!("metrics: {{listen: '{listen}'}}\n{}", relay_config(irc.port, &["bob@example.com"]));
    let mut world = World::start_with_friends_in(directory, &config).await;
    let url = format!("http://{listen}/metrics");
    world.bridge.stop().await;
    world.bridge.add_to_section("msn", "offline", "fail");
    world.bridge.start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("all is well")).await;
    world.user.message("all is well").await;
    let (round_trips, irc_up) = (
        format!("{}_count{{network=\"test\"}}", measure::IRC_ROUND_TRIP),
        format!("{}{{network=\"test\"}}", measure::IRC_UP),
    );
    let connected = format!("{}{{state=\"connected\"}}", measure::LOGINS);
    let well = scrape_until(&url, "everything to be well", |figure| {
        let all = [measure::HOMESERVER_UP, measure::DISK_UP, &irc_up, &connected];
        all.iter().all(|name| figure(name) == Some(1.0)) && figure(&round_trips) == Some(1.0)
    })
    .await;

    // Erin is nobody's contact and not there: what is said to her cannot be delivered.
    let management = world.management.clone();
    world.user.send(&management, "chat erin@example.com").await;
    let erins = world.user.message_with("conversation with erin@example.com. What").await;
    for n in 0..GIVEN_UP {
        world.user.send(erins["room_id"].as_str().unwrap(), &format!("are you there? {n}")).await;
    }
    let given_up = format!("{}{{to=\"msn\",outcome=\"given_up\"}}", measure::ATTEMPTS);
    let page =
        scrape_until(&url, "the dead letters", |figure| figure(&given_up) == Some(GIVEN_UP as f64)).await;
    assert_firing(&well, &page, &Page::new(), &["MsnbridgeGivenUp"]);

    // Then everything goes at once.
    irc.kill().await;
    world.synapse.kill().await;
    call.say(&text("nobody is there")).await;
    let waiting = format!("{}{{to=\"matrix\"}}", measure::WAITING);
    scrape_until(&url, "a message to wait", |figure| figure(&waiting) == Some(1.0)).await;
    world.service.kill().await;
    let trying = format!("{}{{state=\"waiting\"}}", measure::LOGINS);
    scrape_until(&url, "everything to be away", |figure| {
        [measure::HOMESERVER_UP, &irc_up].iter().all(|name| figure(name) == Some(0.0))
            && figure(&trying) == Some(1.0)
    })
    .await;
    limit_descriptors(&url, world.bridge.pid()).await;
    let (ill, at) = (scrape(&url).await, Instant::now());
    let age = format!("{}{{to=\"matrix\"}}", measure::WAITING_AGE);
    let older = |figure: &dyn Fn(&str) -> Option<f64>| figure(&age) > Some(ill[&labelled(&age)] + 1.0);
    let later = scrape_until(&url, "the message to grow older", older).await;
    let minutes = at.elapsed().as_secs_f64() / 60.0;
    let growth = |(name, figure): (&String, &f64)| {
        let grown = later.get(name)? - figure;
        name.starts_with(measure::WAITING_AGE).then(|| (name.clone(), grown / minutes))
    };
    let growth: Page = ill.iter().filter_map(growth).collect();
    let alerts =
        ["MsnbridgeDescriptors", "MsnbridgeHomeserverAway", "MsnbridgeIrcAway", "MsnbridgeLoginsAway"];
    assert_firing(&page, &ill, &growth, &[&alerts[..], &["MsnbridgeMessagesWait"]].concat());

    world.bridge.kill().await;
    assert_firing(&page, &scrape(&url).await, &Page::new(), &["MsnbridgeDown"]);
}

#[tokio::test]
#[ignore = "needs Prometheus' own tool"]
async fn a_disk_that_takes_nothing_fires_its_alert() {
    let listen = format!("127.0.0.1:{}", free_port());
    let config = format!("metrics: {{listen: '{listen}'}}\n");
    let mut world = World::start_with_friends_in(tempfile::tempdir().unwrap(), &config).await;
    let url = format!("http://{listen}/metrics");
    world.bridge.stop().await;
    restart(&mut world.bridge).await;
    let connected = format!("{}{{state=\"connected\"}}", measure::LOGINS);
    let well = scrape_until(&url, "everything to be well", |figure| {
        [measure::HOMESERVER_UP, measure::DISK_UP, &connected].iter().all(|name| figure(name) == Some(1.0))
    })
    .await;
    limit_files(world.bridge.pid(), "0");
    let management = world.management.clone();
    world.user.send(&management, "status").await;
    let ill = scrape_until(&url, "the disk to fail", |figure| figure(measure::DISK_UP) == Some(0.0)).await;
    assert_firing(&well, &ill, &Page::new(), &["MsnbridgeDiskFails"]);
    limit_files(world.bridge.pid(), "unlimited");
}
