//! Signing in on a page: links that work once, for one person; passwords that no homeserver sees; and whoever tries.

use std::collections::HashMap;

use reqwest::{StatusCode, Url};

use crate::chat::World;
use crate::support::browser::{Browser, Page};
use crate::support::chromium::Chromium;
use crate::support::free_port;
use crate::support::matrix::MatrixUser;
use crate::support::synapse::SERVER_NAME;

async fn start() -> (World, String) {
    let port = free_port();
    let config = format!("web: {{url: 'http://127.0.0.1:{port}/', listen: '127.0.0.1:{port}'}}\n");
    let world = World::start_up(tempfile::tempdir().unwrap(), &config).await;
    (world, format!("http://127.0.0.1:{port}"))
}

/// The link that the bot answers a command with.
async fn link(user: &mut MatrixUser, management: &str, command: &str) -> String {
    user.send(management, command).await;
    let answer = user.message_with("Sign in to MSN here: ").await;
    let text = answer["content"]["body"].as_str().unwrap();
    text.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned()
}

/// A browser that has opened a link of Ann's, and the page of her accounts.
async fn entered(world: &mut World, command: &str) -> (Browser, Page) {
    let management = world.management.clone();
    let link = link(&mut world.user, &management, command).await;
    let mut browser = Browser::new();
    let landing = browser.open(&link).await;
    landing.says("@ann:test.localhost");
    let page = browser.submit(&landing, "", &[]).await;
    assert_eq!(page.address.path(), "/account");
    page.says("@ann:test.localhost");
    (browser, page)
}

#[tokio::test]
async fn somebody_signs_in_and_out_on_the_page_and_the_homeserver_sees_no_password() {
    let (mut world, _) = start().await;
    let (mut browser, page) = entered(&mut world, "login alice@example.com").await;
    page.says("value=\"alice@example.com\"");
    let wrong = [("account", "alice@example.com"), ("password", "not the password")];
    let refused = browser.submit(&page, "/account/sign-in", &wrong).await;
    refused.says("That did not work: ");
    refused.says("signed out: ");
    assert!(!refused.text.contains("not the password"));
    let right = [("account", " alice@example.com "), ("password", "alice-pw")];
    let done = browser.submit(&refused, "/account/sign-in", &right).await;
    done.says("Signed in to MSN as alice@example.com.");
    done.says("connected");
    world.user.message_with("Signed in to MSN as alice@example.com").await;
    let again = browser.open(done.address.as_str()).await;
    assert!(!again.text.contains("Your contacts are coming"), "said once");
    let out = browser.submit(&again, "/account/sign-out", &[]).await;
    out.says("alice@example.com is signed out, and its password is forgotten.");
    world
        .user
        .message_with("is signed out and its password forgotten, as was asked on the sign-in page")
        .await;
    let left = browser.submit(&out, "/account/leave", &[]).await;
    left.says("You are done here");
    assert_eq!(browser.open(done.address.as_str()).await.status, StatusCode::UNAUTHORIZED);
    let history = world.user.history(&world.management).await;
    let all = serde_json::to_string(&history).unwrap();
    assert!(!all.contains("alice-pw") && !all.contains("not the password"));
    let log = world.bridge.log();
    assert!(!log.contains("alice-pw") && !log.contains("/sign-in/"), "a secret in the log");
}

#[tokio::test]
async fn a_link_works_once_and_for_one_person_and_says_so() {
    let (mut world, base) = start().await;
    let management = world.management.clone();
    let first = link(&mut world.user, &management, "login").await;
    let mut browser = Browser::new();
    // Programs that look at links, as homeservers do for previews, spend none.
    for _ in 0..3 {
        assert_eq!(browser.open(&first).await.status, StatusCode::OK);
    }
    let landing = browser.open(&first).await;
    browser.submit(&landing, "", &[]).await.says("Your MSN e-mail address");
    let mut other = Browser::new();
    let used = other.open(&first).await;
    assert_eq!(used.status, StatusCode::GONE);
    used.says("This link was used");
    let nothing = HashMap::new();
    let spent = other.post(first.parse().unwrap(), &nothing).await;
    assert_eq!(spent.status, StatusCode::GONE);
    assert_eq!(other.open(&format!("{base}/account")).await.status, StatusCode::UNAUTHORIZED);
    // Another user's link leads to that user's accounts, and says so first.
    let mut eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let room = eve.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    let of_eve = link(&mut eve, &room, "login").await;
    let landing = browser.open(&of_eve).await;
    landing.says("@eve:test.localhost");
    let page = browser.submit(&landing, "", &[]).await;
    page.says("@eve:test.localhost");
    assert!(!page.text.contains("@ann"), "{}", page.text);
    // Nobody else can read a link: it is given in the room of one person and the bridge.
    assert_ne!(room, management);
}

#[tokio::test]
async fn a_form_of_another_page_or_another_session_does_nothing() {
    let (mut world, base) = start().await;
    let (mut browser, page) = entered(&mut world, "login").await;
    let (_, elsewhere) = entered(&mut world, "login").await;
    let typed = [("account", "alice@example.com"), ("password", "alice-pw")];
    let address: Url = format!("{base}/account/sign-in").parse().unwrap();
    let fields = |token: &str| -> HashMap<String, String> {
        let token = ("token", token);
        let pairs = typed.iter().chain([&token]);
        pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let stolen = elsewhere.form("/account/sign-in").hidden["token"].clone();
    for token in ["", "x", &stolen] {
        let answer = browser.post(address.clone(), &fields(token)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        answer.says("nothing was done");
    }
    // The token is right and the page is not.
    let own = page.form("/account/sign-in").hidden["token"].clone();
    browser.pretend_to_be_at("https://evil.example");
    assert_eq!(browser.post(address.clone(), &fields(&own)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(Browser::new().post(address, &fields(&own)).await.status, StatusCode::UNAUTHORIZED);
    let management = world.management.clone();
    world.user.send(&management, "status").await;
    world.user.message_with("You are not signed in to MSN.").await;
}

#[tokio::test]
async fn ten_thousand_guesses_open_nothing_and_the_tenth_is_too_many() {
    let (mut world, base) = start().await;
    let (mut browser, mut page) = entered(&mut world, "login").await;
    let mut statuses = Vec::new();
    let mut mallory = Browser::new();
    for n in 0..10_000 {
        let answer = mallory.open(&format!("{base}/sign-in/{n:043}")).await;
        statuses.push(answer.status);
        if n == 9 {
            assert!(answer.headers.contains_key("retry-after"));
            answer.says("Try again in");
        }
    }
    assert_eq!(statuses[..9], [StatusCode::NOT_FOUND; 9]);
    let later = statuses[9..].iter().filter(|status| **status != StatusCode::TOO_MANY_REQUESTS).count();
    assert!(later < 100, "{later} guesses more were answered"); // one a minute
    // Whoever has a session is not shut out, and may be wrong nine times too.
    let wrong = [("account", "alice@example.com"), ("password", "wrong")];
    for _ in 0..9 {
        page = browser.submit(&page, "/account/sign-in", &wrong).await;
        page.says("That did not work");
    }
    let tenth = browser.submit(&page, "/account/sign-in", &wrong).await;
    assert_eq!(tenth.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn every_page_runs_nothing_and_is_kept_and_framed_nowhere() {
    let (mut world, base) = start().await;
    let (mut browser, page) = entered(&mut world, "login").await;
    let nowhere = browser.open(&format!("{base}/nowhere")).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    for page in [page, nowhere, browser.open(&base).await] {
        let field = |name: &str| page.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        assert!(field("content-security-policy").starts_with("default-src 'none'; style-src 'self'"));
        assert!(field("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(field("x-content-type-options"), "nosniff");
        assert_eq!(field("cache-control"), "no-store");
        assert_eq!(field("referrer-policy"), "same-origin");
        assert!(!page.text.contains("<script") && !page.text.contains("javascript:"));
    }
    let style = browser.open(&format!("{base}/style.css")).await;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
    // Files behind links are below the same address.
    browser.open(&format!("{base}/files/")).await.says("Files of msnbridge.");
}

#[tokio::test]
#[ignore = "needs Chromium: tests/run --long"]
async fn in_chromium_without_scripts_a_person_signs_in_and_out() {
    let (mut world, _) = start().await;
    let management = world.management.clone();
    let browser = Chromium::start().await;
    let first = link(&mut world.user, &management, "login alice@example.com").await;
    browser.open(&first).await;
    browser.text_with("@ann:test.localhost").await;
    browser.photograph("page-1-landing").await;
    browser.click("button").await;
    browser.text_with("Your MSN e-mail address").await;
    browser.photograph("page-2-form").await;
    browser.fill("#password", "not it").await;
    browser.click("form[action$=sign-in] button").await;
    browser.text_with("That did not work: ").await;
    browser.photograph("page-3-wrong").await;
    browser.fill("#password", "alice-pw").await;
    browser.click("form[action$=sign-in] button").await;
    browser.text_with("Signed in to MSN as alice@example.com.").await;
    browser.photograph("page-4-signed-in").await;
    // The link was used; so says the page, in the same browser and in any other.
    browser.open(&first).await;
    browser.text_with("This link was used").await;
    browser.photograph("page-5-used").await;
    // Another user's link, in this browser: it says whose it is.
    let mut eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let room = eve.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    browser.open(&link(&mut eve, &room, "login").await).await;
    browser.text_with("@eve:test.localhost").await;
    browser.click("button").await;
    assert!(!browser.text_with("Your MSN e-mail address").await.contains("alice@example.com"));
    browser.open(&link(&mut world.user, &management, "login").await).await;
    browser.text_with("@ann:test.localhost").await;
    browser.click("button").await;
    browser.text_with("alice@example.com").await;
    browser.click("form[action$=sign-out] button").await;
    browser.text_with("alice@example.com is signed out, and its password is forgotten.").await;
    browser.photograph("page-6-signed-out").await;
    browser.click("form[action$=leave] button").await;
    browser.text_with("You are done here").await;
}
