//! Drives a gateway session over HTTP, and gives a stream that the pump reads and writes like any socket.
//!
//! Knows requests and their answers. Refuses to know what is in them, and which server is behind the gateway.

use std::time::Duration;

use reqwest::{Client, Response, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::msn::gateway::{CONTENT_TYPE, Destination, GatewayRequest, GatewaySession, HEADER};
use crate::msn::ids::HostPort;

/// Bytes between the pump and the session in each direction; full, either waits.
const PIPE: usize = 64 * 1024;
/// How long the gateway may be silent before an answer begins, and within one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one answer may take in all: as long as it keeps coming, it may be of any length.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Why a session ended.
type Ended = Box<dyn std::error::Error + Send + Sync>;

/// Begins a session with the server behind the gateway. Ends when either side lets go of the stream.
pub(in crate::connector) fn open(
    client: Client,
    gateway: Url,
    destination: Destination,
    server: &HostPort,
) -> DuplexStream {
    let (near, far) = tokio::io::duplex(PIPE);
    let session = GatewaySession::new(destination, server.host.clone());
    tokio::spawn(async move {
        if let Err(error) = drive(client, gateway, session, far).await {
            tracing::info!(%error, "the gateway session ended");
        }
    });
    near
}

async fn drive(
    client: Client,
    gateway: Url,
    mut session: GatewaySession,
    mut pipe: DuplexStream,
) -> Result<(), Ended> {
    let mut buffer = Vec::with_capacity(PIPE);
    let mut is_open = true;
    while !session.is_closed() && (is_open || !session.is_idle()) {
        if let Some(request) = session.poll_request(now()) {
            let mut answer = ask(&client, &gateway, request).await?;
            let header = answer.headers().get(HEADER).and_then(|value| value.to_str().ok());
            session.handle_answer(now(), header.unwrap_or_default())?;
            // Handed on as it comes: the pump takes out one unit after another, and nobody holds the whole.
            while let Some(piece) = timely(answer.chunk()).await?? {
                pipe.write_all(&piece).await?;
            }
            continue;
        }
        let poll_at = session.poll_timeout().map(Instant::from_std);
        tokio::select! {
            read = pipe.read_buf(&mut buffer), if is_open => {
                is_open = read? > 0;
                session.send(&buffer)?;
                buffer.clear();
            }
            () = until(poll_at) => {}
        }
        if !is_open && session.is_idle() {
            return Ok(());
        }
    }
    Ok(())
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Makes one request. The host that an answer named may not be ours to reach: then the configured one is asked.
async fn ask(client: &Client, gateway: &Url, request: GatewayRequest) -> Result<Response, Ended> {
    let named = request.gateway.as_deref().and_then(|host| named(gateway, host));
    let other = named.filter(|url| url.host() != gateway.host() || url.port() != gateway.port());
    if let Some(url) = other {
        match post(client, url, &request).await {
            Err(error) if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) => {
                tracing::debug!(%error, "the gateway named a host that cannot be reached");
            }
            answered => return answered,
        }
    }
    post(client, gateway.clone(), &request).await
}

/// The gateway under another host, and another port if it names one.
fn named(gateway: &Url, host: &str) -> Option<Url> {
    let mut url = gateway.clone();
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port.parse::<u16>().ok()),
        _ => (host, None),
    };
    url.set_host(Some(host)).ok()?;
    if port.is_some() {
        url.set_port(port).ok()?;
    }
    Some(url)
}

/// The head of an answer; its body is still to be read.
async fn post(client: &Client, mut url: Url, request: &GatewayRequest) -> Result<Response, Ended> {
    url.set_query(Some(&request.query));
    let sent = client
        .post(url)
        .timeout(LONGEST)
        .header("Accept", "*/*")
        .header("Pragma", "no-cache")
        .header("Content-Type", CONTENT_TYPE)
        .body(request.body.clone())
        .send();
    Ok(timely(sent).await??.error_for_status()?)
}

async fn timely<T>(future: impl Future<Output = T>) -> Result<T, Ended> {
    tokio::time::timeout(ANSWER_TIMEOUT, future).await.map_err(|_| "the gateway does not answer".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader};

    /// A gateway that says what it is told: one answer after another, each written in pieces, to one session.
    async fn scripted(answers: Vec<Vec<Vec<u8>>>, cut: bool) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/gateway/gateway.dll", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = stream.into_split();
            let mut requests = BufReader::new(reader).lines();
            for pieces in answers {
                while !requests.next_line().await.unwrap().unwrap_or_default().is_empty() {}
                let length = pieces.iter().map(Vec::len).sum::<usize>() + usize::from(cut);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nX-MSN-Messenger: SessionID=1.2; GW-IP=\r\nContent-Length: {length}\r\n\r\n"
                );
                writer.write_all(head.as_bytes()).await.unwrap();
                for piece in pieces {
                    if writer.write_all(&piece).await.is_err() {
                        return;
                    }
                }
            }
        });
        url.parse().unwrap()
    }

    fn client() -> Client {
        Client::builder().no_proxy().build().unwrap()
    }

    fn server() -> HostPort {
        HostPort { host: "127.0.0.1".into(), port: 1863 }
    }

    /// Units of one answer, as a server writes texts.
    fn texts(count: usize) -> Vec<u8> {
        let payload = "x".repeat(1500);
        let text = |n: usize| format!("MSG a@b.c A {}\r\n{payload}{n:06}", payload.len() + 6).into_bytes();
        (0..count).flat_map(text).collect()
    }

    #[tokio::test]
    async fn fault_06_an_answer_of_any_length_is_handed_on_as_it_comes() {
        use crate::msn::wire::{Direction, Framer, Limits};
        // 900 texts and more than the megabyte that was once the most, in pieces of any size.
        for size in [64 * 1024, 1000, 3 * 1024 * 1024] {
            let body = texts(2000);
            let pieces = body.chunks(size).map(<[u8]>::to_vec).collect();
            let gateway = scripted(vec![pieces], false).await;
            let mut stream = open(client(), gateway, Destination::Notification, &server());
            let (mut framer, mut read) = (Framer::new(Direction::FromServer, Limits::default()), 0);
            stream.write_all(b"VER 1 MSNP11\r\n").await.unwrap();
            while read < 2000 {
                let mut buffer = vec![0; 4096];
                let count = stream.read(&mut buffer).await.unwrap();
                assert!(count > 0, "the session ended after {read} texts");
                framer.push(&buffer[..count]);
                while let Some(frame) = framer.next_frame().unwrap() {
                    let payload = frame.payload.unwrap();
                    assert!(payload.ends_with(format!("{read:06}").as_bytes()));
                    read += 1;
                }
                assert!(framer.buffered() < 8192, "one unit is held, not the answer");
            }
        }
    }

    #[tokio::test]
    async fn fault_06_what_came_of_an_answer_that_breaks_off_is_read() {
        let body = texts(1000);
        let gateway = scripted(vec![vec![body.clone()]], true).await;
        let mut stream = open(client(), gateway, Destination::Switchboard, &server());
        stream.write_all(b"ANS 1 a b c\r\n").await.unwrap();
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), body.len());
    }

    #[tokio::test]
    async fn fault_06_a_reader_that_is_slow_holds_the_answer_and_loses_nothing_of_it() {
        let body = texts(3000);
        let gateway = scripted(vec![vec![body.clone()]], true).await;
        let mut stream = open(client(), gateway, Destination::Switchboard, &server());
        stream.write_all(b"ANS 1 a b c\r\n").await.unwrap();
        let mut read = Vec::new();
        loop {
            let mut buffer = [0; 1000];
            let count = stream.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            read.extend_from_slice(&buffer[..count]);
            if read.len() % 100_000 < 1000 {
                tokio::task::yield_now().await;
            }
        }
        assert!(read == body, "{} of {}", read.len(), body.len());
    }

    #[test]
    fn the_next_request_goes_to_the_host_that_was_named() {
        let gateway: Url = "http://gw.example:8080/gateway/gateway.dll".parse().unwrap();
        for (host, expected) in [
            ("192.0.2.7", "http://192.0.2.7:8080/gateway/gateway.dll"),
            ("other.example:81", "http://other.example:81/gateway/gateway.dll"),
            ("[::1]:5000", "http://[::1]:5000/gateway/gateway.dll"),
        ] {
            assert_eq!(named(&gateway, host).unwrap().as_str(), expected);
        }
    }
}
