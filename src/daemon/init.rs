//! `init`: a configuration and a registration with fresh tokens, or older ones carried over.
//!
//! Knows what a new setup needs, and asks for it where somebody can answer. Refuses to overwrite a file, and to write what
//! `check` would refuse.

mod ask;
mod upgrade;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use secrecy::SecretString;

use super::args::InitOptions;
use crate::config::Config;
use crate::matrix::registration::Registration;
pub(super) use upgrade::upgrade;

/// What the accounts of an embedded service are called beside the configuration.
const ACCOUNTS: &str = "accounts.txt";

/// What every setup has to say.
struct Answers {
    server_name: String,
    msn_server: String,
    /// Empty for the embedded service, which has its own.
    nexus: String,
    allow: Vec<String>,
}

/// The two tokens by which homeserver and bridge know each other.
struct Tokens {
    appservice: String,
    homeserver: String,
}

/// 64 hexadecimal digits: 256 random bits.
fn token() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

/// Quotes a value for YAML.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Writes the configuration to the path given, the registration beside it, and prints what to do next.
///
/// # Errors
/// Something that is missing or not allowed, a file that exists already, or that cannot be written; unless it is the last,
/// no file is touched.
pub(super) fn write(file: &Path, options: InitOptions) -> anyhow::Result<ExitCode> {
    let registration_file = file.with_file_name("registration.yaml");
    for file in [file, &registration_file] {
        if file.exists() {
            bail!("{} exists already; move it aside to start anew", file.display());
        }
    }
    if let Some(url) = options.url.as_ref().filter(|url| !is_web_address(url)) {
        bail!("--url: {url:?} is not allowed; it must be an address, as in http://bridge:29399");
    }
    let answers = ask::complete(&options, &mut ask::terminal())?;
    let tokens = Tokens { appservice: token(), homeserver: token() };
    let yaml = bridge_yaml(&options, &answers, &tokens);
    let accounts = Some(file.with_file_name(ACCOUNTS))
        .filter(|accounts| answers.msn_server == "embedded" && !accounts.exists());
    if let Some(accounts) = &accounts {
        create(accounts, "# A line for each account: account, password, display name.\n")?;
    }
    if let Err(error) = Config::parse(&yaml, file).and_then(|config| config.check()) {
        let _ = accounts.map(std::fs::remove_file); // it was made for nothing
        return Err(error.into());
    }
    create(file, &yaml)?;
    create(&registration_file, &registration(&options, &answers, &tokens))?;
    say_what_is_next(file, &registration_file);
    Ok(ExitCode::SUCCESS)
}

/// Whether a homeserver can call there.
fn is_web_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The file for the homeserver.
fn registration(options: &InitOptions, answers: &Answers, tokens: &Tokens) -> String {
    let url = options.url.clone().unwrap_or_else(|| format!("http://{}", options.listen));
    let registration = Registration {
        id: &options.id,
        url: &url,
        as_token: &SecretString::from(tokens.appservice.clone()),
        hs_token: &SecretString::from(tokens.homeserver.clone()),
        bot_localpart: &options.bot,
        ghost_prefix: &options.prefix,
        server_name: &answers.server_name,
    };
    registration.to_yaml()
}

/// The next steps in their order, with the names of the files as they were given.
fn say_what_is_next(file: &Path, registration_file: &Path) {
    let path = std::fs::canonicalize(registration_file).unwrap_or_else(|_| registration_file.to_owned());
    println!("Wrote {} and {}.", file.display(), path.display());
    println!("Add this to the homeserver's configuration (Synapse: homeserver.yaml) and restart it:");
    println!("app_service_config_files: [{}]", quoted(&path.to_string_lossy()));
    println!(
        "The homeserver's own user must be able to read that file, and nobody else should: it holds the tokens."
    );
    println!("Then: msnbridge -c {} check", file.display());
}

/// The keys that only an administrator can know, and what differs from the defaults.
fn bridge_yaml(options: &InitOptions, answers: &Answers, tokens: &Tokens) -> String {
    let mut yaml = format!(
        "# Every key is explained in bridge.example.yaml.\n\
         homeserver:\n  url: {}\n  server_name: {}\n\
         appservice:\n  listen: {}\n  as_token: {}\n  hs_token: {}\n",
        quoted(&options.homeserver),
        quoted(&answers.server_name),
        quoted(&options.listen.to_string()),
        tokens.appservice,
        tokens.homeserver,
    );
    let names = [
        ("id", &options.id, "msnbridge"),
        ("bot", &options.bot, "msnbot"),
        ("ghost_prefix", &options.prefix, "msn_"),
    ];
    for (key, name, _) in names.into_iter().filter(|(_, name, default)| name != default) {
        yaml.push_str(&format!("  {key}: {}\n", quoted(name)));
    }
    yaml.push_str(&format!("msn:\n  server: {}\n", quoted(&answers.msn_server)));
    if !answers.nexus.is_empty() {
        yaml.push_str(&format!("  nexus: {}\n", quoted(&answers.nexus)));
    }
    if answers.msn_server == "embedded" {
        yaml.push_str(&format!("service:\n  accounts: {ACCOUNTS}\n"));
    }
    yaml.push_str(&irc_yaml(options));
    if let Some(state) = &options.state {
        let place = |name: &str| quoted(&state.join(name).to_string_lossy());
        yaml.push_str(&format!(
            "store:\n  directory: {}\n  key_file: {}\n",
            place("store"),
            place("store.key")
        ));
    }
    yaml.push_str(&permissions(&answers.allow));
    yaml
}

/// Nobody without a word is the default, and is written down so that it is seen.
fn permissions(allow: &[String]) -> String {
    if allow.is_empty() {
        return "permissions: {}\n".into();
    }
    let lines = allow.iter().map(|who| format!("  {}: user\n", quoted(who)));
    format!("permissions:\n{}", lines.collect::<String>())
}

/// The IRC side, where it is asked for; channels are added there, or plumbed by a command.
fn irc_yaml(options: &InitOptions) -> String {
    let Some(server) = &options.irc_server else { return String::new() };
    let mut yaml = String::from("irc:\n");
    if let Some(listen) = options.irc_ident {
        yaml.push_str(&format!("  ident: {}\n", quoted(&listen.to_string())));
    }
    yaml.push_str(&format!("  networks:\n    irc:\n      servers: [{}]\n", quoted(&server.to_string())));
    if let Some(prefix) = &options.irc_addresses {
        yaml.push_str(&format!("      puppet_addresses: {}\n", quoted(prefix)));
    }
    if let Some(file) = &options.irc_webirc_file {
        yaml.push_str(&format!(
            "      webirc:\n        password_file: {}\n",
            quoted(&file.to_string_lossy())
        ));
    }
    yaml
}

/// Both files hold secrets: only their owner reads them.
fn create(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = out.as_mut().map_err(|error| std::io::Error::new(error.kind(), error.to_string()));
    written
        .and_then(|out| out.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::daemon::args::{Args, Command};

    /// As they are given on the command line.
    pub(super) fn options(words: &[&str]) -> InitOptions {
        let words = ["msnbridge", "init"].iter().chain(words);
        let Command::Init(options) = Args::parse_from(words).command else { unreachable!() };
        options
    }

    #[test]
    fn what_check_would_refuse_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bridge.yaml");
        let right = ["--server-name", "example.org", "--msn-server", "msn.example.org:1863"];
        let nexus = ["--nexus", "https://nexus.example.org/rdr/pprdr.asp"];
        let wrong: [(&[&str], &str); 8] = [
            (&["--server-name", "example org"], "homeserver.server_name"),
            (&["--msn-server", "messenger"], "msn.server"),
            (&["--homeserver", "localhost"], "homeserver.url"),
            (&["--prefix", "MSN "], "appservice.ghost_prefix"),
            (&["--bot", "the bot"], "appservice.bot"),
            (&["--allow", "@you"], "permissions"),
            (&["--id", "two words"], "appservice.id"),
            (&["--url", "bridge:29399"], "--url"),
        ];
        for (words, key) in wrong {
            let mut all = [&right[..], &nexus[..]].concat();
            let at = all.iter().position(|word| *word == words[0]);
            match at {
                Some(at) => all[at + 1] = words[1],
                None => all.extend(words),
            }
            let error = write(&file, options(&all)).unwrap_err().to_string();
            assert!(error.starts_with(key), "{words:?}: {error}");
            assert!(!file.exists(), "{words:?} was written");
        }
        write(&file, options(&[&right[..], &nexus[..]].concat())).unwrap();
        Config::load(&file).unwrap().check().unwrap();
    }

    #[test]
    fn two_bridges_of_one_homeserver_differ_in_id_bot_and_prefix() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bridge.yaml");
        let words = "--server-name example.org --msn-server m.example.org:1863 --nexus https://n.example.org/ \
             --id msn-two --bot msnbot2 --prefix msn2_ --state /var/lib/two --allow @ann:example.org";
        write(&file, options(&words.split_whitespace().collect::<Vec<_>>())).unwrap();
        let checked = Config::load(&file).unwrap().check().unwrap().matrix;
        assert_eq!(
            (checked.registration_id.as_str(), checked.bot.as_str()),
            ("msn-two", "@msnbot2:example.org")
        );
        assert_eq!(checked.ghost_prefix, "msn2_");
        let registration = std::fs::read_to_string(directory.path().join("registration.yaml")).unwrap();
        for line in ["id: 'msn-two'", "sender_localpart: msnbot2_as", "regex: '@msn2_.*:example\\.org'"] {
            assert!(registration.contains(line), "{line}: {registration}");
        }
        let config = Config::load(&file).unwrap();
        assert_eq!(config.store.directory, Path::new("/var/lib/two/store"));
    }

    #[test]
    fn an_irc_network_is_written_with_ident_and_addresses_of_contacts_where_those_are_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let (file, secret) = (directory.path().join("bridge.yaml"), directory.path().join("webirc"));
        std::fs::write(&secret, "believe-me\n").unwrap();
        let base = ["--server-name", "example.org", "--msn-server", "embedded"];
        let irc = ["--irc-server", "irc.example.org:6697", "--irc-ident", "[::1]:1130"];
        let addresses = ["--irc-addresses", "2001:db8:1:2::/64", "--irc-webirc-file"];
        let words = [&base[..], &irc, &addresses, &[secret.to_str().unwrap()]].concat();
        write(&file, options(&words)).unwrap();
        let checked = Config::load(&file).unwrap().check().unwrap().irc;
        assert_eq!(checked.ident, Some("[::1]:1130".parse().unwrap()));
        let network = &checked.networks["irc"];
        assert_eq!(
            network.servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["irc.example.org:6697"]
        );
        assert!(network.puppet_addresses.is_some() && network.webirc.is_some() && network.tls.is_some());
        std::fs::remove_file(&file).unwrap();
        std::fs::remove_file(directory.path().join("registration.yaml")).unwrap();
        let wrong = [&base[..], &irc, &["--irc-addresses", "192.0.2.0/24"]].concat();
        let error = write(&file, options(&wrong)).unwrap_err().to_string();
        assert!(error.starts_with("irc.networks.irc.puppet_addresses"), "{error}");
        // None of them means anything without a network, nor the proof without addresses.
        for (given, words) in [("--irc-ident", &irc[2..]), ("--irc-addresses", &addresses[..2])] {
            let all = ["msnbridge", "init"].iter().chain(words);
            let error = Args::try_parse_from(all).unwrap_err().to_string();
            assert!(error.contains("--irc-server"), "{given}: {error}");
        }
        let all = ["msnbridge", "init"].iter().chain(&irc[..2]).chain(&["--irc-webirc-file", "f"]);
        let error = Args::try_parse_from(all).unwrap_err().to_string();
        assert!(error.contains("--irc-addresses"), "{error}");
    }

    #[test]
    fn the_embedded_service_gets_a_file_for_its_accounts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bridge.yaml");
        write(&file, options(&["--server-name", "example.org", "--msn-server", "embedded"])).unwrap();
        Config::load(&file).unwrap().check().unwrap();
    }
}
