//! The options that both programs have, as they are typed.

use std::path::PathBuf;

use clap::Args;
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
         Replaces the default ports {}. May be repeated. The port may be the destination or the \
         source of a packet",
        kinds.join(", "),
        defaults.join(", ")
    )
}

/// Which packets.
#[derive(Args, Debug, Default, Clone)]
#[command(next_help_heading = "Selection")]
pub struct SelectArgs {
    /// Only packets that match this pcap-filter(7) expression on the frame as captured.
    #[arg(value_name = "EXPRESSION")]
    pub expression: Vec<String>,

    /// Only packets whose inner frame matches this pcap-filter(7) expression (the frame itself where there is no
    /// tunnel).
    #[arg(long, value_name = "EXPR")]
    pub inner: Option<String>,

    /// Only packets with this VNI. May be repeated.
    #[arg(long, value_name = "N")]
    pub vni: Vec<u32>,

    /// Only packets with this node at either end of the inner packet, or of the one that an ICMP error quotes. May be repeated.
    #[arg(long, value_name = "NAME")]
    pub node: Vec<String>,

    /// Only packets with this pod at either end of the inner packet, or of the one that an ICMP error quotes. May be repeated.
    #[arg(long, value_name = "[NS/]NAME")]
    pub pod: Vec<String>,
}

/// Where names come from.
#[derive(Args, Debug, Default, Clone)]
#[command(next_help_heading = "Names")]
pub struct MapArgs {
    /// Where names come from: kubectl's JSON or YAML of nodes, pods, services, endpointslices; flannel's subnet.env;
    /// or lines `CIDR NAME`. May be repeated. `kernel`: routes, neighbours, forwarding database and VXLAN devices of this
    /// node, and /run/flannel/subnet.env; the default with -i. `none` turns that off.
    #[arg(long, value_name = "FILE")]
    pub map: Vec<PathBuf>,

    /// NODE has this podCIDR. May be repeated.
    #[arg(long, value_name = "NODE=CIDR")]
    pub pod_cidr: Vec<String>,

    /// Services have addresses of CIDR. May be repeated.
    #[arg(long, value_name = "CIDR")]
    pub service_cidr: Vec<String>,

    /// Nodes have addresses of CIDR. May be repeated.
    #[arg(long, value_name = "CIDR")]
    pub node_cidr: Vec<String>,
}

impl MapArgs {
    /// The files that names come from: all but the words `none` and `kernel`.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.map.iter().filter(|path| path.as_os_str() != "none" && path.as_os_str() != "kernel")
    }
}
