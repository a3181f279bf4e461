//! Reads a map file of any kind, builds the map, and asks it.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use podmap::Builder;

fuzz_target!(|file: &[u8]| {
    let mut builder = Builder::new();
    if let Err(error) = builder.read_bytes("input", file) {
        std::hint::black_box(error.to_string());
        return;
    }
    let map = builder.build();
    for row in map.rows() {
        let owner = map.owner(row.cidr.address());
        std::hint::black_box((owner.label(), owner.cidr(), owner.node(), owner.pod()));
    }
    for vtep in map.vteps() {
        std::hint::black_box(vtep.record.mac.and_then(|mac| map.node_by_vtep_mac(mac)));
    }
    for warning in map.warnings() {
        std::hint::black_box(warning.to_string());
    }
    std::hint::black_box(map.owner(IpAddr::from([10, 244, 1, 2])).label());
});
