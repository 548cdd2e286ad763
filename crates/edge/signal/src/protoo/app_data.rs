//! What a producer is for, in `appData`: each dialect has its own words, and shows what comes from the other one rightly only
//! if it finds them.

use std::borrow::Cow;

use plenum_params::media::MediaKind;
use serde_json::{Map, Value};

type AppData = Map<String, Value>;

/// Classic: `true` for a shared screen.
const SHARE: &str = "share";

/// Newest: `audio`, `video` or `screensharing`.
const SOURCE: &str = "source";

const SCREEN: &str = "screensharing";

/// Newest, of data: `chat` or `bot`.
const CHANNEL: &str = "channel";

/// Whether it is of a shared screen, in either dialect.
pub(crate) fn is_shared(app_data: &AppData) -> bool {
    says_share(app_data) || says_screen(app_data)
}

/// For a client that speaks the classic dialect.
pub(crate) fn classic(app_data: &AppData) -> Cow<'_, AppData> {
    if says_screen(app_data) && !app_data.contains_key(SHARE) {
        with(app_data, SHARE, true.into())
    } else {
        Cow::Borrowed(app_data)
    }
}

/// For a client that speaks the newest dialect.
pub(crate) fn newest(app_data: &AppData, kind: MediaKind) -> Cow<'_, AppData> {
    if app_data.contains_key(SOURCE) {
        return Cow::Borrowed(app_data);
    }
    let source = match kind {
        _ if says_share(app_data) => SCREEN,
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    with(app_data, SOURCE, source.into())
}

/// Of a data channel, for a client that speaks the newest dialect.
pub(crate) fn newest_channel<'a>(app_data: &'a AppData, label: &str) -> Cow<'a, AppData> {
    if app_data.contains_key(CHANNEL) {
        Cow::Borrowed(app_data)
    } else {
        with(app_data, CHANNEL, label.into())
    }
}

fn says_share(app_data: &AppData) -> bool {
    app_data.get(SHARE) == Some(&Value::Bool(true))
}

fn says_screen(app_data: &AppData) -> bool {
    app_data.get(SOURCE).and_then(Value::as_str) == Some(SCREEN)
}

fn with<'a>(app_data: &AppData, name: &str, value: Value) -> Cow<'a, AppData> {
    let mut app_data = app_data.clone();
    app_data.insert(name.to_owned(), value);
    Cow::Owned(app_data)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(json: Value) -> AppData {
        serde_json::from_value(json).expect("an object")
    }

    #[test]
    fn a_screen_is_one_in_both_dialects() {
        let old = members(json!({"share": true, "peerId": "ada"}));
        let new = members(json!({"source": "screensharing", "peerId": "ada"}));
        assert!(is_shared(&old) && is_shared(&new));
        assert_eq!(
            classic(&new).into_owned(),
            members(json!({"source": "screensharing", "share": true, "peerId": "ada"}))
        );
        assert_eq!(
            newest(&old, MediaKind::Audio).into_owned(),
            members(json!({"source": "screensharing", "share": true, "peerId": "ada"}))
        );
        assert_eq!(*classic(&old), old);
        assert_eq!(*newest(&new, MediaKind::Video), new);
    }

    #[test]
    fn a_camera_and_a_microphone_are_nothing_else() {
        let old = members(json!({"peerId": "ada"}));
        assert!(!is_shared(&old));
        assert_eq!(newest(&old, MediaKind::Video)["source"], "video");
        assert_eq!(newest(&old, MediaKind::Audio)["source"], "audio");
        let own = members(json!({"source": "telescope"}));
        assert_eq!(*newest(&own, MediaKind::Video), own);
        assert_eq!(*classic(&own), own);
    }

    #[test]
    fn a_channel_has_its_label_for_a_name() {
        assert_eq!(newest_channel(&AppData::new(), "bot")["channel"], "bot");
        let own = members(json!({"channel": "chat"}));
        assert_eq!(*newest_channel(&own, "other"), own);
    }
}
