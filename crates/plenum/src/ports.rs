//! `plenum config ports`: which ports a node uses, and how firewalls are told.

use std::{fmt::Write as _, fs, net::IpAddr, ops::RangeInclusive};

use plenum_config::{Config, DEFAULT_EPHEMERAL, PortPlan, RtcMode};
use plenum_params::transport::Protocol;

use crate::cli::PortsFormat;

/// The ports of so many workers on this machine.
pub(crate) fn plan(config: &Config, workers: u16) -> anyhow::Result<PortPlan> {
    Ok(config.port_plan(workers, ephemeral())?)
}

/// The ports that this machine gives to outgoing connections, of IPv4 and IPv6 alike.
fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    text.ok()
        .and_then(|text| parse_range(&text))
        .unwrap_or(DEFAULT_EPHEMERAL)
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (first <= last).then_some(first..=last)
}

/// The table and the rules, or one of them.
pub(crate) fn render(config: &Config, plan: &PortPlan, format: PortsFormat) -> String {
    let rules = rules(config, plan);
    let section = |title: &str, rule: fn(&Rule) -> String| {
        let mut text = format!("# {title}\n");
        let mut told: Vec<String> = Vec::new();
        for rule in rules.iter().map(rule) {
            for line in rule.lines() {
                // Where a firewall does not tell families apart, theirs are the same.
                if !told.iter().any(|known| known == line) {
                    told.push(line.to_owned());
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        text
    };
    let table = || table(config, plan);
    let ufw = || section("ufw", Rule::ufw);
    let nft = || {
        section(
            "nftables, for a table \"inet filter\" with a chain \"input\"",
            Rule::nft,
        )
    };
    let iptables = || section("iptables", Rule::iptables);
    match format {
        PortsFormat::All => [table(), ufw(), nft(), iptables()].join("\n"),
        PortsFormat::Iptables => iptables(),
        PortsFormat::Nft => nft(),
        PortsFormat::Table => table(),
        PortsFormat::Ufw => ufw(),
    }
}

/// Something that must get in.
struct Rule {
    protocol: &'static str,
    ports: RangeInclusive<u16>,
    address: IpAddr,
    purpose: &'static str,
    /// On all IPv6 addresses it takes IPv4, too.
    takes_both: bool,
}

/// What other machines shall reach: nothing that is bound to a loopback address.
fn rules(config: &Config, plan: &PortPlan) -> Vec<Rule> {
    let further = config.http.further_ports.iter().copied();
    let http = std::iter::once(config.http.port).chain(further);
    let http = http.map(|port| Rule {
        protocol: "tcp",
        ports: port..=port,
        address: config.http.listen_ip,
        purpose: "plenum signalling",
        takes_both: true,
    });
    let links = config.cluster.listen;
    let links = config.cluster.is_on().then(|| Rule {
        protocol: "tcp",
        ports: links.port()..=links.port(),
        address: links.ip(),
        purpose: "plenum nodes",
        takes_both: true,
    });
    let listen = config.rtc_listen();
    let media = listen.iter().flat_map(|info| {
        info.protocols().map(|protocol| Rule {
            protocol: word(protocol),
            ports: plan.all(),
            address: info.ip,
            purpose: "plenum media",
            takes_both: false,
        })
    });
    let reachable = |rule: &Rule| !rule.address.to_canonical().is_loopback();
    let mut rules: Vec<Rule> = http.chain(links).chain(media).collect();
    rules.retain(|rule| reachable(rule) && *rule.ports.start() > 0);
    rules
}

/// A protocol as firewalls write it.
fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

impl Rule {
    fn ufw(&self) -> String {
        let Self {
            protocol, purpose, ..
        } = self;
        format!(
            "ufw allow {}/{protocol} comment '{purpose}'\n",
            self.joined(':')
        )
    }

    fn nft(&self) -> String {
        let Self {
            protocol, purpose, ..
        } = self;
        // The inner quotes are nft's, and the shell must leave them.
        format!(
            "nft add rule inet filter input {protocol} dport {} accept comment '\"{purpose}\"'\n",
            self.joined('-')
        )
    }

    fn iptables(&self) -> String {
        let Self {
            protocol, purpose, ..
        } = self;
        // An IPv6 socket of ours takes IPv6 only, but signalling on :: takes both.
        let commands: &[&str] = match self.address {
            IpAddr::V4(_) => &["iptables"],
            IpAddr::V6(ip) if ip.is_unspecified() && self.takes_both => &["iptables", "ip6tables"],
            IpAddr::V6(_) => &["ip6tables"],
        };
        let ports = self.joined(':');
        let line = |command: &&str| {
            format!(
                "{command} -A INPUT -p {protocol} --dport {ports} -m comment --comment '{purpose}' -j ACCEPT\n"
            )
        };
        commands.iter().map(line).collect()
    }

    fn joined(&self, separator: char) -> String {
        let (first, last) = (self.ports.start(), self.ports.end());
        if first == last {
            first.to_string()
        } else {
            format!("{first}{separator}{last}")
        }
    }
}

fn table(config: &Config, plan: &PortPlan) -> String {
    let mut text = String::new();
    let mut row = |protocol: &str, ports: &str, address: &str, purpose: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "# {protocol:<8}  {ports:<11}  {address:<15}  {purpose}"
        );
    };
    row("protocol", "ports", "address", "for");
    let http = &config.http;
    for port in std::iter::once(&http.port).chain(&http.further_ports) {
        let port = match port {
            0 => "any free".to_owned(),
            port => port.to_string(),
        };
        row(
            "tcp",
            &port,
            &http.listen_ip.to_string(),
            "signalling, web page, status",
        );
    }
    let listen = config.rtc_listen();
    for worker in 0..plan.workers() {
        let range = plan.of_worker(worker);
        let (first, last) = (range.start(), range.end());
        let purpose = match config.rtc.mode {
            RtcMode::PortPerTransport => {
                format!("media of worker {worker}; browsers use all but {first}")
            }
            RtcMode::SharedPort => format!("media of worker {worker}; browsers use {first}"),
        };
        for info in &listen {
            let protocols: Vec<_> = info.protocols().map(word).collect();
            let ports = format!("{first}-{last}");
            row(&protocols.join("+"), &ports, &info.ip.to_string(), &purpose);
        }
    }
    for note in notes(config, plan) {
        let _ = writeln!(text, "# {note}");
    }
    text
}

fn notes(config: &Config, plan: &PortPlan) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(wanted) = plan.shrunk_from() {
        let (workers, each) = (plan.workers(), plan.per_worker());
        notes.push(format!(
            "{wanted} ports for each of {workers} workers would not fit: each has {each}."
        ));
    }
    if plan.is_ephemeral() {
        notes.push(
            "Some of them are ports that this machine gives to outgoing connections: lower rtc.min_port, or add them to net.ipv4.ip_local_reserved_ports."
                .into(),
        );
    }
    let loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    if config.rtc_listen().iter().all(|info| loopback(info.ip)) {
        notes.push(
            "Media is on a loopback address, which no other machine reaches: no rule is needed. rtc.listen_ip and rtc.announced_ip, or rtc.listen, change that."
                .into(),
        );
    }
    if loopback(config.http.listen_ip) {
        notes.push(
            "Signalling is on a loopback address: open the port of the reverse proxy before it, not this one."
                .into(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use plenum_params::transport::ListenInfo;

    use super::*;

    fn public() -> (Config, PortPlan) {
        let mut config = Config::default();
        config.rtc.listen_ip = Some([0, 0, 0, 0].into());
        let plan = config.port_plan(2, DEFAULT_EPHEMERAL).expect("fits");
        (config, plan)
    }

    #[test]
    fn each_firewall_is_told_in_its_own_words() {
        let (config, plan) = public();
        for (format, line) in [
            (
                PortsFormat::Ufw,
                "ufw allow 10000:11999/udp comment 'plenum media'",
            ),
            (
                PortsFormat::Nft,
                "nft add rule inet filter input udp dport 10000-11999 accept comment '\"plenum media\"'",
            ),
            (
                PortsFormat::Iptables,
                "iptables -A INPUT -p udp --dport 10000:11999 -m comment --comment 'plenum media' -j ACCEPT",
            ),
        ] {
            let text = render(&config, &plan, format);
            let rules: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            let tcp = line.replace("/udp", "/tcp").replace(" udp ", " tcp ");
            assert_eq!(rules, [line, &tcp]);
            assert!(render(&config, &plan, PortsFormat::All).contains(&text));
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_worker_and_no_rule() {
        let (config, plan) = public();
        let text = render(&config, &plan, PortsFormat::Table);
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
        let line =
            "# udp+tcp   11000-11999  0.0.0.0          media of worker 1; browsers use 11000";
        assert!(text.lines().any(|found| found == line), "{text}");
        assert!(text.contains("reverse proxy"), "{text}");
    }

    #[test]
    fn public_signalling_is_opened_and_loopback_is_not() {
        let (mut config, plan) = public();
        config.http.listen_ip = "::".parse().expect("an address");
        let text = render(&config, &plan, PortsFormat::Iptables);
        for command in ["iptables", "ip6tables"] {
            let line = format!("{command} -A INPUT -p tcp --dport 3000 ");
            assert!(text.lines().any(|found| found.starts_with(&line)), "{text}");
        }
        let config = Config::default();
        let text = render(&config, &plan, PortsFormat::All);
        assert!(
            text.lines()
                .all(|line| line.is_empty() || line.starts_with('#'))
        );
        assert!(text.contains("no rule is needed"), "{text}");
    }

    #[test]
    fn every_address_has_its_rules_in_its_family() {
        let (mut config, plan) = public();
        config.rtc.listen_ip = None;
        let listen = |ip: &str| ListenInfo::new(ip.parse().expect("an address"));
        config.rtc.listen = vec![
            listen("192.0.2.1"),
            listen("2001:db8::1"),
            listen("127.0.0.1"),
        ];
        config.rtc.listen[1].tcp = false;
        let lines = |format| {
            let text = render(&config, &plan, format);
            text.lines().filter(|line| !line.starts_with('#')).count()
        };
        assert_eq!(lines(PortsFormat::Iptables), 3);
        assert_eq!(lines(PortsFormat::Nft), 2);
        let text = render(&config, &plan, PortsFormat::Iptables);
        assert!(
            text.contains("ip6tables -A INPUT -p udp --dport 10000:11999 "),
            "{text}"
        );
        config.rtc.mode = RtcMode::PortPerTransport;
        let text = render(&config, &plan, PortsFormat::Table);
        assert!(text.contains("browsers use all but 10000"), "{text}");
        assert!(!text.contains("no rule is needed"), "{text}");
    }

    #[test]
    fn the_kernels_range_is_understood() {
        assert_eq!(parse_range("32768\t60999\n"), Some(32_768..=60_999));
        for text in ["", "1", "5 4", "a b", "1 70000"] {
            assert_eq!(parse_range(text), None, "{text}");
        }
    }
}
