//! A TCP proxy that can keep answers from one side: the moment between an effect and the news of it, which no real part
//! can be made to hold still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::within;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    trap: Arc<Trap>,
}

struct Trap {
    /// Set once a request with this in it has passed: no answer passes on its connection any more.
    wanted: &'static str,
    armed: AtomicBool,
    sprung: Notify,
}

impl Proxy {
    /// Passes everything on to `target` until it is armed. Then the first request that contains `wanted` is the last
    /// one on its connection that passes, and its answer does not.
    pub(crate) async fn start(target: String, wanted: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let trap = Arc::new(Trap { wanted, armed: AtomicBool::new(false), sprung: Notify::new() });
        let of_all = trap.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target.clone(), of_all.clone()));
            }
        });
        Self { port, trap }
    }

    pub(crate) fn arm(&self) {
        self.trap.armed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn disarm(&self) {
        self.trap.armed.store(false, Ordering::SeqCst);
    }

    /// Resolves when the answer to a trapped request was kept back: the other side has done what was asked.
    pub(crate) async fn sprung(&self) {
        within("the trap to spring", self.trap.sprung.notified()).await;
    }
}

async fn pass(mut client: TcpStream, target: String, trap: Arc<Trap>) {
    let Ok(mut server) = TcpStream::connect(&target).await else { return };
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    let mut caught = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(n @ 1..) = read else { return };
                caught |= trap.armed.load(Ordering::SeqCst)
                    && String::from_utf8_lossy(&up[..n]).contains(trap.wanted);
                if server.write_all(&up[..n]).await.is_err() { return }
            }
            read = server.read(&mut down) => {
                let Ok(n @ 1..) = read else { return };
                if caught {
                    trap.sprung.notify_one();
                } else if client.write_all(&down[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}
