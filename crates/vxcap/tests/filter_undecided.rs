//! What a program for the kernel cannot decide it lets through: one crafted frame for each reason,
//! wanted by the exact decision, and unwanted by what stands where the wanted thing mostly stands.

use vxcap::filter::{
    Ancillary, Program,
    pushdown::{KernelSelection, Overlay, Prefix},
};
use vxlan::{Decoder, LinkType, Ports, TunnelKind, Vni, example::SYN};

/// UDP's part of [`SYN`]: ports, length, checksum.
const UDP: usize = 34;

fn compile(expression: &str) -> Program {
    Program::compile(expression, LinkType::ETHERNET, 0)
        .unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn kept(program: &Program, frame: &[u8]) -> bool {
    program.run_as_kernel(frame, Ancillary::default()) != 0
}

fn pushed(selection: &KernelSelection<'_>) -> Program {
    let pushed = selection.program();
    assert_eq!(pushed.left_out, []);
    pushed.program
}

fn inner(expression: &str) -> Program {
    pushed(&KernelSelection::default().inner(&compile(expression)))
}

/// The frame in one more VXLAN, over IPv4.
fn wrapped(frame: &[u8], vni: u32) -> Vec<u8> {
    let mut outer = SYN[..50].to_vec();
    let length = u16::try_from(frame.len()).expect("a short frame");
    outer[16..18].copy_from_slice(&(length + 36).to_be_bytes());
    outer[UDP + 4..UDP + 6].copy_from_slice(&(length + 16).to_be_bytes());
    outer[46..50].copy_from_slice(&(vni << 8).to_be_bytes());
    outer.extend(frame);
    outer
}

/// The same frame over IPv6, with `extension` (that starts with a next header field) before UDP.
fn over_ipv6(frame: &[u8], first: u8, extension: &[u8]) -> Vec<u8> {
    let mut over = frame[..12].to_vec();
    over.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    let length = u16::try_from(frame.len() - UDP + extension.len()).expect("a short frame");
    over.extend(length.to_be_bytes());
    over.extend([first, 64]);
    over.extend([0x20; 32]);
    over.extend(extension);
    over.extend(&frame[UDP..]);
    over
}

#[test]
fn the_frames_are_what_they_are_taken_for() {
    let packet = vxlan::decode(&over_ipv6(SYN, 17, &[]), LinkType::ETHERNET).inner.source();
    assert_eq!(packet, vxlan::decode(SYN, LinkType::ETHERNET).inner.source());
    assert!(kept(&inner("tcp port 80"), SYN));
    assert!(kept(&inner("tcp port 80"), &over_ipv6(SYN, 17, &[])));
    assert!(!kept(&inner("udp"), SYN));
    assert!(!kept(&inner("udp"), &over_ipv6(SYN, 17, &[])));
}

#[test]
fn a_tunnel_in_a_tunnel() {
    let vni = Vni::new(77).expect("an identifier");
    for nested in [
        wrapped(SYN, 77),
        wrapped(&over_ipv6(SYN, 17, &[]), 77),
        over_ipv6(&wrapped(SYN, 77), 17, &[]),
    ] {
        let packet = vxlan::decode(&nested, LinkType::ETHERNET);
        assert_eq!((packet.depth(), packet.inner.tcp().is_some()), (2, true));
        assert!(kept(&inner("tcp port 80"), &nested));
        assert!(kept(&pushed(&KernelSelection::default().vnis(&[vni])), &nested));
        let one = Vni::new(1).expect("an identifier");
        assert!(kept(&pushed(&KernelSelection::default().vnis(&[one])), &nested));
        let ends = [Prefix::new([10, 244, 2, 0].into(), 24).expect("a prefix")];
        assert!(kept(&pushed(&KernelSelection::default().ends(&ends)), &nested));
    }
}

#[test]
fn lengths_that_are_not_those_of_the_frame() {
    let inner_length = SYN.len() - 50;
    let program = inner(&format!("len = {inner_length}"));
    for frame in [SYN.to_vec(), over_ipv6(SYN, 17, &[])] {
        assert!(kept(&program, &frame));
        let mut trailed = frame.clone();
        trailed.extend([0; 20]);
        let packet = vxlan::decode(&trailed, LinkType::ETHERNET);
        assert_eq!(packet.tunnel.map(|tunnel| tunnel.payload().len()), Some(inner_length));
        assert!(kept(&program, &trailed), "bytes behind the IP packet");
    }
    let mut shorter = SYN.to_vec();
    let length = u16::try_from(SYN.len() - UDP - 4).expect("a short frame");
    shorter[UDP + 4..UDP + 6].copy_from_slice(&length.to_be_bytes());
    assert!(kept(&inner(&format!("len = {}", inner_length - 4)), &shorter), "a shorter datagram");
    // the IP packet ends in the tunnel header, whatever UDP says: no tunnel, and the frame itself
    // is asked
    let mut cut = SYN.to_vec();
    cut[16..18].copy_from_slice(&30_u16.to_be_bytes());
    assert!(vxlan::decode(&cut, LinkType::ETHERNET).tunnel.is_none());
    assert!(kept(&inner("udp"), &cut));
    let mut cut = over_ipv6(SYN, 17, &[]);
    cut[18..20].copy_from_slice(&10_u16.to_be_bytes());
    assert!(vxlan::decode(&cut, LinkType::ETHERNET).tunnel.is_none());
    assert!(kept(&inner("udp"), &cut));
    // total length 0: the frame was to be cut into segments, or is longer than the field can say
    let mut unsaid = SYN.to_vec();
    unsaid[16..18].fill(0);
    assert!(kept(&inner("tcp port 80"), &unsaid));
}

#[test]
fn frames_that_end_early() {
    // with less than an Ethernet header behind the tunnel header, the frame itself is what is asked
    let mut short = SYN[..56].to_vec();
    short[16..18].copy_from_slice(&42_u16.to_be_bytes());
    short[UDP + 4..UDP + 6].copy_from_slice(&22_u16.to_be_bytes());
    assert!(vxlan::decode(&short, LinkType::ETHERNET).tunnel.is_none());
    assert!(kept(&inner("less 100"), &short));
    // and nothing is asked that is not there
    let program = inner("len >= 0");
    for length in 1..SYN.len() {
        assert!(kept(&program, &SYN[..length]), "{length} bytes");
    }
}

#[test]
fn ports_that_count_as_source_ports_too() {
    let ports = Ports::none().with_either_direction(8472, TunnelKind::Vxlan).expect("room");
    let mut answer = SYN.to_vec();
    answer[UDP..UDP + 2].copy_from_slice(&8472_u16.to_be_bytes());
    answer[UDP + 2..UDP + 4].copy_from_slice(&50_000_u16.to_be_bytes());
    let decoder = Decoder::default().ports(ports.clone());
    assert!(decoder.decode(&answer, LinkType::ETHERNET).tunnel.is_some());
    let http = compile("tcp port 80");
    let either = KernelSelection::default().ports(ports.clone()).inner(&http);
    assert!(kept(&pushed(&either), &answer));
    assert!(kept(&pushed(&either), &wrapped(&answer, 1)), "inside, too");
    let overlay = Overlay::new(ports, []);
    let only = KernelSelection::default().overlay(&overlay);
    assert!(kept(&pushed(&only), &answer));
    // with the ports of every day it is some other UDP
    assert!(!kept(&inner("tcp port 80"), &answer));
}

#[test]
fn headers_with_more_to_them() {
    let http = inner("tcp port 80");
    // IPv4 options
    let mut options = SYN.to_vec();
    options[14] = 0x46;
    options.splice(34..34, [1, 1, 1, 1]);
    let total = u16::from_be_bytes([SYN[16], SYN[17]]) + 4;
    options[16..18].copy_from_slice(&total.to_be_bytes());
    assert!(vxlan::decode(&options, LinkType::ETHERNET).tunnel.is_some());
    assert!(kept(&http, &options));
    // IPv6 with a hop-by-hop header
    let hopping = over_ipv6(SYN, 0, &[17, 0, 1, 4, 0, 0, 0, 0]);
    assert!(vxlan::decode(&hopping, LinkType::ETHERNET).tunnel.is_some());
    assert!(kept(&http, &hopping));
    let overlay = Overlay::new(Ports::default(), []);
    let only = pushed(&KernelSelection::default().overlay(&overlay));
    assert!(
        kept(&only, &hopping) && overlay.contains(&vxlan::decode(&hopping, LinkType::ETHERNET))
    );
    // a version that is none: no tunnel, and so the frame itself is asked
    let mut wrong = over_ipv6(SYN, 17, &[]);
    wrong[14] = 0x50;
    assert!(vxlan::decode(&wrong, LinkType::ETHERNET).tunnel.is_none());
    assert!(kept(&inner("ip6"), &wrong));
    // a VLAN tag, outside and inside
    for at in [12, 62] {
        let mut tagged = SYN.to_vec();
        tagged.splice(at..at, [0x81, 0, 0, 5]);
        if at > 12 {
            let length = u16::try_from(tagged.len() - UDP).expect("a short frame");
            tagged[16..18].copy_from_slice(&(length + 20).to_be_bytes());
            tagged[UDP + 4..UDP + 6].copy_from_slice(&length.to_be_bytes());
        }
        assert!(vxlan::decode(&tagged, LinkType::ETHERNET).inner.tcp().is_some());
        assert!(kept(&inner(if at > 12 { "vlan 5" } else { "tcp port 80" }), &tagged));
    }
}

#[test]
fn errors_over_ipv6() {
    let overlay = Overlay::new(Ports::default(), []);
    let only = pushed(&KernelSelection::default().overlay(&overlay));
    for (quoted, tunnel) in [(8472_u16, true), (53, false)] {
        let mut quote = over_ipv6(SYN, 17, &[]);
        quote[56..58].copy_from_slice(&quoted.to_be_bytes());
        let mut error = quote[..54].to_vec();
        error[20] = 58;
        // packet too big
        error.extend([2, 0, 0, 0, 0, 0, 5, 0]);
        error.extend(&quote[14..80]);
        error[18..20].copy_from_slice(&74_u16.to_be_bytes());
        assert_eq!(overlay.contains(&vxlan::decode(&error, LinkType::ETHERNET)), tunnel);
        assert_eq!(kept(&only, &error), tunnel, "port {quoted}");
        error[54] = 128;
        assert!(!kept(&only, &error), "an echo request");
    }
}
