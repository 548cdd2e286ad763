//! Signal dispositions of this process.
#![expect(unsafe_code, reason = "signal dispositions have no safe interface")]

use std::io;

/// Ignores the signals that a terminal or a service manager sends to a whole process group (`SIGINT`, `SIGTERM`,
/// `SIGHUP`), for child processes whose parent decides when they end.
pub fn ignore_terminal_signals() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: SIG_IGN is a valid disposition for these signals and no handler code is installed.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
