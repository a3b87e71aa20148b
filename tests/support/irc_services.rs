//! A real IRC network with services: InspIRCd with TLS and SASL, and Atheme linked to it, both from Debian.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::Command;

use super::irc::Person;
use super::process::Process;
use super::{free_port, within};

pub(crate) struct Network {
    /// For clients in plain text.
    pub(crate) port: u16,
    /// For clients with TLS; it signs for itself.
    pub(crate) tls_port: u16,
    directory: PathBuf,
    _processes: [Process; 2],
}

/// Makes a certificate that signs itself: `<name>.pem` and `<name>.key`.
async fn certificate(directory: &Path, name: &str) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj"]);
    command.arg(format!("/CN={name}.test.localhost"));
    command.arg("-keyout").arg(directory.join(format!("{name}.key")));
    command.arg("-out").arg(directory.join(format!("{name}.pem")));
    let made = command.output().await.expect("openssl: tests/run installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn inspircd_config(directory: &Path, port: u16, tls_port: u16, link: u16) -> String {
    let d = directory.display();
    let modules = [
        "ssl_gnutls",
        "sslinfo",
        "spanningtree",
        "cap",
        "sasl",
        "services_account",
        "ircv3",
        "ircv3_echomessage",
        "ircv3_servertime",
    ];
    let modules: String = modules.iter().map(|name| format!("<module name=\"{name}\">\n")).collect();
    format!(
        "<config format=\"xml\">\n<server name=\"irc.test.localhost\" description=\"test\" network=\"Test\" id=\"1AA\">\n\
         <admin name=\"a\" nick=\"a\" email=\"a@localhost\">\n\
         <path moduledir=\"/usr/lib/inspircd/modules\" datadir=\"{d}\" logdir=\"{d}\" runtimedir=\"{d}\" configdir=\"{d}\">\n\
         <bind address=\"127.0.0.1\" port=\"{port}\" type=\"clients\">\n\
         <bind address=\"127.0.0.1\" port=\"{tls_port}\" type=\"clients\" ssl=\"gnutls\">\n\
         <bind address=\"127.0.0.1\" port=\"{link}\" type=\"servers\">\n{modules}\
         <sslprofile name=\"gnutls\" provider=\"gnutls\" certfile=\"{d}/server.pem\" keyfile=\"{d}/server.key\" \
         hash=\"sha256\" requestclientcert=\"yes\">\n\
         <connect allow=\"*\" timeout=\"60\" pingfreq=\"120\" localmax=\"1000\" globalmax=\"1000\" threshold=\"100\" \
         commandrate=\"10000\" fakelag=\"no\" resolvehostnames=\"no\" useident=\"no\" maxconnwarn=\"no\">\n\
         <link name=\"services.localhost\" ipaddr=\"127.0.0.1\" allowmask=\"127.0.0.1\" port=\"1\" sendpass=\"link\" \
         recvpass=\"link\">\n<uline server=\"services.localhost\" silent=\"yes\">\n\
         <sasl target=\"services.localhost\" requiressl=\"no\">\n<class name=\"X\" commands=\"*\">\n\
         <type name=\"NetAdmin\" classes=\"X\">\n<pid file=\"{d}/inspircd.pid\">\n<files><options><performance><security>\n"
    )
}

fn atheme_config(link: u16) -> String {
    let modules = [
        "protocol/inspircd",
        "backend/opensex",
        "crypto/pbkdf2v2",
        "nickserv/main",
        "nickserv/register",
        "nickserv/identify",
        "nickserv/cert",
        "nickserv/ghost",
        "nickserv/regain",
        "saslserv/main",
        "saslserv/plain",
        "saslserv/external",
    ];
    let modules: String = modules.iter().map(|name| format!("loadmodule \"modules/{name}\";\n")).collect();
    format!(
        "{modules}serverinfo {{ name = \"services.localhost\"; desc = \"services\"; numeric = \"00A\"; recontime = 1; \
         netname = \"Test\"; hidehostsuffix = \"users\"; adminname = \"a\"; adminemail = \"a@localhost\"; \
         registeremail = \"a@localhost\"; mta = \"/bin/true\"; loglevel = {{ error; info; }}; maxlogins = 50; \
         maxusers = 0; mdlimit = 30; emaillimit = 100; emailtime = 300; auth = none; casemapping = rfc1459; }};\n\
         uplink \"irc.test.localhost\" {{ host = \"127.0.0.1\"; port = {link}; send_password = \"link\"; \
         receive_password = \"link\"; }};\n\
         nickserv {{ nick = \"NickServ\"; user = \"n\"; host = \"services.localhost\"; real = \"n\"; }};\n\
         saslserv {{ nick = \"SaslServ\"; user = \"s\"; host = \"services.localhost\"; real = \"s\"; }};\ngeneral {{ }};\n"
    )
}

impl Network {
    pub(crate) async fn start(directory: &Path) -> Self {
        let (port, tls_port, link) = (free_port(), free_port(), free_port());
        tokio::join!(certificate(directory, "server"), certificate(directory, "bot"));
        let path = |name: &str| directory.join(name);
        std::fs::write(path("inspircd.conf"), inspircd_config(directory, port, tls_port, link)).unwrap();
        std::fs::write(path("atheme.conf"), atheme_config(link)).unwrap();
        std::fs::create_dir_all(path("services")).unwrap();
        let mut command = Command::new("/usr/sbin/inspircd");
        command.args(["--runasroot", "--nofork", "--config"]).arg(path("inspircd.conf"));
        let server = Process::start("inspircd", command, &path("inspircd.out"));
        within("inspircd to listen", async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let mut command = Command::new("atheme-services");
        command.args(["-n", "-c"]).arg(path("atheme.conf")).arg("-D").arg(path("services"));
        command.arg("-l").arg(path("atheme.log")).arg("-p").arg(path("atheme.pid"));
        let services = Process::start("atheme", command, &path("atheme.out"));
        Self { port, tls_port, directory: directory.to_owned(), _processes: [server, services] }
    }

    /// Registers an account with the services, whose certificate may be the one of this name.
    pub(crate) async fn register(&self, nick: &str, password: &str, certificate: Option<&str>) {
        let mut person = Person::join(self.port, nick, "#lobby").await;
        within("services to come", async {
            loop {
                person.say("NickServ", &format!("REGISTER {password} {nick}@example.org")).await;
                let answer = |line: &str| line.contains(" 401 ") || line.contains(" 900 ");
                if person.line_that("an answer of services", answer).await.contains(" 900 ") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        if let Some(name) = certificate {
            let fingerprint = self.fingerprint(name);
            person.say("NickServ", &format!("CERT ADD {fingerprint}")).await;
            person.line(&fingerprint).await;
        }
        person.raw("QUIT\r\n").await;
    }

    /// The SHA-256 of one of the certificates, as `server` or `bot`.
    pub(crate) fn fingerprint(&self, name: &str) -> String {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        use sha2::{Digest, Sha256};
        let certificate = CertificateDer::from_pem_file(self.directory.join(format!("{name}.pem"))).unwrap();
        Sha256::digest(&certificate).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
