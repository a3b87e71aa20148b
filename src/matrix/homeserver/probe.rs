//! Whether a homeserver has what encrypted rooms need.
//!
//! Knows the three requests that tell: none of them stands among a homeserver's versions. Refuses to leave anything there:
//! the device that is made for it is taken away again. Source: MSC4190 for devices of appservices, MSC3202 for acting as
//! one, `/sync` of the client-server API.

use std::time::Duration;

use ruma::OwnedDeviceId;
use ruma::api::client::account::whoami;
use ruma::api::client::device::{delete_device, update_device};
use ruma::api::client::sync::sync_events;

use super::client::{Homeserver, send_as};
use super::error::MatrixError;
use super::identity::Actor;

/// The device that is made to see whether one can be.
const DEVICE: &str = "MSNCHECK";

/// What a homeserver, or the registration there, lacks for encrypted rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionGap {
    /// It makes no devices for appservices.
    Devices,
    /// It does not let an appservice act as a device.
    Masquerading,
    /// It gives the bot no keys that others send.
    Sync,
}

/// What a refusal stands for; everything else is no answer to the question.
fn gap<T>(
    answer: Result<T, MatrixError>,
    gap: EncryptionGap,
) -> Result<Result<T, EncryptionGap>, MatrixError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(MatrixError::Refused { .. } | MatrixError::Missing { .. }) => Ok(Err(gap)),
        Err(error) => Err(error),
    }
}

impl Homeserver {
    /// What is missing for encrypted rooms, the first of several; `None` where nothing is.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub async fn encryption_gap(&self) -> Result<Option<EncryptionGap>, MatrixError> {
        let device = OwnedDeviceId::from(DEVICE);
        let made = send_as!(self, self.bot(), update_device::v3::Request::new(device.clone()));
        if let Err(gap) = gap(made, EncryptionGap::Devices)? {
            return Ok(Some(gap));
        }
        let found = self.gap_of(Actor { user: self.bot(), device: Some(&device) }).await;
        // It is in nobody's way: it has no keys.
        if let Err(error) = send_as!(self, self.bot(), delete_device::v3::Request::new(device.clone())) {
            tracing::info!(%error, %device, "a device that was made for a look is still there");
        }
        found
    }

    async fn gap_of(&self, actor: Actor<'_>) -> Result<Option<EncryptionGap>, MatrixError> {
        let known = send_as!(self, actor, whoami::v3::Request::new());
        match gap(known, EncryptionGap::Masquerading)? {
            Ok(known) if known.device_id.as_deref() == actor.device => {}
            Ok(_) => return Ok(Some(EncryptionGap::Masquerading)),
            Err(gap) => return Ok(Some(gap)),
        }
        let mut look = sync_events::v3::Request::new();
        look.timeout = Some(Duration::ZERO);
        Ok(gap(send_as!(self, actor, look), EncryptionGap::Sync)?.err())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::matrix::testkit::{self, FakeHomeserver};

    async fn found(server: &FakeHomeserver) -> Result<Option<EncryptionGap>, MatrixError> {
        Homeserver::new(&testkit::config(&server.url())).await.unwrap().encryption_gap().await
    }

    fn knows(device: Value) -> Value {
        json!({"user_id": "@msnbot:test.localhost", "device_id": device})
    }

    #[tokio::test]
    async fn each_piece_that_a_homeserver_lacks_is_named_and_the_device_is_taken_away() {
        let server = FakeHomeserver::start().await;
        server.answers("/devices/", 200, json!({}));
        server.answers("/account/whoami", 200, knows(json!(DEVICE)));
        server.answers("/sync", 200, json!({"next_batch": "s1"}));
        assert_eq!(found(&server).await.unwrap(), None);
        let asked = server.asked();
        assert!(asked.first().unwrap().starts_with("PUT ") && asked.last().unwrap().starts_with("DELETE "));
        server.refuses("/sync", 403, "M_FORBIDDEN");
        assert_eq!(found(&server).await.unwrap(), Some(EncryptionGap::Sync));
        for device in [Value::Null, json!("OTHER")] {
            server.answers("/account/whoami", 200, knows(device));
            assert_eq!(found(&server).await.unwrap(), Some(EncryptionGap::Masquerading));
        }
        server.refuses("/account/whoami", 400, "M_UNKNOWN_DEVICE");
        assert_eq!(found(&server).await.unwrap(), Some(EncryptionGap::Masquerading));
        assert!(server.asked().last().unwrap().starts_with("DELETE "));
        for (status, code) in [(403, "M_FORBIDDEN"), (404, "M_UNRECOGNIZED")] {
            server.refuses("/devices/", status, code);
            assert_eq!(found(&server).await.unwrap(), Some(EncryptionGap::Devices), "{code}");
        }
        server.refuses("/devices/", 500, "M_UNKNOWN");
        assert!(found(&server).await.is_err(), "busy is no answer");
    }
}
