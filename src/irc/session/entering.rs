//! From nothing to the network's welcome: one server is dialled and registered with.
//!
//! Knows which server's turn it is and who we are there. Refuses to try again: the session does.

use std::time::Duration;

use irc::proto::Command;

use super::regaining::REAL_NAME;
use super::{End, Session};
use crate::irc::connection::{Opened, Reader, Writer, dial, halves};
use crate::irc::outbound::one_line;
use crate::irc::registration::{Gateway, Identity, Refusal, Registration, Step, Welcome};

/// How long registering may take, services included.
const REGISTRATION: Duration = Duration::from_secs(60);

impl Session {
    /// Connects to the server whose turn it is, and registers.
    pub(super) async fn enter(&self) -> Result<(Reader, Writer, Welcome), End> {
        let servers = &self.config.servers;
        let server = servers.get(self.server % servers.len().max(1)).ok_or(End::Stop)?;
        let entering = async {
            let caller = &self.persona.caller;
            let Opened { stream, known } = dial(&self.config, server, caller).await.map_err(End::lost)?;
            let (mut reader, mut writer) = halves(stream, self.config.charset);
            let registering = tokio::time::timeout(REGISTRATION, self.register(&mut reader, &mut writer));
            let late = || End::lost(format!("{server} did not answer in time"));
            let welcome = registering.await.unwrap_or_else(|_| Err(late()))?;
            // Whoever lets us in has asked who we are.
            drop(known);
            Ok((reader, writer, welcome))
        };
        tokio::select! {
            entered = entering => entered,
            () = self.cancel.cancelled() => Err(End::Stop),
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            nicks: self.persona.nicks.clone(),
            real_name: one_line(&self.persona.real_name, REAL_NAME),
            password: self.config.password.clone(),
            sasl: self.persona.sasl.clone(),
            user: self.persona.caller.user.clone(),
            gateway: Gateway::of(&self.config, &self.persona.caller),
        }
    }

    async fn register(&self, reader: &mut Reader, writer: &mut Writer) -> Result<Welcome, End> {
        let nonce = format!("{:032x}", rand::random::<u128>());
        let (mut registration, first) = Registration::begin(self.identity(), &nonce);
        first.iter().for_each(|command| writer.send(command));
        loop {
            let message = tokio::select! {
                message = reader.next() => message.map_err(|error| End::lost(error.to_string()))?,
                written = writer.drive(), if writer.has_work() => {
                    written.map_err(|error| End::lost(error.to_string()))?;
                    continue;
                }
            };
            let Some(message) = message else { return Err(self.closed()) };
            match registration.handle(message) {
                Step::Send(commands) => commands.iter().for_each(|command: &Command| writer.send(command)),
                Step::Welcomed(welcome) => return Ok(welcome),
                Step::Refused(refusal) => return Err(End::Refused(refusal)),
            }
        }
    }

    /// A puppet whose connection ends before it was ever welcome was refused.
    fn closed(&self) -> End {
        let reason = "the server closed the connection".to_owned();
        match self.is_bot() {
            true => End::lost(reason),
            false => End::Refused(Refusal { reason, is_final: false }),
        }
    }
}
