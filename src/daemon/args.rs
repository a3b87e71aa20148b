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
    /// The configuration file.
    #[arg(short, long, default_value = "bridge.yaml", global = true)]
    pub(super) config: PathBuf,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write bridge.yaml and registration.yaml with fresh tokens.
    Init(InitOptions),
    /// Name every problem of a setup, with its cause and its cure.
    Check,
    /// Run the bridge.
    Run,
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
}

#[derive(Debug, ClapArgs)]
pub(super) struct InitOptions {
    /// The homeserver's name, as in @user:NAME.
    #[arg(long)]
    pub(super) server_name: String,
    /// Where the bridge reaches the homeserver.
    #[arg(long, default_value = "http://127.0.0.1:8008")]
    pub(super) homeserver: String,
    /// Where the bridge listens for the homeserver.
    #[arg(long, default_value = "127.0.0.1:29399")]
    pub(super) listen: SocketAddr,
    /// Where the homeserver reaches the bridge, if that is not the address it listens on.
    #[arg(long)]
    pub(super) url: Option<String>,
    /// The MSN server, host:port, or «embedded».
    #[arg(long)]
    pub(super) msn_server: String,
    /// The MSN server's nexus.
    #[arg(long, default_value = "")]
    pub(super) nexus: String,
    /// Who may use the bridge: a user, a server name, or *. May be given several times.
    #[arg(long)]
    pub(super) allow: Vec<String>,
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
