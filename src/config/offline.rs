//! What becomes of words for contacts who are offline: `msn.offline`, `msn.hold`, `msn.oim`.
//!
//! Knows the policies and their limits. Refuses to know how words are kept: the connector and the core do.

use std::net::SocketAddr;
use std::time::Duration;

use super::{ConfigError, HoldSection, MsnSection};
use crate::bridge::HoldLimits;
use crate::connector::{OfflinePolicy, OimConfig};

impl MsnSection {
    /// `oim` needs somewhere to leave messages, or the embedded service.
    ///
    /// # Errors
    /// Another policy, or `oim` with nowhere to leave messages.
    pub(super) fn check_offline(&self) -> Result<OfflinePolicy, ConfigError> {
        match self.offline.as_str() {
            "hold" => Ok(OfflinePolicy::Hold),
            "oim" if self.oim.store.is_empty() && self.server != "embedded" => {
                Err(ConfigError::value("msn.offline", "oim", "hold or fail while msn.oim.store is empty"))
            }
            "oim" => Ok(OfflinePolicy::Oim),
            "fail" => Ok(OfflinePolicy::Fail),
            other => Err(ConfigError::value("msn.offline", other, "hold, oim or fail")),
        }
    }

    /// Messages and days within their limits.
    ///
    /// # Errors
    /// A number that is out of its limits.
    pub(super) fn check_hold(&self) -> Result<HoldLimits, ConfigError> {
        let HoldSection { max_messages, days } = self.hold;
        if !(1..=10_000).contains(&max_messages) {
            return Err(ConfigError::value("msn.hold.max_messages", max_messages, "1 to 10000"));
        }
        if !(1..=365).contains(&days) {
            return Err(ConfigError::value("msn.hold.days", days, "1 to 365"));
        }
        Ok(HoldLimits { max_messages, max_age: Duration::from_secs(days * 86_400) })
    }

    /// `embedded`: where the service in this program answers HTTP, if it is the one that is used.
    ///
    /// # Errors
    /// A text that is no address of `http` or `https`.
    pub(super) fn check_oim(&self, embedded: Option<SocketAddr>) -> Result<OimConfig, ConfigError> {
        let address = |key: &str, text: &str, path: &str| {
            let own = embedded.map(|address| format!("http://{address}{path}")).unwrap_or_default();
            let text = if text.is_empty() { own.as_str() } else { text };
            if text.is_empty() {
                return Ok(None);
            }
            let url = text.parse::<reqwest::Url>().ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let allowed = "an address, as in https://rsi.example.net/rsi/rsi.asmx, or empty";
            url.map(Some).ok_or_else(|| ConfigError::value(key, text, allowed))
        };
        Ok(OimConfig {
            rsi: address("msn.oim.rsi", &self.oim.rsi, "/rsi/rsi.asmx")?,
            store: address("msn.oim.store", &self.oim.store, "/OimWS/oim.asmx")?,
        })
    }
}
