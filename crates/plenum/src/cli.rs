//! The command line.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use plenum_console::Options;
use plenum_load::LoadArgs;
use plenum_params::transport::Address;

use crate::{drain::DrainArgs, sim::SimArgs, token::TokenArgs};

/// A WebRTC SFU cluster in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "plenum",
    version = VERSION,
    disable_help_subcommand = true,
    after_help = "Examples:
  plenum serve                      one node on http://localhost:3000
  plenum serve --port 8080          on another port
  plenum token --room lobby …       lets somebody in where tokens are asked for
  plenum config --sample            a commented configuration file
  plenum config ports               what a firewall must let in
  plenum config check               whether settings and machine are sound
  plenum why ada --room lobby       at which node of a cluster somebody is
  plenum sim --hours 4              how nodes of a cluster would be chosen
  plenum load meeting --peers 10    what a node does with ten people, measured

Every command explains itself with --help."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Package version and the revision that the binary was built from.
pub(crate) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("PLENUM_REVISION"),
    ")"
);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node: workers, rooms, signalling, web page.
    #[command(after_help = "Examples:
  plenum serve
  plenum serve --port 8080 --workers 2
  plenum serve --listen 0.0.0.0 --announced-ip 203.0.113.7 --insecure
  plenum serve --tls self-signed
  plenum serve --config /etc/plenum.toml --set rtc.min_port=20000
  plenum serve --redis redis://10.0.0.1 --set cluster.secret_file=secret --set cluster.address=10.0.0.5
  plenum serve --interactive        with a console on this terminal

Later wins: built-in defaults, the file, environment (PLENUM_RTC_MIN_PORT …), flags.")]
    Serve(Box<ServeArgs>),
    /// Print the effective configuration, secrets masked.
    #[command(after_help = "Examples:
  plenum config --config /etc/plenum.toml
  plenum config --sample > plenum.toml
  PLENUM_RTC_MIN_PORT=20000 plenum config
  plenum config ports --config /etc/plenum.toml")]
    Config(ConfigArgs),
    /// Look at a running node and act on it: rooms, peers, what they send, workers.
    #[command(after_help = "Examples:
  plenum console                                  a prompt with history and completion
  plenum console -c rooms                         one command
  plenum console --json -c 'room my-room' | jq .  the node's answer as it is
  plenum console --url https://media.example.org < commands.txt

Exit status: 0 done, 1 refused by the node, 2 no such command, 3 no node answers.")]
    Console(ConsoleArgs),
    /// Lead everybody away from a node of a cluster, and show how that goes.
    #[command(after_help = crate::drain::EXAMPLES)]
    Drain(DrainArgs),
    /// Say at which node of a cluster somebody is, and why there.
    #[command(after_help = "Examples:
  plenum why ada --room standup
  plenum why ada --room standup --namespace acme --url https://fra-1.example.org
  PLENUM_API_KEY=… plenum why ada --room standup --json | jq .places

Any node of the cluster can be asked. Exit status: as of `plenum console`.")]
    Why(WhyArgs),
    /// Run a node that speaks to clients and has no media workers: it says where they go, redirects and relays them.
    #[command(after_help = "Examples:
  plenum dispatch --redis redis://10.0.0.1 --set cluster.secret_file=secret --set cluster.address=10.0.0.9
  curl 'http://localhost:3000/dispatch?room=standup&peer=ada'

It is `plenum serve --role signal`.")]
    Dispatch(Box<ServeArgs>),
    /// Put load on a node or a cluster, by native peers, and say what they measured.
    #[command(after_help = crate::load::EXAMPLES)]
    Load(Box<LoadArgs>),
    /// Try how nodes would be chosen in a synthetic world: a thousand nodes, a day of people, failures, an event.
    #[command(after_help = crate::sim::EXAMPLES)]
    Sim(SimArgs),
    /// Make a token for somebody who shall join.
    #[command(after_help = "Examples:
  openssl rand -base64 48 > token.secret
  plenum serve --set auth.mode=token --set auth.keys=token.secret
  plenum token --room lobby --peer ada --name Ada --role host --key token.secret
  plenum token --room 'class-*' --grant audio,subscribe --expires 7d --key token.secret

With a key pair, nodes have the public half only:
  openssl genpkey -algorithm ed25519 -out private.pem
  openssl pkey -in private.pem -pubout -out public.pem
  plenum token --room lobby --key private.pem

The token goes into the address of the page (…&token=…), or into the header Authorization: Bearer ….")]
    Token(Box<TokenArgs>),
    /// A media worker: started by a node, of no use alone.
    #[command(hide = true)]
    Worker,
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Port of signalling and web page; 0: any free one.
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Address that signalling and web page listen on.
    #[arg(long, value_name = "IP")]
    pub(crate) listen: Option<IpAddr>,
    /// Number of worker processes; one per core if not given.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u16>,
    /// Address or host name that clients reach the media ports under, where it differs from the local one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) announced_ip: Option<Address>,
    /// Whether the ports speak TLS.
    #[arg(long, value_name = "MODE", value_parser = ["off", "files", "self-signed"])]
    pub(crate) tls: Option<String>,
    /// Listen on a public address although everybody could join every room.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// The server of Redis whose cluster the node belongs to.
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// What the node does in its cluster.
    #[arg(long, value_name = "ROLE", value_parser = ["all", "signal", "media"])]
    pub(crate) role: Option<String>,
    /// Have a console on this terminal, as `plenum console`; the log goes on above its prompt.
    #[arg(long)]
    pub(crate) interactive: bool,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

/// Which node is asked, and as whom.
#[derive(Args, Debug)]
pub(crate) struct NodeArgs {
    /// Address of the node that is asked; of a cluster any of them.
    #[arg(
        long,
        value_name = "URL",
        env = "PLENUM_URL",
        default_value = "http://127.0.0.1:3000"
    )]
    pub(crate) url: String,
    /// An API key, where the node asks for one.
    #[arg(
        long,
        value_name = "KEY",
        env = "PLENUM_API_KEY",
        hide_env_values = true
    )]
    pub(crate) key: Option<String>,
}

impl NodeArgs {
    /// For a console.
    pub(crate) fn options(&self) -> Options {
        Options {
            url: self.url.clone(),
            // As in unit files and compose files: there, but not set.
            key: self.key.clone().filter(|key| !key.is_empty()),
            ..Options::default()
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct ConsoleArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Carry out this command, or several in lines of their own, and end.
    #[arg(short, long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Print the node's answers as they are.
    #[arg(long)]
    pub(crate) json: bool,
}

/// About whom, and which node to ask.
#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// The peer's name in its room.
    pub(crate) peer: String,
    /// The room's name.
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: String,
    /// The room's namespace.
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    pub(crate) namespace: String,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Print the node's answer as it is.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) part: Option<ConfigPart>,
    /// Print a commented sample with all defaults instead.
    #[arg(long)]
    pub(crate) sample: bool,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigPart {
    /// Check settings and machine: limits of open files and socket buffers, with what to do about them.
    #[command(after_help = "Examples:
  plenum config check --config /etc/plenum.toml

Run it as the user that the node runs as. A node says the same in its log when it starts.")]
    Check(SourceArgs),
    /// Print the ports that the node uses, and the firewall rules that open them.
    #[command(after_help = "Examples:
  plenum config ports --config /etc/plenum.toml
  plenum config ports --workers 16                          for a machine with 16 cores
  plenum config ports --format ufw | sudo sh

Nothing is opened for what listens on a loopback address only.")]
    Ports(PortsArgs),
}

#[derive(Args, Debug)]
pub(crate) struct PortsArgs {
    /// Which part to print.
    #[arg(long, value_name = "FORMAT", default_value = "all")]
    pub(crate) format: PortsFormat,
    /// Number of worker processes; as configured, or one per core of this machine, if not given.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u16>,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PortsFormat {
    /// Everything below.
    All,
    /// Commands for iptables and ip6tables.
    Iptables,
    /// Commands for nftables.
    Nft,
    /// A table, as comments of a shell.
    Table,
    /// Commands for ufw.
    Ufw,
}

/// Where settings come from, besides the environment.
#[derive(Args, Debug, Default)]
pub(crate) struct SourceArgs {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Any setting by its name, as in the file; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
}
