//! The command line.
//!
//! Knows the subcommands and their flags. Refuses to act on them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::msn::ids::HostPort;

/// A bridge between MSN Messenger and Matrix/IRC: every MSN contact becomes a person of their own.
#[derive(Debug, Parser)]
#[command(name = "msnbridge", version)]
pub(super) struct Args {
    /// The configuration file; without this, bridge.yaml here, or else the one in /etc/msnbridge.
    #[arg(short, long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Args {
    /// Where the configuration is; a package keeps it where every user of the machine finds it.
    pub(super) fn config(&self) -> PathBuf {
        let here = || PathBuf::from("bridge.yaml");
        let packaged = PathBuf::from("/etc/msnbridge/bridge.yaml");
        match (&self.config, &self.command) {
            (Some(named), _) => named.clone(),
            (None, Command::Init(_)) => here(),
            (None, _) => Some(packaged).filter(|file| !here().exists() && file.exists()).unwrap_or_else(here),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write bridge.yaml and registration.yaml with fresh tokens; asks for what the options leave open.
    Init(InitOptions),
    /// Name every problem of a setup, with its cause and its cure.
    Check {
        /// Look at the store alone, with the bridge stopped: save what can be read of it as an export, and say what is lost.
        #[arg(long, value_name = "FILE", num_args = 0..=1)]
        store: Option<Option<PathBuf>>,
    },
    /// Run the bridge.
    Run,
    /// Ask the running bridge whether it does its work; for containers and scripts. Needs metrics.listen.
    Healthy,
    /// Run the embedded MSN service alone, for demos, tests and old clients on a private network.
    Service(ServiceOptions),
    /// Write everything but what is on its way into one file.
    Export {
        /// The file to write.
        file: PathBuf,
    },
    /// Read such a file into a new store.
    Import {
        /// The file to read.
        file: PathBuf,
    },
    /// Write the manual page and completions for shells into a directory, for packages.
    #[command(hide = true)]
    Generate {
        /// The directory to write into.
        directory: PathBuf,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct InitOptions {
    /// The homeserver's name, as in @user:NAME.
    #[arg(long)]
    pub(super) server_name: Option<String>,
    /// Where the bridge reaches the homeserver.
    #[arg(long, default_value = "http://127.0.0.1:8008")]
    pub(super) homeserver: String,
    /// Where the bridge listens for the homeserver.
    #[arg(long, default_value = "127.0.0.1:29399")]
    pub(super) listen: SocketAddr,
    /// Where the homeserver reaches the bridge, if that is not the address it listens on.
    #[arg(long)]
    pub(super) url: Option<String>,
    /// The id in registration.yaml. Several bridges on one homeserver differ in id, bot and prefix.
    #[arg(long, default_value = "msnbridge")]
    pub(super) id: String,
    /// The local part of the bot's user.
    #[arg(long, default_value = "msnbot")]
    pub(super) bot: String,
    /// What the user names of contacts begin with.
    #[arg(long, default_value = "msn_")]
    pub(super) prefix: String,
    /// The MSN server, host:port, or «embedded».
    #[arg(long)]
    pub(super) msn_server: Option<String>,
    /// Where the MSN server's nexus is asked for its sign-in page: an address with http or https.
    #[arg(long)]
    pub(super) nexus: Option<String>,
    /// Who may use the bridge: a user, a server name, or *. May be given several times.
    #[arg(long)]
    pub(super) allow: Vec<String>,
    /// The directory for the store and its key; without this, where the configuration is.
    #[arg(long)]
    pub(super) state: Option<PathBuf>,
    /// Carry an older configuration and its registration over instead: values and comments stay, the old files are kept.
    #[arg(long)]
    pub(super) upgrade: bool,
    /// A server of an IRC network, host:port, whose channels can be ends of conversations.
    #[arg(long)]
    pub(super) irc_server: Option<HostPort>,
    /// An IPv6 prefix from which each contact has an address on IRC.
    #[arg(long, requires = "irc_server")]
    pub(super) irc_addresses: Option<String>,
    /// A file with the password by which the IRC network believes those addresses (WEBIRC).
    #[arg(long, requires = "irc_addresses")]
    pub(super) irc_webirc_file: Option<PathBuf>,
    /// Where IRC networks may ask whose a connection is (ident), address:port.
    #[arg(long, requires = "irc_server")]
    pub(super) irc_ident: Option<SocketAddr>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ServiceOptions {
    /// Where the dispatch server listens; none without this.
    #[arg(long)]
    pub(super) dispatch: Option<SocketAddr>,
    /// Where the dispatch server sends everybody, host:port; without this, to the notification server here.
    #[arg(long, requires = "dispatch")]
    pub(super) dispatch_to: Option<HostPort>,
    /// Where the notification server listens.
    #[arg(long, default_value = "127.0.0.1:1863")]
    pub(super) ns: SocketAddr,
    /// Where the switchboard listens.
    #[arg(long, default_value = "127.0.0.1:1864")]
    pub(super) sb: SocketAddr,
    /// Where nexus, login page and HTTP gateway listen.
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub(super) http: SocketAddr,
    /// The same over TLS, for old clients that know nothing else.
    #[arg(long, requires = "certificate", requires = "key")]
    pub(super) https: Option<SocketAddr>,
    /// The certificate for that, with its chain; a PEM file.
    #[arg(long)]
    pub(super) certificate: Option<PathBuf>,
    /// Its private key; a PEM file.
    #[arg(long)]
    pub(super) key: Option<PathBuf>,
    /// The name under which clients reach all of this, if that is not the address it listens on.
    #[arg(long, value_parser = crate::service::parse_public_host)]
    pub(super) public_host: Option<String>,
    /// Ask no client for its identity, and judge no answer: some old servers did not either.
    #[arg(long)]
    pub(super) no_challenge: bool,
    /// Seconds without a word after which people are dropped from a conversation one by one.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) idle_call: u64,
    /// A line for each account: account, password, display name.
    #[arg(long)]
    pub(super) accounts: PathBuf,
    /// The same for accounts that answer by themselves.
    #[arg(long)]
    pub(super) robots: Option<PathBuf>,
}
