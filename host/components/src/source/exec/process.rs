//! A command with all that it starts: one process group, ended together.
//!
//! | event | what happens |
//! |---|---|
//! | the source stops | SIGTERM to the group; after its last lines, or in time, SIGKILL |
//! | standard output ends | the command has [`GRACE`] to end; then SIGKILL |
//! | dropped (a panic, a stop with a deadline) | SIGKILL to the group |
//!
//! A group is only signalled while its leader is not reaped: until then no other group can have
//! its number.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use crate::net::passed;

/// How long a command may take to end.
const GRACE: Duration = Duration::from_secs(1);

/// How often a command is looked at while it ends: the event for that would reap it.
const LOOK: Duration = Duration::from_millis(10);

/// A command that runs.
#[derive(Debug)]
pub(super) struct RunningCommand {
    child: Child,
    /// The group, until its leader is reaped.
    group: Option<Pid>,
}

impl RunningCommand {
    /// Starts a program with its arguments, without input. Sockets that were passed to this process
    /// are not passed on.
    pub(super) fn start(command: &[String]) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        let missing = || io::Error::new(io::ErrorKind::InvalidInput, "the command is empty");
        let (program, arguments) = command.split_first().ok_or_else(missing)?;
        let mut command = Command::new(program);
        for variable in passed::VARIABLES {
            command.env_remove(variable);
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let broken = || io::Error::other("no pipe to the command");
        let stdout = child.stdout.take().ok_or_else(broken)?;
        let stderr = child.stderr.take().ok_or_else(broken)?;
        Ok((Self { child, group }, stdout, stderr))
    }

    /// Asks the command and all that it has started to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends the command and all that it has started.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits for the end of a command that was asked to; kills what is left of its group.
    pub(super) async fn kill_in_time(&mut self) -> io::Result<ExitStatus> {
        // An error means that the time is up, which does not matter here.
        timeout(GRACE, self.ended()).await.ok();
        self.signal(Signal::KILL);
        self.reap().await
    }

    /// Waits for the end of a command without output, not for ever.
    pub(super) async fn wait_or_kill(&mut self) -> io::Result<ExitStatus> {
        if let Ok(status) = timeout(GRACE, self.child.wait()).await {
            self.group = None;
            return status;
        }
        self.signal(Signal::KILL);
        self.reap().await
    }

    async fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.group = None;
        status
    }

    /// Ends when the command itself has ended. It is looked at without being reaped.
    async fn ended(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while let Some(leader) = self.group {
            match waitid(WaitId::Pid(leader), options) {
                Ok(None) | Err(Errno::INTR) => sleep(LOOK).await,
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let Some(group) = self.group else { return };
        match kill_process_group(group, signal) {
            // No such process: all have ended.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => tracing::warn!(?group, %error, "unable to end the command"),
        }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
