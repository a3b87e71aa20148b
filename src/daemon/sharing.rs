//! Files under an address: the core's part and the server, put together.
//!
//! Knows the key of signatures and the port. Refuses to know what is shared: the core does.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::source::{random_name, time_of_day};
use crate::bridge::link::{LinkContext, Links, Terms};
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::media::Media;
use crate::bridge::port::storage::Storage;
use crate::links::{LinksConfig, Signer, router, serve};
use crate::store::SealingKey;

/// The core's part, which the frontends share, and what signs and checks addresses.
pub(super) struct Sharing {
    pub(super) links: Arc<Links>,
    signer: Arc<Signer>,
}

impl Sharing {
    /// Nothing is served yet. Signatures are derived from the store's key: links outlive a restart.
    pub(super) fn new(
        config: &LinksConfig,
        key: &SealingKey,
        storage: Arc<dyn Storage>,
        media: Arc<dyn Media>,
    ) -> Self {
        let key = key.clone();
        let signer = Arc::new(Signer::new(&config.url, Box::new(move |text| key.derive(text))));
        let terms = Terms { keep: config.keep, budget: config.budget };
        let of = signer.clone();
        let around = LinkContext {
            storage,
            media,
            clock: Arc::new(time_of_day),
            names: Arc::new(random_name),
            address: Box::new(move |shared| of.address(shared)),
        };
        Self { links: Arc::new(Links::new(around, terms)), signer }
    }

    /// Serves what is shared until `cancel`, and lets files go whose time is up. Gives the server where it has no address of
    /// its own.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(super) async fn start(
        self,
        config: &LinksConfig,
        frontends: Vec<Arc<dyn Frontend>>,
        cancel: &CancellationToken,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Option<Router>> {
        let router = router(self.signer, self.links.clone(), frontends);
        tasks.spawn(self.links.run(cancel.clone()));
        let Some(listen) = config.listen else { return Ok(Some(router)) };
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("files.links.listen: cannot listen on {listen}"))?;
        tracing::info!(%listen, url = config.url, "sharing files");
        tasks.spawn(serve(listener, router, cancel.clone()));
        Ok(None)
    }
}
