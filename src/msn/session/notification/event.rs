//! What a notification session tells its caller.
//!
//! Knows the words of the protocol for each event (§3 to §5). Refuses to know what a caller does about one.

use std::net::IpAddr;

use super::change::{ChangeFailure, ChangeHandle};
use crate::msn::command::{ErrorCode, Status};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Cookie, Email, HostPort, SessionId, TrId};
use crate::msn::oim::MailData;
use crate::msn::session::roster::Contact;
use crate::msn::session::sync::RosterGap;

/// What happened on the notification session.
#[derive(Debug, Clone, PartialEq)]
pub enum NotificationEvent {
    /// Reconnect there and sign in again from the start.
    Redirected(HostPort),
    /// Fetch a ticket with this policy and call [`super::NotificationSession::provide_ticket`].
    TicketWanted {
        policy: String,
    },
    /// Fetch the tickets of the token service with this policy and call
    /// [`super::NotificationSession::provide_tokens`].
    TokensWanted {
        policy: String,
    },
    /// Read the contact list, in pages or at once, and call [`super::NotificationSession::provide_book`].
    BookWanted {
        is_paged: bool,
    },
    SignedIn {
        dialect: Dialect,
    },
    /// The server sees us under this address.
    AddressLearned(IpAddr),
    /// The own display name as the server has it.
    NameLearned(String),
    /// The lists are complete, or what is missing is not waited for; read them with [`super::NotificationSession::roster`].
    RosterLoaded,
    /// They are not what the server announced.
    RosterIncomplete(RosterGap),
    /// A contact is online, changed, or went offline.
    PresenceChanged(Box<Contact>),
    /// A contact is called otherwise now: in our list, or by themselves.
    Named {
        email: Email,
        name: String,
    },
    /// The own status as the server confirmed it.
    StatusConfirmed(Status),
    /// Groups of contacts, who is in them, or who is a contact at all, are not what they were; read them with [`super::NotificationSession::roster`].
    GroupsChanged,
    /// Somebody put us on their list. `asks`: they wait for an answer, from now or from before we signed in.
    AddedBy {
        email: Email,
        name: String,
        asks: bool,
    },
    /// A contact is none any longer.
    Unlisted {
        email: Email,
    },
    /// What became of a change asked for by [`super::NotificationSession::change`].
    ChangeDone {
        handle: ChangeHandle,
        result: Result<(), ChangeFailure>,
    },
    RemovedBy {
        email: Email,
    },
    /// A call comes in: connect to the board and answer.
    Rung {
        session: SessionId,
        board: HostPort,
        cookie: Cookie,
        email: Email,
        name: String,
    },
    /// The switchboard asked for by [`super::NotificationSession::request_switchboard`].
    SwitchboardReady {
        request: TrId,
        board: HostPort,
        cookie: Cookie,
    },
    SwitchboardRefused {
        request: TrId,
        code: ErrorCode,
    },
    /// The server announced maintenance.
    GoingDown {
        minutes: u32,
    },
    Mail {
        from: String,
        subject: String,
    },
    UnreadMail {
        unread: u32,
        elsewhere: u32,
    },
    /// Offline messages wait to be fetched.
    OfflineMessages(MailData),
    /// An alert: calendar, news.
    Alert {
        text: String,
    },
    /// A page from somebody's phone.
    Paged {
        from: String,
        text: String,
    },
    /// A request that a person made was refused.
    RequestRefused {
        what: String,
        code: ErrorCode,
    },
}
