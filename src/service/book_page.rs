//! The envelopes of the contact list: `POST /abservice/abservice.asmx` for contacts and groups, `SharingService.asmx` beside
//! it for who may see whom (§20).
//!
//! Knows requests and answers as XML. Refuses to know accounts: what is answered is asked of the owner of the rules.

use super::book::{BookContact, ShownBook};
use super::http::{Request, Response};
use crate::msn::address_book::{NAMESPACE, ZERO_BOOK};
use crate::msn::command::ListKind;
use crate::msn::xml::Element;

/// Where contacts and groups are asked for, and where memberships; any case of the path is taken.
pub(super) const BOOK_PATH: &str = "/abservice/abservice.asmx";
pub(super) const SHARING_PATH: &str = "/abservice/SharingService.asmx";

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Before any change.
const NEVER: &str = "0001-01-01T00:00:00";

/// What is asked about the own contact list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BookQuestion {
    Memberships,
    /// All at once, or in the form of MSNP18.
    Contacts {
        is_paged: bool,
    },
}

/// What is asked, and with which ticket; `None` for what is none of the questions that are known here. Up to MSNP14 the
/// ticket is a cookie.
pub(super) fn parse(request: &Request) -> Option<(String, BookQuestion)> {
    let root = Element::parse(&String::from_utf8_lossy(&request.body)).ok()?;
    let cookie = || {
        let cookies = request.header("Cookie")?.split(';');
        cookies.filter_map(|cookie| cookie.trim().strip_prefix("MSPAuth=")).next()
    };
    let ticket = root.first("TicketToken").map(Element::text).or_else(cookie).unwrap_or_default().to_owned();
    let asked = |name: &str| root.first("Body").is_some_and(|body| body.child(name).is_some());
    let question = if asked("FindMembership") {
        BookQuestion::Memberships
    } else if asked("ABFindAll") {
        BookQuestion::Contacts { is_paged: false }
    } else if asked("ABFindContactsPaged") {
        BookQuestion::Contacts { is_paged: true }
    } else {
        return None;
    };
    Some((ticket, question))
}

/// The answer to a question; `host` is where these pages are reached.
pub(super) fn answer(question: BookQuestion, book: &ShownBook, host: &str) -> Response {
    let header = Element::new("ServiceHeader")
        .with_attribute("xmlns", NAMESPACE)
        .with(Element::leaf("Version", "15.01.1408.0000"))
        .with(Element::leaf("CacheKey", &format!("1:{}", book.email)))
        .with(Element::leaf("CacheKeyChanged", "true"))
        .with(Element::leaf("PreferredHostName", host));
    let answered = match question {
        BookQuestion::Memberships => memberships(book),
        BookQuestion::Contacts { is_paged } => contacts(book, is_paged),
    };
    let body = Element::new("soap:Body").with(answered);
    envelope(200, [Element::new("soap:Header").with(header), body])
}

/// The ticket is nobody's.
pub(super) fn refuse() -> Response {
    fault("q0:BadContextToken", "The ticket is not good.", "passportAuthFail")
}

/// What was sent is none of the requests that are known here.
pub(super) fn misunderstand() -> Response {
    fault("soap:Client", "Forbidden", "Forbidden")
}

fn fault(code: &str, words: &str, error: &str) -> Response {
    let detail =
        Element::new("detail").with(Element::leaf("errorcode", error).with_attribute("xmlns", NAMESPACE));
    let fault = Element::new("soap:Fault")
        .with(Element::leaf("faultcode", code).with_attribute("xmlns:q0", NAMESPACE))
        .with(Element::leaf("faultstring", words))
        .with(detail);
    envelope(500, [Element::new("soap:Body").with(fault)])
}

fn envelope(code: u16, parts: impl IntoIterator<Item = Element>) -> Response {
    let envelope = Element::new("soap:Envelope").with_attribute("xmlns:soap", SOAP);
    let body = envelope.with_attribute("xmlns:xsi", SCHEMA).with_all(parts).to_document().into_bytes();
    let reason = if code == 200 { "OK" } else { "Internal Server Error" };
    Response { body, ..Response::new(code, reason).with("Content-Type", "text/xml; charset=utf-8") }
}

/// Who stands on each of the lists that are kept beside the book. Somebody who waits for an answer is shown there alone.
fn memberships(book: &ShownBook) -> Element {
    let roles = [
        ("Allow", ListKind::Allow),
        ("Block", ListKind::Block),
        ("Reverse", ListKind::Reverse),
        ("Pending", ListKind::Pending),
    ];
    let lists = roles.into_iter().map(|(role, list)| {
        let members = book.contacts.iter().filter(|contact| contact.lists.has(list));
        Element::new("Membership")
            .with(Element::leaf("MemberRole", role))
            .with(Element::new("Members").with_all(members.map(|contact| member(role, contact))))
            .with(Element::leaf("MembershipIsComplete", "true"))
    });
    let handle = Element::new("Handle")
        .with(Element::leaf("Id", "1"))
        .with(Element::leaf("Type", "Messenger"))
        .with(Element::new("ForeignId"));
    let service = Element::new("Service")
        .with(Element::new("Memberships").with_all(lists))
        .with(Element::new("Info").with(handle))
        .with(Element::leaf("LastChange", NEVER))
        .with(Element::leaf("Deleted", "false"));
    let result = Element::new("FindMembershipResult").with(Element::new("Services").with(service));
    Element::new("FindMembershipResponse").with_attribute("xmlns", NAMESPACE).with(result)
}

fn member(role: &str, contact: &BookContact) -> Element {
    Element::new("Member")
        .with_attribute("xsi:type", "PassportMember")
        .with(Element::leaf("MembershipId", &format!("{role}/{}", contact.id)))
        .with(Element::leaf("Type", "Passport"))
        .with(Element::leaf("State", "Accepted"))
        .with(Element::leaf("Deleted", "false"))
        .with(Element::leaf("PassportName", &contact.email))
}

/// Groups, the own entry, and everybody on the forward list.
fn contacts(book: &ShownBook, is_paged: bool) -> Element {
    let (operation, groups_name, contacts_name) = match is_paged {
        false => ("ABFindAll", "groups", "contacts"),
        true => ("ABFindContactsPaged", "Groups", "Contacts"),
    };
    let groups = book.groups.iter().map(|(id, name)| {
        Element::new("Group")
            .with(Element::leaf("groupId", id))
            .with(Element::new("groupInfo").with(Element::leaf("name", name)))
            .with(Element::leaf("fDeleted", "false"))
    });
    let listed = book.contacts.iter().filter(|contact| contact.lists.has(ListKind::Forward)).map(person);
    let ab =
        Element::new("ab").with(Element::leaf("abId", ZERO_BOOK)).with(Element::leaf("lastChange", NEVER));
    let result = Element::new(&format!("{operation}Result"))
        .with(Element::new(groups_name).with_all(groups))
        .with(Element::new(contacts_name).with(own(book)).with_all(listed))
        .with(ab);
    Element::new(&format!("{operation}Response")).with_attribute("xmlns", NAMESPACE).with(result)
}

fn person(contact: &BookContact) -> Element {
    let groups = contact.groups.iter().map(|id| Element::leaf("guid", id));
    let info = Element::new("contactInfo")
        .with(Element::leaf("contactType", "Regular"))
        .with(Element::leaf("quickName", &contact.name))
        .with(Element::leaf("passportName", &contact.email))
        .with(Element::leaf("displayName", &contact.name))
        .with(Element::new("groupIds").with_all(groups))
        .with(Element::leaf("isMessengerUser", "true"));
    entry(&contact.id, info)
}

fn own(book: &ShownBook) -> Element {
    let setting = |name: &str, is_first: bool| {
        let value = if is_first { "1" } else { "2" };
        Element::new("Annotation").with(Element::leaf("Name", name)).with(Element::leaf("Value", value))
    };
    let annotations = Element::new("annotations")
        .with(setting("MSN.IM.GTC", book.asks))
        .with(setting("MSN.IM.BLP", book.strangers_allowed));
    let info = Element::new("contactInfo")
        .with(annotations)
        .with(Element::leaf("contactType", "Me"))
        .with(Element::leaf("quickName", &book.name))
        .with(Element::leaf("passportName", &book.email))
        .with(Element::leaf("displayName", &book.name))
        .with(Element::leaf("isMessengerUser", "false"));
    entry(ZERO_BOOK, info)
}

fn entry(id: &str, info: Element) -> Element {
    Element::new("Contact")
        .with(Element::leaf("contactId", id))
        .with(info)
        .with(Element::new("propertiesChanged"))
        .with(Element::leaf("fDeleted", "false"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::address_book::{AddressBook, BookExchange, BookFault, BookOperation};
    use crate::msn::command::ListMask;
    use crate::msn::ids::Ticket;

    fn exchange() -> BookExchange {
        BookExchange::new("alice@example.com", Ticket::new("t=1&p=2"))
    }

    fn with_body(body: &str, mut request: Request) -> Request {
        request.body = body.to_owned().into();
        request
    }

    fn request(operation: BookOperation) -> Request {
        with_body(&exchange().request(operation).body, Request::default())
    }

    fn text(answer: Response) -> String {
        String::from_utf8(answer.body).unwrap()
    }

    #[test]
    fn a_client_reads_back_what_the_service_shows_in_either_form() {
        let contact = |name: &str, lists, groups: &[&str]| BookContact {
            email: format!("{name}@example.com"),
            name: format!("<{name}>"),
            id: format!("id-{name}"),
            lists: ListMask(lists),
            groups: groups.iter().map(|id| (*id).to_owned()).collect(),
        };
        let shown = ShownBook {
            email: "alice@example.com".into(),
            name: "Alice & co".into(),
            asks: true,
            strangers_allowed: false,
            contacts: vec![contact("bob", 11, &["g-1"]), contact("carol", 4, &[]), contact("dave", 24, &[])],
            groups: vec![("g-1".into(), "Friends".into())],
        };
        let read = |find| {
            let mut exchange = exchange();
            let mut ask = |operation| {
                let (ticket, question) = parse(&request(operation)).unwrap();
                assert_eq!(ticket, "t=1&p=2");
                exchange.read(operation, &text(answer(question, &shown, "127.0.0.1:8081"))).unwrap()
            };
            let memberships = ask(BookOperation::FindMembership);
            let book = AddressBook::read(&memberships, &ask(find));
            (book, exchange.host().map(str::to_owned))
        };
        let (book, host) = read(BookOperation::FindAll);
        assert_eq!(read(BookOperation::FindPaged).0, book);
        assert_eq!(host.as_deref(), Some("127.0.0.1:8081"));
        assert_eq!(
            (book.name.as_deref(), book.strangers_allowed, book.asks),
            (Some("Alice & co"), Some(false), Some(true))
        );
        let lists: Vec<_> = book.contacts.iter().map(|entry| (entry.email.as_str(), entry.lists.0)).collect();
        assert_eq!(lists, [("bob@example.com", 11), ("carol@example.com", 4), ("dave@example.com", 24)]);
        assert_eq!(book.contacts[0].name.as_ref().unwrap().decode(), "<bob>");
        assert_eq!(book.contacts[0].groups.len(), 1);
    }

    #[test]
    fn conf_129_a_bad_ticket_is_a_fault_that_a_client_knows() {
        let read = |answer: Response| {
            assert_eq!(answer.status.0, 500);
            exchange().read(BookOperation::FindAll, &text(answer)).unwrap_err()
        };
        assert_eq!(read(refuse()), BookFault::Ticket);
        assert!(matches!(read(misunderstand()), BookFault::Refused(_)));
        for body in ["", "<E/>", "<E><Body><CreateCircle/></Body></E>"] {
            let request = with_body(body, Request::default());
            assert!(parse(&request).is_none(), "{body}");
        }
    }

    #[test]
    fn an_older_client_brings_its_ticket_as_a_cookie() {
        let body = "<E><Body><FindMembership/></Body></E>";
        let request = with_body(body, Request::with_header("Cookie", "a=b; MSPAuth=t=1&p=2; c=d"));
        assert_eq!(parse(&request), Some(("t=1&p=2".into(), BookQuestion::Memberships)));
    }
}
