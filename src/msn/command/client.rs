//! What a client says, in every dialect.
//!
//! Knows each command's parameters (§2 to §6). Refuses to know when one may be said, and how a family writes it.

use bytes::Bytes;

use super::{Acknowledge, ClientInfo, Context, ListKind, Status, SyncStamp};
use super::{call, handshake, presence, roster, upkeep};
use crate::msn::ids::{Capabilities, ContactId, Cookie, Email, GroupId, SessionId, Ticket, TrId};
use crate::msn::wire::{Args, DecodeError, Frame, UrlText, Verb};

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
    /// `USR SSO I`: who wants in, from MSNP15 on (§18.1).
    SsoInitial {
        trid: TrId,
        email: Email,
    },
    /// `USR SSO S`: a ticket, the proof that goes with it, and from MSNP16 on the machine. Some clients leave the last two
    /// out.
    SsoTicket {
        trid: TrId,
        ticket: Ticket,
        proof: Option<String>,
        machine: Option<String>,
    },
    /// `USR` by a way of signing in that is not ours (`MD5`).
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
    /// `ADL`: whom the lists name, in part or at first (§21).
    Adl {
        trid: TrId,
        data: Bytes,
    },
    /// `RML`: who is taken off lists.
    Rml {
        trid: TrId,
        data: Bytes,
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
        verb: Verb,
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

impl ClientCommand {
    /// Reads a frame; a verb that no family knows comes back as it is.
    ///
    /// # Errors
    /// [`DecodeError`] where the parameters are not those of the verb in this dialect.
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

    /// The bytes on the wire, line end and payload included; nothing for what is unknown.
    pub fn encode(&self) -> Vec<u8> {
        handshake::encode_client(self)
            .or_else(|| roster::encode_client(self))
            .or_else(|| presence::encode_client(self))
            .or_else(|| upkeep::encode_client(self))
            .or_else(|| call::encode_client(self))
            .unwrap_or_default()
    }
}
