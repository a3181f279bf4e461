//! From the command line as typed to what a run works with.

use podmap::{Builder, PodMap};
use vxlan::{Decoder, Ports, TunnelKind};

use crate::args::{MapArgs, TunnelArgs};
use crate::failure::Failure;
use crate::map_flags::{self, refused_file};
use crate::terminal::Terminal;

/// Reads the map; its warnings are told.
///
/// # Errors
///
/// As [`fill`].
pub fn map(args: &MapArgs, terminal: &mut Terminal) -> Result<PodMap, Failure> {
    let mut builder = Builder::new();
    fill(&mut builder, args)?;
    let map = builder.build();
    tell_warnings(&map, terminal);
    Ok(map)
}

/// Puts what the files and flags say into `builder`. The words `none` and `kernel` are no files.
///
/// # Errors
///
/// [`Failure::Usage`] where a file cannot be read, or makes no sense.
pub fn fill(builder: &mut Builder, args: &MapArgs) -> Result<(), Failure> {
    for path in args.files() {
        builder.read_file(path).map_err(|error| refused_file(&error))?;
    }
    for value in &args.pod_cidr {
        map_flags::pod_cidr(builder, value)?;
    }
    for value in &args.service_cidr {
        map_flags::service_cidr(builder, value)?;
    }
    for value in &args.node_cidr {
        map_flags::node_cidr(builder, value)?;
    }
    Ok(())
}

/// Tells what is odd about a map.
pub fn tell_warnings(map: &PodMap, terminal: &mut Terminal) {
    for warning in map.warnings() {
        terminal.tell(format_args!("warning: {warning}"));
    }
}

/// The decoder for these `--tunnel-port` values, or the default one.
///
/// # Errors
///
/// As [`ports`].
pub fn decoder(args: &TunnelArgs) -> Result<Decoder, Failure> {
    ports(args).map(|ports| Decoder::default().ports(ports))
}

/// The ports of these `--tunnel-port` values, or the default ones.
///
/// # Errors
///
/// [`Failure::Usage`] where a value makes no sense.
pub fn ports(args: &TunnelArgs) -> Result<Ports, Failure> {
    let tunnel_ports = &args.tunnel_port;
    if tunnel_ports.is_empty() {
        return Ok(Ports::DEFAULT);
    }
    let mut ports = Ports::none();
    for value in tunnel_ports {
        let (port, kind) = tunnel_port(value).ok_or_else(|| {
            let kinds: Vec<&str> = TunnelKind::ALL.iter().map(|kind| kind.name()).collect();
            Failure::usage(format_args!(
                "--tunnel-port {value}: not PORT or PORT=KIND, with a port of 1 to 65535 and a kind of {}",
                kinds.join(", ")
            ))
        })?;
        ports = ports.with_either_direction(port, kind).map_err(Failure::usage)?;
    }
    Ok(ports)
}

/// `8472`, `4790=gpe`. Without a kind, a default port keeps its own, and any other is VXLAN.
fn tunnel_port(value: &str) -> Option<(u16, TunnelKind)> {
    let (port, kind) = match value.split_once('=') {
        Some((port, kind)) => (port, Some(kind)),
        None => (value, None),
    };
    let port = port.parse().ok().filter(|&port| port != 0)?;
    let kind = match kind {
        Some(kind) => kind.parse().ok()?,
        None => Ports::DEFAULT.kind(0, port).unwrap_or(TunnelKind::Vxlan),
    };
    Some((port, kind))
}
