//! The bridge's line to the MSN service, whose switchboard connections can be cut: no real part breaks just one of them.
//! Notification sessions pass through it too, only to have the switchboard's address in them replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::service::MsnService;

pub(crate) struct Cable {
    /// Where the bridge finds the notification server.
    pub(crate) notification: String,
    cut: Arc<Notify>,
    /// Counts up; connections made before it did pass nothing on to the service any more.
    silenced: Arc<AtomicUsize>,
    cut_sessions: Arc<Notify>,
}

impl Cable {
    pub(crate) async fn lay(service: &MsnService) -> Self {
        let cut = Arc::new(Notify::new());
        let silenced = Arc::new(AtomicUsize::new(0));
        let board = pass_on(service.switchboard(), None, cut.clone(), silenced.clone()).await;
        let replaced = (service.switchboard(), board);
        let cut_sessions = Arc::new(Notify::new());
        let (never, sessions) = (Arc::new(AtomicUsize::new(0)), service.notification.clone());
        let notification = pass_on(sessions, Some(replaced), cut_sessions.clone(), never).await;
        Self { notification, cut, silenced, cut_sessions }
    }

    /// Breaks every switchboard connection that is open now.
    pub(crate) fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// Swallows what the bridge says on every switchboard connection that is open now, as a router does that has
    /// forgotten a connection: neither side notices.
    pub(crate) fn silence(&self) {
        self.silenced.fetch_add(1, Ordering::SeqCst);
    }

    /// Breaks everything that is open now.
    pub(crate) fn cut_all(&self) {
        self.cut_sessions.notify_waiters();
        self.cut();
    }
}

/// Listens somewhere, and passes everything on; in answers one text is put in the place of another.
async fn pass_on(
    target: String,
    replaced: Option<(String, String)>,
    cut: Arc<Notify>,
    silenced: Arc<AtomicUsize>,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let here = listener.local_addr().expect("its address").to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (target, replaced, cut) = (target.clone(), replaced.clone(), cut.clone());
            let (silenced, since) = (silenced.clone(), silenced.load(Ordering::SeqCst));
            let is_deaf = move || silenced.load(Ordering::SeqCst) != since;
            tokio::spawn(async move {
                tokio::select! {
                    () = pass(client, target, replaced, is_deaf) => {}
                    () = cut.notified() => {}
                }
            });
        }
    });
    here
}

async fn pass(
    mut client: TcpStream,
    target: String,
    replaced: Option<(String, String)>,
    is_deaf: impl Fn() -> bool,
) {
    let Ok(mut server) = TcpStream::connect(&target).await else { return };
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(n @ 1..) = read else { return };
                if !is_deaf() && server.write_all(&up[..n]).await.is_err() { return }
            }
            read = server.read(&mut down) => {
                let Ok(n @ 1..) = read else { return };
                let passed = match &replaced {
                    // What carries an address is text.
                    Some((from, to)) => match std::str::from_utf8(&down[..n]) {
                        Ok(text) => text.replace(from, to).into_bytes(),
                        Err(_) => down[..n].to_vec(),
                    },
                    None => down[..n].to_vec(),
                };
                if client.write_all(&passed).await.is_err() { return }
            }
        }
    }
}
