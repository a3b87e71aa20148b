//! From `VER` to `USR OK` (§2): one struct for each thing that is expected, consumed to go on.
//!
//! Knows which command may come next, and whose reply is meant. Refuses to know lists and states, which begin behind
//! `USR OK`.

use super::wire::ClientWire;
use super::{LoginFailure, SessionError};
use crate::msn::command::{ClientCommand, ClientInfo, ErrorCode, ServerCommand};
use crate::msn::dialect::{Dialect, SignIn};
use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Email, HostPort, Ticket, TrId};
use crate::msn::sso::{Domain, IV, Tokens};
use crate::msn::wire::UrlText;

/// Who signs in, and as what program.
#[derive(Debug, Clone)]
pub struct Identity {
    pub email: Email,
    /// Offered dialects, most preferred first; must not be empty.
    pub dialects: Vec<Dialect>,
    pub client: String,
    pub client_version: String,
    pub locale: String,
}

impl Identity {
    /// What `CVR` says of us: a program of the time, on a system of the time (§2.3).
    fn client_info(&self) -> ClientInfo {
        ClientInfo {
            locale: self.locale.clone(),
            os: "winnt".into(),
            os_version: "5.1".into(),
            architecture: "i386".into(),
            client: self.client.clone(),
            client_version: self.client_version.clone(),
            family: "MSMSGS".into(),
            email: self.email.clone(),
        }
    }
}

/// Where signing in stands.
///
/// ```text
/// ExpectVersion -> ExpectClient -> ExpectPolicy -> AwaitTicket or AwaitTokens -> ExpectWelcome -> (signed in)
///                                       |
///                                       +-> (redirected)
/// ```
#[derive(Debug)]
pub(super) enum Login {
    ExpectVersion {
        trid: TrId,
    },
    ExpectClient {
        trid: TrId,
    },
    ExpectPolicy {
        trid: TrId,
    },
    /// The caller fetches a ticket over HTTPS.
    AwaitTicket,
    /// The caller fetches tickets of the token service; one of them is to be proved for this nonce.
    AwaitTokens {
        nonce: String,
    },
    ExpectWelcome {
        trid: TrId,
    },
}

/// What a step of signing in leads to.
pub(super) enum Step {
    Continue(Login),
    TicketWanted { policy: String },
    TokensWanted { policy: String, nonce: String },
    Redirected(HostPort),
    SignedIn { name: Option<UrlText> },
}

/// The numbers of a login and the bytes it writes.
pub(super) struct Output<'a> {
    pub(super) wire: &'a mut ClientWire,
    pub(super) number: &'a mut dyn FnMut() -> TrId,
}

impl Step {
    /// The number of the request whose answer is still, or now, awaited.
    pub(super) fn asked(&self) -> Option<TrId> {
        match self {
            Self::Continue(login) => login.asked(),
            _ => None,
        }
    }
}

impl Login {
    /// Sends `VER` with the dialects that are offered, the best first, and awaits its answer.
    pub(super) fn start(identity: &Identity, out: Output<'_>) -> Self {
        let trid = (out.number)();
        let names = identity.dialects.iter().map(ToString::to_string);
        let versions = names.chain(["CVR0".to_owned()]).collect();
        out.wire.send(&ClientCommand::Ver { trid, versions });
        Self::ExpectVersion { trid }
    }

    /// Takes a command of the login phase. Commands that do not belong to it come back.
    ///
    /// # Errors
    /// The server refused a step, or speaks none of the dialects that were offered.
    pub(super) fn handle(
        self,
        command: ServerCommand,
        identity: &Identity,
        out: Output<'_>,
    ) -> Result<Step, SessionError> {
        let proves = out.wire.context.dialect.sign_in() == SignIn::Proof;
        match (self, command) {
            (state, ServerCommand::Failed { code, trid }) if state.is_about(trid) => Err(login_error(code)),
            (Self::ExpectVersion { trid }, ServerCommand::Ver { trid: got, versions }) if got == trid => {
                version(&versions, identity, out)
            }
            (Self::ExpectClient { trid }, ServerCommand::Cvr { trid: got, .. }) if got == trid => {
                let trid = (out.number)();
                let email = identity.email.clone();
                out.wire.send(&match proves {
                    false => ClientCommand::UsrInitial { trid, email },
                    true => ClientCommand::SsoInitial { trid, email },
                });
                Ok(Step::Continue(Self::ExpectPolicy { trid }))
            }
            // The way of signing in is the dialect's: what was not asked for is not waited for.
            (Self::ExpectPolicy { trid }, ServerCommand::UsrPolicy { trid: got, policy })
                if got == trid && !proves =>
            {
                Ok(Step::TicketWanted { policy })
            }
            (Self::ExpectPolicy { trid }, ServerCommand::SsoPolicy { trid: got, policy, nonce })
                if got == trid && proves =>
            {
                Ok(Step::TokensWanted { policy, nonce })
            }
            (Self::ExpectPolicy { .. }, ServerCommand::XfrNotification { server, .. }) => {
                Ok(Step::Redirected(server))
            }
            (Self::ExpectWelcome { trid }, ServerCommand::UsrOk { trid: got, name, .. }) if got == trid => {
                Ok(Step::SignedIn { name })
            }
            (state, _) => Ok(Step::Continue(state)),
        }
    }

    /// Whether a refusal is of what was asked last, or of the session as a whole.
    fn is_about(&self, refused: TrId) -> bool {
        refused == TrId(0) || self.asked() == Some(refused)
    }

    /// The number of the request whose answer is awaited.
    pub(super) fn asked(&self) -> Option<TrId> {
        match self {
            Self::ExpectVersion { trid }
            | Self::ExpectClient { trid }
            | Self::ExpectPolicy { trid }
            | Self::ExpectWelcome { trid } => Some(*trid),
            Self::AwaitTicket | Self::AwaitTokens { .. } => None,
        }
    }

    /// The ticket has come.
    pub(super) fn ticket(out: Output<'_>, ticket: Ticket) -> Self {
        let trid = (out.number)();
        out.wire.send(&ClientCommand::UsrTicket { trid, ticket });
        Self::ExpectWelcome { trid }
    }

    /// The tickets have come: that of the messenger goes on, with the proof of its secret and from MSNP16 on the machine.
    /// Without a secret nothing can be proved, and the login waits on.
    pub(super) fn tokens(
        out: Output<'_>,
        nonce: String,
        tokens: &Tokens,
        iv: [u8; IV],
        machine: &MachineId,
    ) -> Self {
        let token = tokens.get(Domain::SignIn);
        let proved = token.and_then(|token| Some((token, token.secret.as_ref()?.prove(&nonce, iv))));
        let Some((token, proof)) = proved else { return Self::AwaitTokens { nonce } };
        let trid = (out.number)();
        let machine = out.wire.context.dialect.has_endpoints().then(|| machine.to_string());
        let (ticket, proof) = (token.ticket.clone(), Some(proof));
        out.wire.send(&ClientCommand::SsoTicket { trid, ticket, proof, machine });
        Self::ExpectWelcome { trid }
    }

    /// Which command is awaited, for the words of a timeout.
    pub(super) fn expected(&self) -> &'static str {
        match self {
            Self::ExpectVersion { .. } => "VER",
            Self::ExpectClient { .. } => "CVR",
            Self::ExpectPolicy { .. } => "USR",
            Self::AwaitTicket | Self::AwaitTokens { .. } => "a ticket",
            Self::ExpectWelcome { .. } => "USR OK",
        }
    }
}

fn version(versions: &[String], identity: &Identity, out: Output<'_>) -> Result<Step, SessionError> {
    let Some(name) = versions.iter().find(|v| v.starts_with("MSNP")) else {
        return Err(LoginFailure::NoCommonDialect.into());
    };
    let offered = name.parse::<Dialect>().ok().filter(|d| identity.dialects.contains(d));
    let Some(dialect) = offered else {
        return Err(LoginFailure::DialectNotOffered(name.chars().take(20).collect()).into());
    };
    out.wire.agree(dialect);
    let trid = (out.number)();
    out.wire.send(&ClientCommand::Cvr { trid, info: identity.client_info() });
    Ok(Step::Continue(Login::ExpectClient { trid }))
}

fn login_error(code: ErrorCode) -> SessionError {
    match code.0 {
        911 | 917 => LoginFailure::Rejected.into(),
        _ => SessionError::Refused(code),
    }
}
