//! The embedded service, for the old clients it exists for: how they sign in, how they write, and how much they list.

use std::fmt::Write as _;
use std::time::Duration;

use crate::chat::ACCOUNTS;
use crate::support::msn::{Peer, Wire, text};
use crate::support::service::MsnService;
use crate::support::within;

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn page(service: &MsnService, path: &str) -> String {
    let host = service.nexus.trim_start_matches("http://").split('/').next().unwrap();
    format!("http://{host}{path}")
}

/// What msn-pecan posts: the account, the password, and two tokens of which it looks for `Compact1`.
fn request(email: &str, password: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" xmlns:wsse="http://schemas.xmlsoap.org/ws/2003/06/secext"><Header><wsse:Security><wsse:UsernameToken Id="user"><wsse:Username>{email}</wsse:Username><wsse:Password>{password}</wsse:Password></wsse:UsernameToken></wsse:Security></Header><Body><ps:RequestMultipleSecurityTokens xmlns:ps="http://schemas.microsoft.com/Passport/SoapServices/PPCRL" Id="RSTS"><wst:RequestSecurityToken xmlns:wst="http://schemas.xmlsoap.org/ws/2004/04/trust" Id="RST0"><wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2002/12/policy"><wsa:EndpointReference xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/03/addressing"><wsa:Address>http://Passport.NET/tb</wsa:Address></wsa:EndpointReference></wsp:AppliesTo></wst:RequestSecurityToken><wst:RequestSecurityToken xmlns:wst="http://schemas.xmlsoap.org/ws/2004/04/trust" Id="RST1"><wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2002/12/policy"><wsa:EndpointReference xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/03/addressing"><wsa:Address>messenger.msn.com</wsa:Address></wsa:EndpointReference></wsp:AppliesTo></wst:RequestSecurityToken></ps:RequestMultipleSecurityTokens></Body></Envelope>"#
    )
}

#[tokio::test]
async fn fault_37_a_client_that_knows_only_security_tokens_signs_in_as_msnp12() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    for path in ["/RST.srf", "//RST.srf", "/RST2.srf", "//RST2.srf"] {
        let post = client().post(page(&service, path)).body(request("alice@example.com", "alice-pw"));
        let answer = post.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer = answer.text().await.unwrap();
        let token = answer.split(r#"Id="Compact1">"#).nth(1).unwrap_or_else(|| panic!("{path}: {answer}"));
        let ticket = token.split('<').next().unwrap().replace("&amp;", "&");
        let mut wire = Wire::connect(&service.notification).await;
        wire.send("VER", "MSNP12 CVR0").await;
        wire.send("CVR", "0x0409 winnt 5.1 i386 MSNMSGR 6.0.0602 MSMSGS alice@example.com").await;
        wire.send("USR", "TWN I alice@example.com").await;
        wire.line("USR 3 TWN S").await;
        wire.send("USR", &format!("TWN S {ticket}")).await;
        wire.line("USR 4 OK alice@example.com").await;
    }
    for (path, email, password, refusal) in [
        ("/RST.srf", "alice@example.com", "wrong", "<faultcode>wsse:FailedAuthentication</faultcode>"),
        ("/RST.srf", "nobody@example.com", "alice-pw", "<faultcode>wsse:FailedAuthentication</faultcode>"),
        ("/RST2.srf", "alice@example.com", "wrong", "<S:Value>wst:FailedAuthentication</S:Value>"),
    ] {
        let post = client().post(page(&service, path)).body(request(email, password));
        let answer = post.send().await.unwrap().text().await.unwrap();
        assert!(answer.contains(refusal) && !answer.contains("t="), "{answer}");
    }
    let nonsense = client().post(page(&service, "/RST.srf")).body("<a><b>").send().await.unwrap();
    assert!(nonsense.text().await.unwrap().contains("Invalid Request"));
}

#[tokio::test]
async fn fault_37_a_service_with_a_public_name_is_named_by_it_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let more = ["--public-host", "localhost"];
    let service = MsnService::start_with(directory.path(), ACCOUNTS, &more).await;
    let mut alice = Peer::sign_in(&service, "alice@example.com", "alice-pw").await;
    alice.wire.send("XFR", "SB").await;
    let assigned = alice.wire.line("XFR").await.line;
    assert!(assigned.contains(" SB localhost:"), "{assigned}");
}

/// One session of somebody behind the HTTP gateway.
struct GatewaySession {
    url: String,
    id: String,
    heard: String,
    numbers: u32,
}

impl GatewaySession {
    async fn open(service: &MsnService, kind: &str) -> Self {
        let url = service.gateway.clone();
        let mut session = Self { url, id: String::new(), heard: String::new(), numbers: 0 };
        session.ask(&format!("Action=open&Server={kind}&IP=127.0.0.1"), String::new()).await;
        session
    }

    async fn ask(&mut self, query: &str, body: String) {
        let answer = client().post(format!("{}?{query}", self.url)).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let header = answer.headers()["X-MSN-Messenger"].to_str().unwrap();
        self.id = header.split("SessionID=").nth(1).unwrap().split(';').next().unwrap().to_owned();
        self.heard.push_str(&String::from_utf8_lossy(&answer.bytes().await.unwrap()));
    }

    async fn send(&mut self, verb: &str, rest: &str) {
        self.numbers += 1;
        let (query, line) = (format!("SessionID={}", self.id), format!("{verb} {} {rest}\r\n", self.numbers));
        self.ask(&query, line).await;
    }

    /// Polls until a line begins so; the words of that line.
    async fn line(&mut self, start: &str) -> Vec<String> {
        within(start, async {
            loop {
                if let Some(line) = self.heard.lines().find(|line| line.starts_with(start)) {
                    return line.split(' ').map(str::to_owned).collect();
                }
                self.ask(&format!("Action=poll&SessionID={}", self.id), String::new()).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }
}

#[tokio::test]
async fn fault_37_words_to_somebody_behind_the_gateway_are_acknowledged_when_they_ask_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut alice = Peer::sign_in(&service, "alice@example.com", "alice-pw").await;
    let mut bob = GatewaySession::open(&service, "NS").await;
    bob.send("VER", "MSNP9 CVR0").await;
    bob.send("CVR", "0x0409 winnt 5.1 i386 MSMSGS 6.0.0602 MSMSGS bob@example.com").await;
    bob.send("USR", "TWN I bob@example.com").await;
    bob.line("USR 3 TWN S").await;
    let post = client().post(page(&service, "/RST.srf")).body(request("bob@example.com", "bob-pw"));
    let answer = post.send().await.unwrap().text().await.unwrap();
    let ticket = answer.split(r#"Id="Compact1">"#).nth(1).unwrap().split('<').next().unwrap();
    bob.send("USR", &format!("TWN S {}", ticket.replace("&amp;", "&"))).await;
    bob.line("USR 4 OK").await;
    bob.send("CHG", "NLN 0").await;
    bob.line("CHG 5 NLN").await;

    let mut board = within("a board", async {
        let call = alice.call("bob@example.com");
        let answer = async {
            let ring = bob.line("RNG").await;
            let mut board = GatewaySession::open(&service, "SB").await;
            board.send("ANS", &format!("bob@example.com {} {}", ring[4], ring[1])).await;
            board.line("ANS 1 OK").await;
            board
        };
        tokio::join!(call, answer)
    })
    .await;
    let words = text("is anybody there?");
    board.0.raw(format!("MSG 3 A {}\r\n{words}", words.len()).as_bytes()).await;
    // A round trip of another kind shows that the service has had the text: it has not confirmed it.
    board.0.send("CAL", "bob@example.com").await;
    board.0.line("215 ").await;
    assert_eq!(board.0.heard("ACK ") + board.0.heard("NAK "), 0, "nobody has collected it");
    board.1.line("is anybody there?").await;
    board.0.line("ACK 3").await;
}

/// Entries of a list, and contacts online: more than the service once let wait for one connection.
const LISTED: usize = 700;
const ONLINE: usize = 150;

#[tokio::test]
async fn fault_38_an_account_with_a_long_list_signs_in_and_sees_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let mut accounts = ACCOUNTS.to_owned();
    let name = "x".repeat(100);
    for n in 0..LISTED {
        let _ = writeln!(accounts, "c{n}@example.com,pw,{name}");
    }
    let service = MsnService::start(directory.path(), &accounts).await;
    let mut alice = Peer::sign_in(&service, "alice@example.com", "alice-pw").await;
    for n in 0..LISTED {
        alice.wire.send("ADC", &format!("FL N=c{n}@example.com F={name}")).await;
    }
    alice
        .wire
        .until("the last addition", |unit| unit.line.starts_with(&format!("ADC {} ", LISTED + 6)))
        .await;
    drop(alice);
    let mut online = Vec::new();
    for n in 0..ONLINE {
        let mut peer = Peer::sign_in(&service, &format!("c{n}@example.com"), "pw").await;
        let psm = format!("<Data><PSM>{}</PSM><CurrentMedia></CurrentMedia></Data>", "p".repeat(1000));
        peer.wire.raw(format!("UUX 100 {}\r\n{psm}", psm.len()).as_bytes()).await;
        peer.wire.line("UUX 100").await;
        online.push(peer);
    }
    // With a client that reads nothing until it has asked for everything, so that all of it waits at once.
    let mut alice = Peer::sign_in(&service, "alice@example.com", "alice-pw").await;
    alice.wire.line(&format!("LST N=c{}@example.com", LISTED - 1)).await;
    alice.wire.line(&format!("UBX c{}@example.com", ONLINE - 1)).await;
    assert_eq!(alice.wire.heard("LST ") + 1, LISTED);
    assert_eq!(alice.wire.heard("ILN "), ONLINE);
    alice.wire.send("XFR", "SB").await;
    alice.wire.line("XFR").await;
}

/// What an MSNP11 client posts to leave words, as recorded: namespaces, the order of elements, the ticket's two fields.
fn store(ticket: &str, lock_key: &str, body: &str) -> String {
    let ticket = ticket.replace('&', "&amp;");
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Header><From memberName=\"alice@example.com\" friendlyName=\"=?utf-8?B?QWxpY2U=?=\" xml:lang=\"en-US\" proxy=\"MSNMSGR\" xmlns=\"http://messenger.msn.com/ws/2004/09/oim/\" msnpVer=\"MSNP11\" buildVer=\"7.0.0777\"/><To memberName=\"bob@example.com\" xmlns=\"http://messenger.msn.com/ws/2004/09/oim/\"/><Ticket passport=\"{ticket}\" appid=\"PROD0112J1LW7%NB\" lockkey=\"{lock_key}\" xmlns=\"http://messenger.msn.com/ws/2004/09/oim/\"/><Sequence xmlns=\"http://schemas.xmlsoap.org/ws/2003/03/rm\"><Identifier xmlns=\"http://schemas.xmlsoap.org/ws/2002/07/utility\">http://messenger.msn.com</Identifier><MessageNumber>7</MessageNumber></Sequence></soap:Header><soap:Body><MessageType xmlns=\"http://messenger.msn.com/ws/2004/09/oim/\">text</MessageType><Content xmlns=\"http://messenger.msn.com/ws/2004/09/oim/\">MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\nX-OIM-Message-Type: OfflineMessage\r\nX-OIM-Run-Id: {{3A3BE82C-684D-4F4F-8005-CBE8D4F82BAD}}\r\nX-OIM-Sequence-Num: 7\r\n\r\n{body}</Content></soap:Body></soap:Envelope>"
    )
}

fn retrieve(ticket: &str, body: &str) -> String {
    let token = ticket.trim_start_matches("t=").split('&').next().unwrap();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Header><PassportCookie xmlns=\"http://www.hotmail.msn.com/ws/2004/09/oim/rsi\"><t>{token}</t><p></p></PassportCookie></soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    )
}

async fn post(service: &MsnService, path: &str, action: &str, body: String) -> (u16, String) {
    let request = client().post(page(service, path)).header("SOAPAction", format!("\"{action}\"")).body(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn sign_in_ticket(service: &MsnService, email: &str, password: &str) -> String {
    let (_, answer) = post(service, "/RST.srf", "", request(email, password)).await;
    let token = answer.split(r#"Id="Compact1">"#).nth(1).unwrap().split('<').next().unwrap().to_owned();
    token.replace("&amp;", "&")
}

#[tokio::test]
async fn fault_09_words_are_left_told_of_fetched_and_deleted_over_http() {
    const STORE: &str = "http://messenger.msn.com/ws/2004/09/oim/Store";
    const RSI: &str = "http://www.hotmail.msn.com/ws/2004/09/oim/rsi";
    const WORDS: &str = "QXJlIHlvdSB0aGVyZT8g4pyTIG9mZmxpbmU=";
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let alice = sign_in_ticket(&service, "alice@example.com", "alice-pw").await;
    let path = "/OimWS/oim.asmx";
    let (code, refused) = post(&service, path, STORE, store(&alice, "", WORDS)).await;
    assert_eq!(code, 500);
    let challenge = refused.split("LockKeyChallenge").nth(1).unwrap().split('>').nth(1).unwrap();
    let challenge = challenge.split('<').next().unwrap();
    let dialect = msnbridge::msn::dialect::Dialect::Msnp12;
    let product = msnbridge::msn::challenge::Product::published("PROD0112J1LW7%NB", dialect).unwrap();
    let key = product.answer(challenge, dialect);
    let (code, stored) = post(&service, path, STORE, store(&alice, &key, WORDS)).await;
    assert_eq!(code, 200, "{stored}");
    assert!(stored.contains(r#"<AcknowledgmentRange Upper="7" Lower="7" />"#), "{stored}");
    assert!(
        stored.contains(r#"<StoreResponse xmlns="http://messenger.msn.com/ws/2004/09/oim/">"#),
        "{stored}"
    );
    let (code, refused) = post(&service, path, STORE, store("t=0000&p=", &key, WORDS)).await;
    assert!(code == 500 && refused.contains("q0:AuthenticationFailed") && !refused.contains("LockKey"));
    let (code, refused) = post(&service, path, STORE, store(&alice, &key, "")).await;
    assert!(code == 500 && refused.contains("q0:InvalidContent"), "{refused}");

    let mut bob = Peer::sign_in(&service, "bob@example.com", "bob-pw").await;
    let told = bob.wire.message("text/x-msmsgsinitialmdatanotification").await.payload;
    let id = told.split("<E>alice@example.com</E><I>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let ticket = sign_in_ticket(&service, "bob@example.com", "bob-pw").await;
    let ask = async |action: &str, body: String| {
        post(&service, "/rsi/rsi.asmx", &format!("{RSI}/{action}"), retrieve(&ticket, &body)).await
    };
    let (code, data) = ask("GetMetadata", format!("<GetMetadata xmlns=\"{RSI}\" />")).await;
    assert!(code == 200 && data.contains(&format!("&lt;I&gt;{id}&lt;/I&gt;")), "{data}");
    let get = format!(
        "<GetMessage xmlns=\"{RSI}\"><messageId>{id}</messageId><alsoMarkAsRead>false</alsoMarkAsRead></GetMessage>"
    );
    let (code, mail) = ask("GetMessage", get.clone()).await;
    assert!(
        code == 200 && mail.contains("From: =?utf-8?B?QWxpY2U=?= &lt;alice@example.com&gt;\r\n"),
        "{mail}"
    );
    assert!(mail.contains(&format!("\r\n\r\n{WORDS}</GetMessageResult>")), "{mail}");
    let delete = format!(
        "<DeleteMessages xmlns=\"{RSI}\"><messageIds><messageId>{id}</messageId></messageIds></DeleteMessages>"
    );
    let (code, deleted) = ask("DeleteMessages", delete).await;
    assert!(code == 200 && deleted.contains("<DeleteMessagesResponse"), "{deleted}");
    assert!(bob.wire.message("Message-Delta: 1").await.payload.contains("x-msmsgsactivemailnotification"));
    assert_eq!(ask("GetMessage", get).await.0, 500);
    assert_eq!(ask("Nonsense", "<Nonsense/>".into()).await.0, 500);

    // While he is signed in he is told at once.
    let (code, _) = post(&service, path, STORE, store(&alice, &key, WORDS)).await;
    assert_eq!(code, 200);
    bob.wire.message("text/x-msmsgsoimnotification").await;
}
