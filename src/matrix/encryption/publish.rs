//! A device of one of ours made known to the homeserver, with the signatures that its user had before.
//!
//! Knows that the seeds of those outlive each device: people who knew the user see the same one. Refuses to know whose
//! device is lost. Source: measured on Synapse, which takes no second upload of signing keys.

use ruma::api::client::device::delete_device;
use ruma::{DeviceId, UserId};

use super::device::Device;
use super::error::CryptoError;
use super::record::{load_seeds, store_seeds};
use crate::bridge::port::storage::Storage;
use crate::matrix::homeserver::{Homeserver, MatrixError, send_as};

/// Publishes a device, signed with the seeds that are kept; where there are none, or the homeserver has forgotten whose they
/// are, with new ones. Repeated, the same comes of it.
///
/// # Errors
/// The homeserver refuses or is not available, or the keys cannot be kept.
pub(super) async fn publish(storage: &dyn Storage, device: &Device, name: &str) -> Result<(), CryptoError> {
    let user = device.machine.user_id();
    if let Some(seeds) = load_seeds(storage, user)? {
        device.create(name).await?;
        if device.import(seeds).await? {
            return device.sign_with_imported().await;
        }
        tracing::warn!(%user, "the homeserver does not know the signatures any more: there are new ones");
    }
    device.publish(name).await?;
    match device.machine.export_cross_signing_keys().await? {
        Some(seeds) => store_seeds(storage, user, &seeds).await,
        None => Ok(()),
    }
}

/// Removes a device whose keys are lost: nobody is to encrypt anything for it.
///
/// # Errors
/// The homeserver is not available.
pub(super) async fn retire(
    homeserver: &Homeserver,
    user: &UserId,
    device: &DeviceId,
) -> Result<(), CryptoError> {
    match send_as!(homeserver, user, delete_device::v3::Request::new(device.to_owned())) {
        // Gone already, perhaps.
        Ok(_) | Err(MatrixError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
