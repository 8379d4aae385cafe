//! Who changes a policy, and by which way.

/// Who, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct By {
    /// A user, an address, the name of a token, or what decided it.
    pub who: String,
    /// The way.
    pub way: Way,
}

/// A way to change a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The admin socket.
    Socket,
    /// The same, with a token.
    SocketToken,
    /// The admin port, from this machine.
    Loopback,
    /// The admin port, from elsewhere or through a proxy.
    Tcp,
    /// The admin port, with a token.
    TcpToken,
    /// The policy's file, in a look that nobody asked for.
    File,
    /// The policy's file, in a look that a SIGHUP asked for.
    Sighup,
    /// The configuration names the file anew: at the start, or in a reload.
    Configuration,
    /// The policy spent its error budget.
    Budget,
}

impl Way {
    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::SocketToken => "socket+token",
            Self::Loopback => "loopback",
            Self::Tcp => "tcp",
            Self::TcpToken => "tcp+token",
            Self::File => "file",
            Self::Sighup => "sighup",
            Self::Configuration => "configuration",
            Self::Budget => "error-budget",
        }
    }
}
