//! What goes with an entry to one leg and is not in the journal: small pictures, addresses of files, and files
//! themselves, which are fetched when their turn comes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::bridge::body::{Attachment, Body, Emoticon, Image, RichText};
use crate::bridge::ids::EntryId;
use crate::bridge::link::{Links, Share};
use crate::bridge::media::{File, MediaId};
use crate::bridge::ports::{Content, Delivery, DeliveryError, Frontend, Link, Network, Storage, Table};

/// How long words wait for the small pictures in them, and for how many.
const EMOTICON_TIME: Duration = Duration::from_secs(4);
const MAX_EMOTICONS: usize = 5;
/// How long a line about a file waits for its address; then it is said without.
const LINK_TIME: Duration = Duration::from_secs(60);

/// Brings the small pictures of a text to the disk: as many, and as fast, as nobody minds waiting for.
pub(super) async fn with_emoticons(source: Option<Arc<dyn Frontend>>, mut delivery: Delivery) -> Delivery {
    let Content::Said { body: Body::Text(text) } = &delivery.content else { return delivery };
    let Some(frontend) = source.filter(|_| !text.emoticons.is_empty()) else { return delivery };
    let until = Instant::now() + EMOTICON_TIME;
    let mut brought = Vec::new();
    for Emoticon { shortcut, image } in text.emoticons.iter().take(MAX_EMOTICONS) {
        let Image::Source { source } = image else { continue };
        let attachment = Attachment { source: source.clone(), name: shortcut.clone(), caption: None };
        match tokio::time::timeout_at(until, frontend.fetch(&attachment)).await {
            Ok(Ok(file)) => brought.push((shortcut.clone(), file)),
            // Its shortcut says what it was.
            Ok(Err(error)) => tracing::info!(%error, "an emoticon was not fetched"),
            Err(_) => tracing::info!("an emoticon was not fetched in time"),
        }
    }
    delivery.emoticons = brought;
    delivery
}

/// Addresses for what IRC cannot show: files, and each small picture once.
pub(super) async fn for_irc(
    links: Option<&Links>,
    storage: &dyn Storage,
    source: Option<Arc<dyn Frontend>>,
    delivery: Delivery,
) -> Delivery {
    match (links, &delivery.content) {
        (Some(links), Content::Said { body: Body::Text(text) }) if !text.emoticons.is_empty() => {
            let text = text.clone();
            with_emoticon_links(links, storage, source, delivery, &text).await
        }
        _ => with_links(links, source, delivery).await,
    }
}

async fn with_emoticon_links(
    links: &Links,
    storage: &dyn Storage,
    source: Option<Arc<dyn Frontend>>,
    mut delivery: Delivery,
    text: &RichText,
) -> Delivery {
    let until = Instant::now() + EMOTICON_TIME;
    for Emoticon { shortcut, image } in text.emoticons.iter().take(MAX_EMOTICONS) {
        let picture = match image {
            Image::Kept { digest } => digest,
            Image::Source { source } => source,
        };
        let id = EntryId::new(format!("emoticon {picture} in {}", delivery.portal));
        if !matches!(links.known(&id), Ok(None)) {
            continue;
        }
        let brought = emoticon(storage, source.as_ref(), shortcut, image);
        // The next time it is used it may be there.
        let Ok(Some(file)) = tokio::time::timeout_at(until, brought).await else { continue };
        match links.share(&id, &file).await {
            Ok(Share::At(address)) => delivery.links.push(Link { of: shortcut.clone(), address }),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "an emoticon has no link"),
        }
    }
    delivery
}

/// The small picture, on the disk.
async fn emoticon(
    storage: &dyn Storage,
    source: Option<&Arc<dyn Frontend>>,
    shortcut: &str,
    image: &Image,
) -> Option<File> {
    let name = shortcut.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    match image {
        Image::Kept { digest } => {
            let kept = storage.read(Table::Pictures, digest.as_bytes()).ok().flatten()?;
            Some(File { media: MediaId::new(String::from_utf8(kept).ok()?)?, name, size: 0 })
        }
        Image::Source { source: uri } => {
            let attachment = Attachment { source: uri.clone(), name, caption: None };
            source?.fetch(&attachment).await.ok()
        }
    }
}

/// Gives the file of an entry an address, for a side that cannot show it. Without one it is only named there.
pub(super) async fn with_links(
    links: Option<&Links>,
    source: Option<Arc<dyn Frontend>>,
    mut delivery: Delivery,
) -> Delivery {
    let (Some(links), Content::Said { body }) = (links, &delivery.content) else { return delivery };
    let shared = match body {
        Body::File(file) => {
            let shared = links.share(&delivery.id, file).await.map_err(|error| error.to_string());
            shared.map(|share| (&file.name, share))
        }
        Body::Attachment(attachment) => {
            let fetched = fetched(links, source, &delivery, attachment);
            match tokio::time::timeout(LINK_TIME, fetched).await {
                Ok(shared) => shared.map(|share| (&attachment.name, share)),
                Err(_) => return delivery,
            }
        }
        _ => return delivery,
    };
    match shared {
        Ok((name, Share::At(address))) => delivery.links = vec![Link { of: name.clone(), address }],
        Ok((_, without)) => tracing::info!(entry = %delivery.id, ?without, "a file has no link"),
        Err(error) => tracing::warn!(%error, entry = %delivery.id, "a file has no link"),
    }
    delivery
}

/// The address of a file that lies where it was sent.
async fn fetched(
    links: &Links,
    source: Option<Arc<dyn Frontend>>,
    delivery: &Delivery,
    attachment: &Attachment,
) -> Result<Share, String> {
    if let Some(known) = links.known(&delivery.id).map_err(|error| error.to_string())? {
        return Ok(known);
    }
    let Some(frontend) = source else { return Err("the side that it came from is gone".into()) };
    let file = frontend.fetch(attachment).await.map_err(|error| error.to_string())?;
    let shared = links.share(&delivery.id, &file).await;
    if !matches!(shared, Ok(Share::At(_))) {
        links.forget(&file);
    }
    shared.map_err(|error| error.to_string())
}

/// Fetches an attachment from where it was sent, and gives it to the network.
pub(super) async fn deliver_file(
    links: Option<&Links>,
    source: Option<Arc<dyn Frontend>>,
    network: &dyn Network,
    delivery: Delivery,
) -> Result<(), DeliveryError> {
    let Content::Said { body: Body::Attachment(attachment) } = &delivery.content else { return Ok(()) };
    // Nothing is fetched that could not be given.
    let ready = network.contacts(&delivery.portal.receiver).await;
    ready.map_err(|reason| DeliveryError::LegDown { reason })?;
    if let Some(links) = links
        && !network.takes_files(&delivery.portal)
    {
        return deliver_link(links, source, network, delivery).await;
    }
    let Some(frontend) = source else {
        return Err(DeliveryError::permanent("the side that it came from is not configured any more"));
    };
    let file = frontend.fetch(attachment).await?;
    let content = Content::Said { body: Body::File(file) };
    network.deliver(Delivery { content, ..delivery }).await
}

/// Says where a file can be had.
async fn deliver_link(
    links: &Links,
    source: Option<Arc<dyn Frontend>>,
    network: &dyn Network,
    delivery: Delivery,
) -> Result<(), DeliveryError> {
    let delivery = with_links(Some(links), source, delivery).await;
    let Some(Link { of, address }) = delivery.links.first() else {
        return Err(DeliveryError::permanent("no link to it could be made, see the log of the bridge"));
    };
    let body = Body::Text(RichText::plain(format!("sent the file «{of}»: {address}")));
    network.deliver(Delivery { content: Content::Said { body }, ..delivery }).await
}
