//! Application invitations: `text/x-msmsgsinvite`, by which clients of every age offer files, voice, games (§8.1 to §8.3).
//!
//! Knows the fields and what they mean. Refuses to know what is done about an invitation: that is the caller's.

use std::fmt;

use thiserror::Error;

use super::Envelope;

/// Most fields that are read; the longest known invitation has about twenty.
const MAX_FIELDS: usize = 64;

/// Why a body is no invitation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvitationError {
    #[error("the invitation has more than {MAX_FIELDS} fields")]
    TooManyFields,
    #[error("the invitation has no known Invitation-Command")]
    NoCommand,
    #[error("the invitation has no Invitation-Cookie")]
    NoCookie,
}

/// What an invitation message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationCommand {
    Invite,
    /// Of the one who was invited, and then of the one who invites.
    Accept,
    Context,
    Cancel,
}

impl InvitationCommand {
    const ALL: [(Self, &str); 4] = [
        (Self::Invite, "INVITE"),
        (Self::Accept, "ACCEPT"),
        (Self::Context, "CONTEXT"),
        (Self::Cancel, "CANCEL"),
    ];
}

/// Why an invitation came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelCode {
    Reject,
    RejectNotInstalled,
    Fail,
    Timeout,
    /// The conversation is closing.
    OutBand,
    /// A file could not be transferred.
    FileTimeout,
    /// Third-party spellings of a taken-back invitation.
    User,
    Other(String),
}

impl CancelCode {
    /// Any other word is [`CancelCode::Other`].
    fn parse(text: &str) -> Self {
        match text.trim().to_ascii_uppercase().as_str() {
            "REJECT" => Self::Reject,
            "REJECT_NOT_INSTALLED" => Self::RejectNotInstalled,
            "FAIL" => Self::Fail,
            "TIMEOUT" => Self::Timeout,
            "OUTBANDCANCEL" => Self::OutBand,
            "FTTIMEOUT" => Self::FileTimeout,
            "USER_CANCEL" | "USER_CANCELED" | "USER_CANCELLED" => Self::User,
            other => Self::Other(other.chars().take(40).collect()),
        }
    }

    /// The word on the wire.
    pub fn as_wire(&self) -> &str {
        match self {
            Self::Reject => "REJECT",
            Self::RejectNotInstalled => "REJECT_NOT_INSTALLED",
            Self::Fail => "FAIL",
            Self::Timeout => "TIMEOUT",
            Self::OutBand => "OUTBANDCANCEL",
            Self::FileTimeout => "FTTIMEOUT",
            Self::User => "USER_CANCELED",
            Self::Other(code) => code,
        }
    }

    /// A reason for somebody who does not know the protocol.
    pub fn meaning(&self) -> &str {
        match self {
            Self::Reject => "it was declined",
            Self::RejectNotInstalled => "the other side has no program for it",
            Self::Fail => "the two programs did not understand each other",
            Self::Timeout | Self::User => "it was taken back",
            Self::OutBand => "the conversation was closed",
            Self::FileTimeout => "the transfer did not come about",
            Self::Other(_) => "no reason was given that is known",
        }
    }
}

/// What somebody is invited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Application {
    File,
    /// Voice, or voice and video.
    Voice {
        video: bool,
    },
    NetMeeting,
    RemoteAssistance,
    Sharing,
    Webcam,
    Ink,
    Whiteboard,
    /// By the name that its invitation gives it; may be empty.
    Other(String),
}

const GUIDS: [(&str, Application); 7] = [
    ("5D3E02AB-6190-11D3-BBBB-00C04F795683", Application::File),
    ("02D3C01F-BF30-4825-A83A-DE7AF41648AA", Application::Voice { video: false }),
    ("44BBA842-CC51-11CF-AAFA-00AA00B6015C", Application::NetMeeting),
    ("56B994A7-380F-410B-9985-C809D78C1BDC", Application::RemoteAssistance),
    ("F1B1920C-6A3C-4CE7-B18C-AFAB305FD03D", Application::Sharing),
    ("2A23868E-B45F-401D-B8B0-1E16B774A5B7", Application::Webcam),
    ("1DF57D09-637A-4CA5-91B9-2C3EDAAF62FE", Application::Ink),
];

impl fmt::Display for Application {
    /// What to call it in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("a file transfer"),
            Self::Voice { video: false } => f.write_str("a voice conversation"),
            Self::Voice { video: true } => f.write_str("a video conversation"),
            Self::NetMeeting => f.write_str("a NetMeeting conference"),
            Self::RemoteAssistance => f.write_str("remote assistance"),
            Self::Sharing => f.write_str("application sharing"),
            Self::Webcam => f.write_str("a webcam"),
            Self::Ink => f.write_str("handwriting"),
            Self::Whiteboard => f.write_str("a whiteboard"),
            Self::Other(name) if name.is_empty() => f.write_str("an unknown application"),
            Self::Other(name) => write!(f, "«{name}»"),
        }
    }
}

/// One message of an invitation. Unknown fields are kept; names and identifiers compare without case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub command: InvitationCommand,
    /// Names the invitation on both sides; 1 to 2^32 - 1.
    pub cookie: u32,
    fields: Vec<(String, String)>,
}

impl Invitation {
    /// The two fields that every message has; the others follow in the order in which they are added.
    pub fn new(command: InvitationCommand, cookie: u32) -> Self {
        Self { command, cookie, fields: Vec::new() }
    }

    /// Reads the body of an envelope: fields in any order, with or without an empty line at the end.
    ///
    /// # Errors
    /// A field that everything hangs on is missing, or there are more than 64.
    pub fn parse(body: &[u8]) -> Result<Self, InvitationError> {
        let text = String::from_utf8_lossy(body);
        let mut fields = Vec::new();
        for line in text.split('\n').map(|line| line.trim_end_matches(['\r', '\0'])) {
            let Some((name, value)) = line.split_once(':') else { continue };
            if fields.len() == MAX_FIELDS {
                return Err(InvitationError::TooManyFields);
            }
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let mut taken = |wanted: &str| {
            let at = fields.iter().position(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
            Some(fields.remove(at).1)
        };
        let word = taken("Invitation-Command").unwrap_or_default();
        let known = InvitationCommand::ALL.into_iter().find(|(_, name)| word.eq_ignore_ascii_case(name));
        let cookie = taken("Invitation-Cookie").and_then(|digits| digits.parse().ok()).filter(|c| *c != 0);
        let (command, _) = known.ok_or(InvitationError::NoCommand)?;
        Ok(Self { command, cookie: cookie.ok_or(InvitationError::NoCookie)?, fields })
    }

    /// A field, `None` when it is absent.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Adds a field. Line breaks in the value are dropped, so a value cannot become a field.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.replace(['\r', '\n'], "")));
        self
    }

    /// Which application is meant, by its GUID, and by its name where the GUID is not known (§8.2).
    pub fn application(&self) -> Application {
        let name = self.field("Application-Name").unwrap_or_default();
        let guid = self.field("Application-GUID").unwrap_or_default().trim_matches(['{', '}']);
        let known = GUIDS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(guid)).map(|(_, a)| a);
        let asks_for_video = || {
            let data = self.field("Context-Data").unwrap_or_default();
            data.split(';').any(|part| part.starts_with("Requested:") && part.contains("SIP_V"))
        };
        match known {
            Some(Application::Voice { .. }) => Application::Voice { video: asks_for_video() },
            Some(known) => known,
            // Its own identifier is not known from any source.
            None if name.to_ascii_lowercase().contains("whiteboard") => Application::Whiteboard,
            None => Application::Other(name.chars().filter(|c| !c.is_control()).take(80).collect()),
        }
    }

    /// Name and size of an offered file, as the sender gives them: the name is not to be trusted.
    pub fn file(&self) -> Option<(&str, Option<u64>)> {
        let size = self.field("Application-FileSize").and_then(|digits| digits.parse().ok());
        Some((self.field("Application-File")?, size))
    }

    /// Why it was cancelled; `None` where the message is no `CANCEL`.
    pub fn cancel_code(&self) -> Option<CancelCode> {
        (self.command == InvitationCommand::Cancel)
            .then(|| CancelCode::parse(self.field("Cancel-Code").unwrap_or_default()))
    }

    /// The message that ends an invitation, for this reason.
    pub fn cancel(cookie: u32, code: &CancelCode) -> Self {
        Self::new(InvitationCommand::Cancel, cookie).with("Cancel-Code", code.as_wire())
    }

    /// The envelope that carries it, ending in an empty line as official clients end it.
    pub fn encode(&self) -> Envelope {
        let word = match self.command {
            InvitationCommand::Context => "Context",
            command => InvitationCommand::ALL.into_iter().find(|(c, _)| *c == command).map_or("", |(_, w)| w),
        };
        let mut body = format!("Invitation-Command: {word}\r\nInvitation-Cookie: {}\r\n", self.cookie);
        for (name, value) in &self.fields {
            body.push_str(&format!("{name}: {value}\r\n"));
        }
        body.push_str("\r\n");
        Envelope::new("text/x-msmsgsinvite; charset=UTF-8").with_body(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VOICE: &str = "Application-Name: computer call\r\nApplication-GUID: {02d3c01f-BF30-4825-A83A-DE7AF41648AA}\r\nSession-Protocol: SM1\r\nContext-Data: Requested:SIP_A,;Capabilities:SIP_A,SIP_V,;\r\nInvitation-Command: INVITE\r\nInvitation-Cookie: 24993528\r\nSession-ID: {AF0E9C2B-0000-0000-0000-000000000000}\r\nConn-Type: Direct-Connect\r\nSip-Capability: 1\r\n\r\n";

    #[test]
    fn conf_086_fields_come_in_any_order_and_unknown_ones_do_no_harm() {
        let read = Invitation::parse(VOICE.as_bytes()).unwrap();
        assert_eq!((read.command, read.cookie), (InvitationCommand::Invite, 24_993_528));
        assert_eq!(read.application(), Application::Voice { video: false });
        assert_eq!(read.field("session-protocol"), Some("SM1"));
        let mut lines: Vec<&str> = VOICE.trim_end().split("\r\n").collect();
        lines.reverse();
        lines.insert(3, "X-Whatever: 1");
        let turned = Invitation::parse(lines.join("\n").as_bytes()).unwrap();
        assert_eq!(turned.application(), read.application());
        assert_eq!(turned.cookie, read.cookie);
        // The rule broken: without a cookie, or with a command nobody knows, there is nothing to answer.
        let without = |part: &str| VOICE.replace(part, "X");
        assert_eq!(
            Invitation::parse(without("Invitation-Cookie").as_bytes()),
            Err(InvitationError::NoCookie)
        );
        assert_eq!(Invitation::parse(without("INVITE").as_bytes()), Err(InvitationError::NoCommand));
        assert_eq!(Invitation::parse("a: b\r\n".repeat(65).as_bytes()), Err(InvitationError::TooManyFields));
    }

    #[test]
    fn applications_are_known_by_identifier_and_shown_by_name() {
        let invite = |guid: &str, name: &str| {
            Invitation::new(InvitationCommand::Invite, 1)
                .with("Application-Name", name)
                .with("Application-GUID", guid)
        };
        for (guid, name, shown) in [
            ("{5D3E02AB-6190-11d3-BBBB-00C04F795683}", "x", "a file transfer"),
            ("{F1B1920C-6A3C-4CE7-B18C-AFAB305FD03D}", "x", "application sharing"),
            ("{00000000-0000-0000-0000-000000000001}", "Whiteboard", "a whiteboard"),
            ("{00000000-0000-0000-0000-000000000001}", "Solitaire\u{7}", "«Solitaire»"),
            ("", "", "an unknown application"),
        ] {
            assert_eq!(invite(guid, name).application().to_string(), shown);
        }
        let video = VOICE.replace("Requested:SIP_A,;", "Requested:SIP_A,SIP_V,;");
        assert_eq!(
            Invitation::parse(video.as_bytes()).unwrap().application(),
            Application::Voice { video: true }
        );
        let file = invite("{5D3E02AB-6190-11d3-BBBB-00C04F795683}", "File Transfer")
            .with("Application-File", "réadme.txt")
            .with("Application-FileSize", "60904");
        assert_eq!(file.file(), Some(("réadme.txt", Some(60_904))));
    }

    #[test]
    fn every_cancel_code_is_read_written_and_explained() {
        for word in [
            "REJECT",
            "REJECT_NOT_INSTALLED",
            "FAIL",
            "TIMEOUT",
            "OUTBANDCANCEL",
            "FTTIMEOUT",
            "USER_CANCELED",
            "ODD",
        ] {
            let code = CancelCode::parse(word);
            assert_eq!(code.as_wire(), word);
            let read = Invitation::parse(&Invitation::cancel(7, &code).encode().body).unwrap();
            assert_eq!(read.cancel_code(), Some(code.clone()));
            assert!(!code.meaning().is_empty());
        }
        assert_eq!(CancelCode::parse("user_cancel"), CancelCode::User);
        assert_eq!(Invitation::parse(VOICE.as_bytes()).unwrap().cancel_code(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(cookie in 1u32.., names in prop::collection::vec("[A-Z][a-z-]{0,12}X", 0..20), value in "[!-~]{0,40}") {
            let mut written = Invitation::new(InvitationCommand::Accept, cookie);
            for name in names {
                written = written.with(&name, &value);
            }
            prop_assert_eq!(Invitation::parse(&written.encode().body), Ok(written));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(read) = Invitation::parse(&bytes) {
                let _ = (read.application().to_string(), read.file(), read.cancel_code());
                prop_assert!(Invitation::parse(&read.encode().body).is_ok());
            }
        }
    }
}
