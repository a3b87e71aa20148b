//! What is served for browsers: the page on which users sign in, with files behind links where those have no address of their
//! own.
//!
//! Knows the port and where the randomness comes from. Refuses to know what a page says.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::source::random_secret;
use crate::bridge::BridgeHandle;
use crate::bridge::port::network::NetworkTraits;
use crate::links::BELOW_WEB;
use crate::sign_in::{SignInLinks, SignInServer, WebConfig, Wording, router, serve};

/// Where programs find the provisioning API.
const PROVISION: &str = "/_matrix/provision";

/// What is served under the same address.
pub(super) struct Beside {
    pub(super) provision: Router,
    pub(super) files: Option<Router>,
}

/// Links to the page, which the core hands out, and the page, put together.
pub(super) struct Pages {
    config: WebConfig,
    pub(super) links: Arc<SignInLinks>,
}

impl Pages {
    /// Nothing is served yet.
    pub(super) fn new(config: &WebConfig) -> Self {
        Self { config: config.clone(), links: SignInLinks::new(config, Arc::new(random_secret)) }
    }

    /// Serves the page until `cancel`, and what is below it.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(super) async fn start(
        self,
        traits: NetworkTraits,
        bridge: BridgeHandle,
        beside: Beside,
        cancel: &CancellationToken,
        tasks: &TaskTracker,
    ) -> anyhow::Result<()> {
        let WebConfig { listen, url } = &self.config;
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("web.listen: cannot listen on {listen}"))?;
        tracing::info!(%listen, url, "serving the page to sign in on");
        let wording = Wording { network: traits.name, account: traits.account };
        let random = Arc::new(random_secret);
        let server = SignInServer::new(&self.config, wording, self.links, bridge, random);
        let pages = router(server);
        let mut all = Router::new().nest_service(PROVISION, beside.provision);
        if let Some(files) = beside.files {
            all = all.nest_service(BELOW_WEB, files);
        }
        tasks.spawn(serve(listener, all.merge(pages), cancel.clone()));
        Ok(())
    }
}
