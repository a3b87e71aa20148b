//! HTTP for the sign-in pages and the gateway, as old clients speak it: names of headers in the case they look for,
//! absolute addresses, requests without a version. Small on purpose: three pages, counted bodies, one request at a time.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::outgoing::Batch;

/// The longest head and body that are read.
const MAX_HEAD: usize = 16 * 1024;
/// The longest body, in bytes: a message in a gateway's request takes far less.
const MAX_BODY: usize = 256 * 1024;
/// Most headers of one request.
const MAX_HEADERS: usize = 64;
/// How long a client may take over one request, and be silent between two.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// One request.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// Asked without a version: answered, and closed.
    is_bare: bool,
}

impl Request {
    /// The value of a header, whatever the case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    #[cfg(test)]
    pub(super) fn with_header(name: &str, value: &str) -> Self {
        Self { headers: vec![(name.to_owned(), value.to_owned())], ..Self::default() }
    }

    /// Whether this is the last request of its connection.
    fn wants_close(&self) -> bool {
        let close = self.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.is_bare || close
    }
}

/// An answer; its length is counted here.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: (u16, &'static str),
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// What else is in it: read by who asked once the answer is written.
    pub(super) batch: Option<Batch>,
}

impl Response {
    /// An answer without headers and body.
    pub(super) fn new(code: u16, reason: &'static str) -> Self {
        Self { status: (code, reason), headers: Vec::new(), body: Vec::new(), batch: None }
    }

    /// With one more header; a line break in its value is left out, so that nobody writes a header of their own.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into().replace(['\r', '\n'], "")));
        self
    }

    /// The bytes of head and body; the length counts both parts of the body.
    fn encode(&self, close: bool) -> Vec<u8> {
        let (code, reason) = self.status;
        let mut head = format!("HTTP/1.1 {code} {reason}\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let connection = if close { "close" } else { "Keep-Alive" };
        let batch = self.batch.as_ref().map(|batch| batch.bytes.as_slice()).unwrap_or_default();
        let length = self.body.len() + batch.len();
        head.push_str(&format!("Content-Length: {length}\r\nConnection: {connection}\r\n\r\n"));
        [head.as_bytes(), &self.body, batch].concat()
    }
}

/// Why a connection is over.
enum Over {
    /// It ended between two requests, or never sent one whole.
    Gone,
    /// What it sent is no request that is taken.
    Bad(u16, &'static str),
}

/// Serves one connection until either side has enough.
pub(super) async fn serve<S, F>(mut stream: S, mut answer: impl FnMut(Request) -> F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response>,
{
    let mut buffer = BytesMut::new();
    loop {
        let request = match tokio::time::timeout(REQUEST_TIMEOUT, read(&mut stream, &mut buffer)).await {
            Ok(Ok(request)) => request,
            Ok(Err(Over::Bad(code, reason))) => {
                let _ = stream.write_all(&Response::new(code, reason).encode(true)).await; // it is over anyway
                break;
            }
            Ok(Err(Over::Gone)) | Err(_) => break,
        };
        let close = request.wants_close();
        let response = answer(request).await;
        let written = tokio::time::timeout(REQUEST_TIMEOUT, stream.write_all(&response.encode(close))).await;
        if !matches!(written, Ok(Ok(()))) {
            break;
        }
        response.batch.into_iter().for_each(Batch::written);
        if close {
            break;
        }
    }
    let _ = stream.shutdown().await; // the peer may have gone first
}

/// One request, whole.
async fn read(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut BytesMut,
) -> Result<Request, Over> {
    let (mut request, length) = loop {
        if let Some(parsed) = parse(buffer)? {
            break parsed;
        }
        if buffer.len() > MAX_HEAD {
            return Err(Over::Bad(431, "Request Header Fields Too Large"));
        }
        fill(stream, buffer).await?;
    };
    if length > MAX_BODY {
        return Err(Over::Bad(413, "Content Too Large"));
    }
    let waits = request.header("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    if waits && buffer.len() < length {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| Over::Gone)?;
    }
    while buffer.len() < length {
        fill(stream, buffer).await?;
    }
    request.body = buffer.split_to(length).freeze();
    Ok(request)
}

/// More bytes; an error where there are no more.
async fn fill(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<(), Over> {
    match stream.read_buf(buffer).await {
        Ok(n) if n > 0 => Ok(()),
        _ => Err(Over::Gone),
    }
}

/// A whole head and the length of the body behind it, once they are there.
fn parse(buffer: &mut BytesMut) -> Result<Option<(Request, usize)>, Over> {
    let bad = || Over::Bad(400, "Bad Request");
    while buffer.starts_with(b"\r\n") {
        buffer.advance(2);
    }
    if let Some(bare) = parse_bare(buffer) {
        buffer.clear();
        return Ok(Some((bare, 0)));
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let size = match head.parse(buffer) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(bad()),
    };
    let (path, query) = target(head.path.unwrap_or_default());
    let headers = head
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).trim().to_owned()));
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path,
        query,
        headers: headers.collect(),
        ..Request::default()
    };
    if request.header("Transfer-Encoding").is_some() {
        return Err(Over::Bad(411, "Length Required"));
    }
    let length = match request.header("Content-Length") {
        Some(digits) => digits.parse().map_err(|_| bad())?,
        None => 0,
    };
    buffer.advance(size);
    Ok(Some((request, length)))
}

/// `GET /path` and the end of the line: no version, no headers.
fn parse_bare(buffer: &[u8]) -> Option<Request> {
    let end = buffer.iter().position(|b| *b == b'\n')?;
    let line = std::str::from_utf8(&buffer[..end]).ok()?.trim_end();
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let (method, address, rest) = (words.next()?, words.next()?, words.next());
    (method == "GET" && rest.is_none()).then(|| {
        let (path, query) = target(address);
        Request { method: method.to_owned(), path, query, is_bare: true, ..Request::default() }
    })
}

/// Path and query of an address, which old clients write with scheme and host.
fn target(address: &str) -> (String, String) {
    let local = match address.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => address,
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    (path.to_owned(), query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered to these bytes, cut at every place and whole.
    async fn exchange(bytes: &[u8], cut: usize) -> String {
        let (mut near, far) = tokio::io::duplex(1024 * 1024);
        let echo = |request: Request| async move {
            let line =
                format!("{} {} {} {}", request.method, request.path, request.query, request.body.len());
            Response { body: line.into_bytes(), ..Response::new(200, "OK").with("PassportURLs", "x\r\ny") }
        };
        let served = tokio::spawn(async move { serve(far, echo).await });
        near.write_all(&bytes[..cut]).await.unwrap();
        tokio::task::yield_now().await;
        // It may have been refused by then.
        let _ = near.write_all(&bytes[cut..]).await;
        let _ = near.shutdown().await;
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        served.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn requests_are_read_as_old_clients_write_them_wherever_they_are_cut() {
        let post = b"POST http://gw.example/gateway/gateway.dll?Action=poll&SessionID=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nPNG\r\nGET /rdr/pprdr.asp HTTP/1.0\r\nConnection: close\r\n\r\n";
        for cut in [0, 1, 20, 60, 105, 109, post.len() - 3] {
            let answer = exchange(post, cut).await;
            assert!(answer.contains("POST /gateway/gateway.dll Action=poll&SessionID=1 5"), "{answer}");
            assert!(answer.ends_with("GET /rdr/pprdr.asp  0"), "{answer}");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\nPassportURLs: xy\r\n"), "{answer}");
        }
        let bare = exchange(b"GET /rdr/pprdr.asp\r\n\r\n", 5).await;
        assert!(bare.ends_with("Connection: close\r\n\r\nGET /rdr/pprdr.asp  0"), "{bare}");
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_and_what_is_too_long_is_not_read() {
        for (bytes, code) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], "400"),
            (b"POST / HTTP/1.1\r\nContent-Length: 4294967296\r\n\r\n", "413"),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "411"),
        ] {
            let answer = exchange(bytes, 3).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
        }
        let endless = [b"GET /".to_vec(), vec![b'x'; 40_000]].concat();
        assert!(exchange(&endless, 3).await.starts_with("HTTP/1.1 431 "));
        assert_eq!(exchange(b"GET / HT", 3).await, "");
    }
}
