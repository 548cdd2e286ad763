//! The node as one of a cluster: from settings to the registry, the links to the others, and what placement goes by.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use plenum_config::{Config, NodeRole, PlacementPolicy, Secret, ServerUrl};
use plenum_host::{
    About, Cluster, ClusterConfig, Coordinates, GeoTable, Location, Locator, PlacementSettings,
    Policy, Rules, TreeLimits,
};
use plenum_link::{Identity as LinkIdentity, SecretSource};
use plenum_registry::{NodeAddresses, NodeRecord, RedisConfig, RedisRegistry, RedisTls};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{cli::VERSION, doors::secret_in, identity::Identity};

/// What a node of a cluster needs before it may begin. Made before anything is started, so that what is wrong is said at once.
pub(crate) struct Membership {
    identity: Arc<Identity>,
    redis: RedisConfig,
    known_by: LinkIdentity,
    about: About,
    rules: Rules,
    locator: Locator,
}

impl Membership {
    /// `None`: the node is alone.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        if !config.cluster.is_on() {
            return Ok(None);
        }
        let (rules, locator) = placement(config)?;
        let membership = Self {
            redis: redis(config)?,
            known_by: known_by(config),
            about: about(config),
            rules,
            locator,
            // Last, as it may make a folder.
            identity: Arc::new(Identity::load(&config.node, |name| env::var_os(name))?),
        };
        Ok(Some(membership))
    }

    /// Registers the node and connects it. A registry that is away is waited for. The identity is this process' as long as it is
    /// kept.
    pub(crate) async fn begin(
        self,
        config: &Config,
    ) -> anyhow::Result<(Arc<Cluster>, Arc<Identity>)> {
        let registry = RedisRegistry::start(&self.redis).context("cannot use cluster.redis")?;
        let (registry, bus) = (Arc::new(registry.clone()), Arc::new(registry));
        let (rules, rules_now) = watch::channel(Arc::new(self.rules));
        let (locator, locator_now) = watch::channel(Arc::new(self.locator));
        let settings = &config.cluster;
        let identity = self.identity;
        let remembered = identity.last;
        let node = identity.id.clone();
        let mut cluster = ClusterConfig::new(node, (registry, bus), settings.listen, self.known_by);
        cluster.last_epoch = remembered;
        cluster.remember = {
            let identity = Arc::clone(&identity);
            Arc::new(move |epoch| identity.remember(epoch))
        };
        cluster.link_address = told_address(config);
        cluster.media_address = config.cluster_media_address();
        cluster.record = NodeRecord {
            addresses: NodeAddresses {
                link: String::new(),
                public_url: public_url(config),
            },
            version: VERSION.to_owned(),
            ..NodeRecord::default()
        };
        cluster.placement = PlacementSettings {
            about: self.about,
            rules: rules_now,
            locator: locator_now,
            tree: TreeLimits {
                depth: settings.depth,
                fan_out: settings.fan_out,
            },
        };
        let cluster = Cluster::start(cluster).await?;
        tokio::spawn(keep_current(config.clone(), rules, locator));
        Ok((cluster, identity))
    }
}

/// What others are told, if that is not the address that is bound.
fn told_address(config: &Config) -> Option<String> {
    let settings = &config.cluster;
    let told = settings.told_address(settings.listen);
    let is_given = settings.address.is_some();
    // With port 0 it is not known yet which one it will be.
    (is_given || settings.listen.port() != 0).then_some(told)
}

fn public_url(config: &Config) -> String {
    let url = config.node.public_url.as_deref().unwrap_or_default();
    // Nobody is sent to a node that has no doors.
    if config.node.role.has_clients() {
        url.trim_end_matches('/').to_owned()
    } else {
        String::new()
    }
}

fn about(config: &Config) -> About {
    let node = &config.node;
    let coordinates = node.coordinates.map(|place| Coordinates {
        latitude: place.latitude() as f32,
        longitude: place.longitude() as f32,
    });
    About {
        name: node.name.clone(),
        role: match node.role {
            NodeRole::All => plenum_host::NodeRole::All,
            NodeRole::Media => plenum_host::NodeRole::Media,
            NodeRole::Signal => plenum_host::NodeRole::Signal,
        },
        organisation: node.organisation.as_deref().map(Into::into),
        location: Location {
            region: node.region.as_deref().map(Into::into),
            country: node.country.as_deref().map(Into::into),
            isp: node.isp.as_deref().map(Into::into),
            coordinates,
        },
        labels: node
            .labels
            .iter()
            .map(|label| label.as_str().into())
            .collect(),
        namespaces: node
            .namespaces
            .iter()
            .map(|name| name.as_str().into())
            .collect(),
        // Checked with the settings.
        priority: i8::try_from(node.priority).unwrap_or_default(),
        // No operator's unit is so small that more would be needed.
        cost: f32::from(u16::try_from(node.cost).unwrap_or(u16::MAX)),
        egress_capacity: u64::from(node.max_egress_mbps) * 1_000_000,
    }
}

fn redis(config: &Config) -> anyhow::Result<RedisConfig> {
    let cluster = &config.cluster;
    let mut redis = match (&cluster.redis, &cluster.master) {
        (Some(url), _) => RedisConfig::new(url.expose()),
        (None, master) => {
            let urls = cluster.sentinels.iter().map(ServerUrl::expose);
            let mut redis =
                RedisConfig::with_sentinels(urls, master.as_deref().unwrap_or_default());
            if let plenum_registry::RedisServers::Sentinels { tls, .. } = &mut redis.servers {
                *tls = cluster.redis_tls;
            }
            redis
        }
    };
    redis.user.clone_from(&cluster.redis_user);
    redis.password = match (&cluster.redis_password, &cluster.redis_password_file) {
        (Some(password), _) => Some(password.expose().to_owned()),
        (None, Some(path)) => Some(secret_in(path)?),
        (None, None) => None,
    };
    let read =
        |path: &PathBuf| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let ca = cluster.redis_authority.as_ref().map(read).transpose()?;
    let client = match (&cluster.redis_certificate, &cluster.redis_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        _ => None,
    };
    redis.tls = RedisTls { ca, client };
    redis.prefix.clone_from(&cluster.prefix);
    Ok(redis)
}

/// The settings have been checked: it is one way or the other.
fn known_by(config: &Config) -> LinkIdentity {
    let cluster = &config.cluster;
    if let (Some(certificate), Some(key), Some(authority)) =
        (&cluster.certificate, &cluster.key, &cluster.authority)
    {
        return LinkIdentity::Mtls {
            certificate: certificate.clone(),
            key: key.clone(),
            authority: authority.clone(),
            names: cluster.certificate_names,
        };
    }
    let current = match (&cluster.secret, &cluster.secret_file) {
        (None, Some(path)) => SecretSource::File(path.clone()),
        (secret, _) => {
            let secret = secret.as_ref().map(Secret::expose).unwrap_or_default();
            SecretSource::Value(secret.into())
        }
    };
    let previous = cluster.previous_secret_file.clone();
    LinkIdentity::Secret {
        current,
        previous: previous.map(SecretSource::File),
    }
}

/// Rules, and where addresses are, out of their files.
pub(crate) fn placement(config: &Config) -> anyhow::Result<(Rules, Locator)> {
    let cluster = &config.cluster;
    let mut locator = Locator::new(table(cluster.geo_table.as_deref())?);
    for path in &cluster.geo_databases {
        locator.add_database(path)?;
    }
    Ok((rules(config)?, locator))
}

fn table(path: Option<&Path>) -> anyhow::Result<GeoTable> {
    let Some(path) = path else {
        return Ok(GeoTable::default());
    };
    let text = text_of(path)?;
    GeoTable::parse(&text).with_context(|| format!("{} is no table of addresses", path.display()))
}

fn rules(config: &Config) -> anyhow::Result<Rules> {
    let cluster = &config.cluster;
    let policy = match cluster.policy {
        PlacementPolicy::Broadcast => Policy::Broadcast,
        PlacementPolicy::Room => Policy::Room,
        PlacementPolicy::Stream => Policy::Stream,
        PlacementPolicy::User => Policy::User,
    };
    let mut rules = Rules::default();
    let mut is_said = false;
    if let Some(path) = &cluster.rules {
        let text = text_of(path)?;
        let wrong = || format!("{} has no rules of placement", path.display());
        let table: toml::Table = text.parse().with_context(wrong)?;
        let default = table.get("default").and_then(toml::Value::as_table);
        is_said = default.is_some_and(|default| default.contains_key("policy"));
        rules = table.try_into().with_context(wrong)?;
    }
    if !is_said {
        rules.default.policy = policy;
    }
    Ok(rules)
}

/// The largest table has 100 000 lines, some of them with three long names.
const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;

fn text_of(path: &Path) -> anyhow::Result<String> {
    let unreadable = || format!("cannot read {}", path.display());
    let size = fs::metadata(path).with_context(unreadable)?.len();
    anyhow::ensure!(size <= MAX_FILE_BYTES, "{} is too large", path.display());
    fs::read_to_string(path).with_context(unreadable)
}

/// How often files of placement are looked at. Databases come weekly, rules with an operator who watches.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells one state of a file from the next.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: Option<&PathBuf>) -> Stamp {
    let metadata = fs::metadata(path?).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Reads files of placement again when they change. What is broken is told of once, and what was there before holds.
async fn keep_current(
    config: Config,
    rules: watch::Sender<Arc<Rules>>,
    locator: watch::Sender<Arc<Locator>>,
) {
    let cluster = &config.cluster;
    let files = [cluster.rules.as_ref(), cluster.geo_table.as_ref()];
    if files.iter().all(Option::is_none) && cluster.geo_databases.is_empty() {
        return;
    }
    let mut known = files.map(stamp);
    let mut told = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let current = Locator::clone(&locator.borrow());
        let (before, config) = (known, config.clone());
        let looking = tokio::task::spawn_blocking(move || look(&config, before, current));
        // The process ends.
        let Ok(found) = looking.await else { return };
        known = found.stamps;
        if let Some(found) = found.rules {
            info!("rules of placement read again");
            rules.send_replace(Arc::new(found));
        }
        // Also where something is broken, so that it is looked at again only when it changes.
        locator.send_replace(Arc::new(found.locator));
        if !found.trouble.is_empty() && found.trouble != told {
            warn!("what placement went by before goes on: {}", found.trouble);
        }
        told = found.trouble;
    }
}

/// What was found anew.
struct Found {
    stamps: [Stamp; 2],
    rules: Option<Rules>,
    locator: Locator,
    /// What cannot be read, in words.
    trouble: String,
}

fn look(config: &Config, before: [Stamp; 2], mut locator: Locator) -> Found {
    let cluster = &config.cluster;
    let stamps = [
        stamp(cluster.rules.as_ref()),
        stamp(cluster.geo_table.as_ref()),
    ];
    let mut troubles = Vec::new();
    let mut new_rules = None;
    if stamps[0] != before[0] {
        match rules(config) {
            Ok(rules) => new_rules = Some(rules),
            Err(err) => troubles.push(format!("{err:#}")),
        }
    }
    if stamps[1] != before[1] {
        match table(cluster.geo_table.as_deref()) {
            Ok(table) => locator.set_table(table),
            Err(err) => troubles.push(format!("{err:#}")),
        }
    }
    let reloaded = locator.reload();
    for path in reloaded.read {
        info!(path = %path.display(), "where addresses are was read again");
    }
    let failed = reloaded.failed.into_iter();
    troubles.extend(failed.map(|err| format!("{:#}", anyhow::Error::from(err))));
    Found {
        stamps,
        rules: new_rules,
        locator,
        trouble: troubles.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use plenum_config::{Override, resolve};

    use super::*;

    fn config(settings: &[(&str, &str)]) -> Config {
        let flags = settings.iter();
        let flags: Vec<_> = flags
            .map(|(key, value)| Override::new(*key, *value, "--set"))
            .collect();
        resolve(None, [], &flags).expect("settings")
    }

    #[test]
    fn the_policy_of_the_settings_holds_where_the_rules_say_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("rules.toml");
        let text = file.to_str().expect("a name");
        let of = |rules: &str| {
            fs::write(&file, rules).expect("written");
            let config = config(&[("cluster.policy", "user"), ("cluster.rules", text)]);
            super::rules(&config).map(|rules| rules.default.policy)
        };
        assert_eq!(
            of("[default]\nmax_load = 0.5").expect("rules"),
            Policy::User
        );
        assert_eq!(
            of("[default]\npolicy = \"room\"").expect("rules"),
            Policy::Room
        );
        assert_eq!(of("").expect("rules"), Policy::User);
        let err = format!(
            "{:#}",
            of("[default]\npolcy = \"room\"").expect_err("a word")
        );
        assert!(err.contains("rules.toml") && err.contains("polcy"), "{err}");
    }

    #[test]
    fn files_of_placement_are_read_again_when_they_change() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("places");
        fs::write(&file, "10.0.0.0/8 office\n").expect("written");
        let config = config(&[("cluster.geo_table", file.to_str().expect("a name"))]);
        let (_, locator) = placement(&config).expect("readable");
        let region = |locator: &Locator| locator.locate([10, 0, 0, 1].into()).region;
        assert_eq!(region(&locator), Some("office".into()));
        let before = [None, stamp(Some(&file))];
        fs::write(&file, "10.0.0.0/8 somewhere else entirely\n").expect("written");
        let found = look(&config, before, locator.clone());
        assert!(
            found.trouble.contains("table of addresses"),
            "{}",
            found.trouble
        );
        assert_eq!(region(&found.locator), Some("office".into()));
        let before = found.stamps;
        fs::write(&file, "10.0.0.0/8 home DE\n").expect("written");
        let found = look(&config, before, found.locator);
        assert_eq!(region(&found.locator), Some("home".into()));
        assert_eq!(look(&config, found.stamps, found.locator).trouble, "");
    }

    #[test]
    fn others_are_told_an_address_unless_the_port_is_yet_to_be_found() {
        let told = |listen: &str, address: Option<&str>| {
            let mut settings = vec![("cluster.listen", listen)];
            settings.extend(address.map(|address| ("cluster.address", address)));
            told_address(&config(&settings))
        };
        assert_eq!(told("127.0.0.1:0", None), None);
        assert_eq!(
            told("127.0.0.1:7400", None).as_deref(),
            Some("127.0.0.1:7400")
        );
        assert_eq!(told("0.0.0.0:7400", Some("a")).as_deref(), Some("a:7400"));
    }

    #[test]
    fn nobody_is_sent_to_a_node_without_doors() {
        let url = |role: &str| {
            public_url(&config(&[
                ("node.public_url", "https://a.example.org/"),
                ("node.role", role),
            ]))
        };
        assert_eq!(url("all"), "https://a.example.org");
        assert_eq!(url("media"), "");
    }
}
