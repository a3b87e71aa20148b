//! The envelope of every request, what an answer leaves for the next one, and how a service refuses (§20.1).
//!
//! Knows headers and codes. Refuses to know what stands in a book.

use thiserror::Error;

use crate::msn::ids::Ticket;
use crate::msn::oim::SoapRequest;
use crate::msn::xml::{Element, one_line};

/// The namespace of every operation.
pub const NAMESPACE: &str = "http://www.msn.com/webservices/AddressBook";
/// The id of an account's own book.
pub const ZERO_BOOK: &str = "00000000-0000-0000-0000-000000000000";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// What Messenger 8.5 says that it is.
const APPLICATION: &str = "CFE80F9D-180F-4399-82AB-413F33A1FA11";
/// Before any change: everything is asked for.
const NEVER: &str = "0001-01-01T00:00:00.0000000-08:00";
/// Longest key and host that are kept for the next request.
const MAX_KEPT: usize = 4096;

/// Which of the two services is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookService {
    /// `abservice.asmx`: contacts and groups.
    AddressBook,
    /// `SharingService.asmx`: who may see whom.
    Sharing,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookOperation {
    /// Who stands on the allow, block, reverse and pending lists.
    FindMembership,
    /// Contacts and groups, up to MSNP17.
    FindAll,
    /// The same from MSNP18 on.
    FindPaged,
    /// An account that has no book yet gets one.
    AddBook,
}

impl BookOperation {
    /// The service that knows it.
    pub fn service(self) -> BookService {
        match self {
            Self::FindMembership => BookService::Sharing,
            Self::FindAll | Self::FindPaged | Self::AddBook => BookService::AddressBook,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::FindMembership => "FindMembership",
            Self::FindAll => "ABFindAll",
            Self::FindPaged => "ABFindContactsPaged",
            Self::AddBook => "ABAdd",
        }
    }

    fn parts(self, owner: &str) -> Vec<Element> {
        let leaf = Element::leaf;
        match self {
            Self::FindMembership => {
                let types = Element::new("Types").with(leaf("ServiceType", "Messenger"));
                vec![Element::new("serviceFilter").with(types)]
            }
            Self::FindAll => vec![
                leaf("abId", ZERO_BOOK),
                leaf("abView", "Full"),
                leaf("deltasOnly", "false"),
                leaf("lastChange", NEVER),
            ],
            Self::FindPaged => vec![
                Element::new("filterOptions")
                    .with(leaf("DeltasOnly", "false"))
                    .with(leaf("LastChanged", NEVER)),
                leaf("abView", "MessengerClient8"),
                leaf("extendedContent", "AB AllGroups CircleResult"),
            ],
            Self::AddBook => {
                let info = Element::new("abInfo")
                    .with(leaf("ownerPuid", "0"))
                    .with(leaf("ownerEmail", owner))
                    .with(leaf("fDefault", "true"));
                vec![info]
            }
        }
    }
}

/// Why a request was not granted. The texts are for the owner of the account.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BookFault {
    /// Another ticket can help, once.
    #[error("the contact list service does not accept our ticket")]
    Ticket,
    /// The account has none yet: it is made, and asked for again.
    #[error("the account has no contact list yet")]
    NoBook,
    #[error("the contact list service refused: {0}")]
    Refused(String),
    #[error("the contact list service answered something that cannot be read")]
    Unreadable,
}

/// What requests of one session share: the ticket, and what answers say for the next request.
#[derive(Debug, Clone)]
pub struct BookExchange {
    owner: String,
    ticket: Ticket,
    /// Of each service, in the order of [`BookService`].
    cache_keys: [Option<String>; 2],
    host: Option<String>,
}

impl BookExchange {
    /// `owner`: the account; `ticket`: that of the contacts.
    pub fn new(owner: &str, ticket: Ticket) -> Self {
        Self { owner: owner.to_owned(), ticket, cache_keys: [None, None], host: None }
    }

    /// Goes on with another ticket.
    pub fn renew(&mut self, ticket: Ticket) {
        self.ticket = ticket;
    }

    /// The host, with a port perhaps, at which the service wants to be asked from now on.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Writes a request.
    pub fn request(&self, operation: BookOperation) -> SoapRequest {
        let name = operation.name();
        let cache_key = self.cache_keys[operation.service() as usize].as_deref();
        let application = Element::new("ABApplicationHeader")
            .with_attribute("xmlns", NAMESPACE)
            .with(Element::leaf("ApplicationId", APPLICATION))
            .with(Element::leaf("IsMigration", "false"))
            .with(Element::leaf("PartnerScenario", "Initial"))
            .with_all(cache_key.map(|key| Element::leaf("CacheKey", key)));
        let authentication = Element::new("ABAuthHeader")
            .with_attribute("xmlns", NAMESPACE)
            .with(Element::leaf("ManagedGroupRequest", "false"))
            .with(Element::leaf("TicketToken", self.ticket.expose()));
        let asked =
            Element::new(name).with_attribute("xmlns", NAMESPACE).with_all(operation.parts(&self.owner));
        let envelope = Element::new("soap:Envelope")
            .with_attribute("xmlns:soap", SOAP)
            .with_attribute("xmlns:xsi", SCHEMA)
            .with(Element::new("soap:Header").with(application).with(authentication))
            .with(Element::new("soap:Body").with(asked));
        SoapRequest { action: format!("{NAMESPACE}/{name}"), body: envelope.to_document() }
    }

    /// Reads an answer, whatever its HTTP status was.
    ///
    /// # Errors
    /// A fault, and what is no answer.
    pub fn read(&mut self, operation: BookOperation, body: &str) -> Result<Element, BookFault> {
        let root = Element::parse(body).map_err(|_| BookFault::Unreadable)?;
        if let Some(fault) = root.first("Fault") {
            return Err(refusal(fault));
        }
        if root.first(&format!("{}Response", operation.name())).is_none() {
            return Err(BookFault::Unreadable);
        }
        self.learn(operation.service(), &root);
        Ok(root)
    }

    fn learn(&mut self, service: BookService, root: &Element) {
        let Some(header) = root.first("ServiceHeader") else { return };
        let kept = |name: &str| {
            let text = header.child(name).map(Element::text).filter(|text| text.len() <= MAX_KEPT);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        if header.child("CacheKeyChanged").is_some_and(|changed| changed.text().eq_ignore_ascii_case("true"))
        {
            self.cache_keys[service as usize] = kept("CacheKey");
        }
        self.host = kept("PreferredHostName").or_else(|| self.host.take());
    }
}

fn refusal(fault: &Element) -> BookFault {
    let code = fault.first("errorcode").map(Element::text);
    let general = fault.first("faultcode").map(Element::text).unwrap_or_default();
    let code = code.unwrap_or_else(|| general.rsplit(':').next().unwrap_or_default());
    let words = fault.first("faultstring").map(Element::text).unwrap_or_default();
    match code {
        "BadContextToken" | "passportAuthFail" | "AuthenticationFailed" => BookFault::Ticket,
        "ABDoesNotExist" => BookFault::NoBook,
        _ => BookFault::Refused(one_line(&format!("{code} {words}"))),
    }
}
