//! The IRC servers of three families, from Debian, one at a time: ngircd, InspIRCd and ircd-hybrid, with their limits on how
//! fast somebody may speak lifted or as they come.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::process::Process;
use super::{free_port, within};

/// Where `deploy/tools` unpacks hybrid, which Debian does not install beside ngircd.
const HYBRID: &str = "/usr/local/lib/msnbridge-tests";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Ngircd,
    Inspircd,
    Hybrid,
}

pub(crate) const FAMILIES: [Family; 3] = [Family::Ngircd, Family::Inspircd, Family::Hybrid];

/// Whether a server watches how fast somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    Lifted,
    Default,
}

pub(crate) struct Server {
    pub(crate) family: Family,
    pub(crate) port: u16,
    limits: Limits,
    modules: &'static str,
    process: Option<Process>,
    /// Last: the program ends before its files go.
    directory: TempDir,
}

impl Server {
    pub(crate) async fn start(family: Family, limits: Limits) -> Self {
        Self::start_with(family, limits, "cap").await
    }

    /// The same, with more modules of InspIRCd.
    pub(crate) async fn start_with(family: Family, limits: Limits, modules: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut server = Self { family, port: free_port(), limits, modules, process: None, directory };
        server.restart().await;
        server
    }

    pub(crate) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    pub(crate) async fn restart(&mut self) {
        let (directory, port) = (self.directory.path(), self.port);
        let is_lifted = self.limits == Limits::Lifted;
        let (text, mut command) = match self.family {
            Family::Ngircd => (ngircd(port, is_lifted), Command::new("/usr/sbin/ngircd")),
            Family::Inspircd => {
                (inspircd(directory, port, is_lifted, self.modules), Command::new("/usr/sbin/inspircd"))
            }
            Family::Hybrid => (hybrid(port, is_lifted), hybrid_command(directory)),
        };
        let file = directory.join("server.conf");
        std::fs::write(&file, text).unwrap();
        match self.family {
            Family::Ngircd => command.arg("-n").arg("-f").arg(&file),
            Family::Inspircd => command.args(["--runasroot", "--nofork", "--config"]).arg(&file),
            Family::Hybrid => command.arg("-configfile").arg(&file),
        };
        self.process = Some(Process::start("the IRC server", command, &directory.join("server.out")));
        within("the IRC server to listen", async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
}

fn ngircd(port: u16, is_lifted: bool) -> String {
    let penalty = if is_lifted { "MaxPenaltyTime = 0\n" } else { "" };
    format!(
        "[Global]\nName = irc.test.localhost\nInfo = test\nListen = 127.0.0.1\nPorts = {port}\n\
         [Limits]\nMaxConnectionsIP = 0\nMaxNickLength = 16\n{penalty}[Options]\nDNS = no\nIdent = no\nPAM = no\n"
    )
}

fn inspircd(directory: &Path, port: u16, is_lifted: bool, more: &str) -> String {
    let d = directory.display();
    let modules = "ircv3 ircv3_ctctags ircv3_echomessage ircv3_labeledresponse ircv3_servertime monitor setname nopartmsg cgiirc";
    let modules = more.split(' ').chain(modules.split(' '));
    let modules: String = modules.map(|name| format!("<module name=\"{name}\">\n")).collect();
    // What is not lifted is as `inspircd.conf.example` of Debian has it.
    let rate = match is_lifted {
        true => {
            "threshold=\"100000\" commandrate=\"1000000\" fakelag=\"no\" recvq=\"100M\" hardsendq=\"100M\""
        }
        false => "recvq=\"8K\" threshold=\"10\" commandrate=\"1000\" fakelag=\"on\"",
    };
    format!(
        "<config format=\"xml\">\n<server name=\"irc.test.localhost\" description=\"test\" network=\"Test\" id=\"1AA\">\n\
         <admin name=\"a\" nick=\"a\" email=\"a@localhost\">\n\
         <path moduledir=\"/usr/lib/inspircd/modules\" datadir=\"{d}\" logdir=\"{d}\" runtimedir=\"{d}\" configdir=\"{d}\">\n\
         <bind address=\"127.0.0.1\" port=\"{port}\" type=\"clients\">\n\
         <bind address=\"::1\" port=\"{port}\" type=\"clients\">\n{modules}\
         <cgihost type=\"webirc\" password=\"let-me\" mask=\"127.0.0.1\">\n\
         <connect allow=\"*\" timeout=\"60\" pingfreq=\"120\" localmax=\"1000\" globalmax=\"1000\" {rate} \
         resolvehostnames=\"no\" useident=\"no\" maxconnwarn=\"no\">\n\
         <pid file=\"{d}/inspircd.pid\">\n<files><options><performance><security>\n"
    )
}

fn hybrid(port: u16, is_lifted: bool) -> String {
    let (flags, flood) =
        if is_lifted { ("exceed_limit, can_flood", "default_floodcount = 0;") } else { ("exceed_limit", "") };
    format!(
        "serverinfo {{ name = \"irc.test.localhost\"; sid = \"1HY\"; description = \"test\"; network_name = \"Test\"; \
         network_description = \"Test\"; hub = no; default_max_clients = 1000; max_nick_length = 16; }};\n\
         admin {{ name = \"a\"; description = \"a\"; email = \"<a@localhost>\"; }};\n\
         class {{ name = \"users\"; ping_time = 120 seconds; number_per_ip_local = 1000; number_per_ip_global = 1000; \
         max_number = 1000; sendq = 50 megabytes; recvq = 8000 bytes; }};\n\
         auth {{ user = \"*@*\"; class = \"users\"; flags = {flags}; }};\n\
         listen {{ host = \"127.0.0.1\"; port = {port}; }};\n\
         channel {{ max_channels = 50; default_join_flood_count = 0; }};\n\
         general {{ throttle_count = 1000; throttle_time = 1 second; disable_auth = yes; ping_cookie = no; {flood} }};\n"
    )
}

/// Root may not run it: then it runs as nobody.
fn hybrid_command(directory: &Path) -> Command {
    let is_root = std::process::Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let program = format!("{HYBRID}/usr/sbin/ircd-hybrid");
    assert!(Path::new(&program).exists(), "no ircd-hybrid: tests/run unpacks it");
    let mut command = match is_root {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
            command
        }
        false => Command::new(&program),
    };
    command.env("LD_LIBRARY_PATH", format!("{HYBRID}/usr/lib/x86_64-linux-gnu"));
    command.arg("-foreground");
    for name in ["pid", "log", "kline", "dline", "xline", "resv"] {
        command.arg(format!("-{name}file")).arg(directory.join(name));
    }
    command
}
