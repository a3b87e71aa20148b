//! What a server says, in every dialect.
//!
//! Knows each command's parameters (§2 to §6), asked for or not. Refuses to know what a session does about one, and how a
//! family writes it.

use bytes::Bytes;

use super::{ContactEntry, Context, ErrorCode, ListKind, Presence, SignOut, Status, SyncStamp};
use super::{call, failure, handshake, presence, roster, upkeep};
use crate::msn::dialect::Dialect;
use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Capabilities, ContactId, Cookie, Email, GroupId, HostPort, SessionId, TrId};
use crate::msn::wire::{Args, DecodeError, Frame, UrlText, Verb};

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
    /// `USR SSO S`: for which policy a ticket is wanted, and what it is to be proved for (§18.1).
    SsoPolicy {
        trid: TrId,
        policy: String,
        nonce: String,
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
        verb: Verb,
        trid: TrId,
        rest: Vec<String>,
    },
    /// `ADL`: that the lists are taken, or that others put us onto theirs (§20.4).
    Adl {
        trid: TrId,
        data: Option<Bytes>,
    },
    /// `RML`: that lists are shorter, or that others took us off theirs.
    Rml {
        trid: TrId,
        data: Option<Bytes>,
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

impl ServerCommand {
    /// Reads a frame; a verb that no family knows comes back as it is.
    ///
    /// # Errors
    /// [`DecodeError`] where the parameters are not those of the verb in this dialect.
    pub fn decode(frame: &Frame, context: Context) -> Result<Self, DecodeError> {
        let mut args = Args::new(frame);
        let verb = frame.verb.as_str();
        let decoded = failure::decode(frame.verb, &mut args)
            .or_else(|| handshake::decode_server(verb, &mut args, context))
            .or_else(|| roster::decode_server(frame.verb, &mut args, context))
            .or_else(|| presence::decode_server(verb, &mut args, context.dialect))
            .or_else(|| upkeep::decode_server(verb, &mut args))
            .or_else(|| call::decode_server(verb, &mut args, context));
        decoded.unwrap_or_else(|| Ok(Self::Unknown(frame.clone())))
    }

    /// The bytes on the wire, line end and payload included; nothing for what is unknown.
    pub fn encode(&self, dialect: Dialect) -> Vec<u8> {
        failure::encode(self)
            .or_else(|| handshake::encode_server(self, dialect))
            .or_else(|| roster::encode_server(self, dialect))
            .or_else(|| presence::encode_server(self, dialect))
            .or_else(|| upkeep::encode_server(self))
            .or_else(|| call::encode_server(self, dialect))
            .unwrap_or_default()
    }
}
