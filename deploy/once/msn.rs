//! A contact on MSN, by an independent client library.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use msnp11_sdk::{Client, Event, MsnpStatus, PlainText, Switchboard};
use tokio::sync::mpsc;

/// Events waiting to be looked at.
const WAITING: usize = 256;

pub(crate) struct Contact {
    client: Client,
    call: Option<Switchboard>,
    heard: mpsc::Receiver<String>,
    hears: mpsc::Sender<String>,
    joined: mpsc::Receiver<()>,
    joins: mpsc::Sender<()>,
    offered: mpsc::Receiver<Event>,
    offers: mpsc::Sender<Event>,
}

impl Contact {
    pub(crate) async fn sign_in(
        server: &str,
        nexus: &str,
        account: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let (host, port) = server.rsplit_once(':').context("host:port")?;
        let client = Client::new(host, port.parse()?).await.map_err(|error| anyhow!("{error}"))?;
        let answer = client.login(account.to_owned(), password, nexus, "MSNMSGR", "7.0.0813").await;
        match answer.map_err(|error| anyhow!("signing in: {error}"))? {
            Event::Authenticated => {}
            other => bail!("signing in: {other:?}"),
        }
        client.set_presence(MsnpStatus::Online).await.map_err(|error| anyhow!("{error}"))?;
        let (hears, heard) = mpsc::channel(WAITING);
        let (joins, joined) = mpsc::channel(WAITING);
        let (offers, offered) = mpsc::channel(WAITING);
        Ok(Self { client, call: None, heard, hears, joined, joins, offered, offers })
    }

    /// Calls somebody and says this once they are there.
    pub(crate) async fn say(&mut self, peer: &str, words: &str) -> anyhow::Result<()> {
        // The bridged user may still be signing in.
        let call = loop {
            match self.client.create_session(peer).await {
                Ok(call) => break call,
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        };
        let (hears, joins, offers) = (self.hears.clone(), self.joins.clone(), self.offers.clone());
        call.add_event_handler_closure(move |event| {
            let (hears, joins, offers) = (hears.clone(), joins.clone(), offers.clone());
            async move {
                match event {
                    Event::TextMessage { message, .. } => drop(hears.send(message.text).await),
                    offer @ Event::FileTransferRequest { .. } => drop(offers.send(offer).await),
                    Event::ParticipantInSwitchboard { .. } => drop(joins.send(()).await),
                    _ => {}
                }
            }
        });
        self.joined.recv().await.context("nobody joined")?;
        let text = PlainText {
            bold: false,
            italic: false,
            underline: false,
            strikethrough: false,
            color: "0000ff".into(),
            text: words.to_owned(),
        };
        call.send_text_message(&text).await.map_err(|error| anyhow!("{error:?}"))?;
        self.call = Some(call);
        Ok(())
    }

    /// Sends a file to whoever is in the call.
    pub(crate) async fn give(&self, peer: &str, name: &str, file: &[u8]) -> anyhow::Result<()> {
        let call = self.call.as_ref().context("no call")?;
        // It takes the receiver's goodbye for a cancellation: whether it arrived is seen where it arrives.
        let _ = call.send_file(peer, name, file).await;
        Ok(())
    }

    /// Takes the next file that is offered.
    pub(crate) async fn take(&mut self) -> anyhow::Result<Vec<u8>> {
        let offer = self.offered.recv().await.context("the conversation ended")?;
        let Event::FileTransferRequest { request, .. } = offer else { bail!("no offer: {offer:?}") };
        let call = self.call.as_ref().context("no call")?;
        call.accept_file_request(request).await.map_err(|error| anyhow!("taking the file: {error:?}"))
    }

    pub(crate) async fn see(&mut self, words: &str) -> anyhow::Result<()> {
        loop {
            let text = self.heard.recv().await.context("the conversation ended")?;
            if text.contains(words) {
                return Ok(());
            }
        }
    }
}
