//! A component of a call alone: its context, and what comes out at the other ends of it. Time stands still unless everybody
//! waits for it; files are in a folder of their own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use super::*;
use crate::bridge::port::media::{Incoming, Media, MediaId};
use crate::bridge::port::storage::StorageError;
use crate::connector::clock::now;
use crate::connector::context::call::CallContext;
use crate::connector::context::peers::{Peers, session_names};
use crate::connector::file::suspended::TransferState;
use crate::connector::handle::{CallCommand, CallHandle};
use crate::msn::p2p::{FileContext, Peer, PeerEvent, TransferId};

/// Files in a folder.
pub(in crate::connector) struct Folder {
    folder: tempfile::TempDir,
    names: AtomicU64,
    /// No byte is taken any more.
    is_full: Arc<AtomicBool>,
}

struct Part {
    data: Vec<u8>,
    path: PathBuf,
    name: MediaId,
    is_full: Arc<AtomicBool>,
}

fn room(is_full: &AtomicBool) -> Result<(), StorageError> {
    if is_full.load(Ordering::SeqCst) { Err(StorageError("the disk is full".into())) } else { Ok(()) }
}

impl Incoming for Part {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), StorageError>> {
        self.data.extend_from_slice(&bytes);
        Box::pin(std::future::ready(room(&self.is_full)))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<MediaId, StorageError>> {
        Box::pin(async move {
            room(&self.is_full)?;
            std::fs::write(&self.path, &self.data).unwrap();
            Ok(self.name)
        })
    }
}

impl Media for Folder {
    fn limit(&self) -> u64 {
        1 << 30
    }

    fn lower_limit(&self, _bytes: u64) {}

    fn begin(&self, _expected: u64) -> BoxFuture<'_, Result<Box<dyn Incoming>, StorageError>> {
        let name = MediaId::new(format!("m{}", self.names.fetch_add(1, Ordering::SeqCst))).unwrap();
        let (path, is_full) = (self.path(&name), self.is_full.clone());
        let begun = room(&is_full).map(|()| Box::new(Part { data: Vec::new(), path, name, is_full }) as _);
        Box::pin(std::future::ready(begun))
    }

    fn discard(&self, media: &MediaId) {
        let _ = std::fs::remove_file(self.path(media)); // it may be gone already
    }

    fn path(&self, media: &MediaId) -> PathBuf {
        self.folder.path().join(media.as_str())
    }
}

impl Folder {
    pub(in crate::connector) fn fill(&self) {
        self.is_full.store(true, Ordering::SeqCst);
    }

    /// What a file holds.
    pub(in crate::connector) fn data(&self, media: &MediaId) -> Vec<u8> {
        std::fs::read(self.path(media)).unwrap()
    }

    /// A file that is kept already.
    pub(in crate::connector) fn add(&self, name: &str, data: &[u8]) -> MediaId {
        let media = MediaId::new(name).unwrap();
        std::fs::write(self.path(&media), data).unwrap();
        media
    }
}

/// What surrounds a component.
pub(in crate::connector) struct Component {
    pub(in crate::connector) ctx: CallContext,
    pub(in crate::connector) core: Bridge,
    pub(in crate::connector) media: Arc<Folder>,
    pub(in crate::connector) news: mpsc::Receiver<CallNotice>,
    /// Kept, so that the call counts as open.
    _mailbox: mpsc::Receiver<CallCommand>,
}

/// The context of a call with Bob, who is here.
pub(in crate::connector) fn component() -> Component {
    component_with(config())
}

pub(in crate::connector) fn component_with(config: MsnConfig) -> Component {
    let (bridge, core) = Bridge::channel();
    let folder = tempfile::tempdir().unwrap();
    let media = Arc::new(Folder { folder, names: AtomicU64::new(0), is_full: Arc::default() });
    let shared = Shared { media: media.clone(), ..shared(bridge, config, []) };
    let (news_tx, news) = mpsc::channel(16);
    let (asks, mailbox) = mpsc::channel(16);
    let ctx = CallContext {
        login: alice(),
        email: email("alice"),
        dialect: Dialect::Msnp11,
        conversation: convert::direct(&email("bob")),
        members: vec![email("bob")],
        people: Directory::default().about(vec![email("bob")]),
        names: Names::default(),
        peers: Peers::new(email("alice"), shared.config.clone()),
        handle: CallHandle { asks },
        news: news_tx,
        doors: Arc::new(Semaphore::new(1)),
        cancel: shared.cancel.clone(),
        outbox: Vec::new(),
        progress: Vec::new(),
        refused: 0,
        shared,
    };
    Component { ctx, core, media, news, _mailbox: mailbox }
}

impl Component {
    /// The next that the core is told.
    pub(in crate::connector) async fn told(&mut self) -> RemoteKind {
        next(&mut self.core).await
    }

    /// The next that the core is told, which is what Bob did in words.
    pub(in crate::connector) async fn shown(&mut self) -> String {
        match self.told().await {
            RemoteKind::Message { sender, body: Body::Emote(text), .. } => {
                assert_eq!(sender.id.as_str(), "bob@example.com");
                text.text()
            }
            other => panic!("{other:?} is told"),
        }
    }

    /// Whether the core was told everything already.
    pub(in crate::connector) fn is_silent(&mut self) -> bool {
        tokio::task::unconstrained(self.core.next_remote()).now_or_never().is_none()
    }

    /// What is to be said on the board.
    pub(in crate::connector) fn said(&mut self) -> Vec<String> {
        let outbox = std::mem::take(&mut self.ctx.outbox);
        outbox.into_iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
    }

    /// Carries what the peers of both say to each other, until neither says anything.
    pub(in crate::connector) fn exchange(&mut self, bob: &mut Peer) {
        loop {
            let from_bob: Vec<_> = std::iter::from_fn(|| bob.poll_packet()).collect();
            let from_us = self.ctx.peers.poll_packets();
            if from_bob.is_empty() && from_us.is_empty() {
                return;
            }
            let ours = self.ctx.peers.open(&email("bob")).unwrap();
            from_bob.iter().for_each(|packet| ours.handle(now(), packet));
            from_us.iter().for_each(|(_, packet)| bob.handle(now(), packet));
        }
    }
}

impl Component {
    /// Bob offers a file: gives what is to be decided.
    pub(in crate::connector) fn offer(
        &mut self,
        bob: &mut Peer,
        name: &str,
        size: u64,
    ) -> (TransferId, FileContext) {
        let context = FileContext { name: name.into(), size, preview: None };
        bob.offer(now(), &context, session_names());
        self.exchange(bob);
        match self.ctx.peers.poll_event(&email("bob")) {
            Some(PeerEvent::FileOffered { transfer, file }) => (transfer, file),
            other => panic!("{other:?} in place of an offer"),
        }
    }

    /// So many fragments of what Bob sends come in.
    pub(in crate::connector) fn send(&mut self, bob: &mut Peer, data: &[u8], fragments: usize) {
        for _ in 0..fragments {
            let Some((transfer, offset, length)) = bob.wants_data() else { return };
            let offset = usize::try_from(offset).unwrap();
            let bytes = Bytes::copy_from_slice(&data[offset..offset + length]);
            let packet = bob.provide(now(), transfer, bytes).unwrap();
            self.ctx.peers.open(&email("bob")).unwrap().handle(now(), &packet);
        }
    }
}

impl Component {
    /// A file of Bob is under way in this call; gives what there is of it.
    pub(in crate::connector) fn file_under_way(&mut self) -> TransferState {
        let mut bob = bob();
        let (transfer, _) = self.offer(&mut bob, "a.bin", 5000);
        self.ctx.peers.get(&email("bob")).unwrap().accept(now(), transfer);
        self.exchange(&mut bob);
        self.send(&mut bob, &[7; 5000], 1);
        let mut peer = self.ctx.peers.take(&email("bob")).unwrap();
        assert!(matches!(peer.poll_event(), Some(PeerEvent::Data { .. })));
        assert!(peer.outlive(now()), "it can go on");
        TransferState {
            peer,
            arriving: Vec::new(),
            sending: Vec::new(),
            unconfirmed: Vec::new(),
            direct: None,
        }
    }
}

/// Bob's end.
pub(in crate::connector) fn bob() -> Peer {
    Peer::new(&email("bob"), &email("alice"), 1000)
}
