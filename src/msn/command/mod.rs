//! Commands: frames understood. One enum for what a client says, one for what a server says, both for the notification
//! server and the switchboard, in every dialect.
//!
//! Knows: which parameters each verb has in which dialect (§2 to §6). Refuses to know: when a command may be said
//! (that is `session`) and what a message contains (that is `message`). Each family file holds the decoders and
//! encoders of both sides, so that a difference between them shows.

mod call;
mod failure;
mod handshake;
mod presence;
mod roster;
#[cfg(test)]
mod tests;
mod upkeep;

use bytes::Bytes;

pub use call::Acknowledge;
pub use failure::ErrorCode;
pub use handshake::ClientInfo;
pub use presence::{Presence, Status};
pub use roster::{ContactEntry, ListKind, ListMask, SyncStamp};
pub use upkeep::SignOut;

use super::dialect::Dialect;
use super::endpoint::MachineId;
use super::ids::{Capabilities, ContactId, Cookie, Email, GroupId, HostPort, SessionId, Ticket, TrId};
use super::wire::{Args, DecodeError, Frame, UrlText};

/// Which kind of server a connection leads to: a few verbs mean different things on the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Notification,
    Switchboard,
}

/// What a decoder must be told besides the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub link: Link,
    pub dialect: Dialect,
}

/// What a client says. Text stands in its wire form, so that decoding and encoding changes no byte.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientCommand {
    Ver {
        trid: TrId,
        versions: Vec<String>,
    },
    Cvr {
        trid: TrId,
        info: ClientInfo,
    },
    /// `USR TWN I`: who wants in.
    UsrInitial {
        trid: TrId,
        email: Email,
    },
    /// `USR TWN S`: the proof.
    UsrTicket {
        trid: TrId,
        ticket: Ticket,
    },
    /// `USR` by a way of signing in that is not ours (`MD5`, `SSO`).
    UsrOther {
        trid: TrId,
        scheme: String,
        rest: Vec<String>,
    },
    /// `XFR SB`, or another type of server.
    Xfr {
        trid: TrId,
        kind: String,
    },
    Syn {
        trid: TrId,
        stamp: SyncStamp,
    },
    Add {
        trid: TrId,
        list: ListKind,
        email: Email,
        name: Option<UrlText>,
        group: Option<GroupId>,
    },
    Adc {
        trid: TrId,
        list: ListKind,
        email: Option<Email>,
        name: Option<UrlText>,
        contact: Option<ContactId>,
        group: Option<GroupId>,
    },
    /// The target is an account, or from MSNP10 on for FL a contact id.
    Rem {
        trid: TrId,
        list: ListKind,
        target: String,
        group: Option<GroupId>,
    },
    Rea {
        trid: TrId,
        email: Email,
        name: UrlText,
    },
    Prp {
        trid: TrId,
        property: String,
        value: Option<UrlText>,
    },
    Sbp {
        trid: TrId,
        contact: ContactId,
        property: String,
        value: Option<UrlText>,
        rest: Vec<String>,
    },
    Adg {
        trid: TrId,
        name: UrlText,
        rest: Vec<String>,
    },
    Reg {
        trid: TrId,
        group: GroupId,
        name: UrlText,
        rest: Vec<String>,
    },
    Rmg {
        trid: TrId,
        group: GroupId,
    },
    Gtc {
        trid: TrId,
        setting: String,
    },
    Blp {
        trid: TrId,
        setting: String,
    },
    /// A list asked for outside `SYN`, as MSNP2 to 7 did.
    Lst {
        trid: TrId,
        list: String,
    },
    Chg {
        trid: TrId,
        status: Status,
        capabilities: Option<Capabilities>,
        object: Option<UrlText>,
    },
    Uux {
        trid: TrId,
        data: Bytes,
    },
    Png,
    Qry {
        trid: TrId,
        product: String,
        answer: Bytes,
    },
    Out,
    Url {
        trid: TrId,
        topic: Vec<String>,
    },
    Gcf {
        trid: TrId,
        file: String,
    },
    /// `PAG`, `PGD`, `SDC`: a page or an invitation letter.
    Page {
        verb: super::wire::Verb,
        trid: TrId,
        target: Vec<String>,
        data: Bytes,
    },
    /// `USR` on a switchboard: the caller.
    UsrCall {
        trid: TrId,
        email: Email,
        cookie: Cookie,
    },
    Cal {
        trid: TrId,
        email: Email,
    },
    Ans {
        trid: TrId,
        email: Email,
        cookie: Cookie,
        session: SessionId,
    },
    Msg {
        trid: TrId,
        acknowledge: Acknowledge,
        payload: Bytes,
    },
    /// A well-formed line with a verb that this side does not know.
    Unknown(Frame),
}

/// What a server says. `trid` is optional where the same line also comes without being asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerCommand {
    Ver {
        trid: TrId,
        versions: Vec<String>,
    },
    Cvr {
        trid: TrId,
        rest: Vec<String>,
    },
    UsrPolicy {
        trid: TrId,
        policy: String,
    },
    UsrOk {
        trid: TrId,
        email: Email,
        name: Option<UrlText>,
        verified: bool,
        kids: bool,
    },
    XfrNotification {
        trid: TrId,
        server: HostPort,
        rest: Vec<String>,
    },
    XfrSwitchboard {
        trid: TrId,
        board: HostPort,
        cookie: Cookie,
    },
    Sbs {
        rest: Vec<String>,
    },
    /// `counts` are contacts and groups that follow; `None` when nothing changed since the stamp.
    Syn {
        trid: TrId,
        stamp: SyncStamp,
        counts: Option<(u32, u32)>,
    },
    Gtc {
        trid: Option<TrId>,
        version: Option<u32>,
        setting: String,
    },
    Blp {
        trid: Option<TrId>,
        version: Option<u32>,
        setting: String,
    },
    Prp {
        trid: Option<TrId>,
        version: Option<u32>,
        property: String,
        value: Option<UrlText>,
    },
    Bpr {
        version: Option<u32>,
        email: Option<Email>,
        property: String,
        value: Option<UrlText>,
    },
    Lsg {
        group: GroupId,
        name: UrlText,
    },
    Lst(ContactEntry),
    /// TrID 0 when the server does it of its own accord.
    Add {
        trid: TrId,
        list: ListKind,
        version: u32,
        email: Email,
        name: Option<UrlText>,
        group: Option<GroupId>,
    },
    Adc {
        trid: TrId,
        list: ListKind,
        email: Option<Email>,
        name: Option<UrlText>,
        contact: Option<ContactId>,
        group: Option<GroupId>,
    },
    Rem {
        trid: TrId,
        list: ListKind,
        version: Option<u32>,
        target: String,
        group: Option<GroupId>,
    },
    Rea {
        trid: TrId,
        version: u32,
        email: Email,
        name: UrlText,
    },
    Sbp {
        trid: TrId,
        contact: ContactId,
        property: String,
        value: Option<UrlText>,
    },
    /// Replies to `ADG`, `REG`, `RMG`: layouts differ between servers, so the parameters stay as they came (§3.3).
    Group {
        verb: super::wire::Verb,
        trid: TrId,
        rest: Vec<String>,
    },
    Chg {
        trid: TrId,
        status: Status,
        capabilities: Option<Capabilities>,
        object: Option<UrlText>,
    },
    Iln {
        trid: TrId,
        presence: Presence,
    },
    Nln {
        presence: Presence,
    },
    Fln {
        email: Email,
    },
    Uux {
        trid: TrId,
    },
    Ubx {
        email: Email,
        data: Bytes,
    },
    Qng {
        seconds: Option<u32>,
    },
    Chl {
        challenge: String,
    },
    Qry {
        trid: TrId,
    },
    Out {
        reason: SignOut,
    },
    Url {
        trid: TrId,
        rest: Vec<String>,
    },
    Gcf {
        trid: TrId,
        file: String,
        data: Bytes,
    },
    Not {
        data: Bytes,
    },
    Ipg {
        data: Bytes,
    },
    Rng {
        session: SessionId,
        board: HostPort,
        cookie: Cookie,
        email: Email,
        name: UrlText,
    },
    UsrCallOk {
        trid: TrId,
        email: Email,
        name: UrlText,
    },
    CalRinging {
        trid: TrId,
        session: SessionId,
    },
    Joi {
        email: Email,
        /// Which of the account's clients, where the server says so.
        machine: Option<MachineId>,
        name: UrlText,
        capabilities: Option<Capabilities>,
    },
    Iro {
        trid: TrId,
        index: u32,
        total: u32,
        email: Email,
        machine: Option<MachineId>,
        name: UrlText,
        capabilities: Option<Capabilities>,
    },
    AnsOk {
        trid: TrId,
    },
    /// `idle` when the server dropped somebody for inactivity: they can be called again silently.
    Bye {
        email: Email,
        machine: Option<MachineId>,
        idle: bool,
    },
    Ack {
        trid: TrId,
    },
    Nak {
        trid: TrId,
    },
    Msg {
        sender: String,
        name: UrlText,
        payload: Bytes,
    },
    Failed {
        code: ErrorCode,
        trid: TrId,
    },
    Unknown(Frame),
}

impl ClientCommand {
    pub fn decode(frame: &Frame, context: Context) -> Result<Self, DecodeError> {
        let mut args = Args::new(frame);
        let verb = frame.verb.as_str();
        let decoded = handshake::decode_client(verb, &mut args, context)
            .or_else(|| roster::decode_client(verb, &mut args))
            .or_else(|| presence::decode_client(verb, &mut args))
            .or_else(|| upkeep::decode_client(frame.verb, &mut args))
            .or_else(|| call::decode_client(verb, &mut args, context));
        decoded.unwrap_or_else(|| Ok(Self::Unknown(frame.clone())))
    }

    pub fn encode(&self) -> Vec<u8> {
        handshake::encode_client(self)
            .or_else(|| roster::encode_client(self))
            .or_else(|| presence::encode_client(self))
            .or_else(|| upkeep::encode_client(self))
            .or_else(|| call::encode_client(self))
            .unwrap_or_default()
    }
}

impl ServerCommand {
    pub fn decode(frame: &Frame, context: Context) -> Result<Self, DecodeError> {
        let mut args = Args::new(frame);
        let verb = frame.verb.as_str();
        let decoded = failure::decode(frame.verb, &mut args)
            .or_else(|| handshake::decode_server(verb, &mut args, context))
            .or_else(|| roster::decode_server(frame.verb, &mut args, context))
            .or_else(|| presence::decode_server(verb, &mut args))
            .or_else(|| upkeep::decode_server(verb, &mut args))
            .or_else(|| call::decode_server(verb, &mut args, context));
        decoded.unwrap_or_else(|| Ok(Self::Unknown(frame.clone())))
    }

    pub fn encode(&self, dialect: Dialect) -> Vec<u8> {
        failure::encode(self)
            .or_else(|| handshake::encode_server(self))
            .or_else(|| roster::encode_server(self, dialect))
            .or_else(|| presence::encode_server(self, dialect))
            .or_else(|| upkeep::encode_server(self))
            .or_else(|| call::encode_server(self, dialect))
            .unwrap_or_default()
    }
}

/// What a family's decoder gives: `None` when the verb is another family's.
type Decoded<T> = Option<Result<T, DecodeError>>;
