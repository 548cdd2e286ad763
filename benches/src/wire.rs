//! What lies between a worker and the people around it: loopback, or two machines with a cable.
//!
//! On loopback a segmented message stays whole until the receiving socket. On the cable it is cut before it leaves, as on a
//! network card that cannot do that itself: every packet pays its own way through both machines.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr},
    os::fd::AsFd as _,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Addresses of the machines at both ends of the cable.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 207, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 207, 0, 2);

/// Says to the program that it runs on the near machine already, and what the far one is called.
const FAR_NAME: &str = "PLENUM_BENCH_FAR";

/// Where a benchmark takes place.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the two of the benchmarks")]
pub enum Wire {
    /// One machine.
    Loopback,
    /// Two network namespaces and a veth pair without offloads; the other one's name.
    Veth(String),
}

impl Wire {
    /// What the program was started for: with the argument `veth` it is run again between two machines that it makes, which
    /// needs root; `None`: that has been done.
    pub fn from_arguments() -> Result<Option<Self>> {
        if let Ok(far) = std::env::var(FAR_NAME) {
            return Ok(Some(Self::Veth(far)));
        }
        if !std::env::args().any(|argument| argument == "veth") {
            return Ok(Some(Self::Loopback));
        }
        let machines = Machines::make()?;
        let status = Command::new("ip")
            .args(["netns", "exec", &machines.near])
            .arg(std::env::current_exe()?)
            .args(std::env::args().skip(1))
            .env(FAR_NAME, &machines.far)
            .status()?;
        ensure!(status.success(), "the benchmark failed: {status}");
        Ok(None)
    }

    /// As it is printed, and part of file names.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Veth(_) => "veth",
        }
    }

    /// Address of the worker.
    pub const fn near(&self) -> IpAddr {
        IpAddr::V4(match self {
            Self::Loopback => Ipv4Addr::LOCALHOST,
            Self::Veth(_) => NEAR,
        })
    }

    /// Makes sockets where the people are, given their address.
    pub fn bind_far<T: Send>(&self, bind: impl FnOnce(IpAddr) -> Result<T> + Send) -> Result<T> {
        match self {
            Self::Loopback => bind(Ipv4Addr::LOCALHOST.into()),
            // A socket stays on the machine of the thread that made it, whoever uses it.
            Self::Veth(far) => std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    let machine = File::open(format!("/run/netns/{far}"))?;
                    let network = Some(LinkNameSpaceType::Network);
                    move_into_link_name_space(machine.as_fd(), network)?;
                    bind(FAR.into())
                });
                thread
                    .join()
                    .ok()
                    .context("the thread of the other machine")?
            }),
        }
    }
}

/// Gone when dropped.
struct Machines {
    near: String,
    far: String,
}

impl Machines {
    fn make() -> Result<Self> {
        let pid = std::process::id();
        let machines = Self {
            near: format!("plenum-near-{pid}"),
            far: format!("plenum-far-{pid}"),
        };
        let Self { near, far } = &machines;
        ip(&format!("netns add {near}"))?;
        ip(&format!("netns add {far}"))?;
        ip(&format!(
            "-n {near} link add eth0 type veth peer name eth0 netns {far}"
        ))?;
        for (name, address) in [(near, NEAR), (far, FAR)] {
            ip(&format!("-n {name} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
            let off = "tx-udp-segmentation off gso off gro off";
            run("ip", &format!("netns exec {name} ethtool -K eth0 {off}"))?;
        }
        Ok(machines)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for name in [&self.near, &self.far] {
            // One that was not made is not there.
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn ip(arguments: &str) -> Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &str) -> Result<()> {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .with_context(|| format!("{program} is needed"))?;
    ensure!(
        output.status.success(),
        "{program} {arguments}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
