//! Prints who talks to whom inside the tunnels of a capture file, with the names of a map.
//!
//! ```sh
//! cargo run -p vxdump-examples --example inner-flows -- \
//!     testdata/captures/mesh-n1-eth0.pcap testdata/maps/cluster.yaml
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;
use std::path::Path;

use podmap::{Builder, PodMap};
use vxcap::file::Reader;
use vxlan::{Decoder, IpProtocol};

/// VNI, protocol, source and destination with their ports.
type Flow = (Option<u32>, IpProtocol, (IpAddr, u16), (IpAddr, u16));

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let path = args.next().ok_or("usage: inner-flows FILE [MAP…]")?;
    let mut builder = Builder::new();
    for map in args {
        builder.read_file(map)?;
    }
    let map = builder.build();
    for ((vni, protocol, from, to), (packets, bytes)) in flows(path.as_ref())? {
        let vni = vni.map_or_else(|| "-".to_owned(), |vni| vni.to_string());
        let protocol = protocol.name().unwrap_or("?");
        println!(
            "{vni} {protocol} {} > {} {packets} packets {bytes} bytes",
            end(&map, from),
            end(&map, to)
        );
    }
    Ok(())
}

/// `10.244.1.2:80 (n1)`
fn end(map: &PodMap, (address, port): (IpAddr, u16)) -> String {
    format!("{address}:{port} ({})", map.owner(address))
}

/// Packets and bytes of each direction of each flow inside a tunnel.
fn flows(path: &Path) -> Result<BTreeMap<Flow, (u64, u64)>, vxcap::Error> {
    let decoder = Decoder::default();
    let mut reader = Reader::open(path)?;
    let mut flows = BTreeMap::<Flow, (u64, u64)>::new();
    while let Some(frame) = reader.next_frame()? {
        let packet = decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        let (Some(tunnel), inner) = (decoder.innermost_tunnel(&packet), packet.inner) else {
            continue;
        };
        let (Some(from), Some(to), Some(protocol)) =
            (inner.source(), inner.destination(), inner.protocol())
        else {
            continue;
        };
        let (source, destination) = inner.ports().unwrap_or_default();
        let key = (tunnel.vni().map(u32::from), protocol, (from, source), (to, destination));
        let (packets, bytes) = flows.entry(key).or_default();
        *packets += 1;
        *bytes += u64::from(tunnel.payload_wire_len());
    }
    Ok(flows)
}

#[test]
fn of_the_bundled_capture() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures/dns-n1-eth0.pcap");
    let flows = flows(&path).unwrap();
    let packets: u64 = flows.values().map(|(packets, _)| packets).sum();
    assert_eq!(packets, 100);
    assert!(
        flows.keys().all(|(vni, protocol, ..)| *vni == Some(1) && *protocol == IpProtocol::UDP)
    );
}
