//! The options that both programs have, as they are typed.

use std::path::PathBuf;

use clap::Args;

use crate::progress::Progress;
use crate::terminal::Terminal;
use vxlan::{Ports, TunnelKind};

/// Which ports carry tunnels.
#[derive(Args, Debug, Default, Clone)]
pub struct TunnelArgs {
    /// Ports and kinds as typed.
    #[arg(long, value_name = "P[=KIND]", help = tunnel_port_help())]
    pub tunnel_port: Vec<String>,
}

/// Names the kinds and the default ports that the decoder has.
fn tunnel_port_help() -> String {
    let kinds: Vec<&str> = TunnelKind::ALL.iter().map(|kind| kind.name()).collect();
    let defaults: Vec<String> =
        Ports::DEFAULT.iter().map(|(port, kind)| format!("{port}={kind}")).collect();
    format!(
        "UDP port P carries tunnels of this KIND: {} (raw IP, as flannel's udp backend sends it). \
         Replaces the default ports {}. May be repeated. A port given here also counts as a \
         source port",
        kinds.join(", "),
        defaults.join(", ")
    )
}

/// Which files are read, and how.
#[derive(Args, Debug, Default, Clone)]
pub struct ReadArgs {
    /// Read packets from FILE: pcap or pcapng, also compressed (.gz .zst .lz4); `-` is stdin. May
    /// be repeated: the files are merged in the order of time.
    #[arg(short = 'r', value_name = "FILE")]
    pub read: Vec<PathBuf>,

    /// Which ports carry tunnels.
    #[command(flatten)]
    pub tunnel: TunnelArgs,

    /// Show no progress bar on stderr.
    #[arg(long)]
    pub no_progress: bool,
}

impl ReadArgs {
    /// The progress bar, where somebody sees it. `prints`: lines go to stdout meanwhile, and would
    /// mix with the bar on one terminal.
    pub fn progress(&self, terminal: &Terminal, prints: bool) -> Progress {
        let is_disturbed = prints && terminal.out_is_terminal;
        Progress::new(terminal.err_is_terminal && !is_disturbed && !self.no_progress)
    }
}

/// Which packets.
#[derive(Args, Debug, Default, Clone)]
#[command(next_help_heading = "Selection")]
pub struct SelectArgs {
    /// Only packets whose frame, as captured, matches this pcap-filter(7) expression.
    #[arg(value_name = "EXPRESSION")]
    pub expression: Vec<String>,

    /// Only packets whose inner frame matches this pcap-filter(7) expression. Without a tunnel, the
    /// frame itself must match.
    #[arg(long, value_name = "EXPR")]
    pub inner: Option<String>,

    /// Only packets with this VNI. May be repeated: one of them must match.
    #[arg(long, value_name = "N")]
    pub vni: Vec<u32>,

    /// Only packets with this node at either end of the inner packet, or of the packet that an ICMP
    /// error quotes. May be repeated: one of them must match.
    #[arg(long, value_name = "NAME")]
    pub node: Vec<String>,

    /// Only packets with this pod at either end of the inner packet, or of the packet that an ICMP
    /// error quotes. May be repeated: one of them must match.
    #[arg(long, value_name = "[NS/]NAME")]
    pub pod: Vec<String>,
}

/// Where names come from.
#[derive(Args, Debug, Default, Clone)]
#[command(next_help_heading = "Names")]
pub struct MapArgs {
    /// Read names from FILE: kubectl's JSON or YAML of nodes, pods, services or endpointslices;
    /// flannel's subnet.env; or lines `CIDR NAME`. May be repeated. `kernel` reads the routes,
    /// neighbours, forwarding databases and VXLAN devices of this node and /run/flannel/subnet.env;
    /// that is the default with -i, and `none` turns it off.
    #[arg(long, value_name = "FILE")]
    pub map: Vec<PathBuf>,

    /// The pods of NODE have addresses in CIDR. May be repeated.
    #[arg(long, value_name = "NODE=CIDR")]
    pub pod_cidr: Vec<String>,

    /// Services have addresses in CIDR. May be repeated.
    #[arg(long, value_name = "CIDR")]
    pub service_cidr: Vec<String>,

    /// Nodes have addresses in CIDR. May be repeated.
    #[arg(long, value_name = "CIDR")]
    pub node_cidr: Vec<String>,
}

impl MapArgs {
    /// The files that names come from: all but the words `none` and `kernel`.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.map.iter().filter(|path| path.as_os_str() != "none" && path.as_os_str() != "kernel")
    }
}
