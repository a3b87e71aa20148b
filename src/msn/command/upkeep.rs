//! `PNG QNG CHL QRY OUT URL GCF NOT IPG` and pages: what keeps a notification session alive and informed (§4.6, §5).
//!
//! Knows their parameters and payloads. Refuses to know how often anything is asked, and how a challenge is answered
//! (§19).

use super::{ClientCommand, Decoded, ServerCommand};
use crate::msn::ids::TrId;
use crate::msn::wire::{Args, DecodeError, Encoder, Frame, Verb};

/// Why a server ends a session (`OUT`, §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignOut {
    /// The same account signed in from another place.
    Elsewhere,
    /// The server is shutting down.
    ShuttingDown,
    /// Come back in so many minutes.
    ReconnectIn { minutes: u32 },
    /// No reason, or one that is not known.
    Other(String),
}

impl SignOut {
    fn parse(args: &mut Args<'_>) -> Self {
        match args.optional() {
            Some("OTH") => Self::Elsewhere,
            Some("SSD") => Self::ShuttingDown,
            Some("RCT") => {
                Self::ReconnectIn { minutes: args.optional().and_then(|m| m.parse().ok()).unwrap_or(1) }
            }
            other => Self::Other(other.unwrap_or_default().to_owned()),
        }
    }
}

pub(super) fn decode_client(verb: Verb, args: &mut Args<'_>) -> Decoded<ClientCommand> {
    Some(match verb.as_str() {
        "PNG" => args.end().map(|()| ClientCommand::Png),
        "OUT" => args.end().map(|()| ClientCommand::Out),
        "QRY" => qry(args),
        "URL" => args.trid().map(|trid| ClientCommand::Url { trid, topic: args.remaining() }),
        "GCF" => gcf(args),
        "PAG" | "PGD" | "SDC" => page(verb, args),
        _ => return None,
    })
}

fn qry(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Qry {
        trid: args.trid()?,
        product: args.owned("product id")?,
        answer: args.payload()?,
    };
    args.end()?;
    Ok(command)
}

fn gcf(args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let command = ClientCommand::Gcf { trid: args.trid()?, file: args.owned("file")? };
    args.end()?;
    Ok(command)
}

fn page(verb: Verb, args: &mut Args<'_>) -> Result<ClientCommand, DecodeError> {
    let trid: TrId = args.trid()?;
    Ok(ClientCommand::Page { verb, trid, data: args.payload()?, target: args.remaining() })
}

pub(super) fn encode_client(command: &ClientCommand) -> Option<Vec<u8>> {
    Some(match command {
        ClientCommand::Png => Encoder::new("PNG").line(),
        ClientCommand::Out => Encoder::new("OUT").line(),
        ClientCommand::Qry { trid, product, answer } => {
            Encoder::new("QRY").arg(trid).arg(product).payload(answer)
        }
        ClientCommand::Url { trid, topic } => Encoder::new("URL").arg(trid).args(topic).line(),
        ClientCommand::Gcf { trid, file } => Encoder::new("GCF").arg(trid).arg(file).line(),
        ClientCommand::Page { verb, trid, target, data } => {
            Encoder::new(verb.as_str()).arg(trid).args(target).payload(data)
        }
        ClientCommand::Unknown(frame) => encode_unknown(frame),
        _ => return None,
    })
}

pub(super) fn decode_server(verb: &str, args: &mut Args<'_>) -> Decoded<ServerCommand> {
    Some(match verb {
        "QNG" => Ok(ServerCommand::Qng { seconds: args.optional().and_then(|seconds| seconds.parse().ok()) }),
        "CHL" => {
            args.required("zero").and_then(|_| Ok(ServerCommand::Chl { challenge: args.owned("challenge")? }))
        }
        "QRY" => args.trid().map(|trid| ServerCommand::Qry { trid }),
        "OUT" => Ok(ServerCommand::Out { reason: SignOut::parse(args) }),
        "URL" => args.trid().map(|trid| ServerCommand::Url { trid, rest: args.remaining() }),
        "GCF" => gcf_reply(args),
        "NOT" => args.payload().map(|data| ServerCommand::Not { data }),
        "IPG" => args.payload().map(|data| ServerCommand::Ipg { data }),
        _ => return None,
    })
}

fn gcf_reply(args: &mut Args<'_>) -> Result<ServerCommand, DecodeError> {
    let trid = args.trid()?;
    Ok(ServerCommand::Gcf {
        trid,
        file: args.optional().unwrap_or_default().to_owned(),
        data: args.payload()?,
    })
}

pub(super) fn encode_server(command: &ServerCommand) -> Option<Vec<u8>> {
    Some(match command {
        ServerCommand::Qng { seconds } => Encoder::new("QNG").arg_if(*seconds).line(),
        ServerCommand::Chl { challenge } => Encoder::new("CHL").arg(0).arg(challenge).line(),
        ServerCommand::Qry { trid } => Encoder::new("QRY").arg(trid).line(),
        ServerCommand::Out { reason } => encode_out(reason),
        ServerCommand::Url { trid, rest } => Encoder::new("URL").arg(trid).args(rest).line(),
        ServerCommand::Gcf { trid, file, data } => {
            // What is pushed has no name.
            Encoder::new("GCF").arg(trid).arg_if((!file.is_empty()).then_some(file)).payload(data)
        }
        ServerCommand::Not { data } => Encoder::new("NOT").payload(data),
        ServerCommand::Ipg { data } => Encoder::new("IPG").payload(data),
        ServerCommand::Unknown(frame) => encode_unknown(frame),
        _ => return None,
    })
}

/// As it was read: a payload has its length in front, or what follows would be taken for it.
fn encode_unknown(frame: &Frame) -> Vec<u8> {
    let line = Encoder::new(frame.verb.as_str()).args(&frame.args);
    match &frame.payload {
        Some(payload) => line.payload(payload),
        None => line.line(),
    }
}

fn encode_out(reason: &SignOut) -> Vec<u8> {
    let line = Encoder::new("OUT");
    match reason {
        SignOut::Elsewhere => line.arg("OTH").line(),
        SignOut::ShuttingDown => line.arg("SSD").line(),
        SignOut::ReconnectIn { minutes } => line.arg("RCT").arg(minutes).line(),
        SignOut::Other(code) => line.arg_if((!code.is_empty()).then_some(code)).line(),
    }
}
