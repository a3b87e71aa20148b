//! Both directions to the homeserver: our token and namespaces there, its token and our address here.
//!
//! Knows which mistake each of its answers stands for. Refuses to leave anything there but the bot, which is registered with
//! the first look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use ruma::UserId;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use super::Finding;
use crate::matrix::registration::Registration;
use crate::matrix::{EncryptionGap, Homeserver, MatrixConfig, MatrixError};

/// Asks in the order in which one mistake hides the others; what could not be asked is named as skipped.
pub(super) async fn look(config: &MatrixConfig) -> Vec<Finding> {
    let homeserver = match Homeserver::new(config).await {
        Ok(homeserver) => homeserver,
        Err(error) => return vec![Finding::problem(error.to_string(), "correct homeserver.url")],
    };
    match homeserver.sender().await {
        Err(MatrixError::Unavailable { reason, .. }) => vec![
            Finding::problem(
                format!("the homeserver at {} cannot be reached: {reason}", config.homeserver),
                "start the homeserver, or correct homeserver.url",
            ),
            Finding::Skipped(
                "tokens, namespaces and the way back, until the homeserver can be reached".into(),
            ),
        ],
        Err(MatrixError::Token) => vec![
            Finding::problem(
                "the homeserver does not know the bridge's token: either appservice.as_token is not the one in \
                 registration.yaml, or the homeserver has not loaded that file",
                "compare as_token in both files; list registration.yaml under app_service_config_files in the \
                 homeserver's configuration and restart the homeserver",
            ),
            Finding::Skipped("namespaces and the way back, until the token is accepted".into()),
        ],
        Err(error) => vec![Finding::problem(error.to_string(), "look at the homeserver's log")],
        Ok(sender) if sender.server_name() != config.server_name => vec![Finding::problem(
            format!(
                "the homeserver is {}, the configuration says {}",
                sender.server_name(),
                config.server_name
            ),
            "make homeserver.server_name the homeserver's own",
        )],
        Ok(sender) => {
            let known = Finding::Fine(format!("the homeserver at {} and its as_token", config.homeserver));
            let (bot, ghosts) =
                (bot(&homeserver, config, &sender).await, namespaces(&homeserver, config).await);
            vec![known, bot, ghosts, way_back(&homeserver, config).await]
        }
    }
}

/// Encrypted rooms need more of a homeserver than others do.
pub(super) async fn encryption(config: &MatrixConfig) -> Finding {
    let found = match Homeserver::new(config).await {
        Ok(homeserver) => homeserver.encryption_gap().await,
        Err(error) => Err(error),
    };
    let lacks = |what: &str, cure: &str| {
        let what = format!("encrypted rooms can be neither read nor written: the homeserver {what}");
        Finding::Advice {
            what,
            cure: format!("{cure}; or set encryption.allow to false, and nothing is tried"),
        }
    };
    match found {
        Ok(None) => Finding::Fine("the homeserver has what encrypted rooms need".into()),
        Ok(Some(EncryptionGap::Devices)) => lacks(
            "makes no devices for appservices",
            "add the line «io.element.msc4190: true» to registration.yaml and restart the homeserver",
        ),
        Ok(Some(EncryptionGap::Masquerading)) => lacks(
            "does not let the bridge act as a device (MSC3202)",
            "use a homeserver that does, as a current Synapse",
        ),
        Ok(Some(EncryptionGap::Sync)) => lacks(
            "gives the bot no keys (/sync)",
            "have registration.yaml name another sender_localpart than the bot, and restart the homeserver",
        ),
        Err(_) => Finding::Skipped("encrypted rooms, until the homeserver can be reached".into()),
    }
}

/// Programs that show OpenID tokens need a homeserver that says whose one is.
pub(super) async fn openid(config: &MatrixConfig) -> Finding {
    let asked = match Homeserver::new(config).await {
        Ok(homeserver) => homeserver.says_whose_openid_tokens_are().await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(true) => Finding::Fine("the homeserver says whose an OpenID token is".into()),
        Ok(false) => Finding::Advice {
            what: "the homeserver does not say whose an OpenID token is, so programs that show one cannot manage logins"
                .into(),
            cure: "in its configuration add openid to the resources of the listener at homeserver.url, as in «names: \
                   [client, openid]»"
                .into(),
        },
        Err(_) => Finding::Skipped("OpenID tokens, until the homeserver can be reached".into()),
    }
}

/// The bot is a user of the namespaces, and not the sender: Synapse answers no `/sync` of that one.
async fn bot(homeserver: &Homeserver, config: &MatrixConfig, sender: &UserId) -> Finding {
    let bot = &config.bot;
    let technical = Registration::sender_localpart(bot.localpart());
    let line = format!(
        "- {{exclusive: true, regex: '@{}:{}'}}",
        bot.localpart(),
        config.server_name.as_str().replace('.', "\\.")
    );
    if sender == bot {
        return Finding::Advice {
            what: format!(
                "{bot} is the sender_localpart of registration.yaml, so it cannot read encrypted rooms"
            ),
            cure: format!(
                "in registration.yaml write «sender_localpart: {technical}» and add the line «{line}» to namespaces.users; \
                 restart the homeserver. The bot and its rooms stay as they are"
            ),
        };
    }
    match homeserver.whoami(bot).await {
        Err(MatrixError::Refused { message, .. }) if message.contains("masquerade") => Finding::problem(
            format!(
                "the homeserver does not let the bridge act as its bot {bot}: it is neither the sender_localpart nor in the \
                     namespaces of registration.yaml"
            ),
            format!(
                "add the line «{line}» to namespaces.users there and restart the homeserver, or correct appservice.bot"
            ),
        ),
        Err(MatrixError::Unavailable { reason, .. }) => {
            Finding::problem(format!("the homeserver became unavailable: {reason}"), "try again")
        }
        // Not registered yet is what is expected.
        Ok(_) | Err(_) => Finding::Fine(format!("the bridge may act as its bot {bot}")),
    }
}

/// A ghost that nobody has made yet must be ours to make.
async fn namespaces(homeserver: &Homeserver, config: &MatrixConfig) -> Finding {
    let ghost = format!("@{}msnbridge-check:{}", config.ghost_prefix, config.server_name);
    let Ok(ghost) = UserId::parse(ghost) else {
        return Finding::problem("appservice.ghost_prefix makes no user names", "use a to z, 0 to 9 and _");
    };
    match homeserver.whoami(&ghost).await {
        Err(MatrixError::Refused { message, .. }) if message.contains("masquerade") => Finding::problem(
            format!("the namespaces in registration.yaml do not cover the ghosts, for example {ghost}"),
            "make the users' regex there start with appservice.ghost_prefix, and restart the homeserver",
        ),
        Err(MatrixError::Unavailable { reason, .. }) => {
            Finding::problem(format!("the homeserver became unavailable: {reason}"), "try again")
        }
        // Not registered yet is what is expected.
        Ok(_) | Err(_) => Finding::Fine("the namespaces cover the ghosts".into()),
    }
}

/// What the homeserver's call brought.
#[derive(Default)]
struct Seen {
    wrong_token: AtomicBool,
}

/// Answers the homeserver's ping in place of the bridge.
struct Endpoint {
    token: secrecy::SecretString,
    seen: Arc<Seen>,
}

/// Has the homeserver call: it tells us how that went, and the call itself which token it holds.
async fn way_back(homeserver: &Homeserver, config: &MatrixConfig) -> Finding {
    let seen = Arc::new(Seen::default());
    // A port that is taken is taken by the running bridge: it answers for itself.
    let listener = TcpListener::bind(config.listen).await;
    let served = listener.map(|listener| {
        let endpoint = Arc::new(Endpoint { token: config.hs_token.clone(), seen: seen.clone() });
        let router = Router::new().route("/_matrix/app/v1/ping", post(answer)).with_state(endpoint);
        tokio::spawn(async move { axum::serve(listener, router).await })
    });
    let result = homeserver.ping(&config.registration_id).await;
    let running = served.is_err();
    if let Ok(task) = served {
        task.abort();
    }
    match result {
        Ok(_) => Finding::Fine(format!(
            "the homeserver reaches the bridge{}",
            if running { ", which is running" } else { "" }
        )),
        Err(error) if seen.wrong_token.load(Ordering::Relaxed) || error.is("M_BAD_STATUS") => {
            Finding::problem(
                "the homeserver calls the bridge with another token: hs_token in registration.yaml (as the homeserver loaded \
             it) is not appservice.hs_token",
                "make hs_token the same in both files and restart the homeserver",
            )
        }
        Err(error) if error.is("M_CONNECTION_FAILED") || error.is("M_CONNECTION_TIMEOUT") => {
            Finding::problem(
                format!(
                    "the homeserver cannot reach the bridge: the url in registration.yaml does not lead to {}",
                    config.listen
                ),
                "correct the url in registration.yaml (as seen from the homeserver's machine) or appservice.listen, open the \
             firewall between them, and restart the homeserver",
            )
        }
        Err(error) => Finding::problem(
            format!("the homeserver did not call the bridge: {error}"),
            "check the id and url in registration.yaml, and appservice.id",
        ),
    }
}

/// 200 for the token of the configuration, 403 for another, as the bridge itself answers.
async fn answer(
    State(endpoint): State<Arc<Endpoint>>,
    headers: HeaderMap,
) -> (StatusCode, axum::Json<serde_json::Value>) {
    let nothing = || axum::Json(serde_json::json!({}));
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if bool::from(given.as_bytes().ct_eq(endpoint.token.expose_secret().as_bytes())) {
        return (StatusCode::OK, nothing());
    }
    endpoint.seen.wrong_token.store(true, Ordering::Relaxed);
    (StatusCode::FORBIDDEN, nothing())
}
