//! Where the admin pages are: the port, and the socket. What an operator asked for and cannot have ends
//! the start; what is only the default does without, and says so.

use std::io;
use std::path::Path;

use flume_core::ComponentError;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{AdminAddress, HostOptions};
use crate::admin::{self, AdminSocket, AdminView, OpenSocket};
use crate::services::Services;

/// Opens the port and the socket, and answers there until `stop` is cancelled.
///
/// # Errors
/// One of them is required and cannot be opened.
pub(super) async fn start(
    options: &HostOptions,
    view: &AdminView,
    services: &Services,
    stop: &CancellationToken,
) -> Result<Vec<JoinHandle<()>>, ComponentError> {
    let socket = start_socket(options, view, stop)?;
    let port = start_port(options, view, services, stop)?;
    Ok(socket.into_iter().chain(port).collect())
}

fn start_port(
    options: &HostOptions,
    view: &AdminView,
    services: &Services,
    stop: &CancellationToken,
) -> Result<Option<JoinHandle<()>>, ComponentError> {
    let (address, required) = match options.admin {
        AdminAddress::Off => return Ok(None),
        AdminAddress::Perhaps(address) => (address, false),
        AdminAddress::Required(address) | AdminAddress::Flumes(address) => (address, true),
    };
    let is_flumes = matches!(options.admin, AdminAddress::Flumes(_));
    let port = match services.components.sockets.listen(&[address]) {
        Ok(port) => port,
        Err(error) if required => {
            let message = format!("the admin port {address} cannot be opened");
            return Err(ComponentError::caused_by(message, error));
        }
        Err(error) => {
            tracing::warn!(%address, %error, "no admin port; choose another with --admin");
            return Ok(None);
        }
    };
    if let Ok(address) = port.socket.local_addr() {
        match is_flumes {
            true => tracing::info!(%address, "admin port listens: as in Flume, other machines see \
                /metrics; every other page is for this machine"),
            false => tracing::info!(%address, "admin port listens"),
        }
    }
    let (view, stop) = (view.clone(), stop.clone());
    let access = (options.access.clone(), is_flumes);
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = admin::serve(port, view, access, stop).await {
            tracing::error!(%error, "the admin port failed");
        }
    })))
}

fn start_socket(
    options: &HostOptions,
    view: &AdminView,
    stop: &CancellationToken,
) -> Result<Option<JoinHandle<()>>, ComponentError> {
    let opened = match &options.socket {
        AdminSocket::Off => return Ok(None),
        AdminSocket::Nowhere => {
            tracing::info!(
                "no admin socket, because neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR names a \
                 folder for it: give one with --admin-socket to change policies over it"
            );
            return Ok(None);
        }
        AdminSocket::Perhaps(path) => open(path, true).or_else(|error| {
            let path = path.display();
            tracing::warn!(%path, %error, "no admin socket; choose another with --admin-socket");
            Ok(None)
        }),
        AdminSocket::Required(path) => open(path, false).map_err(|error| {
            let message = format!("the admin socket {} cannot be opened", path.display());
            ComponentError::caused_by(message, error)
        }),
    };
    let Some((socket, path)) = opened? else {
        return Ok(None);
    };
    tracing::info!(path = %path.display(), "admin socket listens");
    options.access.listens(path);
    let (view, stop) = (view.clone(), stop.clone());
    let access = options.access.clone();
    Ok(Some(tokio::spawn(admin::serve_socket(
        socket, view, access, stop,
    ))))
}

fn open(path: &Path, makes_folder: bool) -> io::Result<Option<(OpenSocket, &Path)>> {
    Ok(Some((OpenSocket::open(path, makes_folder)?, path)))
}

/// Reads what a HUP has read again besides the agents: the tokens, and the file of the audit log.
pub(super) async fn read_again(options: &HostOptions, services: &Services) {
    let (access, audit) = (options.access.clone(), services.policies.audit().clone());
    let reading = spawn_blocking(move || {
        audit.reopen();
        access.read_again();
    });
    if let Err(error) = reading.await {
        tracing::error!(%error, "the tokens and the audit log stay as they were");
    }
}
