//! What goes with an entry to one leg and is not in the journal: small pictures, addresses of files, and files
//! themselves, which are fetched when their turn comes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::PortalContext;
use crate::bridge::body::{Attachment, Body, Emoticon, Image, RichText};
use crate::bridge::ids::{EntryId, Leg};
use crate::bridge::link::{Links, Location, Origin, Share, ShareRequest};
use crate::bridge::port::delivery::{Content, Delivered, Delivery, DeliveryError, Display, Emoticons, Link};
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::media::{File, Media, MediaId};
use crate::bridge::port::network::{Network, Offered};
use crate::bridge::port::storage::{StorageError, Table};

/// How long words wait for the small pictures in them, and for how many.
const EMOTICON_TIME: Duration = Duration::from_secs(4);
const MAX_EMOTICONS: usize = 5;

/// Carries one entry to one leg, with what goes with it there. Of a file, `offered` is told when it has been.
pub(super) async fn deliver(
    context: PortalContext,
    leg: Leg,
    origin: Option<Leg>,
    delivery: Delivery,
    mut display: Display,
    offered: Offered,
) -> Result<Delivered, DeliveryError> {
    let source = origin.and_then(|leg| context.frontend(leg));
    match (leg, context.frontend(leg)) {
        (Leg::Remote, _) => {
            let emoticons = emoticons(source, &delivery).await;
            context.network.deliver(delivery, emoticons).await
        }
        (Leg::Files, _) => deliver_file(&context, origin, source, delivery, offered).await,
        (Leg::Frontend(_), Some(frontend)) => {
            if let (false, Some(links)) = (frontend.traits().carries_files, &context.links) {
                display.links = addresses(links, &context, origin, &delivery).await;
                display.whole = whole(links, &context, &*frontend, &delivery).await;
            }
            frontend.deliver(delivery, display).await.map(|()| Delivered::default())
        }
        (Leg::Frontend(_), None) => Err(DeliveryError::permanent("this side is not configured any more")),
    }
}

/// Brings the small pictures of a text to the disk: as many, and as fast, as nobody minds waiting for.
async fn emoticons(source: Option<Arc<dyn Frontend>>, delivery: &Delivery) -> Emoticons {
    let Content::Said { body: Body::Text(text) } = &delivery.content else { return Vec::new() };
    let Some(frontend) = source.filter(|_| !text.emoticons.is_empty()) else { return Vec::new() };
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
    brought
}

/// What a long text is called that is to be had under an address.
const WHOLE: &str = "message.txt";

/// The address of a text of which `frontend` shows only the beginning.
async fn whole(
    links: &Links,
    context: &PortalContext,
    frontend: &dyn Frontend,
    delivery: &Delivery,
) -> Option<String> {
    let Content::Said { body: body @ (Body::Text(text) | Body::Emote(text)) } = &delivery.content else {
        return None;
    };
    if !frontend.shortens(&delivery.portal, body) {
        return None;
    }
    let known = links.address_of(&delivery.id, &delivery.portal);
    if known.is_some() {
        return known;
    }
    let (media, size) = match keep(&*context.media, text.text()).await {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(%error, entry = %delivery.id, "a long text has no link, and is said as it is");
            return None;
        }
    };
    link(links, delivery, &delivery.id, WHOLE, Location::Local { media, size, from: None }).await
}

/// Brings a text to the disk.
async fn keep(media: &dyn Media, text: String) -> Result<(MediaId, u64), StorageError> {
    let size = text.len() as u64;
    let mut file = media.begin(size).await?;
    file.write(text.into()).await?;
    Ok((file.finish().await?, size))
}

/// Addresses for a side that shows no files: one for a file, and one for each small picture. Without one the file is only
/// named there.
async fn addresses(
    links: &Links,
    context: &PortalContext,
    origin: Option<Leg>,
    delivery: &Delivery,
) -> Vec<Link> {
    let Content::Said { body } = &delivery.content else { return Vec::new() };
    let mut found = Vec::new();
    match body {
        Body::Text(text) => {
            for Emoticon { shortcut, image } in text.emoticons.iter().take(MAX_EMOTICONS) {
                let Some((id, location)) = emoticon(context, origin, delivery, shortcut, image) else {
                    continue;
                };
                let name = shortcut.trim_matches(|c: char| !c.is_alphanumeric());
                found.extend(link(links, delivery, &id, name, location).await.map(|a| (shortcut.clone(), a)));
            }
        }
        _ => found.extend(file_link(links, origin, delivery).await),
    }
    found.into_iter().map(|(of, address)| Link { of, address }).collect()
}

/// The address of an entry's file, and its name.
async fn file_link(links: &Links, origin: Option<Leg>, delivery: &Delivery) -> Option<(String, String)> {
    let Content::Said { body } = &delivery.content else { return None };
    let (name, location) = match body {
        Body::File(File { media, name, size }) => {
            (name, Location::Local { media: media.clone(), size: *size, from: None })
        }
        Body::Attachment(attachment) => {
            (&attachment.name, Location::Remote(Origin { leg: origin?, attachment: attachment.clone() }))
        }
        _ => return None,
    };
    let address = link(links, delivery, &delivery.id, name, location).await?;
    Some((name.clone(), address))
}

/// A new link to a file, or the one that this entry has; `None` where none can be made, with a line in the log.
async fn link(
    links: &Links,
    delivery: &Delivery,
    entry: &EntryId,
    name: &str,
    location: Location,
) -> Option<String> {
    let wish = ShareRequest { entry, said_with: &delivery.id, portal: &delivery.portal, name, location };
    match links.share(wish).await {
        Ok(Share::At(address)) => Some(address),
        Ok(Share::Said) => None,
        Ok(without) => {
            tracing::info!(entry = %delivery.id, ?without, "a file has no link");
            None
        }
        Err(error) => {
            tracing::warn!(%error, entry = %delivery.id, "a file has no link");
            None
        }
    }
}

/// What a small picture is called, and where it is; one that has not come yet may be there the next time.
fn emoticon(
    context: &PortalContext,
    origin: Option<Leg>,
    delivery: &Delivery,
    shortcut: &str,
    image: &Image,
) -> Option<(EntryId, Location)> {
    let (called, location) = match image {
        Image::Kept { digest } => {
            let kept = context.storage.read(Table::Pictures, digest.as_bytes()).ok().flatten()?;
            let media = MediaId::new(String::from_utf8(kept).ok()?)?;
            let size = std::fs::metadata(context.media.path(&media)).ok()?.len();
            (digest, Location::Local { media, size, from: None })
        }
        Image::Source { source } => {
            let attachment = Attachment { source: source.clone(), name: shortcut.to_owned(), caption: None };
            (source, Location::Remote(Origin { leg: origin?, attachment }))
        }
    };
    Some((EntryId::new(format!("emoticon {called} in {}", delivery.portal)), location))
}

/// Fetches an attachment from where it was sent, and gives it to the network.
async fn deliver_file(
    context: &PortalContext,
    origin: Option<Leg>,
    source: Option<Arc<dyn Frontend>>,
    delivery: Delivery,
    offered: Offered,
) -> Result<Delivered, DeliveryError> {
    let network = &*context.network;
    let Content::Said { body: Body::Attachment(attachment) } = &delivery.content else {
        return Ok(Delivered::default());
    };
    // Nothing is fetched that could not be given.
    let ready = network.contacts(&delivery.portal.receiver).await;
    ready.map_err(|reason| DeliveryError::LegDown { reason })?;
    if let Some(links) = context.links.as_deref()
        && !network.takes_files(&delivery.portal)
    {
        return deliver_link(links, origin, network, delivery).await;
    }
    let Some(frontend) = source else {
        return Err(DeliveryError::permanent("the side that it came from is not configured any more"));
    };
    let file = frontend.fetch(attachment).await?;
    network.give(delivery, file, offered).await
}

/// Says where a file can be had.
async fn deliver_link(
    links: &Links,
    origin: Option<Leg>,
    network: &dyn Network,
    delivery: Delivery,
) -> Result<Delivered, DeliveryError> {
    let Some((of, address)) = file_link(links, origin, &delivery).await else {
        return Err(DeliveryError::permanent("you have removed it, or no link to it could be made"));
    };
    let body = Body::Text(RichText::plain(format!("sent the file «{of}»: {address}")));
    network.deliver(Delivery { content: Content::Said { body }, ..delivery }, Vec::new()).await
}
