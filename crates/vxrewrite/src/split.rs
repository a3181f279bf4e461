//! Splitting: which output a packet goes to.

use std::fmt::Write as _;

use podmap::PodMap;
use vxlan::{Decoder, Headers, Packet};

/// The key of packets on no node.
const NO_NODE: &str = "no-node";

/// By what packets are split. Each packet goes to one output.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Split<'m> {
    /// The network identifier of the innermost tunnel: `vni1`, or `no-vni`.
    Vni,
    /// The node of the inner packet's sender, or of its receiver if the sender is on none:
    /// `worker`, or `no-node`.
    Node(&'m PodMap),
    /// The inner flow, both directions together: `vni1-tcp-10.244.1.5-43210-10.244.2.7-80`, or
    /// `no-flow`.
    Flow,
}

impl Split<'_> {
    /// Writes the key of a packet, as it is used in file names.
    pub(crate) fn key(self, into: &mut String, packet: &Packet<'_>, decoder: &Decoder) {
        into.clear();
        match self {
            Self::Vni => {
                if !vni(into, packet, decoder) {
                    into.push_str("no-vni");
                }
            }
            Self::Node(map) => {
                let node = |address| map.owner(address).node();
                let sender = packet.inner.source().and_then(node);
                match sender.or_else(|| packet.inner.destination().and_then(node)) {
                    // a node with this name must not share the file of packets on no node
                    Some(NO_NODE) => into.push_str("no%2dnode"),
                    Some(name) => escaped(into, name),
                    None => into.push_str(NO_NODE),
                }
            }
            Self::Flow => {
                if vni(into, packet, decoder) {
                    into.push('-');
                }
                if !flow(into, &packet.inner) {
                    into.clear();
                    into.push_str("no-flow");
                }
            }
        }
    }
}

/// `vni1`; false where there is none.
fn vni(into: &mut String, packet: &Packet<'_>, decoder: &Decoder) -> bool {
    let vni = decoder.innermost_tunnel(packet).and_then(vxlan::Tunnel::vni);
    if let Some(vni) = vni {
        // writing to a String cannot fail
        let _ = write!(into, "vni{vni}");
    }
    vni.is_some()
}

/// `tcp-10.244.1.5-43210-10.244.2.7-80`, the lower end first; false where there is no IP packet.
fn flow(into: &mut String, inner: &Headers<'_>) -> bool {
    let (Some(source), Some(destination), Some(protocol)) =
        (inner.source(), inner.destination(), inner.protocol())
    else {
        return false;
    };
    // later fragments have no ports, so fragmented packets go by their addresses only
    let ports = if inner.fragment().is_some() { None } else { inner.ports() };
    let (from, to) = match ports {
        Some((from, to)) => ((source, Some(from)), (destination, Some(to))),
        None => ((source, None), (destination, None)),
    };
    let (low, high) = if from <= to { (from, to) } else { (to, from) };
    let start = into.len();
    let _ = match protocol.name() {
        Some(name) => write!(into, "{name}"),
        None => write!(into, "{}", protocol.0),
    };
    for (address, port) in [low, high] {
        let _ = write!(into, "-{address}");
        if let Some(port) = port {
            let _ = write!(into, "-{port}");
        }
    }
    let text = into.split_off(start);
    file_name(into, &text);
    true
}

/// Adds text with only the characters that file names may have on every system.
fn file_name(into: &mut String, text: &str) {
    into.extend(text.bytes().map(|byte| if is_plain(byte) { char::from(byte) } else { '_' }));
}

/// Adds arbitrary text in such characters: different texts stay different, as in URIs (RFC 3986
/// section 2.1).
fn escaped(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if is_plain(byte) {
            into.push(char::from(byte));
        } else {
            // writing to a String cannot fail
            let _ = write!(into, "%{byte:02x}");
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}
