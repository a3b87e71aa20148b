//! `ADL` and `RML`: lists as they are told from MSNP13 on (§21).
//!
//! Knows that a reply has no payload and what comes by itself has one. Refuses to read the payload, which is
//! [`crate::msn::address_book`]'s.

use super::super::{ClientCommand, Decoded, ServerCommand};
use crate::msn::ids::TrId;
use crate::msn::wire::{Args, DecodeError, Encoder};

pub(super) fn decode_client(verb: &str, args: &mut Args<'_>) -> Decoded<ClientCommand> {
    let said = |args: &mut Args<'_>| -> Result<_, DecodeError> {
        let said = (args.trid()?, args.payload()?);
        args.end()?;
        Ok(said)
    };
    Some(match verb {
        "ADL" => said(args).map(|(trid, data)| ClientCommand::Adl { trid, data }),
        "RML" => said(args).map(|(trid, data)| ClientCommand::Rml { trid, data }),
        _ => return None,
    })
}

pub(super) fn encode_client(command: &ClientCommand) -> Option<Vec<u8>> {
    Some(match command {
        ClientCommand::Adl { trid, data } => Encoder::new("ADL").arg(trid).payload(data),
        ClientCommand::Rml { trid, data } => Encoder::new("RML").arg(trid).payload(data),
        _ => return None,
    })
}

pub(super) fn decode_server(verb: &str, args: &mut Args<'_>) -> Decoded<ServerCommand> {
    let trid = |args: &mut Args<'_>| args.trid();
    Some(match verb {
        "ADL" => trid(args).map(|trid| ServerCommand::Adl { trid, data: args.payload().ok() }),
        "RML" => trid(args).map(|trid| ServerCommand::Rml { trid, data: args.payload().ok() }),
        _ => return None,
    })
}

pub(super) fn encode_server(command: &ServerCommand) -> Option<Vec<u8>> {
    let line = |verb: &str, trid: &TrId, data: Option<&bytes::Bytes>| match data {
        Some(data) => Encoder::new(verb).arg(trid).payload(data),
        None => Encoder::new(verb).arg(trid).arg("OK").line(),
    };
    Some(match command {
        ServerCommand::Adl { trid, data } => line("ADL", trid, data.as_ref()),
        ServerCommand::Rml { trid, data } => line("RML", trid, data.as_ref()),
        _ => return None,
    })
}
