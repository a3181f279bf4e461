//! The map against slow and obvious judges: a search through all rows, and another crate's trie.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use podmap::{Builder, Cidr, Kind, PodClaim, ServiceClaim, VtepRecord};
use prefix_trie::PrefixMap;
use proptest::prelude::*;

/// A range as the judges know it: who, in which order said.
#[derive(Clone, Debug)]
struct Said {
    net: IpNet,
    /// 0 a node's pods, 1 pods, 2 services, 3 nodes.
    what: u8,
    node: u8,
}

fn said() -> impl Strategy<Value = Said> {
    // few bits, so that ranges nest, meet and coincide often
    let four = (0u32..64, prop_oneof![0u8..=32, 27u8..=32]).prop_map(|(bits, len)| {
        IpNet::new(Ipv4Addr::from(bits.reverse_bits() >> 1 | bits).into(), len).unwrap()
    });
    let six = (0u128..64, prop_oneof![0u8..=128, 123u8..=128]).prop_map(|(bits, len)| {
        IpNet::new(Ipv6Addr::from(bits.reverse_bits() >> 1 | bits).into(), len).unwrap()
    });
    (prop_oneof![four, six], 0u8..4, 0u8..4).prop_map(|(net, what, node)| Said {
        net: net.trunc(),
        what,
        node,
    })
}

fn cidr(net: IpNet) -> Cidr {
    Cidr::new(net.addr(), net.prefix_len()).unwrap()
}

/// Addresses where owners change: the ends of ranges, and what lies beside them.
fn corners(all: &[Said]) -> Vec<IpAddr> {
    let mut corners = Vec::new();
    for said in all {
        for end in [said.net.network(), said.net.broadcast()] {
            match end {
                IpAddr::V4(a) => corners.extend(
                    [a.to_bits().wrapping_sub(1), a.to_bits(), a.to_bits().wrapping_add(1)]
                        .map(|bits| IpAddr::from(Ipv4Addr::from(bits))),
                ),
                IpAddr::V6(a) => corners.extend(
                    [a.to_bits().wrapping_sub(1), a.to_bits(), a.to_bits().wrapping_add(1)]
                        .map(|bits| IpAddr::from(Ipv6Addr::from(bits))),
                ),
            }
        }
    }
    corners
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Of all ranges around an address, the longest counts; of equal ones the lower kind, then the
    /// later said.
    #[test]
    fn the_longest_range_counts(all in prop::collection::vec(said(), 0..40)) {
        let mut builder = Builder::new();
        let source = builder.source("test");
        for said in &all {
            let range = cidr(said.net);
            match said.what {
                0 => builder.add_pod_cidr(source, format!("n{}", said.node), range),
                1 => builder.add_pod_network(source, range),
                2 => builder.add_service_cidr(source, range),
                _ => builder.add_node_cidr(source, range),
            }
        }
        let map = builder.build();
        for address in corners(&all) {
            let judged = all
                .iter()
                .enumerate()
                .filter(|(_, said)| said.net.contains(&address))
                .max_by_key(|(order, said)| {
                    (said.net.prefix_len(), std::cmp::Reverse(said.what), *order)
                })
                .map(|(_, said)| said);
            let expected = match judged {
                None => "external".to_owned(),
                Some(Said { what: 0, node, .. }) => format!("n{node}"),
                Some(Said { what: 1, .. }) => "pod".to_owned(),
                Some(Said { what: 2, .. }) => "svc".to_owned(),
                Some(_) => "node".to_owned(),
            };
            let owner = map.owner(address);
            prop_assert_eq!(owner.label(), &expected, "{}", address);
            prop_assert_eq!(owner.cidr(), judged.map(|said| cidr(said.net)));
        }
    }

    /// The same from a trie that knows nothing of this crate.
    #[test]
    fn agrees_with_a_trie(ranges in prop::collection::vec((any::<u32>(), 1u8..=32), 1..200), at: Vec<u32>) {
        let mut builder = Builder::new();
        let source = builder.source("test");
        let mut trie: PrefixMap<Ipv4Net, usize> = PrefixMap::new();
        for (index, (bits, len)) in ranges.iter().enumerate() {
            let net = Ipv4Net::new(Ipv4Addr::from(*bits), *len).unwrap().trunc();
            builder.add_pod_cidr(source, format!("n{index}"), cidr(net.into()));
            trie.insert(net, index);
        }
        let map = builder.build();
        for bits in at.into_iter().chain(ranges.iter().map(|(bits, _)| *bits)) {
            let address = Ipv4Addr::from(bits);
            let judged = trie.get_lpm(&Ipv4Net::new(address, 32).unwrap());
            let expected = judged.map(|(_, index)| format!("n{index}"));
            prop_assert_eq!(map.owner(address.into()).node(), expected.as_deref());
        }
    }
}

type Add = fn(&mut Builder, podmap::SourceId, IpAddr);

/// All claims to one address, weakest first: each stronger one takes it, in whichever order they
/// are said.
#[test]
fn a_stronger_claim_takes_the_address() {
    let address: IpAddr = "10.244.1.0".parse().unwrap();
    let claims: [(Add, &str); 8] = [
        (|b, s, _| b.add_pod_cidr(s, "n", "10.244.1.0/24".parse().unwrap()), "n"),
        (|b, s, a| b.add_pod(s, ("ns", "ended"), a, None, PodClaim::Ended), "ns/ended@n"),
        (|b, s, a| b.add_service(s, ("ns", "lb"), a, ServiceClaim::External), "svc:ns/lb"),
        (|b, s, a| b.add_pod(s, ("ns", "ep"), a, None, PodClaim::Endpoint), "ns/ep@n"),
        (|b, s, a| b.add_node_address(s, "m", a), "node:m"),
        (
            |b, s, a| b.add_vtep(s, "v", VtepRecord { address: Some(a), ..Default::default() }),
            "vtep:v",
        ),
        (|b, s, a| b.add_service(s, ("ns", "web"), a, ServiceClaim::Cluster), "svc:ns/web"),
        (|b, s, a| b.add_pod(s, ("ns", "pod"), a, Some("k".into()), PodClaim::Status), "ns/pod@k"),
    ];
    for up_to in 0..claims.len() {
        for reversed in [false, true] {
            let mut builder = Builder::new();
            let source = builder.source("test");
            let mut said: Vec<_> = claims[..=up_to].iter().collect();
            if reversed {
                said.reverse();
            }
            for (add, _) in said {
                add(&mut builder, source, address);
            }
            let map = builder.build();
            assert_eq!(map.owner(address).label(), claims[up_to].1);
            assert_eq!(map.warnings(), [], "different kinds of claim are no contradiction");
        }
    }
}

/// The largest cluster that Kubernetes supports, in every way at once: what is quadratic here would
/// take hours.
#[test]
fn a_cluster_of_five_thousand_nodes_and_as_many_overlaps() {
    const NODES: u32 = 5_000;
    const PODS_PER_NODE: u32 = 30;
    let mut builder = Builder::new();
    let kernel = builder.source("kernel");
    let file = builder.source("pods.json");
    for node in 0..NODES {
        let name = format!("n{node}");
        let base = 0x0a00_0000 + (node << 8);
        let underlay: IpAddr = Ipv4Addr::from(0xac10_0000 + node).into();
        let range = Cidr::new(Ipv4Addr::from(base).into(), 24).unwrap();
        // the kernel knows addresses, the file names
        builder.add_pod_cidr(kernel, underlay, range);
        let mac = [0x66, 0, 0, 0, (node >> 8) as u8, node as u8];
        let address = Some(Ipv4Addr::from(base).into());
        let vtep = VtepRecord { underlay: Some(underlay), address, mac: Some(mac), vni: Some(1) };
        builder.add_vtep(kernel, underlay, vtep);
        builder.add_pod_cidr(file, name.as_str(), range);
        for pod in 1..=PODS_PER_NODE {
            let address = Ipv4Addr::from(base + pod).into();
            let pod = format!("p{node}-{pod}");
            let node = Some(name.as_str().into());
            builder.add_pod(file, ("ns", &pod), address, node, PodClaim::Status);
        }
    }
    let map = builder.build();
    assert_eq!(map.warnings(), []);
    assert_eq!(map.nodes().count(), NODES as usize);
    assert_eq!(map.owner("10.1.0.7".parse().unwrap()).label(), "ns/p256-7@n256");
    assert_eq!(map.owner("10.1.0.200".parse().unwrap()).label(), "n256");
    assert_eq!(map.owner("10.1.0.0".parse().unwrap()).label(), "vtep:n256");
    assert_eq!(map.node_by_vtep("172.16.1.0".parse().unwrap()), Some("n256"));
    assert_eq!(map.rows().filter(|row| row.kind == Kind::Pod).count(), 155_000);

    // every node claims the same range, and every pod the same address
    let bad = builder.source("bad");
    let range = "10.0.0.0/8".parse().unwrap();
    for node in 0..NODES {
        builder.add_pod_cidr(bad, format!("n{node}"), range);
        let vtep = VtepRecord { mac: Some([0; 6]), vni: Some(node), ..VtepRecord::default() };
        builder.add_vtep(bad, "n0", vtep);
    }
    for pod in 0..NODES * PODS_PER_NODE {
        let address = "10.0.0.77".parse().unwrap();
        builder.add_pod(bad, ("ns", &format!("q{pod}")), address, None, PodClaim::Status);
    }
    let map = builder.build();
    assert!(map.warnings().len() <= 2 * NODES as usize + 1, "{}", map.warnings().len());
    assert_eq!(map.owner("10.0.0.77".parse().unwrap()).label(), "ns/q149999@n0");
    assert_eq!(map.owner("10.200.0.1".parse().unwrap()).label(), "n4999", "the last one said");

    // what was forgotten is as if never said
    builder.forget(bad);
    let map = builder.build();
    assert_eq!(map.warnings(), []);
    assert_eq!(map.owner("10.200.0.1".parse().unwrap()).label(), "external");
}

/// A map is asked from several threads at once.
#[test]
fn a_map_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<podmap::PodMap>();
    shared::<podmap::Builder>();
}
