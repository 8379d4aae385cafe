//! The flags of the admin port: where it is, and who may do what there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;

use super::JavaProperties;
use crate::admin::{Access, AdminSocket, ChangesFrom, SeenBy, TokenFileError};
use crate::host::AdminAddress;

/// Flume's port for monitoring.
const ADMIN_PORT: u16 = 41414;

/// The flags.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct AdminArgs {
    /// Where the admin port listens, or `off`. Default: 127.0.0.1:41414 if that is free.
    #[arg(long, value_name = "ADDR:PORT")]
    admin: Option<String>,

    /// A Unix socket with the same pages, over which this user and root may change policies, or
    /// `off`. Default: admin.sock in $RUNTIME_DIRECTORY, else flume-host/FILE.sock in
    /// $XDG_RUNTIME_DIR, with FILE named like the configuration.
    #[arg(long, value_name = "PATH")]
    admin_socket: Option<String>,

    /// From whom changes of policies are accepted.
    #[arg(long, value_enum, value_name = "FROM", default_value_t)]
    admin_changes: ChangesFrom,

    /// Who sees the pages on the admin port.
    #[arg(long, value_enum, value_name = "WHO", default_value_t)]
    admin_see: SeenBy,

    /// A file of tokens, one a line: NAME VERBS TOKEN, with verbs like `see` or `see:a1,change:a1`.
    /// SIGHUP reads it again.
    #[arg(long, value_name = "FILE")]
    admin_tokens: Option<PathBuf>,

    /// A file to which each change of a policy is appended, as a line of JSON. SIGHUP opens it again.
    #[arg(long, value_name = "FILE")]
    pub(super) audit_log: Option<PathBuf>,
}

impl AdminArgs {
    /// Who may do what.
    ///
    /// # Errors
    /// The tokens cannot be read.
    pub(super) fn access(&self) -> Result<Access, TokenFileError> {
        Access::new(
            self.admin_changes,
            self.admin_see,
            self.admin_tokens.as_deref(),
        )
    }

    /// Where the socket is to be, for a process that runs from this file.
    pub(super) fn socket(&self, file: &Path) -> AdminSocket {
        let variable = |name: &str| std::env::var_os(name);
        AdminSocket::of_flag(self.admin_socket.as_deref(), file, &variable)
    }

    /// The admin address: `--admin`, else Flume's monitoring port on all addresses, as in Flume, else
    /// the default one on loopback if it is free.
    pub(super) fn address(&self, java: &JavaProperties) -> Result<AdminAddress, String> {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match self.admin.as_deref() {
            Some("off") => Ok(AdminAddress::Off),
            Some(text) => {
                let address = text.parse().map(AdminAddress::Required);
                address.map_err(|_| format!("--admin {text}: give an address and a port, or `off`"))
            }
            None if java.monitoring => Ok(AdminAddress::Flumes(SocketAddr::from((
                Ipv4Addr::UNSPECIFIED,
                java.port.unwrap_or(ADMIN_PORT),
            )))),
            None => Ok(AdminAddress::Perhaps(loopback(
                java.port.unwrap_or(ADMIN_PORT),
            ))),
        }
    }
}
