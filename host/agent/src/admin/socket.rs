//! The admin socket: the port's pages over a Unix socket that only its owner can reach.
//!
//! Laws: the socket has the mode 0600 from its first moment on. One that somebody answers at is left
//! alone; one that nobody does is of a process that was killed, and is replaced. At the end the
//! socket is removed, unless another one has its place by then.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use tokio::net::{UnixListener, UnixSocket};

/// Clients that may wait.
const BACKLOG: u32 = 128;

/// Bytes of a path at which the kernel has sockets.
const MOST_PATH: usize = 107;

/// Where the socket is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AdminSocket {
    /// Nowhere, as was asked for.
    Off,
    /// Nowhere: the environment names no folder for it.
    Nowhere,
    /// Here if that is possible, else nowhere: it was not requested.
    Perhaps(PathBuf),
    /// Here, or the process does not start.
    Required(PathBuf),
}

impl AdminSocket {
    /// That of `--admin-socket`. Without that flag it is `admin.sock` in the folder that systemd has
    /// made for the service, else named like the file in the folder of the user's session.
    pub(crate) fn of_flag(
        flag: Option<&str>,
        file: &Path,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
        match flag {
            Some("off") => return Self::Off,
            Some(path) => return Self::Required(PathBuf::from(path)),
            None => {}
        }
        // Several folders have colons between them.
        let of_service = variable("RUNTIME_DIRECTORY").and_then(|folders| {
            let first = folders.to_str()?.split(':').next()?;
            Some(absolute(PathBuf::from(first))?.join("admin.sock"))
        });
        let of_session = || {
            let folder = absolute(PathBuf::from(variable("XDG_RUNTIME_DIR")?))?;
            let mut name = file.file_stem()?.to_owned();
            name.push(".sock");
            Some(folder.join("flume-host").join(name))
        };
        of_service
            .or_else(of_session)
            .map_or(Self::Nowhere, Self::Perhaps)
    }
}

/// The socket, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct OpenSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode.
    own: (u64, u64),
}

impl OpenSocket {
    /// Makes the socket. The folder of one that is not required is made, too.
    ///
    /// # Errors
    /// The path is taken, too long, or cannot be used.
    pub(crate) fn open(path: &Path, makes_folder: bool) -> io::Result<Self> {
        if path.as_os_str().len() > MOST_PATH {
            let text = format!("the path of a socket has at most {MOST_PATH} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if let Some(folder) = path.parent().filter(|_| makes_folder) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        clear(path)?;
        let socket = UnixSocket::new_stream()?;
        // Linux makes the file with the mode that the socket has.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        socket.bind(path)?;
        let made = fs::symlink_metadata(path)?;
        let this = Self {
            own: (made.dev(), made.ino()),
            listener: socket.listen(BACKLOG)?,
            path: path.to_owned(),
        };
        match made.mode() & 0o777 {
            0o600 => Ok(this),
            mode => Err(io::Error::other(format!(
                "the socket would have the mode {mode:04o}, so that others could reach it"
            ))),
        }
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        let now = fs::symlink_metadata(&self.path);
        if now.is_ok_and(|now| (now.dev(), now.ino()) == self.own)
            && let Err(error) = fs::remove_file(&self.path)
        {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the admin socket stays behind");
        }
    }
}

/// Removes a socket at which nobody answers.
fn clear(path: &Path) -> io::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        there => there?,
    };
    if !there.file_type().is_socket() {
        let text = "there is a file of another kind already";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match StdStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => {
            let text = "another process answers there";
            Err(io::Error::new(io::ErrorKind::AddrInUse, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_socket_is_where_systemd_or_the_session_has_a_folder() {
        let file = Path::new("conf/weighted.properties");
        let variables = |service: Option<&'static str>, session: Option<&'static str>| {
            move |name: &str| match name {
                "RUNTIME_DIRECTORY" => service.map(OsString::from),
                "XDG_RUNTIME_DIR" => session.map(OsString::from),
                other => panic!("{other}"),
            }
        };
        let perhaps = |path: &str| AdminSocket::Perhaps(PathBuf::from(path));
        for (flag, service, session, expected) in [
            (
                None,
                Some("/run/f"),
                Some("/run/user/7"),
                perhaps("/run/f/admin.sock"),
            ),
            (
                None,
                Some("/run/f:/run/g"),
                None,
                perhaps("/run/f/admin.sock"),
            ),
            (
                None,
                None,
                Some("/run/user/7"),
                perhaps("/run/user/7/flume-host/weighted.sock"),
            ),
            (None, Some("relative"), Some(""), AdminSocket::Nowhere),
            (None, None, None, AdminSocket::Nowhere),
            (Some("off"), Some("/run/f"), None, AdminSocket::Off),
            (
                Some("x.sock"),
                Some("/run/f"),
                None,
                AdminSocket::Required("x.sock".into()),
            ),
        ] {
            let of_flag = AdminSocket::of_flag(flag, file, &variables(service, session));
            assert_eq!(of_flag, expected, "{flag:?} {service:?} {session:?}");
        }
    }

    #[tokio::test]
    async fn the_socket_is_private_and_gone_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/flume-host/a.sock");
        let error = OpenSocket::open(&path, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let socket = OpenSocket::open(&path, true).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let _client = UnixStream::connect(&path).await.unwrap();
        drop(socket);
        assert!(!path.exists());
        // Another one that has its place by then stays.
        let socket = OpenSocket::open(&path, false).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_path_that_is_taken_is_left_alone_and_a_dead_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let alive = OpenSocket::open(&path, false).unwrap();
        let error = OpenSocket::open(&path, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        UnixStream::connect(&path).await.unwrap();
        drop(alive);

        // Whoever is killed leaves it behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = OpenSocket::open(&path, false).unwrap();
        assert_eq!(mode(&path), 0o600);
        UnixStream::connect(&path).await.unwrap();
        drop(socket);

        fs::write(&path, "mine").unwrap();
        let error = OpenSocket::open(&path, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");

        for (bytes, fits) in [(MOST_PATH, true), (MOST_PATH + 1, false)] {
            let name = "x".repeat(bytes - folder.path().as_os_str().len() - 1);
            let opened = OpenSocket::open(&folder.path().join(name), false);
            assert_eq!(opened.is_ok(), fits, "{bytes}: {opened:?}");
        }
    }
}
