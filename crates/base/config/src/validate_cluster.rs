//! Checks of `[node]` and `[cluster]`.

use std::net::IpAddr;

use plenum_ids::NamespaceId;
use plenum_params::transport::Address;

use crate::{Config, NodeRole, Problem, ServerUrl, cluster::port_of};

/// Longest name of a node: it stands in logs, figures and certificates (a label of the DNS has 63).
const LONGEST_ID: usize = 63;

/// As the links between nodes have it: 16 random bytes are out of reach for who tries them all.
const LEAST_SECRET: usize = 16;

impl Config {
    pub(crate) fn check_node(&self, problems: &mut Vec<Problem>) {
        let node = &self.node;
        let mut check = |ok: bool, key, expected, given: &str| {
            if !ok {
                problems.push(Problem::Malformed {
                    key,
                    expected,
                    given: given.to_owned(),
                });
            }
        };
        if let Some(id) = &node.id {
            let expected = "1 to 63 ASCII letters, digits, '-' and '_'";
            check(is_node_id(id), "node.id", expected, id);
        }
        if let Some(country) = &node.country {
            let is_code = country.len() == 2 && country.bytes().all(|it| it.is_ascii_alphabetic());
            let expected = "two letters (ISO 3166-1), as in DE";
            check(is_code, "node.country", expected, country);
        }
        if let Some(url) = &node.public_url {
            let expected = "the beginning of an address that browsers can open, as in https://fra-1.example.org, without a path";
            check(is_origin(url), "node.public_url", expected, url);
        }
        for (key, text) in [
            ("node.organisation", &node.organisation),
            ("node.region", &node.region),
            ("node.isp", &node.isp),
        ] {
            let text = text.as_deref().unwrap_or("-");
            check(is_word(text), key, WORD, text);
        }
        for label in &node.labels {
            check(is_word(label), "node.labels", WORD, label);
        }
        for name in &node.namespaces {
            let expected = "names of namespaces: 1 to 64 ASCII letters, digits, '-', '_' and '.'";
            let is_name = NamespaceId::parse(name).is_ok();
            check(is_name, "node.namespaces", expected, name);
        }
        let priority = node.priority;
        let range = "from -100 to 100";
        let is_in_range = (-100..=100).contains(&priority);
        check(is_in_range, "node.priority", range, &priority.to_string());
    }

    /// What only makes sense in a cluster, where there is none.
    pub(crate) fn check_alone(&self, problems: &mut Vec<Problem>) {
        let cluster = &self.cluster;
        let role = match self.node.role {
            NodeRole::All => None,
            NodeRole::Media => Some("node.role = \"media\""),
            NodeRole::Signal => Some("node.role = \"signal\""),
        };
        let master = cluster.master.is_some().then_some("cluster.master");
        for key in [role, master].into_iter().flatten() {
            problems.push(Problem::NoRegistry { key });
        }
    }

    pub(crate) fn check_cluster(&self, problems: &mut Vec<Problem>) {
        self.check_registry(problems);
        self.check_identity(problems);
        let cluster = &self.cluster;
        let listen = cluster.listen.ip();
        match &cluster.address {
            Some(address) if !is_told_address(address) => problems.push(Problem::Malformed {
                key: "cluster.address",
                expected: "a host name or an address, with or without a port: fra-1.example.org:7400",
                given: address.clone(),
            }),
            None if listen.is_unspecified() => problems.push(Problem::NoClusterAddress(listen)),
            _ => {}
        }
        for (key, given, range, most) in [
            ("cluster.fan_out", cluster.fan_out, "from 1 to 1000", 1000),
            ("cluster.depth", cluster.depth, "from 1 to 16", 16),
        ] {
            if !(1..=most).contains(&given) {
                let given = given.to_string();
                problems.push(Problem::OutOfRange { key, range, given });
            }
        }
        if self.node.role.has_workers() && self.cluster_media_address().is_none() {
            problems.push(Problem::NoMediaAddress);
        }
    }

    /// Where other nodes send media to: as set, or the first address that clients are told, or that is bound.
    pub fn cluster_media_address(&self) -> Option<IpAddr> {
        let listen = self.rtc_listen();
        let with_udp = || listen.iter().filter(|info| info.udp);
        let announced = with_udp().flat_map(|info| &info.announced);
        let told = announced.filter_map(Address::ip);
        let bound = with_udp().map(|info| info.ip);
        let set = self.cluster.media_address;
        let mut all = set.into_iter().chain(told).chain(bound);
        all.find(|ip| !ip.is_unspecified())
    }

    fn check_registry(&self, problems: &mut Vec<Problem>) {
        let cluster = &self.cluster;
        let by_sentinels = !cluster.sentinels.is_empty();
        if by_sentinels == cluster.redis.is_some() || by_sentinels != cluster.master.is_some() {
            problems.push(Problem::MixedRegistry);
        }
        let redis = cluster.redis.iter().map(|url| ("cluster.redis", url));
        let sentinels = cluster.sentinels.iter();
        let sentinels = sentinels.map(|url| ("cluster.sentinels", url));
        for (key, url) in redis.chain(sentinels) {
            if !is_server_url(url) {
                problems.push(Problem::Malformed {
                    key,
                    expected: "redis://host:port, or rediss:// with TLS",
                    given: url.masked(),
                });
            }
        }
        if cluster.redis_password.is_some() && cluster.redis_password_file.is_some() {
            problems.push(Problem::TwoRedisPasswords);
        }
        let pair = ["cluster.redis_certificate", "cluster.redis_key"];
        match (&cluster.redis_certificate, &cluster.redis_key) {
            (Some(_), None) => problems.push(half(pair)),
            (None, Some(_)) => problems.push(half([pair[1], pair[0]])),
            _ => {}
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let prefix = &cluster.prefix;
        if !(1..=64).contains(&prefix.len()) || !prefix.bytes().all(is_plain) {
            problems.push(Problem::Malformed {
                key: "cluster.prefix",
                expected: "1 to 64 ASCII letters, digits, '-', '_' and '.'",
                given: prefix.clone(),
            });
        }
    }

    fn check_identity(&self, problems: &mut Vec<Problem>) {
        let cluster = &self.cluster;
        let secrets = [
            cluster.secret.is_some(),
            cluster.secret_file.is_some(),
            cluster.previous_secret_file.is_some(),
        ];
        let certificates = [
            cluster.certificate.is_some(),
            cluster.key.is_some(),
            cluster.authority.is_some(),
        ];
        match (secrets, certificates) {
            ([false, false, _], [false, false, false]) => {
                problems.push(Problem::NoClusterIdentity);
            }
            ([true, false, _] | [false, true, _], [false, false, false])
            | ([false, false, false], [true, true, true]) => {}
            _ => problems.push(Problem::MixedClusterIdentity),
        }
        let secret = cluster.secret.as_ref();
        let length = secret.map_or(LEAST_SECRET, |secret| secret.expose().trim().len());
        if length < LEAST_SECRET {
            problems.push(Problem::ShortClusterSecret(length));
        }
    }
}

const fn half([one, other]: [&'static str; 2]) -> Problem {
    Problem::HalfCertificate { one, other }
}

/// Whether a text may be a node's name.
pub(crate) fn is_node_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(is_plain)
}

const WORD: &str = "a word or some, at most 64 bytes";

/// As long as what tables of addresses may say.
fn is_word(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.len() <= 64 && !text.chars().any(char::is_control)
}

fn is_server_url(url: &ServerUrl) -> bool {
    let url = url.expose();
    let rest = url
        .strip_prefix("redis://")
        .or_else(|| url.strip_prefix("rediss://"));
    let host = rest.map(|rest| rest.rsplit('@').next().unwrap_or(rest));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', ':']))
}

/// A scheme, a host and maybe a port. No path: addresses of sessions begin at the top.
fn is_origin(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| is_told_address(rest.strip_suffix('/').unwrap_or(rest)))
}

/// A host, with or without a port.
fn is_told_address(text: &str) -> bool {
    let host = match text.rsplit_once(':') {
        Some((host, _)) if port_of(text).is_some() => host,
        _ => text,
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(bare) = bare {
        return bare.parse().is_ok_and(|ip: IpAddr| ip.is_ipv6());
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !host.is_empty() && host.bytes().all(is_plain)
}
