use super::*;
use crate::msn::command::{ListKind, ListMask};
use crate::msn::ids::{Email, GroupId, Ticket};
use crate::msn::xml::Element;

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

fn exchange() -> BookExchange {
    BookExchange::new("alice@example.com", Ticket::new("t=1&p=2"))
}

/// Members of the messenger's service, and of another one.
fn memberships(lists: &[(&str, &[&str])]) -> Element {
    let member = |name: &&str| {
        format!(
            "<Member xsi:type=\"PassportMember\"><Type>Passport</Type><State>Accepted</State><Deleted>false</Deleted><PassportName>{name}@example.com</PassportName></Member>"
        )
    };
    let list = |(role, names): &(&str, &[&str])| {
        let members: String = names.iter().map(member).collect();
        format!("<Membership>\n<MemberRole>{role}</MemberRole><Members>{members}</Members></Membership>")
    };
    let lists: String = lists.iter().map(list).collect();
    let gone = "<Membership><MemberRole>Block</MemberRole><Members><Member><Deleted>true</Deleted><PassportName>gone@example.com</PassportName></Member><Member><Email>mail@example.com</Email></Member></Members></Membership>";
    Element::parse(&format!(
        "<E xmlns:xsi='x'><Services><Service><Memberships>{lists}{gone}</Memberships><Info><Handle><Id>1</Id><Type>Messenger</Type></Handle></Info></Service>\
         <Service><Memberships><Membership><MemberRole>Block</MemberRole><Members><Member><PassportName>other@example.com</PassportName></Member></Members></Membership></Memberships><Info><Handle><Type>Profile</Type></Handle></Info></Service></Services></E>"
    ))
    .unwrap()
}

const BOOK: &str = "<E><groups><Group><groupId>g-1</groupId><groupInfo><name>Work &amp; play</name></groupInfo></Group></groups>\
    <contacts><Contact><contactId>c-0</contactId><contactInfo><annotations><Annotation><Name>MSN.IM.GTC</Name><Value>1</Value></Annotation>\
    <Annotation><Name>MSN.IM.BLP</Name><Value>2</Value></Annotation></annotations><contactType>Me</contactType><passportName>alice@example.com</passportName><displayName>Alice A.</displayName></contactInfo></Contact>\
    <Contact><contactId>c-1</contactId><contactInfo><contactType>Regular</contactType><quickName>b</quickName><passportName>bob@example.com</passportName><displayName>Bob</displayName>\
    <groupIds><guid>g-1</guid></groupIds><isMessengerUser>true</isMessengerUser></contactInfo><fDeleted>false</fDeleted></Contact>\
    <Contact><contactId>c-2</contactId><contactInfo><annotations><Annotation><Name>AB.NickName</Name><Value>Cee</Value></Annotation></annotations><contactType>LivePending</contactType><passportName>carol@example.com</passportName><displayName>Carol</displayName><isMessengerUser>true</isMessengerUser></contactInfo></Contact>\
    <Contact><contactId>c-3</contactId><contactInfo><contactType>Regular</contactType><passportName>dave@example.com</passportName><isMessengerUser>false</isMessengerUser></contactInfo></Contact>\
    <Contact><contactId>c-4</contactId><contactInfo><contactType>Circle</contactType><passportName>circle@live.com</passportName></contactInfo></Contact>\
    <Contact><contactId>c-5</contactId><contactInfo><contactType>Regular</contactType><passportName>gone@example.com</passportName></contactInfo><fDeleted>true</fDeleted></Contact></contacts></E>";

#[test]
fn conf_120_both_forms_of_the_book_give_the_same_list() {
    let memberships =
        memberships(&[("Allow", &["bob", "erin"]), ("Reverse", &["bob"]), ("Pending", &["fay"])]);
    let paged = BOOK.replace("groups>", "Groups>").replace("contacts>", "Contacts>");
    let [read, other] =
        [BOOK, &paged].map(|book| AddressBook::read(&memberships, &Element::parse(book).unwrap()));
    assert_eq!(read, other);
    assert_eq!(
        (read.name.as_deref(), read.strangers_allowed, read.asks),
        (Some("Alice A."), Some(false), Some(true))
    );
    assert_eq!(read.groups, [(GroupId("g-1".into()), "Work & play".into())]);
    let known: Vec<_> = read
        .contacts
        .iter()
        .map(|entry| {
            let name = entry.name.as_ref().map(|name| name.decode());
            (entry.email.to_key(), name.unwrap_or_default(), entry.lists.0, entry.groups.len())
        })
        .collect();
    let known: Vec<_> = known
        .iter()
        .map(|(email, name, lists, groups)| (email.as_str(), name.as_str(), *lists, *groups))
        .collect();
    // Neither the own entry, a circle, what is gone nor another service's members.
    assert_eq!(
        known,
        [
            ("bob@example.com", "Bob", 11, 1),
            ("carol@example.com", "Cee", 1, 0),
            ("dave@example.com", "", 0, 0),
            ("erin@example.com", "", 2, 0),
            ("fay@example.com", "", 16, 0),
        ]
    );
}

#[test]
fn conf_121_who_is_allowed_and_blocked_is_blocked_and_who_is_neither_is_allowed_when_told() {
    let both = memberships(&[("Allow", &["bob"]), ("Block", &["bob"])]);
    let read = AddressBook::read(&both, &Element::parse(BOOK).unwrap());
    let lists = |name: &str| read.contacts.iter().find(|entry| entry.email == email(name)).unwrap().lists;
    assert_eq!((lists("bob"), lists("carol")), (ListMask(5), ListMask(1)));
    let told = listings(read.contacts.iter().map(|entry| (entry.email.clone(), entry.lists)), true);
    assert_eq!(
        told,
        [
            "<ml l=\"1\"><d n=\"example.com\"><c n=\"bob\" l=\"5\" t=\"1\"></c><c n=\"carol\" l=\"3\" t=\"1\"></c></d></ml>"
        ]
    );
}

#[test]
fn conf_123_an_answers_key_and_host_are_used_in_the_next_request_of_that_service() {
    let mut exchange = exchange();
    let answer = |name: &str, key: &str, changed: bool| {
        format!(
            "<E><ServiceHeader><CacheKey>{key}</CacheKey><CacheKeyChanged>{changed}</CacheKeyChanged><PreferredHostName>ab-1.example.net</PreferredHostName></ServiceHeader><{name}Response/></E>"
        )
    };
    let key = |exchange: &BookExchange, operation| {
        let body = Element::parse(&exchange.request(operation).body).unwrap();
        body.first("CacheKey").map(|key| key.text().to_owned())
    };
    assert_eq!((exchange.host(), key(&exchange, BookOperation::FindMembership)), (None, None));
    exchange
        .read(BookOperation::FindMembership, &answer("FindMembership", "12r1:<", true).replace("<<", "&lt;<"))
        .unwrap();
    assert_eq!(exchange.host(), Some("ab-1.example.net"));
    assert_eq!(key(&exchange, BookOperation::FindMembership).as_deref(), Some("12r1:<"));
    assert_eq!(key(&exchange, BookOperation::FindAll), None, "each service has its own");
    exchange.read(BookOperation::FindMembership, &answer("FindMembership", "x", false)).unwrap();
    assert_eq!(key(&exchange, BookOperation::FindMembership).as_deref(), Some("12r1:<"));
}

#[test]
fn requests_name_the_operation_and_carry_the_ticket_escaped_once() {
    let request = exchange().request(BookOperation::FindPaged);
    assert_eq!(request.action, "http://www.msn.com/webservices/AddressBook/ABFindContactsPaged");
    assert!(request.body.contains("<TicketToken>t=1&amp;p=2</TicketToken>"), "{}", request.body);
    let find = exchange().request(BookOperation::FindMembership);
    assert!(find.body.contains("<ServiceType>Messenger</ServiceType>"), "{}", find.body);
    assert_eq!(BookOperation::FindMembership.service(), BookService::Sharing);
}

#[test]
fn a_fault_is_told_by_its_detail_and_what_is_no_answer_is_none() {
    let fault = |code: &str| {
        format!(
            "<s:E xmlns:s='x'><s:Fault><faultcode>soap:Client</faultcode><faultstring>why\nnot</faultstring><detail><errorcode>{code}</errorcode></detail></s:Fault></s:E>"
        )
    };
    let mut exchange = exchange();
    let mut read = |body: &str| exchange.read(BookOperation::FindAll, body).unwrap_err();
    assert_eq!(read(&fault("BadContextToken")), BookFault::Ticket);
    assert_eq!(read("<E><Fault><faultcode>q0:BadContextToken</faultcode></Fault></E>"), BookFault::Ticket);
    assert_eq!(read(&fault("ABDoesNotExist")), BookFault::NoBook);
    assert_eq!(read(&fault("RequestLimitReached")), BookFault::Refused("RequestLimitReached why not".into()));
    for other in ["", "500: Internal Server Error", "<E/>", "<E><FindMembershipResponse/></E>"] {
        assert_eq!(read(other), BookFault::Unreadable, "{other}");
    }
}

#[test]
fn conf_124_the_initial_lists_are_split_at_their_bounds_and_an_empty_one_is_told_too() {
    assert_eq!(listings(std::iter::empty(), true), ["<ml l=\"1\"></ml>"]);
    assert_eq!(listings(std::iter::empty(), false), Vec::<String>::new());
    // Only bits that a client may name, and never both of two that exclude each other.
    let reverse = |name: &str, bits| (email(name), ListMask(bits));
    let told =
        listings([reverse("a", 8 | 16), reverse("b", 2 | 4 | 8), reverse("c", 2 | 8)].into_iter(), true);
    let (is_initial, told) = parse_listings(&told[0]).unwrap();
    assert!(is_initial);
    assert_eq!(told.iter().map(|listing| listing.lists.0).collect::<Vec<_>>(), [4, 2]);

    for (length, most) in [(1, 150), (60, 90)] {
        let name = |n: usize| format!("{}{n:04}@{}.example.com", "x".repeat(length), n % 7);
        let all: Vec<Email> = (0..1000).map(|n| Email::parse(&name(n)).unwrap()).collect();
        let payloads = listings(all.iter().map(|email| (email.clone(), ListMask(3))), true);
        let mut seen = Vec::new();
        for payload in &payloads {
            assert!(payload.len() <= 7400, "{} bytes", payload.len());
            assert!(!payload.contains("> ") && payload.starts_with("<ml l=\"1\"><d n="), "{payload}");
            let domains: Vec<_> = payload.matches("<d n=\"").collect();
            let (_, listed) = parse_listings(payload).unwrap();
            assert!(!listed.is_empty() && listed.len() <= 150 && domains.len() <= 7);
            seen.extend(listed.into_iter().map(|listing| listing.email));
        }
        assert!(payloads.len() <= 1000_usize.div_ceil(most) + 1, "{} commands", payloads.len());
        seen.sort();
        let mut all = all;
        all.sort();
        assert_eq!(seen, all);
    }
}

#[test]
fn a_pushed_payload_says_who_and_what_they_are_called() {
    let pushed = "<ml><d n=\"example.com\"><c n=\"bob\" t=\"1\" l=\"8\" f=\"Bob%20B\" /></d></ml>";
    let (is_initial, listed) = parse_listings(pushed).unwrap();
    assert!(!is_initial && listed.len() == 1);
    assert_eq!((&listed[0].email, listed[0].lists.has(ListKind::Reverse)), (&email("bob"), true));
    assert_eq!(listed[0].name.as_ref().unwrap().decode(), "Bob B");
    assert!(parse_listings("<ml><d>").is_err());
}
