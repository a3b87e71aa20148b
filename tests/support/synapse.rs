//! A real Synapse, from the environment that `tests/run` installs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::process::Process;
use super::{free_port, within};

pub(crate) const SERVER_NAME: &str = "test.localhost";

pub(crate) struct Synapse {
    pub(crate) port: u16,
    directory: PathBuf,
    process: Process,
}

fn python() -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_default();
    let tools = std::env::var("MSNBRIDGE_TOOLS").unwrap_or_else(|_| format!("{home}/.cache/msnbridge"));
    let python = Path::new(&tools).join("synapse/bin/python");
    assert!(python.exists(), "no Synapse in {tools}: tests/run installs it");
    python
}

impl Synapse {
    /// Starts a new homeserver that knows the appservice in `registration`.
    pub(crate) async fn start(directory: &Path, registration: &Path) -> Self {
        Self::start_on(free_port(), directory, registration).await
    }

    /// The same with more of a configuration.
    pub(crate) async fn start_with(directory: &Path, registration: &Path, more: &str) -> Self {
        Self::start_at(free_port(), directory, &[registration.to_owned()], more).await
    }

    pub(crate) async fn start_on(port: u16, directory: &Path, registration: &Path) -> Self {
        Self::start_at(port, directory, &[registration.to_owned()], "").await
    }

    /// Starts a new homeserver that knows several appservices.
    pub(crate) async fn start_for_all(directory: &Path, registrations: &[PathBuf]) -> Self {
        Self::start_at(free_port(), directory, registrations, "").await
    }

    async fn start_at(port: u16, directory: &Path, registrations: &[PathBuf], more: &str) -> Self {
        let known: Vec<String> = registrations.iter().map(|file| format!("'{}'", file.display())).collect();
        std::fs::create_dir_all(directory).expect("a directory");
        let dir = directory.display();
        let config = format!(
            "server_name: {SERVER_NAME}\npid_file: {dir}/hs.pid\n\
             listeners: [{{port: {port}, type: http, tls: false, bind_addresses: ['127.0.0.1'], resources: [{{names: [client, openid]}}]}}]\n\
             database: {{name: sqlite3, args: {{database: {dir}/homeserver.db}}}}\n\
             log_config: {dir}/log.config\nmedia_store_path: {dir}/media\nsigning_key_path: {dir}/signing.key\n\
             registration_shared_secret: r\nmacaroon_secret_key: m\nform_secret: f\nreport_stats: false\nmax_upload_size: 1G\n\
             trusted_key_servers: []\nfederation_domain_whitelist: []\nsuppress_key_server_warning: true\n\
             enable_registration: true\nenable_registration_without_verification: true\n\
             app_service_config_files: [{}]\n\
             rc_message: {{per_second: 1000, burst_count: 1000}}\n\
             rc_presence: {{per_user: {{per_second: 1000, burst_count: 1000}}}}\n\
             rc_registration: {{per_second: 1000, burst_count: 1000}}\n\
             rc_login: {{address: {{per_second: 1000, burst_count: 1000}}, account: {{per_second: 1000, burst_count: 1000}}}}\n\
             rc_joins: {{local: {{per_second: 1000, burst_count: 1000}}}}\n\
             rc_invites: {{per_room: {{per_second: 1000, burst_count: 1000}}, per_user: {{per_second: 1000, burst_count: 1000}}}}\n{more}",
            known.join(", ")
        );
        std::fs::write(directory.join("homeserver.yaml"), config).expect("homeserver.yaml");
        let log = format!(
            "version: 1\nformatters: {{f: {{format: '%(asctime)s %(name)s %(levelname)s %(message)s'}}}}\n\
             handlers: {{file: {{class: logging.FileHandler, filename: '{dir}/synapse.log', formatter: f}}}}\n\
             root: {{level: WARNING, handlers: [file]}}\ndisable_existing_loggers: false\n"
        );
        std::fs::write(directory.join("log.config"), log).expect("log.config");
        let process = Self::spawn(directory, |command| command);
        let synapse = Self { port, directory: directory.to_owned(), process };
        synapse.wait_until_ready().await;
        synapse
    }

    fn spawn(directory: &Path, change: impl FnOnce(&mut Command) -> &mut Command) -> Process {
        let mut command = Command::new(python());
        command.args(["-m", "synapse.app.homeserver", "-c"]).arg(directory.join("homeserver.yaml"));
        if !directory.join("signing.key").exists() {
            let mut keys = std::process::Command::new(python());
            keys.args(["-m", "synapse.app.homeserver", "--generate-keys", "-c"]);
            let made = keys.arg(directory.join("homeserver.yaml")).output().expect("synapse runs");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        change(command.current_dir(directory));
        Process::start("synapse", command, &directory.join("output.log"))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn wait_until_ready(&self) {
        let url = format!("{}/_matrix/client/versions", self.url());
        within("synapse to answer", async {
            while !reqwest::get(&url).await.is_ok_and(|response| response.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    }

    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.restart_with(|command| command).await;
    }

    pub(crate) async fn restart_with(&mut self, change: impl FnOnce(&mut Command) -> &mut Command) {
        self.process = Self::spawn(&self.directory, change);
        self.wait_until_ready().await;
    }

    /// The same name and tokens, and nothing else left: a homeserver that lost its database.
    pub(crate) fn lose_database(&self) {
        for file in ["homeserver.db", "homeserver.db-wal", "homeserver.db-shm"] {
            let _ = std::fs::remove_file(self.directory.join(file)); // the later two only sometimes exist
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("synapse.log")).unwrap_or_default()
    }

    /// Deletes a room and all that is known of it, as an administrator can.
    pub(crate) async fn purge_room(&self, room: &str) {
        let tool = python().with_file_name("register_new_matrix_user");
        let made = Command::new(tool)
            .args(["-u", "admin", "-p", "an admin's password", "-a", "-c"])
            .arg(self.directory.join("homeserver.yaml"))
            .arg(self.url())
            .output()
            .await
            .expect("the tool runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let http = reqwest::Client::new();
        let login = serde_json::json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "admin"}, "password": "an admin's password"});
        let answer = http.post(format!("{}/_matrix/client/v3/login", self.url())).json(&login).send().await;
        let answer: serde_json::Value = answer.expect("login").json().await.expect("JSON");
        let token = answer["access_token"].as_str().expect("a token");
        let url = format!("{}/_synapse/admin/v1/rooms/{room}", self.url());
        let purge = serde_json::json!({"purge": true, "force_purge": true});
        let purged = http.delete(url).bearer_auth(token).json(&purge).send().await.expect("purge");
        assert!(purged.status().is_success(), "{}", purged.text().await.unwrap_or_default());
    }
}
