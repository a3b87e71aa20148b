//! The two forms of the token service, and for whom tickets are issued (§18.2, §18.3).
//!
//! Knows names and addresses. Refuses to know what a request or an answer holds.

/// The two forms, which differ in namespaces and in how they refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// `/RST.srf`, SOAP 1.1.
    Rst,
    /// `/RST2.srf`, SOAP 1.2, which came with Windows Live Messenger 2009.
    Rst2,
}

/// The namespaces of one form.
pub struct Namespaces {
    pub soap: &'static str,
    pub security: &'static str,
    pub policy: &'static str,
    pub addressing: &'static str,
    pub trust: &'static str,
    /// What a request asks for: a token is to be issued.
    pub issue: &'static str,
}

/// Of attributes and times, in both forms.
pub const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
pub(super) const PASSPORT: &str = "http://schemas.microsoft.com/Passport/SoapServices/PPCRL";

const RST: Namespaces = Namespaces {
    soap: "http://schemas.xmlsoap.org/soap/envelope/",
    security: "http://schemas.xmlsoap.org/ws/2003/06/secext",
    policy: "http://schemas.xmlsoap.org/ws/2002/12/policy",
    addressing: "http://schemas.xmlsoap.org/ws/2004/03/addressing",
    trust: "http://schemas.xmlsoap.org/ws/2004/04/trust",
    issue: "http://schemas.xmlsoap.org/ws/2004/04/security/trust/Issue",
};

const RST2: Namespaces = Namespaces {
    soap: "http://www.w3.org/2003/05/soap-envelope",
    security: "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    policy: "http://schemas.xmlsoap.org/ws/2004/09/policy",
    addressing: "http://www.w3.org/2005/08/addressing",
    trust: "http://schemas.xmlsoap.org/ws/2005/02/trust",
    issue: "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue",
};

impl TokenForm {
    /// The form that is served at a path; slashes may be doubled.
    pub fn at(path: &str) -> Option<Self> {
        match path.trim_start_matches('/').to_ascii_lowercase().as_str() {
            "rst.srf" => Some(Self::Rst),
            "rst2.srf" => Some(Self::Rst2),
            _ => None,
        }
    }

    /// The `Content-Type` of requests.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Rst => "text/xml; charset=utf-8",
            Self::Rst2 => "application/soap+xml; charset=utf-8",
        }
    }

    /// What its elements are called in full.
    pub fn namespaces(self) -> &'static Namespaces {
        match self {
            Self::Rst => &RST,
            Self::Rst2 => &RST2,
        }
    }
}

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// Asking again without the password; its answer cannot be opened.
    Renewal,
    /// `USR SSO S`, with a proof.
    SignIn,
    /// Reading offline messages.
    OfflineMessages,
    /// Address book and lists.
    Contacts,
    /// Leaving offline messages.
    Leaving,
    /// Name and picture that are kept for all places.
    Storage,
}

impl Domain {
    /// Everything that is asked for, in the order of the numbers that clients give them.
    pub const ALL: [Self; 6] =
        [Self::Renewal, Self::SignIn, Self::OfflineMessages, Self::Contacts, Self::Leaving, Self::Storage];

    /// The address by which tokens are told apart.
    pub fn address(self) -> &'static str {
        match self {
            Self::Renewal => "http://Passport.NET/tb",
            Self::SignIn => "messengerclear.live.com",
            Self::OfflineMessages => "messenger.msn.com",
            Self::Contacts => "contacts.msn.com",
            Self::Leaving => "messengersecure.live.com",
            Self::Storage => "storage.msn.com",
        }
    }

    /// The policy that is asked for; `of_server` is the word of `USR SSO S`.
    pub(super) fn policy(self, of_server: &str) -> Option<&str> {
        match self {
            Self::Renewal => None,
            Self::SignIn => Some(of_server),
            Self::OfflineMessages => Some("?id=507"),
            Self::Contacts | Self::Storage => Some("MBI"),
            Self::Leaving => Some("MBI_SSL"),
        }
    }
}
