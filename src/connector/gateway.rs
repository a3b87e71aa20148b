//! Drives a gateway session over HTTP, and gives a stream that the pump reads and writes like any socket.

use reqwest::{Client, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::msn::gateway::{CONTENT_TYPE, Destination, GatewayRequest, GatewaySession, HEADER};
use crate::msn::ids::HostPort;

/// Bytes between the pump and the session in each direction; full, either waits.
const PIPE: usize = 64 * 1024;
/// The longest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;

/// Why a session ended.
type Ended = Box<dyn std::error::Error + Send + Sync>;

/// Begins a session with the server behind the gateway. Ends when either side lets go of the stream.
pub(super) fn open(
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
            let (header, body) = ask(&client, &gateway, request).await?;
            session.handle_answer(now(), &header)?;
            pipe.write_all(&body).await?;
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
async fn ask(client: &Client, gateway: &Url, request: GatewayRequest) -> Result<(String, Vec<u8>), Ended> {
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

async fn post(client: &Client, mut url: Url, request: &GatewayRequest) -> Result<(String, Vec<u8>), Ended> {
    url.set_query(Some(&request.query));
    let sent = client
        .post(url)
        .header("Accept", "*/*")
        .header("Pragma", "no-cache")
        .header("Content-Type", CONTENT_TYPE)
        .body(request.body.clone())
        .send()
        .await?;
    let mut answer = sent.error_for_status()?;
    let header = answer.headers().get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (header, mut body) = (header.to_owned(), Vec::new());
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err("the gateway's answer is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok((header, body))
}

#[cfg(test)]
mod tests {
    use super::*;

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
