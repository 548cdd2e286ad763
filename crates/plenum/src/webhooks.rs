//! From settings to webhooks.

use std::time::Duration;

use plenum_config::Config;
use plenum_signal::{WebhookSettings, WebhookTarget};

pub(crate) fn settings(config: &Config) -> WebhookSettings {
    let webhooks = &config.webhooks;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let target = |target: plenum_config::WebhookTarget| WebhookTarget {
        secrets: target
            .secret
            .iter()
            .map(|it| it.expose().to_owned())
            .collect(),
        events: words(&target.events),
        namespaces: words(&target.namespaces),
        url: target.url,
        secret_file: target.secret_file,
    };
    WebhookSettings {
        targets: webhooks.all().into_iter().map(target).collect(),
        timeout: Duration::from_secs(webhooks.timeout_s.into()),
        attempts: webhooks.max_attempts,
    }
}
