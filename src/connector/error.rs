//! Why a connection, a ticket or a message failed. Texts are for people.
//!
//! Knows whose fault each is, and whether only the owner can mend it. Refuses to know what is done about it.

use thiserror::Error;

use crate::bridge::port::storage::StorageError;
use crate::msn::address_book::BookFault;
use crate::msn::command::{ErrorCode, SignOut};
use crate::msn::session::{InviteFailure, LoginFailure, SendFailure, SessionError};
use crate::msn::sso::TokenFailure;

/// The end of a connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("the MSN server {server} cannot be reached: {source}")]
    Unreachable { server: String, source: std::io::Error },
    #[error("the MSN server {server} cannot be reached: no answer in time")]
    NoAnswer { server: String },
    #[error("the connection to MSN was lost: {0}")]
    Lost(#[from] std::io::Error),
    #[error("the MSN server closed the connection")]
    Closed,
    #[error("the MSN server does not read what is sent")]
    Stuck,
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Ticket(#[from] TicketError),
    #[error(transparent)]
    Book(#[from] BookError),
}

impl ConnectError {
    /// Whether the server was connected and did not answer any more.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Session(SessionError::TimedOut(_)))
    }

    /// Whether trying again by itself would be wrong: only the owner can end this.
    pub fn needs_owner(&self) -> bool {
        match self {
            Self::Session(SessionError::Login(LoginFailure::Rejected)) => true,
            Self::Session(SessionError::SignedOut(SignOut::Elsewhere)) => true,
            Self::Session(SessionError::Refused(ErrorCode(420 | 923 | 924 | 926 | 927))) => true,
            Self::Ticket(error) | Self::Book(BookError::Ticket(error)) => error.needs_owner(),
            _ => false,
        }
    }
}

/// Why no ticket came.
#[derive(Debug, Error)]
pub enum TicketError {
    #[error("the sign-in page did not accept the e-mail address and password{}", reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())]
    Rejected { reason: Option<String> },
    #[error(
        "{url} would carry the password unencrypted to another machine; use https, or set msn.allow_insecure_login"
    )]
    Insecure { url: String },
    #[error("the sign-in page cannot be reached: {0}")]
    Unreachable(String),
    #[error("the sign-in page sent us from one address to the next {0} times")]
    TooManyRedirects(usize),
    #[error("the sign-in page answered {0}")]
    Unexpected(String),
    #[error("the bridge does not know where MSN gives tickets: its administrator can set msn.token_service")]
    NoTokenService,
    #[error(transparent)]
    Tokens(#[from] TokenFailure),
    /// What an account is known by in several places has to be the same the next time.
    #[error("the name of this place could not be kept: {0}")]
    NotKept(#[from] StorageError),
}

impl TicketError {
    fn needs_owner(&self) -> bool {
        // A page that is not safe is the server's configuration or ours, and can be mended without a word of the owner's.
        matches!(self, Self::Rejected { .. } | Self::Tokens(TokenFailure::Rejected(_)))
    }
}

/// Why the contact list was not read.
#[derive(Debug, Error)]
pub enum BookError {
    #[error("the bridge does not know where MSN keeps contact lists: its administrator can set msn.nexus")]
    NoAddress,
    #[error("the contact list service cannot be reached: {0}")]
    Unreachable(String),
    #[error(transparent)]
    Fault(#[from] BookFault),
    #[error(transparent)]
    Ticket(#[from] TicketError),
}

/// Why a message did not reach anybody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallFailure {
    #[error("{}", nobody(.0))]
    Nobody(InviteFailure),
    #[error("MSN could not deliver it")]
    NotDelivered,
    /// Everybody left before it was acknowledged.
    #[error("they closed the conversation before it arrived")]
    Deserted,
    /// The notification server gives no switchboard, for this reason.
    #[error("{0}")]
    NoBoard(ErrorCode),
    /// The notification server does not say whether there is a switchboard.
    #[error("MSN did not assign a conversation in time")]
    NoAssignment,
    #[error("MSN did not confirm it in time, it may or may not have arrived")]
    Unconfirmed,
    #[error("{0}")]
    Refused(ErrorCode),
    #[error("the conversation could not be opened: {0}")]
    NotOpened(String),
    #[error("the connection of the conversation was lost")]
    Lost,
    /// Of a file, in words.
    #[error("{0}")]
    File(String),
}

/// Why somebody did not come, for people.
fn nobody(failure: &InviteFailure) -> String {
    match failure {
        // That somebody is away is no error that anybody looks up.
        InviteFailure::Refused(code @ ErrorCode::NOT_ONLINE) => code.meaning().into(),
        InviteFailure::Refused(code) => code.to_string(),
        InviteFailure::NoAnswer => "they did not answer the call".into(),
    }
}

impl From<SendFailure> for CallFailure {
    fn from(failure: SendFailure) -> Self {
        match failure {
            SendFailure::NotDelivered => Self::NotDelivered,
            SendFailure::Deserted => Self::Deserted,
            SendFailure::NobodyThere(why) => Self::Nobody(why),
            SendFailure::Unconfirmed => Self::Unconfirmed,
            SendFailure::NotSent => Self::Lost,
            SendFailure::Refused(code) => Self::Refused(code),
        }
    }
}
