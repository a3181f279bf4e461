//! Decoding in memory: this project's decoder against a walk at fixed offsets, etherparse and pnet.
//!
//! All of them give the same facts of the same frames. What is asked of the decoder: at most 1.5
//! times the walk, and at least 3 times as fast as etherparse's `SlicedPacket` for the outer and
//! the inner packet. The ratios are printed at the end.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pnet_packet::Packet as _;
use pnet_packet::ethernet::{EtherTypes, EthernetPacket};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::tcp::TcpPacket;
use pnet_packet::udp::UdpPacket;
use vxdump_benches::frames::{Frames, Mix};
use vxdump_benches::yardstick::{self, Facts};
use vxlan::{Decoder, LinkType};

/// More than the caches hold of nothing else, fewer than would measure the memory.
const FRAMES: u32 = 4096;

#[inline]
fn by_vxlan(decoder: &Decoder, frame: &[u8]) -> Option<Facts> {
    let packet = decoder.decode(frame, LinkType::ETHERNET);
    Some(Facts {
        vni: packet.tunnel?.vni()?.number(),
        vteps: (packet.outer.source()?, packet.outer.destination()?),
        source: packet.inner.source()?,
        destination: packet.inner.destination()?,
        protocol: packet.inner.protocol()?.0,
        ports: packet.inner.ports()?,
        payload_len: packet.inner.payload().len(),
    })
}

fn addresses_of(net: &NetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match net {
        NetSlice::Ipv4(ip) => {
            Some((ip.header().source_addr().into(), ip.header().destination_addr().into()))
        }
        NetSlice::Ipv6(ip) => {
            Some((ip.header().source_addr().into(), ip.header().destination_addr().into()))
        }
        NetSlice::Arp(_) => None,
    }
}

fn by_etherparse(frame: &[u8]) -> Option<Facts> {
    let outer = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Udp(udp)) = outer.transport else { return None };
    if !matches!(udp.destination_port(), 8472 | 4789) {
        return None;
    }
    let (header, inner) = udp.payload().split_first_chunk::<8>()?;
    if header[0] & 8 == 0 {
        return None;
    }
    let vni = u32::from_be_bytes([0, header[4], header[5], header[6]]);
    let vteps = addresses_of(outer.net.as_ref()?)?;
    let inner = SlicedPacket::from_ethernet(inner).ok()?;
    let (source, destination) = addresses_of(inner.net.as_ref()?)?;
    let (protocol, ports, payload_len) = match inner.transport? {
        TransportSlice::Tcp(tcp) => {
            (6, (tcp.source_port(), tcp.destination_port()), tcp.payload().len())
        }
        TransportSlice::Udp(udp) => {
            (17, (udp.source_port(), udp.destination_port()), udp.payload().len())
        }
        _ => return None,
    };
    Some(Facts { vni, vteps, source, destination, protocol, ports, payload_len })
}

/// Addresses, protocol and where the transport header begins.
fn ip_by_pnet(frame: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    let rest = frame.get(14..)?;
    match EthernetPacket::new(frame)?.get_ethertype() {
        EtherTypes::Ipv4 => {
            let ip = Ipv4Packet::new(rest)?;
            let start = usize::from(ip.get_header_length()) * 4;
            let transport = rest.get(start..usize::from(ip.get_total_length()))?;
            Some((
                ip.get_source().into(),
                ip.get_destination().into(),
                ip.get_next_level_protocol().0,
                transport,
            ))
        }
        EtherTypes::Ipv6 => {
            let ip = Ipv6Packet::new(rest)?;
            let transport = rest.get(40..40 + usize::from(ip.get_payload_length()))?;
            Some((
                ip.get_source().into(),
                ip.get_destination().into(),
                ip.get_next_header().0,
                transport,
            ))
        }
        _ => None,
    }
}

fn by_pnet(frame: &[u8]) -> Option<Facts> {
    let (from, to, protocol, transport) = ip_by_pnet(frame)?;
    if protocol != IpNextHeaderProtocols::Udp.0
        || !matches!(UdpPacket::new(transport)?.get_destination(), 8472 | 4789)
    {
        return None;
    }
    let (header, inner) = transport.get(8..)?.split_first_chunk::<8>()?;
    if header[0] & 8 == 0 {
        return None;
    }
    let vni = u32::from_be_bytes([0, header[4], header[5], header[6]]);
    let (source, destination, protocol, transport) = ip_by_pnet(inner)?;
    let (ports, payload_len) = if protocol == IpNextHeaderProtocols::Tcp.0 {
        let tcp = TcpPacket::new(transport)?;
        ((tcp.get_source(), tcp.get_destination()), tcp.payload().len())
    } else {
        let udp = UdpPacket::new(transport)?;
        ((udp.get_source(), udp.get_destination()), udp.payload().len())
    };
    Some(Facts { vni, vteps: (from, to), source, destination, protocol, ports, payload_len })
}

/// A way to decode: its name, and what runs it over all frames.
type Way<'a> = (&'a str, &'a dyn Fn(&Frames) -> u64);

/// Runs one of them over all frames; a number that depends on every fact keeps it from being
/// optimised away.
#[inline]
fn run(frames: &Frames, decode: impl Fn(&[u8]) -> Option<Facts>) -> u64 {
    let mut sum = 0;
    for frame in frames.iter() {
        if let Some(facts) = black_box(decode(black_box(frame))) {
            sum += u64::from(facts.vni) + facts.payload_len as u64;
        }
    }
    sum
}

/// Nanoseconds a frame, the best of several runs in turn: noise only ever adds.
fn nanoseconds(frames: &Frames, ways: &[Way<'_>]) -> Vec<f64> {
    let mut best = vec![Duration::MAX; ways.len()];
    let mut rounds = 0;
    let started = Instant::now();
    while rounds < 5 || started.elapsed() < Duration::from_secs(2) {
        for (best, (_, way)) in best.iter_mut().zip(ways) {
            let started = Instant::now();
            black_box(way(frames));
            *best = (*best).min(started.elapsed());
        }
        rounds += 1;
    }
    best.iter().map(|time| time.as_secs_f64() * 1e9 / f64::from(FRAMES)).collect()
}

fn main() {
    let decoder = Decoder::default();
    let vxlan = |frames: &Frames| run(frames, |frame| by_vxlan(&decoder, frame));
    let walk = |frames: &Frames| run(frames, yardstick::decode);
    let sliced = |frames: &Frames| run(frames, by_etherparse);
    let pnet = |frames: &Frames| run(frames, by_pnet);
    let ways: [Way<'_>; 4] =
        [("yardstick", &walk), ("vxlan", &vxlan), ("etherparse", &sliced), ("pnet", &pnet)];

    let mut criterion = Criterion::default().configure_from_args();
    let mixes = [("small", Mix::SMALL.frames(FRAMES)), ("tiny", Mix::TINY.frames(FRAMES))];
    for (mix, frames) in &mixes {
        for frame in frames.iter() {
            let facts =
                yardstick::decode(frame).expect("the yardstick decodes all frames of a mix");
            assert_eq!(by_vxlan(&decoder, frame), Some(facts));
            assert_eq!(by_etherparse(frame), Some(facts));
            assert_eq!(by_pnet(frame), Some(facts));
        }
        let mut group = criterion.benchmark_group("decode");
        group.throughput(Throughput::Elements(frames.len() as u64));
        for (name, way) in ways {
            group.bench_with_input(BenchmarkId::new(name, mix), frames, |bencher, frames| {
                bencher.iter(|| way(frames));
            });
        }
        group.finish();
    }
    criterion.final_summary();

    // not in a run as a test, which is to be quick
    if !std::env::args().any(|argument| argument == "--test") {
        for (mix, frames) in &mixes {
            let times = nanoseconds(frames, &ways);
            let [walk, vxlan, sliced, pnet] = times[..] else { return };
            println!(
                "{mix}: yardstick {walk:.1} ns, vxlan {vxlan:.1}, etherparse {sliced:.1}, pnet {pnet:.1}"
            );
            println!("{mix}: vxlan / yardstick {:.2} (at most 1.5)", vxlan / walk);
            println!("{mix}: etherparse / vxlan {:.2} (at least 3)", sliced / vxlan);
        }
    }
}
