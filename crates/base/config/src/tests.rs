//! Layering, messages, checks, and the sample that must not go stale.

use std::error::Error as _;
use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

use crate::keys::{ALIASES, KEYS, Key, render};
use crate::*;

const SAMPLE: &str = include_str!("../../../../docs/plenum.sample.toml");

fn file(text: &str) -> FileSource {
    FileSource {
        path: "plenum.toml".into(),
        text: text.into(),
    }
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    resolve(Some(&file(text)), [], &[])
}

fn message(result: Result<Config, ConfigError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let file = file("[http]\nport = 1\n[rtc]\nmin_port = 1\n[node]\nname = \"file\"");
    let env = env(&[("PLENUM_HTTP_PORT", "2"), ("PLENUM_RTC_MIN_PORT", "2")]);
    let flags = [Override::new("http.port", "3", "--port")];
    let config = resolve(Some(&file), env, &flags).unwrap();
    assert_eq!(config.http.port, 3);
    assert_eq!(config.rtc.min_port, 2);
    assert_eq!(config.node.name, "file");
    assert_eq!(config.rtc.ports_per_worker, 1000, "default");
}

#[test]
fn later_flags_win() {
    let flags = [
        Override::new("http.port", "3", "--port"),
        Override::parse_set("http.port = 4").unwrap(),
    ];
    assert_eq!(resolve(None, [], &flags).unwrap().http.port, 4);
}

#[test]
fn names_of_mediasoup_deployments_are_honoured_below_our_own() {
    let config = resolve(
        None,
        env(&[
            ("MEDIASOUP_WORKER_COUNT", "3"),
            ("WEBRTC_LISTEN_IP", "0.0.0.0"),
            ("ANNOUNCED_IP", "203.0.113.7"),
            ("PORT", "4443"),
            ("PLENUM_HTTP_PORT", "4444"),
            ("PATH", "/bin"),
        ]),
        &[],
    )
    .unwrap();
    assert_eq!(config.workers.count, 3);
    assert_eq!(config.rtc_listen()[0].ip.to_string(), "0.0.0.0");
    assert_eq!(
        config.rtc_listen()[0].announced[0].to_string(),
        "203.0.113.7"
    );
    assert_eq!(config.http.port, 4444);
    config.validate().unwrap();
}

#[test]
fn empty_reserved_and_kubernetes_variables_are_no_settings() {
    let env = env(&[
        ("ANNOUNCED_IP", ""),
        ("PLENUM_CONFIG", "/etc/plenum.toml"),
        ("PLENUM_PORT", "tcp://10.0.0.1:3000"),
        ("PLENUM_PORT_3000_TCP_ADDR", "10.0.0.1"),
        ("PLENUM_SERVICE_HOST", "10.0.0.1"),
        ("PLENUM_RTC_ANNOUNCED_IP", ""),
    ]);
    assert_eq!(resolve(None, env, &[]).unwrap(), Config::default());
}

#[test]
fn unknown_keys_name_the_nearest_one_and_where_they_stand() {
    for (text, expected) in [
        (
            "[rtc]\nmin_prot = 1",
            "unknown setting `rtc.min_prot` in plenum.toml; did you mean `rtc.min_port`?",
        ),
        (
            "[rct]\nmin_port = 1",
            "unknown setting `rct.min_port` in plenum.toml; did you mean `rtc.min_port`?",
        ),
        (
            "announced_ip = \"::1\"",
            "unknown setting `announced_ip` in plenum.toml; did you mean `rtc.announced_ip`?",
        ),
        (
            "[worker]\ncount = 1",
            "unknown setting `worker.count` in plenum.toml; did you mean `workers.count`?",
        ),
    ] {
        assert_eq!(message(from_file(text)), expected);
    }
    assert!(
        message(from_file("[nodes]")).contains("`nodes`"),
        "an empty unknown section"
    );
    assert_eq!(
        message(resolve(None, env(&[("PLENUM_RTC_MINPORT", "1")]), &[])),
        "unknown setting `PLENUM_RTC_MINPORT` in environment variable PLENUM_RTC_MINPORT; did you mean `PLENUM_RTC_MIN_PORT`?"
    );
    let flag = Override::parse_set("log.levle=debug").unwrap();
    assert_eq!(
        message(resolve(None, [], &[flag])),
        "unknown setting `log.levle` in flag --set log.levle=debug; did you mean `log.level`?"
    );
}

#[test]
fn wrong_values_say_what_is_expected() {
    assert_eq!(
        message(from_file("[http]\nport = 70000")),
        "`http.port` in plenum.toml must be an integer from 0 to 65535, not `70000`"
    );
    assert_eq!(
        message(from_file("[http]\nport = \"3000\"")),
        "`http.port` in plenum.toml must be an integer from 0 to 65535, not `\"3000\"`"
    );
    assert_eq!(
        message(resolve(None, env(&[("PORT", "abc")]), &[])),
        "`http.port` in environment variable PORT must be an integer from 0 to 65535, not `abc`"
    );
    let flags = [Override::new("log.format", "xml", "--log-format")];
    assert_eq!(
        message(resolve(None, [], &flags)),
        "`log.format` in flag --log-format must be \"text\" or \"json\", not `xml`"
    );
    assert!(Override::parse_set("http.port").is_err());
}

#[test]
fn files_that_are_missing_or_no_toml_say_so_with_the_cause() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.toml");
    let error = FileSource::read(&missing).unwrap_err();
    assert!(error.to_string().contains("missing.toml") && error.source().is_some());

    let broken = directory.path().join("broken.toml");
    std::fs::write(&broken, "[http\nport = 1").unwrap();
    let source = FileSource::read(Path::new(&broken)).unwrap();
    let error = resolve(Some(&source), [], &[]).unwrap_err();
    assert!(error.to_string().contains("broken.toml"));
    assert!(error.source().unwrap().to_string().contains("line 1"));
}

#[test]
fn every_key_can_be_set_by_every_layer() {
    // What each key is given: something else than its default.
    let other = |key: &Key| match key.expected {
        "true or false" if (key.show)(&Config::default()) == Some(true.into()) => "false",
        "true or false" => "true",
        "text" => "other",
        "an IPv4 or IPv6 address" | "an IPv4 or IPv6 address, or a host name" => "192.0.2.1",
        "\"shared-port\" or \"port-per-transport\"" => "port-per-transport",
        tables if tables.starts_with("tables with url") => {
            "[{url = \"https://a\", secret = \"s\"}]"
        }
        tables if tables.starts_with("a table for each namespace") => "{acme = {max_rooms = 1}}",
        tables if tables.starts_with("tables with name") => {
            "[{name = \"ops\", key = \"0123456789abcdef\", scope = \"admin\"}]"
        }
        tables if tables.starts_with("tables") => "192.0.2.1@203.0.113.7 ::/udp",
        "\"text\" or \"json\"" => "json",
        "\"none\" or \"token\"" => "token",
        "\"off\", \"files\" or \"self-signed\"" => "self-signed",
        ranges if ranges.contains("10.0.0.0/8") => "192.0.2.0/24 2001:db8::/32",
        "\"loopback\", \"any\" or \"none\"" => "any",
        "\"all\", \"signal\" or \"media\"" => "media",
        "\"room\", \"user\", \"stream\" or \"broadcast\"" => "user",
        place if place.starts_with("latitude") => "50.11, 8.68",
        address if address.starts_with("an address with a port") => "[::1]:7401",
        _ => "40000",
    };
    for key in KEYS {
        let text = other(key);
        let flags = [Override::new(key.path, text, "--set")];
        let by_flag = resolve(None, [], &flags).unwrap();
        let by_env = resolve(None, [(key.env_name(), text.into())], &[]).unwrap();
        // Not as it is printed: secrets would be masked.
        let value = (key.show)(&by_flag).unwrap();
        let (section, name) = (key.section(), key.name());
        let by_file = from_file(&format!("[{section}]\n{name} = {value}")).unwrap();
        assert_eq!(by_flag, by_env, "{}", key.path);
        assert_eq!(by_flag, by_file, "{}", key.path);
        assert_ne!(by_flag, Config::default(), "{}", key.path);
    }
    assert!(ALIASES.iter().all(|(_, path)| keys::find(path).is_some()));
}

#[test]
fn a_public_address_without_authentication_needs_a_word() {
    for (ip, public) in [
        ("127.0.0.1", false),
        ("127.5.5.5", false),
        ("::1", false),
        ("::ffff:127.0.0.1", false),
        ("0.0.0.0", true),
        ("::", true),
        ("192.0.2.1", true),
        ("10.0.0.1", true),
    ] {
        let mut config = Config::default();
        config.http.listen_ip = ip.parse().unwrap();
        config.rtc.announced_ip = Some("192.0.2.1".parse().unwrap());
        let refused = matches!(
            config.validate(),
            Err(ConfigError::Invalid(problems)) if problems == [Problem::PublicWithoutAuth(config.http.listen_ip)]
        );
        assert_eq!(refused, public, "{ip}");
        config.http.insecure = true;
        config.validate().unwrap();
    }
}

#[test]
fn a_public_address_where_tokens_are_asked_for_needs_none() {
    let text = "[http]\nlisten_ip = \"192.0.2.1\"\n[auth]\nmode = \"token\"\nkeys = \"keys\"";
    from_file(text).unwrap().validate().unwrap();
}

#[test]
fn doors_have_what_they_need() {
    for (text, word) in [
        ("[auth]\nmode = \"token\"", "auth.keys"),
        ("[tls]\nmode = \"files\"", "tls.certificate"),
        ("[ice]\nturn = \"turn:a\"", "ice.turn_secret"),
        (
            "[ice]\nturn = \"turn:a\"\nturn_secret = \"s\"\nturn_secret_file = \"f\"",
            "one of them",
        ),
        ("[ice]\nstun = \"turn:a\"", "ice.stun has `turn:a`"),
        ("[ice]\nturn_ttl_s = 1", "ice.turn_ttl_s"),
        ("[limits]\nbody_bytes = 10", "limits.body_bytes"),
    ] {
        let error = from_file(text).unwrap().validate().unwrap_err().to_string();
        assert!(
            error.contains(word) && error.lines().count() == 1,
            "{error}"
        );
    }
    let text = "[ice]\nstun = [\"stun:a\", \"stuns:b\"]\nturn = \"turns:a\"\nturn_secret = \"s\"";
    let config = from_file(text).unwrap();
    config.validate().unwrap();
    assert!(!config.to_toml_masked().contains("\"s\""));
}

#[test]
fn a_cluster_has_what_it_needs() {
    let secret = "secret_file = \"s\"\naddress = \"a.example.org\"\n";
    let with = |more: &str| format!("[cluster]\nredis = \"redis://h\"\n{secret}{more}");
    from_file(&with("")).unwrap().validate().unwrap();
    for (text, word) in [
        ("[node]\nrole = \"signal\"", "--redis"),
        ("[node]\nid = \"a b\"", "node.id"),
        ("[node]\ncountry = \"Germany\"", "node.country"),
        ("[node]\npublic_url = \"fra-1\"", "node.public_url"),
        ("[node]\npublic_url = \"https://a/b\"", "node.public_url"),
        ("[node]\npublic_url = \"https://\"", "node.public_url"),
        ("[node]\nlabels = [\"\"]", "node.labels"),
        ("[node]\nnamespaces = \"a/b\"", "node.namespaces"),
        ("[node]\npriority = 101", "node.priority"),
        (
            "[cluster]\nmaster = \"m\"",
            "cluster.master is for a cluster",
        ),
        (
            "[cluster]\nredis = \"redis://h\"\naddress = \"a\"",
            "openssl rand",
        ),
        (
            "[cluster]\nredis = \"redis://h\"\nsecret_file = \"s\"",
            "cluster.address",
        ),
        (
            "[cluster]\nredis = \"redis://h\"\naddress = \"a\"\nsecret = \"short\"",
            "has 5 bytes",
        ),
        (
            &with("secret = \"0123456789abcdef\""),
            "one of the two ways",
        ),
        (&with("certificate = \"c\""), "one of the two ways"),
        (&with("sentinels = \"redis://s\""), "cluster.sentinels"),
        (&with("master = \"m\""), "cluster.master"),
        (
            &with("redis_key = \"k\""),
            "without cluster.redis_certificate",
        ),
        (&with("prefix = \"{}\""), "cluster.prefix"),
        (&with("fan_out = 0"), "cluster.fan_out"),
        (&with("depth = 17"), "cluster.depth"),
        (
            &with("redis_password = \"p\"\nredis_password_file = \"f\""),
            "keep one",
        ),
        (
            &with("[rtc]\nlisten_ip = \"0.0.0.0\"\nannounced_ip = \"a.example.org\""),
            "cluster.media_address",
        ),
    ] {
        let error = from_file(text).unwrap().validate().unwrap_err().to_string();
        assert!(
            error.contains(word) && error.lines().count() == 1,
            "{text}: {error}"
        );
    }
    for address in ["a b", "", "::1", "a:b:7400", "http://a"] {
        let text = format!(
            "[cluster]\nredis = \"redis://u:hunter2@h\"\nsecret_file = \"s\"\naddress = \"{address}\""
        );
        let error = from_file(&text)
            .unwrap()
            .validate()
            .unwrap_err()
            .to_string();
        assert!(error.contains("cluster.address"), "{address}: {error}");
    }
}

#[test]
fn passwords_of_a_cluster_are_never_printed() {
    let text = "[cluster]\nredis = \"http://u:hunter2@h\"\nsecret = \"hunter2\"\nredis_password = \"hunter2\"";
    let config = from_file(text).unwrap();
    let error = config.validate().unwrap_err().to_string();
    assert!(error.contains("http://u:********@h"), "{error}");
    let shown = config.to_toml_masked();
    for text in [error, shown, format!("{config:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn other_nodes_send_media_to_what_is_told() {
    let address = |text: &str| from_file(text).unwrap().cluster_media_address();
    let ip = |text: &str| Some(text.parse().unwrap());
    assert_eq!(address(""), ip("127.0.0.1"));
    let told = "[rtc]\nlisten_ip = \"0.0.0.0\"\nannounced_ip = \"203.0.113.7\"";
    assert_eq!(address(told), ip("203.0.113.7"));
    let set = format!("{told}\n[cluster]\nmedia_address = \"10.0.0.7\"");
    assert_eq!(address(&set), ip("10.0.0.7"));
}

#[test]
fn media_follows_signalling_unless_told_otherwise() {
    let mut config = Config::default();
    assert!(config.rtc_listen()[0].ip.is_loopback());
    config.http.listen_ip = "0.0.0.0".parse().unwrap();
    config.http.insecure = true;
    assert!(config.rtc_listen()[0].ip.is_unspecified());
    let error = config.validate().unwrap_err().to_string();
    assert!(error.contains("rtc.announced_ip"), "{error}");
    config.rtc.announced_ip = Some("203.0.113.7".parse().unwrap());
    config.validate().unwrap();
}

#[test]
fn ranges_are_checked_all_at_once() {
    let text = "[rtc]\nmin_port = 65000\nconsent_timeout_s = 1\ninitial_outgoing_bitrate = 1\n\
        min_outgoing_bitrate = 1\nmax_outgoing_bitrate = 1\nmax_incoming_bitrate = 1\n\
        [room]\nmax_rooms = 0\nmax_peers = 0\nmax_producers_per_peer = 0";
    let error = from_file(text).unwrap().validate().unwrap_err().to_string();
    for key in [
        "min_port",
        "consent_timeout_s",
        "initial_out",
        "min_outgoing_bitrate must",
        "max_outgoing_bitrate must",
        "max_incoming",
        "max_rooms",
        "max_peers",
        "producers",
    ] {
        assert!(error.contains(key), "{key} in {error}");
    }
    assert_eq!(error.lines().count(), 9);
    let zero = from_file("[rtc]\nmin_port = 0\nports_per_worker = 0").unwrap();
    assert!(zero.validate().is_err());
    let last = from_file("[rtc]\nmin_port = 65535\nports_per_worker = 1").unwrap();
    last.validate().unwrap();
}

#[test]
fn the_first_guess_of_a_bitrate_lies_within_its_bounds() {
    for (min, max, initial, valid) in [
        (100_000, Some(500_000), 500_000, true),
        (100_000, Some(500_000), 500_001, false),
        (100_000, None, 99_999, false),
        (600_000, Some(500_000), 600_000, false),
        (100_000, None, 50_000_000, true),
    ] {
        let mut config = Config::default();
        config.rtc.min_outgoing_bitrate = min;
        config.rtc.max_outgoing_bitrate = max;
        config.rtc.initial_outgoing_bitrate = initial;
        let result = config.validate();
        assert_eq!(result.is_ok(), valid, "{min} {max:?} {initial}");
    }
}

#[test]
fn defaults_are_valid() {
    let config = Config::default();
    config.validate().unwrap();
    assert_eq!(config.rtc.consent_timeout(), Duration::from_secs(20));
    let cores = NonZero::new(6).unwrap();
    assert_eq!(config.workers.resolved_count(cores), 6);
    let workers = Workers {
        count: 2,
        ..Workers::default()
    };
    assert_eq!(workers.resolved_count(cores), 2);
}

#[test]
fn secrets_are_never_printed() {
    let mut config = Config::default();
    config.node.name = "hunter2".into();
    let key = Key {
        path: "node.name",
        secret: true,
        expected: "text",
        set: |_, _| false,
        show: |config| Some(config.node.name.clone().into()),
    };
    let text = render(&config, &[key]);
    assert_eq!(text, "[node]\nname = \"********\"\n");
    config.webhooks.secret = vec!["hunter2".into()];
    let targets = "[{url = \"https://a\", secret = \"hunter2\"}]";
    let flags = [Override::new("webhooks.targets", targets, "--set")];
    config.webhooks.targets = resolve(None, [], &flags).unwrap().webhooks.targets;
    config.node.name = "plenum".into();
    let text = config.to_toml_masked();
    assert!(
        text.contains("\nsecret = \"********\"\n") && !text.contains("hunter2"),
        "{text}"
    );
    assert!(!format!("{config:?}").contains("hunter2"));
    let wrong = [Override::new("webhooks.targets", "hunter2", "--set")];
    assert!(!message(resolve(None, [], &wrong)).contains("hunter2"));
}

#[test]
fn printed_settings_say_what_is_not_set() {
    let text = Config::default().to_toml_masked();
    assert!(
        text.starts_with("[node]\n# id is not set\n# data_dir is not set\nname = \"plenum\"\n")
    );
    assert!(text.contains("\n\n[http]\nlisten_ip = \"127.0.0.1\"\nport = 3000\n"));
}

#[test]
fn several_addresses_replace_the_single_one() {
    let text = "[[rtc.listen]]\nip = \"0.0.0.0\"\nannounced = \"203.0.113.7\"\n\n[[rtc.listen]]\nip = \"::\"\nannounced = \"media.example.org\"\ntcp = false\n\n[[rtc.listen]]\nip = \"0.0.0.0\"\nannounced = \"198.51.100.7\"\n";
    let mut config = from_file(text).unwrap();
    config.validate().unwrap();
    let listen = config.rtc_listen();
    assert_eq!(listen.len(), 2);
    let announced: Vec<_> = listen[0]
        .announced
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(announced, ["203.0.113.7", "198.51.100.7"]);
    assert!(listen[0].tcp && !listen[1].tcp);
    config.rtc.listen_ip = Some("192.0.2.1".parse().unwrap());
    let error = config.validate().unwrap_err().to_string();
    assert!(error.contains("keep one"), "{error}");
    for (entries, word) in [
        ("::", "no client can send to"),
        ("::@192.0.2.1/tcp", "no address with UDP"),
        ("192.0.2.1@0.0.0.0", "no client can send to"),
    ] {
        let flag = Override::new("rtc.listen", entries, "--set");
        let config = resolve(None, [], &[flag]).unwrap();
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(word), "{entries}: {error}");
    }
}

/// The sample with all defaults set.
fn uncommented() -> String {
    let lines = SAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|first: char| first.is_ascii_lowercase()) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_parses_and_changes_nothing() {
    assert_eq!(from_file(SAMPLE).unwrap(), Config::default());
    assert_eq!(from_file(&uncommented()).unwrap(), Config::default());
}

#[test]
fn the_sample_shows_every_key_in_its_section() {
    let with_examples = uncommented().replace("# Example: ", "");
    from_file(&with_examples).unwrap();
    let shown: toml::Table = with_examples.parse().unwrap();
    for key in KEYS {
        let settings = shown.get(key.section()).and_then(toml::Value::as_table);
        let value = settings.and_then(|settings| settings.get(key.name()));
        assert!(value.is_some(), "{} is missing from the sample", key.path);
        let example = format!("# Example: {} = ", key.name());
        let has_default = (key.show)(&Config::default()).is_some();
        assert!(
            has_default || SAMPLE.contains(&example),
            "{} has no default and needs an example",
            key.path
        );
    }
    for (alias, _) in ALIASES {
        assert!(SAMPLE.contains(&format!("Alias: {alias}.")), "{alias}");
    }
}
