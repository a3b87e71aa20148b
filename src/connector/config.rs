//! What the MSN side must be told: any server works by this alone.

use crate::msn::challenge::Product;
use crate::msn::dialect::Dialect;
use crate::msn::ids::HostPort;

/// Checked settings of the MSN side.
#[derive(Debug, Clone)]
pub struct MsnConfig {
    /// The first server to ask: a dispatch server, or a notification server itself.
    pub server: HostPort,
    /// Where the login page is asked for.
    pub nexus: String,
    /// Whether passwords may go over plain HTTP to another machine.
    pub allow_insecure_login: bool,
    /// Offered dialects, most preferred first.
    pub dialects: Vec<Dialect>,
    /// Client name and version that the server is told.
    pub client: String,
    pub client_version: String,
    pub locale: String,
    /// Answers challenges in place of the published product of the dialect.
    pub product: Option<Product>,
}
