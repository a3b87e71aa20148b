//! Reading an answer, as far as its bound.
//!
//! Knows bytes and a bound, and reads no further. Refuses to parse. The bound is an argument of each call.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// An answer that brings nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(60);

/// Why an answer was not read.
#[derive(Debug, Error)]
pub enum BodyError {
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("it stopped in the middle of an answer")]
    Stalled,
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// The body of an answer of at most `most` bytes. Nothing is reserved by what the other side says that it will send.
///
/// # Errors
/// A longer body, one that stops for a minute, and the connection's own.
pub async fn read_body(mut answer: reqwest::Response, most: usize) -> Result<Bytes, BodyError> {
    if answer.content_length().is_some_and(|length| length > most as u64) {
        return Err(BodyError::TooLong(most));
    }
    let mut body = BytesMut::new();
    loop {
        let chunk = tokio::time::timeout(STALLED, answer.chunk()).await.map_err(|_| BodyError::Stalled)??;
        let Some(chunk) = chunk else { return Ok(body.freeze()) };
        if body.len() + chunk.len() > most {
            return Err(BodyError::TooLong(most));
        }
        body.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers one request with these bytes, again and again if it is to be endless.
    async fn server(head: &'static str, piece: Vec<u8>, endless: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&piece).await.is_ok() && endless {}
        });
        format!("http://{address}/")
    }

    async fn read(url: String, most: usize) -> Result<Bytes, BodyError> {
        read_body(reqwest::get(url).await.unwrap(), most).await
    }

    #[tokio::test]
    async fn fault_33_an_answer_is_read_as_far_as_its_bound() {
        let plain = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        let endless = server(plain, vec![b'x'; 64 * 1024], true).await;
        assert!(matches!(read(endless, 1_000_000).await, Err(BodyError::TooLong(1_000_000))));
        let announced = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
        let announced = server(announced, vec![b'x'; 10], false).await;
        assert!(matches!(read(announced, 1_000_000).await, Err(BodyError::TooLong(_))));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunked =
            server(chunked, [b"4000\r\n".to_vec(), vec![b'x'; 0x4000], b"\r\n".to_vec()].concat(), true);
        assert!(matches!(read(chunked.await, 1_000_000).await, Err(BodyError::TooLong(_))));
        assert_eq!(read(server(plain, vec![b'x'; 1000], false).await, 1000).await.unwrap().len(), 1000);
        assert!(read(server(plain, vec![b'x'; 1001], false).await, 1000).await.is_err());
    }
}
