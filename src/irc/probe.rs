//! Whether a network lets the bot in, for somebody who checks a setup.
//!
//! Knows one connection: it registers as the bot would, asks for the channels, says what the network answers, and leaves.
//! Refuses to speak in any of them.

use std::collections::BTreeMap;
use std::time::Duration;

use irc::proto::{Command, Message, Response};
use secrecy::SecretString;

use super::address::Prefix;
use super::caller::Caller;
use super::config::{NetworkConfig, RelayConfig, SaslConfig};
use super::connection::{Reader, Writer, dial, halves};
use super::registration::{Gateway, Identity, Registration, Step};
use super::{nick, policy};

/// How long all of it may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Registers with the first server of a network and joins the channels; what each refused one said, by channel.
///
/// # Errors
/// A text that says why the bot does not get in.
pub async fn probe(
    config: &NetworkConfig,
    relays: &[RelayConfig],
) -> Result<BTreeMap<String, String>, String> {
    let probing = tokio::time::timeout(PROBE_TIMEOUT, enter(config, relays));
    probing.await.unwrap_or_else(|_| Err("it does not answer in time".into()))
}

/// Registers as a contact would, from an address of the prefix that contacts have or telling one, and leaves.
///
/// # Errors
/// A text that says why a contact does not get in.
pub async fn probe_as_contact(config: &NetworkConfig, prefix: Prefix) -> Result<(), String> {
    let address = Some(prefix.address("msncheck"));
    let caller = Caller { address, ..Caller::new(false, None) };
    let nick = format!("{}-c", config.nick);
    let probing = async {
        let (_reader, mut writer) = register(config, &caller, nick::bots(&nick, nick.len()), None).await?;
        send(&mut writer, &[Command::QUIT(Some("checked".into()))]).await
    };
    tokio::time::timeout(PROBE_TIMEOUT, probing)
        .await
        .unwrap_or_else(|_| Err("it does not answer in time".into()))
}

async fn enter(config: &NetworkConfig, relays: &[RelayConfig]) -> Result<BTreeMap<String, String>, String> {
    let nicks = nick::bots(&config.nick, nick::DEFAULT_LENGTH);
    let caller = Caller::new(true, None);
    let (mut reader, mut writer) = register(config, &caller, nicks, config.sasl.clone()).await?;
    let refused = channels(&mut reader, &mut writer, relays).await?;
    send(&mut writer, &[Command::QUIT(Some("checked".into()))]).await?;
    Ok(refused)
}

/// Connects to the first server, and resolves when that has let us in.
async fn register(
    config: &NetworkConfig,
    caller: &Caller,
    nicks: Vec<String>,
    sasl: Option<SaslConfig>,
) -> Result<(Reader, Writer), String> {
    let server = config.servers.first().ok_or("no server is configured")?;
    let opened = dial(config, server, caller).await?;
    let (mut reader, mut writer) = halves(opened.stream, config.charset);
    let identity = Identity {
        nicks,
        real_name: "MSN bridge".into(),
        password: config.password.clone(),
        sasl,
        user: caller.user.clone(),
        gateway: Gateway::of(config, caller),
    };
    let nonce = format!("{:032x}", rand::random::<u128>());
    let (mut registration, first) = Registration::begin(identity, &nonce);
    send(&mut writer, &first).await?;
    loop {
        match registration.handle(next(&mut reader).await?) {
            Step::Send(commands) => send(&mut writer, &commands).await?,
            Step::Refused(refusal) => return Err(refusal.reason),
            Step::Welcomed(_) => return Ok((reader, writer)),
        }
    }
}

async fn send(writer: &mut Writer, commands: &[Command]) -> Result<(), String> {
    commands.iter().for_each(|command| writer.send(command));
    writer.drive().await.map_err(|error| error.to_string())
}

async fn next(reader: &mut Reader) -> Result<Message, String> {
    let message = reader.next().await.map_err(|error| error.to_string())?;
    message.ok_or_else(|| "it closed the connection".to_owned())
}

/// What each channel that cannot be entered answers.
async fn channels(
    reader: &mut Reader,
    writer: &mut Writer,
    relays: &[RelayConfig],
) -> Result<BTreeMap<String, String>, String> {
    let of = |relay: &RelayConfig| (relay.channel.to_lowercase(), relay.key.clone());
    let mut open: BTreeMap<String, Option<SecretString>> = relays.iter().map(of).collect();
    let mut refused = BTreeMap::new();
    let join = |(name, key): (&String, &Option<SecretString>)| {
        Command::JOIN(
            name.clone(),
            key.as_ref().map(|key| secrecy::ExposeSecret::expose_secret(key).to_owned()),
            None,
        )
    };
    let joins: Vec<Command> = open.iter().map(join).collect();
    send(writer, &joins).await?;
    while !open.is_empty() {
        let (number, arguments) = match next(reader).await?.command {
            Command::PING(token, _) => {
                send(writer, &[Command::PONG(token, None)]).await?;
                continue;
            }
            Command::ERROR(reason) => return Err(reason),
            Command::Response(response, arguments) => (response as u16, arguments),
            Command::Raw(word, arguments) => (word.parse().unwrap_or(0), arguments),
            _ => continue,
        };
        let channel = arguments.get(1).map(|name| name.to_lowercase()).unwrap_or_default();
        let is_in = number == Response::RPL_ENDOFNAMES as u16;
        let is_answer = is_in || (400..600).contains(&number);
        if is_answer && open.remove(&channel).is_some() && !is_in {
            let text = arguments.last().cloned().unwrap_or_default();
            refused.insert(channel, policy::explain(number, &text));
        }
    }
    Ok(refused)
}
