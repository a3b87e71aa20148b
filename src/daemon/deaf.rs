//! A homeserver that takes what it is sent, answers pings, and passes nothing on: noticed within a minute or so, and where
//! nobody says anything within ten more.
//!
//! Knows who is told (the status, owners once, whoever counts), and when the bot has to type to find out. Refuses to mend it,
//! but for asking the homeserver to call, which makes some of them go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::notify::Status;
use super::source::random_name;
use crate::matrix::MatrixFrontend;
use crate::measure;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Watches what comes back of what we send.
pub(super) struct EchoWatch {
    pub(super) matrix: Arc<MatrixFrontend>,
    pub(super) status: Arc<Status>,
    pub(super) ask_homeserver: Arc<Notify>,
}

impl EchoWatch {
    /// Until cancelled.
    pub(super) async fn run(self, cancel: CancellationToken) {
        tokio::select! {
            () = self.watch() => {}
            () = cancel.cancelled() => {}
        }
    }

    async fn watch(&self) {
        let echoes = self.matrix.homeserver().echoes();
        let mut is_told = false;
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.status.is_connected() {
                // It is away, and that is known; what it holds back comes late, and that is no news.
                echoes.away();
            } else if echoes.is_quiet() {
                self.matrix.type_to_nobody().await;
            }
            match echoes.missing_for() {
                Some(age) if !is_told => {
                    is_told = true;
                    self.tell(age).await;
                }
                Some(_) => self.ask_homeserver.notify_one(),
                None if is_told => {
                    is_told = false;
                    tracing::info!("the homeserver passes on what happens again");
                    self.status.deaf(None);
                }
                None => {}
            }
        }
    }

    async fn tell(&self, age: Duration) {
        tracing::error!(seconds = age.as_secs(), "nothing that was sent to the homeserver has come back");
        measure::count(measure::DEAF, ("side", "matrix"));
        let since = chrono::DateTime::from_timestamp_millis(
            i64::try_from(super::source::time_of_day()).unwrap_or(i64::MAX),
        );
        let since = since.map(|now| (now - age).format("%H:%M UTC").to_string()).unwrap_or_default();
        self.status.deaf(Some(&since));
        let text = format!(
            "Since {since} the homeserver passes nothing on to the bridge: what you write in your rooms waits there. Messages \
             from MSN still arrive. Whoever runs the homeserver should look at its log for the bridge's registration."
        );
        self.matrix.announce(&random_name(), &text).await;
    }
}
