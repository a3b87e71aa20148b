//! `init`: a configuration and a registration with fresh tokens.
//!
//! Knows what a new setup needs. Refuses to overwrite a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use secrecy::SecretString;

use super::args::InitOptions;
use crate::matrix::registration::Registration;

/// What a registration says where nobody has asked for anything else; the defaults of the configuration.
const ID: &str = "msnbridge";
const BOT: &str = "msnbot";
const PREFIX: &str = "msn_";

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
/// A file that exists already, or that cannot be written; in the first case neither is touched.
pub(super) fn write(config: &Path, options: &InitOptions) -> anyhow::Result<ExitCode> {
    let (as_token, hs_token) = (token(), token());
    let registration_file = config.with_file_name("registration.yaml");
    let url = options.url.clone().unwrap_or_else(|| format!("http://{}", options.listen));
    let registration = Registration {
        id: ID,
        url: &url,
        as_token: &SecretString::from(as_token.clone()),
        hs_token: &SecretString::from(hs_token.clone()),
        bot_localpart: BOT,
        ghost_prefix: PREFIX,
        server_name: &options.server_name,
    };
    for file in [config, &registration_file] {
        if file.exists() {
            bail!("{} exists already; move it aside to start anew", file.display());
        }
    }
    create(config, &bridge_yaml(options, &as_token, &hs_token))?;
    create(&registration_file, &registration.to_yaml())?;
    let registration_path = std::fs::canonicalize(&registration_file).unwrap_or(registration_file);
    println!("Wrote {} and {}.", config.display(), registration_path.display());
    println!("Add this to the homeserver's configuration (Synapse: homeserver.yaml) and restart it:");
    println!("app_service_config_files: [{}]", quoted(&registration_path.to_string_lossy()));
    println!("Then: msnbridge -c {} run", config.display());
    Ok(ExitCode::SUCCESS)
}

/// The keys that only an administrator can know; every other has a default.
fn bridge_yaml(options: &InitOptions, as_token: &str, hs_token: &str) -> String {
    let mut yaml = format!(
        "# Every key is explained in bridge.example.yaml.\n\
         homeserver:\n  url: {}\n  server_name: {}\n\
         appservice:\n  listen: {}\n  as_token: {as_token}\n  hs_token: {hs_token}\n\
         msn:\n  server: {}\n",
        quoted(&options.homeserver),
        quoted(&options.server_name),
        quoted(&options.listen.to_string()),
        quoted(&options.msn_server),
    );
    if !options.nexus.is_empty() {
        yaml.push_str(&format!("  nexus: {}\n", quoted(&options.nexus)));
    }
    if options.msn_server == "embedded" {
        yaml.push_str("service:\n  accounts: accounts.txt\n");
    }
    if options.allow.is_empty() {
        yaml.push_str("permissions: {}\n");
    } else {
        yaml.push_str("permissions:\n");
        options.allow.iter().for_each(|who| yaml.push_str(&format!("  {}: user\n", quoted(who))));
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
