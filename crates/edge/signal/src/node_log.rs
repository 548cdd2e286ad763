//! What the node itself logs, as far as it can be changed while it runs.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// A longer filter names more modules than there are.
const MAX_FILTER: usize = 4096;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The node's log, as far as its level can be changed. Cheap to clone.
#[derive(Clone)]
pub struct NodeLog {
    level: Arc<Mutex<String>>,
    change: Arc<Change>,
}

/// Says why a level is none.
type Change = dyn Fn(&str) -> Result<(), String> + Send + Sync;

impl NodeLog {
    /// A log that has this level now, and how it gets another one.
    pub fn new(
        level: impl Into<String>,
        change: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            level: Arc::new(Mutex::new(level.into())),
            change: Arc::new(change),
        }
    }

    pub(crate) fn level(&self) -> String {
        let level = self.level.lock();
        level.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, level: &str) -> Result<(), String> {
        if level.len() > MAX_FILTER {
            return Err(format!("a filter has at most {MAX_FILTER} bytes"));
        }
        // The filter would take any word for the name of a module, and log nothing else from then on.
        let is_word = !level.contains(['=', ',', '[', ':']);
        if is_word && !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
            let known = LEVELS.join(", ");
            return Err(format!("there is no level {level:?}; there are {known}"));
        }
        // Held while it is changed, so that what is told is what is.
        let mut now = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        (self.change)(level)?;
        level.clone_into(&mut now);
        Ok(())
    }
}

impl fmt::Debug for NodeLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeLog").field(&self.level()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_changes_nothing() {
        let log = NodeLog::new("info", |level| match level {
            "a=loud" => Err("no such level".to_owned()),
            _ => Ok(()),
        });
        assert_eq!(log.set("a=loud"), Err("no such level".to_owned()));
        assert!(log.set("loud").is_err());
        assert!(log.set(&"x".repeat(MAX_FILTER + 1)).is_err());
        assert_eq!(log.level(), "info");
        assert_eq!(log.set("debug"), Ok(()));
        assert_eq!(log.set("info,plenum_signal=debug"), Ok(()));
        assert_eq!(log.level(), "info,plenum_signal=debug");
    }
}
