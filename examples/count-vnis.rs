//! Counts the packets of each VNI in a capture file.
//!
//! `cargo run -p vxdump-examples --example count-vnis -- testdata/captures/mesh-n1-eth0.pcap`

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use vxcap::file::Reader;
use vxlan::{Decoder, Vni};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: count-vnis FILE")?;
    for (vni, packets) in count(path.as_ref())? {
        match vni {
            Some(vni) => println!("vni {vni}: {packets} packets"),
            None => println!("in no tunnel: {packets} packets"),
        }
    }
    Ok(())
}

/// Packets of each VNI; `None` are those in no tunnel, or in one without VNI.
fn count(path: &Path) -> Result<BTreeMap<Option<Vni>, u64>, vxcap::Error> {
    let decoder = Decoder::default();
    let mut reader = Reader::open(path)?;
    let mut packets = BTreeMap::new();
    while let Some(frame) = reader.next_frame()? {
        let packet = decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        *packets.entry(packet.tunnel.and_then(vxlan::Tunnel::vni)).or_default() += 1;
    }
    Ok(packets)
}

#[test]
fn of_the_bundled_capture() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures/mesh-n1-eth0.pcap");
    let packets = count(&path).unwrap();
    assert_eq!(packets.get(&Vni::new(1)), Some(&116));
}
