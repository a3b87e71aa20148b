//! Tells a network who of us has made a connection (RFC 1413): it asks the host, and bans one of us where it would ban all.
//!
//! Knows connections that are being made and the names that they were given. Refuses to say anything of a connection that is
//! none of ours.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Questions that are answered at a time.
const AT_ONCE: usize = 100;
/// The longest question, in bytes (RFC 1413, 3).
const MAX_QUESTION: u64 = 1_000;
/// How long a question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// A server may ask before we know that it has taken our connection.
const LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(50);

/// Our port, and theirs.
type Ports = (u16, u16);

/// Connections that are being made, and who makes them.
#[derive(Debug, Default)]
pub(super) struct Idents(Mutex<HashMap<Ports, String>>);

/// A connection is known for as long as this is held.
pub(super) struct Known {
    idents: Arc<Idents>,
    ports: Ports,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.idents.all().remove(&self.ports);
    }
}

impl Idents {
    fn all(&self) -> MutexGuard<'_, HashMap<Ports, String>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This connection is that user's.
    pub(super) fn note(self: &Arc<Self>, ports: Ports, user: &str) -> Known {
        self.all().insert(ports, user.to_owned());
        Known { idents: self.clone(), ports }
    }

    async fn user(&self, ports: Ports) -> Option<String> {
        for _ in 0..LOOKS {
            if let Some(user) = self.all().get(&ports) {
                return Some(user.clone());
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }

    /// The answer to a question, as `6193, 23`.
    async fn answer(&self, question: &str) -> String {
        let ports = question.split_once(',').and_then(|(ours, theirs)| {
            Some((ours.trim().parse::<u16>().ok()?, theirs.trim().parse::<u16>().ok()?))
        });
        let Some(ports) = ports else { return "0, 0 : ERROR : INVALID-PORT\r\n".into() };
        let (ours, theirs) = ports;
        match self.user(ports).await {
            Some(user) => format!("{ours}, {theirs} : USERID : UNIX : {user}\r\n"),
            None => format!("{ours}, {theirs} : ERROR : NO-USER\r\n"),
        }
    }
}

/// Answers until stopped. Where nothing can be listened to, that is said in the log and by `check`.
pub(super) async fn serve(idents: Arc<Idents>, listen: SocketAddr, cancel: CancellationToken) {
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%listen, %error, "nobody is told who our connections are of"),
    };
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            () = cancel.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) if open.len() < AT_ONCE => {
                let idents = idents.clone();
                open.spawn(tokio::time::timeout(QUESTION_TIMEOUT, async move { one(&idents, stream).await }));
            }
            Ok(_) => tracing::debug!("too many ask whose connections are"),
            // No more files, mostly: that passes.
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn one(idents: &Idents, mut stream: TcpStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut question = String::new();
    BufReader::new(reader.take(MAX_QUESTION)).read_line(&mut question).await?;
    writer.write_all(idents.answer(&question).await.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_ours_is_named_and_no_other() {
        let idents = Arc::<Idents>::default();
        let known = idents.note((50_000, 6697), "msnbridge");
        assert_eq!(idents.answer("50000 , 6697\r\n").await, "50000, 6697 : USERID : UNIX : msnbridge\r\n");
        assert_eq!(idents.answer("50000,6667").await, "50000, 6667 : ERROR : NO-USER\r\n");
        for odd in ["", "x,y", "1", "99999, 1", "\r\n"] {
            assert_eq!(idents.answer(odd).await, "0, 0 : ERROR : INVALID-PORT\r\n", "{odd:?}");
        }
        drop(known);
        assert_eq!(idents.answer("50000, 6697").await, "50000, 6697 : ERROR : NO-USER\r\n");
        // A server that asks before we know that it has taken the connection.
        let (answer, _known) = tokio::join!(idents.answer("1, 2"), async {
            tokio::time::sleep(LOOK * 3).await;
            idents.note((1, 2), "mabc")
        });
        assert_eq!(answer, "1, 2 : USERID : UNIX : mabc\r\n");
    }
}
