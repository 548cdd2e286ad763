//! The secrets that deliveries are signed with, and their exchange.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use plenum_auth::Stamp;
use tracing::{info, warn};

/// Secrets of one target; several while one is exchanged for another.
pub(crate) struct Secrets {
    fixed: Arc<[Vec<u8>]>,
    file: Option<(PathBuf, Mutex<Reading>)>,
}

struct Reading {
    looked: Instant,
    /// How the file looked when it was read.
    stamp: Stamp,
    secrets: Arc<[Vec<u8>]>,
    /// It was said that the file cannot be read.
    complained: bool,
}

/// How often a file is looked at: a new secret holds that soon, and a delivery costs no look of its own.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Shorter ones can be guessed.
pub(crate) const MIN_LENGTH: usize = 16;

/// Why there are no secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is no secret at all.
    #[error("a webhook needs a secret (webhooks.secret or webhooks.secret_file)")]
    None,
    /// A file cannot be read.
    #[error("the secrets of a webhook cannot be read from {path}", path = .path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One is too short.
    #[error(
        "a webhook's secret must have at least {MIN_LENGTH} bytes: `openssl rand -hex 32` makes a good one"
    )]
    Short,
}

impl Secrets {
    /// Those given, and those of a file: one a line, looked at again while the node runs.
    pub(crate) fn new(given: &[String], file: Option<&Path>) -> Result<Self, SecretError> {
        let fixed: Arc<[_]> = given.iter().map(|it| it.clone().into_bytes()).collect();
        let file = match file {
            None => None,
            Some(path) => {
                let (stamp, secrets) = read(path)?;
                let reading = Reading {
                    looked: Instant::now(),
                    stamp,
                    secrets,
                    complained: false,
                };
                Some((path.to_owned(), Mutex::new(reading)))
            }
        };
        let secrets = Self { fixed, file };
        check(&secrets.current(Instant::now()))?;
        Ok(secrets)
    }

    /// Those that hold now.
    pub(crate) fn current(&self, now: Instant) -> Vec<Vec<u8>> {
        let mut all = self.fixed.to_vec();
        if let Some((path, reading)) = &self.file {
            // Every change of it is whole.
            let mut reading = reading.lock().unwrap_or_else(PoisonError::into_inner);
            reading.look(path, now);
            all.extend_from_slice(&reading.secrets);
        }
        all
    }
}

impl Reading {
    /// What was read before holds as long as the file is gone or nonsense.
    fn look(&mut self, path: &Path, now: Instant) {
        if now.saturating_duration_since(self.looked) < LOOK_INTERVAL {
            return;
        }
        self.looked = now;
        if Stamp::of(path) == self.stamp {
            return;
        }
        match read(path).and_then(|it| check(&it.1).map(|()| it)) {
            Ok((stamp, secrets)) => {
                self.stamp = stamp;
                self.complained = false;
                if secrets != self.secrets {
                    info!(path = %path.display(), secrets = secrets.len(), "secrets of a webhook changed");
                }
                self.secrets = secrets;
            }
            Err(err) if !self.complained => {
                self.complained = true;
                warn!(%err, path = %path.display(), "a webhook goes on with the secrets that it had");
            }
            Err(_) => {}
        }
    }
}

type Read = (Stamp, Arc<[Vec<u8>]>);

fn read(path: &Path) -> Result<Read, SecretError> {
    let failed = |source| SecretError::Read {
        path: path.to_owned(),
        source,
    };
    // Asked for first: a change in between is read again, not missed.
    let stamp = Stamp::of(path);
    let text = fs::read_to_string(path).map_err(failed)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets = lines.map(|line| line.as_bytes().to_vec()).collect();
    Ok((stamp, secrets))
}

fn check(secrets: &[Vec<u8>]) -> Result<(), SecretError> {
    if secrets.is_empty() {
        return Err(SecretError::None);
    }
    if secrets.iter().any(|secret| secret.len() < MIN_LENGTH) {
        return Err(SecretError::Short);
    }
    Ok(())
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const LONG: &str = "0123456789abcdef";

    #[test]
    fn there_must_be_one_that_cannot_be_guessed() {
        assert!(matches!(Secrets::new(&[], None), Err(SecretError::None)));
        let short = [LONG.to_owned(), "short".to_owned()];
        assert!(matches!(
            Secrets::new(&short, None),
            Err(SecretError::Short)
        ));
        let missing = Path::new("/nonexistent/secrets");
        assert!(matches!(
            Secrets::new(&[], Some(missing)),
            Err(SecretError::Read { .. })
        ));
        let secrets = Secrets::new(&[LONG.to_owned()], None).expect("good");
        assert_eq!(secrets.current(Instant::now()), [LONG.as_bytes()]);
        assert!(!format!("{secrets:?}").contains(LONG));
    }

    #[test]
    fn a_file_is_read_again_and_what_was_there_holds_when_it_is_nonsense() {
        let path = std::env::temp_dir().join(format!("plenum-secrets-{}", std::process::id()));
        let write = |text: &str, age: u64| {
            fs::write(&path, text).expect("writes");
            let file = fs::File::options().write(true).open(&path).expect("opens");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
            file.set_modified(time).expect("a time");
        };
        write(&format!("{LONG}-1\n"), 1);
        let secrets = Secrets::new(&[], Some(&path)).expect("good");
        let mut now = Instant::now();
        write(&format!("{LONG}-2\n\n {LONG}-1\n"), 2);
        assert_eq!(secrets.current(now).len(), 1, "not looked at yet");
        now += LOOK_INTERVAL;
        let both = [
            format!("{LONG}-2").into_bytes(),
            format!("{LONG}-1").into_bytes(),
        ];
        assert_eq!(secrets.current(now), both);
        for (text, age) in [("", 3), ("short", 4)] {
            write(text, age);
            now += LOOK_INTERVAL;
            assert_eq!(secrets.current(now), both, "{text:?}");
        }
        // Put there by another tool, with the time that it had.
        let other = path.with_extension("new");
        fs::write(&other, format!("{LONG}-3")).expect("writes");
        let file = fs::File::options().write(true).open(&other).expect("opens");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(2);
        file.set_modified(time).expect("a time");
        fs::rename(&other, &path).expect("replaces");
        now += LOOK_INTERVAL;
        let both = [format!("{LONG}-3").into_bytes()];
        assert_eq!(secrets.current(now), both);
        fs::remove_file(&path).expect("was there");
        now += LOOK_INTERVAL;
        assert_eq!(secrets.current(now), both);
    }
}
