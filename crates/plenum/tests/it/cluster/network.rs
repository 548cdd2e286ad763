//! Machines that a test makes: network namespaces on one switch, between any two of which the network can be cut.

use std::{
    net::Ipv4Addr,
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
};

use super::Place;

/// A hardware address that nobody has: what is sent there is lost, as in a network that is broken.
const NOBODY: &str = "02:00:00:00:00:01";

/// A switch, and machines at it. This machine is at it, too. All of it is gone with the test.
pub(crate) struct Network {
    subnet: u8,
    prefix: String,
    machines: u8,
}

impl Network {
    /// With so many machines.
    pub(crate) fn new(machines: u8) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let network = Self {
            subnet: u8::try_from((pid + u32::from(number)) % 250).expect("small"),
            prefix: format!("pl{}{number}", pid % 100_000),
            machines,
        };
        let switch = network.switch();
        ip(&format!("link add {switch} type bridge"));
        ip(&format!("addr add {}/24 dev {switch}", network.address(0)));
        ip(&format!("link set {switch} up"));
        for machine in 1..=machines {
            let (name, cable) = (network.name(machine), network.cable(machine));
            ip(&format!("netns add {name}"));
            ip(&format!(
                "link add {cable} type veth peer name eth0 netns {name}"
            ));
            ip(&format!("link set {cable} master {switch} up"));
            let address = network.address(machine);
            ip(&format!("-n {name} addr add {address}/24 dev eth0"));
            ip(&format!("-n {name} link set eth0 up"));
            ip(&format!("-n {name} link set lo up"));
        }
        network
    }

    /// A machine, from 1 on.
    pub(crate) fn place(&self, machine: u8) -> Place {
        Place {
            ip: self.address(machine),
            network: Some(self.name(machine)),
            ..Place::HERE
        }
    }

    /// Nothing that one of two machines sends reaches the other.
    pub(crate) fn cut(&self, one: u8, other: u8) {
        for (from, to) in [(one, other), (other, one)] {
            let (name, address) = (self.name(from), self.address(to));
            ip(&format!(
                "-n {name} neigh replace {address} lladdr {NOBODY} dev eth0 nud permanent"
            ));
        }
    }

    pub(crate) fn mend(&self, one: u8, other: u8) {
        for (from, to) in [(one, other), (other, one)] {
            let (name, address) = (self.name(from), self.address(to));
            ip(&format!("-n {name} neigh del {address} dev eth0"));
        }
    }

    /// Nothing that one of two machines sends by this protocol reaches the other; everything else does.
    pub(crate) fn block(&self, one: u8, other: u8, protocol: &str) {
        for (at, from) in [(one, other), (other, one)] {
            let (name, address) = (self.name(at), self.address(from));
            nft(
                &name,
                &format!(
                    "add table ip cut; \
                     add chain ip cut in {{ type filter hook input priority 0; }}; \
                     add rule ip cut in ip saddr {address} meta l4proto {protocol} drop"
                ),
            );
        }
    }

    /// Everything that one of two machines sends reaches the other again.
    pub(crate) fn unblock(&self, one: u8, other: u8) {
        for machine in [one, other] {
            nft(&self.name(machine), "delete table ip cut");
        }
    }

    fn switch(&self) -> String {
        format!("{}s", self.prefix)
    }

    fn cable(&self, machine: u8) -> String {
        format!("{}v{machine}", self.prefix)
    }

    fn name(&self, machine: u8) -> String {
        format!("{}n{machine}", self.prefix)
    }

    fn address(&self, machine: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.subnet, 1 + machine)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for machine in 1..=self.machines {
            // Cables go with one of their ends.
            try_ip(&format!("link del {}", self.cable(machine)));
            try_ip(&format!("netns del {}", self.name(machine)));
        }
        try_ip(&format!("link del {}", self.switch()));
    }
}

fn ip(arguments: &str) {
    assert!(
        try_ip(arguments),
        "ip {arguments}: these tests make networks, which takes root"
    );
}

fn try_ip(arguments: &str) -> bool {
    let status = Command::new("ip")
        .args(arguments.split_whitespace())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Filters what comes to a machine.
fn nft(machine: &str, rules: &str) {
    let status = Command::new("ip")
        .args(["netns", "exec", machine, "nft", rules])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "nft {rules}: these tests filter packets, which takes nftables and root"
    );
}
