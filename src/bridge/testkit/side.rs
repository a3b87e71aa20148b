//! What arrived at one side of the bridge, and what a side does with the next delivery.

use std::sync::Arc;

use tokio::sync::watch;

use super::faults::{Act, Script, Steps};
use crate::bridge::body::Body;
use crate::bridge::event::Author;
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::{Content, Delivered, Delivery, DeliveryError, Display, PackedLine};
use crate::bridge::port::media::File;

/// Something that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) portal: PortalKey,
    /// The entries that are in it.
    pub(crate) entries: Vec<String>,
    pub(crate) text: String,
    pub(crate) author: Author,
    pub(crate) at: u64,
    pub(crate) missed: u64,
    pub(crate) content: Content,
    pub(crate) title: Option<String>,
    pub(crate) is_group: bool,
    /// Addresses of what is not shown there.
    pub(crate) links: Vec<String>,
    /// Shortcuts of the small pictures that came with it.
    pub(crate) emoticons: Vec<String>,
}

/// A delivery, and what goes with it.
pub(super) type Given<'a> = (&'a Delivery, &'a Display, &'a [(String, File)]);

/// What arrived at one side, and where others wait for it.
#[derive(Debug)]
pub(super) struct Arrivals(watch::Sender<Vec<Shown>>);

impl Arrivals {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Vec<Shown>> {
        self.0.subscribe()
    }

    /// Shows what is delivered; of several lines those that are not `known`.
    fn add(&self, (delivery, display, emoticons): Given<'_>, known: &[String]) {
        let is_new = |line: &&PackedLine| !known.iter().any(|known| known == line.id.as_str());
        let lines: Vec<&PackedLine> = delivery.pack.iter().filter(is_new).collect();
        let alone = delivery.pack.is_empty();
        if !alone && lines.is_empty() {
            return;
        }
        let texts: Vec<String> = lines.iter().map(|line| line.text.text()).collect();
        let ids = lines.iter().map(|line| line.id.as_str().to_owned());
        let shown = Shown {
            portal: delivery.portal.clone(),
            entries: if alone { vec![delivery.id.as_str().to_owned()] } else { ids.collect() },
            text: if alone { text_of(&delivery.content) } else { texts.join("\n") },
            author: delivery.author.clone(),
            at: delivery.at,
            missed: display.missed,
            content: delivery.content.clone(),
            title: display.title.clone(),
            is_group: display.is_group,
            links: display.links.iter().map(|link| link.address.clone()).collect(),
            emoticons: emoticons.iter().map(|(shortcut, _)| shortcut.clone()).collect(),
        };
        self.0.send_modify(|all| all.push(shown));
    }

    /// The entries that are there.
    fn entries(&self) -> Vec<String> {
        self.0.borrow().iter().flat_map(|shown| shown.entries.clone()).collect()
    }
}

/// The words of what was said, or what it was.
fn text_of(content: &Content) -> String {
    match content {
        Content::Said { body: Body::Text(text) | Body::Emote(text) } => text.text(),
        Content::Said { body: Body::Notice { text, .. } | Body::LiveNotice { text, .. } } => text.clone(),
        Content::Said { body: Body::Question { text, .. } } => text.clone(),
        Content::Said { body: Body::Nudge } => "(nudge)".into(),
        Content::Said { body: Body::File(file) } => format!("({})", file.name),
        Content::Said { body: Body::Attachment(file) } => format!("({})", file.name),
        Content::Joined { ghost } => format!("(+{})", ghost.id),
        Content::Left { ghost } => format!("(-{})", ghost.id),
    }
}

/// Does with a delivery what the script says.
pub(super) async fn act(
    script: &Script,
    steps: &Arc<Steps>,
    arrivals: &Arrivals,
    given: Given<'_>,
    looks: bool,
) -> Result<Delivered, DeliveryError> {
    steps.step().await;
    // A side that can be asked is asked before something is said again.
    let arrive = || {
        let known = if looks && given.0.unconfirmed { arrivals.entries() } else { Vec::new() };
        if !(given.0.pack.is_empty() && known.iter().any(|known| known == given.0.id.as_str())) {
            arrivals.add(given, &known);
        }
    };
    let result = match script.act() {
        Act::Take => {
            arrive();
            Ok(Delivered::default())
        }
        Act::TakeWith(note) => {
            arrive();
            Ok(Delivered { note: Some(note) })
        }
        Act::Refuse(error) => Err(error),
        Act::TakeAndRefuse(error) => {
            arrive();
            Err(error)
        }
        Act::Hang { arrives } => {
            if arrives {
                arrive();
            }
            std::future::pending().await
        }
        Act::Late(after) | Act::Offered(after) => {
            tokio::time::sleep(after).await;
            arrive();
            Ok(Delivered::default())
        }
        Act::Panic => panic!("a mistake in an adapter, as the script says"),
    };
    steps.step().await;
    result
}
