//! Telling the service manager how the node is (`sd_notify(3)`): a few words to a datagram socket.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use tracing::debug;

/// The way to the service manager, if one started this process and wants to hear.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// `variable` reads the environment.
    pub(crate) fn new(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let Some(name) = variable("NOTIFY_SOCKET") else {
            return Self::default();
        };
        let socket = match connect(&name) {
            Ok(socket) => Some(socket),
            Err(err) => {
                debug!(%err, ?name, "the service manager cannot be told anything");
                None
            }
        };
        let number = |name| -> Option<u64> { variable(name)?.to_str()?.parse().ok() };
        // The variable may be meant for a parent that did not clear it.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|&micros| ours && micros > 0);
        Self {
            socket,
            watchdog: watchdog.map(Duration::from_micros),
        }
    }

    /// The node takes joins.
    pub(crate) fn ready(&self) {
        self.send("READY=1\nSTATUS=takes joins");
    }

    /// The node is about to end; `status` is for people.
    pub(crate) fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={status}"));
    }

    /// The node is alive.
    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// How often the service manager wants to hear that the node is alive: twice in the time after which it acts.
    pub(crate) fn watchdog_interval(&self) -> Option<Duration> {
        self.socket.as_ref()?;
        self.watchdog.map(|limit| limit / 2)
    }

    fn send(&self, words: &str) {
        let Some((socket, address)) = &self.socket else {
            return;
        };
        if let Err(err) = socket.send_to_addr(words.as_bytes(), address) {
            debug!(%err, words, "the service manager was not told");
        }
    }
}

/// A path, or after `@` a name that has no file.
fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold up the node.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, path::Path};

    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("something was sent");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn notifier(socket: &OsStr, micros: &str, pid: Option<u32>) -> Notifier {
        let (socket, micros) = (socket.to_owned(), OsString::from(micros));
        Notifier::new(move |name| match name {
            "NOTIFY_SOCKET" => Some(socket.clone()),
            "WATCHDOG_USEC" => Some(micros.clone()),
            "WATCHDOG_PID" => pid.map(|pid| pid.to_string().into()),
            _ => None,
        })
    }

    #[test]
    fn a_socket_in_the_file_system_hears() {
        let directory = tempfile::tempdir().expect("a directory");
        let path: &Path = &directory.path().join("notify");
        let manager = UnixDatagram::bind(path).expect("bound");
        let notifier = notifier(path.as_os_str(), "3000000", None);
        notifier.ready();
        assert!(heard(&manager).starts_with("READY=1\n"));
        notifier.alive();
        assert_eq!(heard(&manager), "WATCHDOG=1");
        notifier.stopping("over");
        assert_eq!(heard(&manager), "STOPPING=1\nSTATUS=over");
        let half = Some(Duration::from_millis(1500));
        assert_eq!(notifier.watchdog_interval(), half);
    }

    #[test]
    fn a_socket_without_a_file_hears() {
        let name = format!("plenum-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("short");
        let manager = UnixDatagram::bind_addr(&address).expect("bound");
        let notifier = notifier(OsStr::new(&format!("@{name}")), "0", None);
        notifier.alive();
        assert_eq!(heard(&manager), "WATCHDOG=1");
        assert_eq!(notifier.watchdog_interval(), None);
    }

    #[test]
    fn nobody_is_told_where_nobody_listens() {
        let silent = Notifier::new(|_| None);
        silent.ready();
        assert_eq!(silent.watchdog_interval(), None);
        notifier(OsStr::new("/no/such/socket"), "1000", None).ready();
        // Meant for another process.
        let name = format!("@plenum-other-{}", std::process::id());
        let notifier = notifier(OsStr::new(&name), "1000", Some(1));
        assert_eq!(notifier.watchdog_interval(), None);
    }
}
