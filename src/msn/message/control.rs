//! What the notification server sends as messages: profile, mail notices, the announcement that it goes down (§5.4, §5.5).

use std::net::IpAddr;

use super::Envelope;

/// A message of the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerNotice {
    /// The initial profile: the address under which the server sees us.
    Profile {
        client_ip: Option<IpAddr>,
    },
    /// Unread mail at sign-in.
    Mailbox {
        unread: u32,
    },
    /// New mail.
    Mail {
        from: String,
        subject: String,
    },
    /// The server goes down in so many minutes.
    GoingDown {
        minutes: u32,
    },
    Other {
        content_type: String,
    },
}

impl ServerNotice {
    pub fn parse(envelope: &Envelope) -> Self {
        let content_type = envelope.content_type();
        let body = String::from_utf8_lossy(&envelope.body);
        let field = |name: &str| {
            let mut pairs = body.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned())
        };
        match content_type.as_str() {
            "text/x-msmsgsprofile" => {
                Self::Profile { client_ip: envelope.header("ClientIP").and_then(|ip| ip.parse().ok()) }
            }
            "text/x-msmsgsinitialemailnotification" => {
                Self::Mailbox { unread: field("Inbox-Unread").and_then(|n| n.parse().ok()).unwrap_or(0) }
            }
            "text/x-msmsgsemailnotification" => Self::Mail {
                from: field("From").or_else(|| field("From-Addr")).unwrap_or_default(),
                subject: field("Subject").unwrap_or_default(),
            },
            "application/x-msmsgssystemmessage" | "text/x-msmsgssystemmessage" => {
                match field("Type").as_deref() {
                    Some("1") => {
                        let minutes = field("Arg1").and_then(|n| n.parse().ok());
                        Self::GoingDown { minutes: minutes.unwrap_or(0) }
                    }
                    _ => Self::Other { content_type },
                }
            }
            _ => Self::Other { content_type },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(payload: &'static str) -> ServerNotice {
        ServerNotice::parse(&Envelope::parse(&payload.as_bytes().into()).unwrap())
    }

    #[test]
    fn the_announcement_of_maintenance_names_the_minutes() {
        let down = notice("Content-Type: application/x-msmsgssystemmessage\r\n\r\nType: 1\r\nArg1: 5\r\n");
        assert_eq!(down, ServerNotice::GoingDown { minutes: 5 });
        let profile =
            notice("Content-Type: text/x-msmsgsprofile; charset=UTF-8\r\nClientIP: 192.0.2.7\r\n\r\n");
        assert_eq!(profile, ServerNotice::Profile { client_ip: Some("192.0.2.7".parse().unwrap()) });
    }
}
