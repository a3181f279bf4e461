//! A program for the kernel never drops what the exact decision keeps, and drops nearly everything
//! else.

mod captures;

use std::net::IpAddr;

use captures::Captured;
use proptest::prelude::*;
use vxcap::filter::{
    Ancillary, Instruction, Program,
    pushdown::{self, KernelSelection, NotPushed, Overlay, Prefix, SelectionPart},
};
use vxlan::{Decoder, IpProtocol, LinkType, Ports, TunnelKind, Vni};

/// Expressions for the innermost frame.
const INNER: &[&str] = &[
    "tcp port 80",
    "tcp port 8080 and tcp[tcpflags] & tcp-syn != 0",
    "udp port 53",
    "icmp",
    "icmp6",
    "arp",
    "ip6",
    "not ip",
    "not tcp",
    "host 10.244.1.2",
    "src host 10.244.2.2 and dst net 10.244.1.0/24",
    "net 10.244.3.0/24 or ip6 net fd00::/8",
    "len > 200",
    "less 100",
    "len % ip[8] = 3",
    "ip[len] = 3",
    "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
    "ip[6:2] & 0x1fff != 0",
    "ether broadcast or ether multicast",
    "ether src 02:42:ac:12:00:02",
    "vlan and ip",
    "udp port 8472",
    "geneve 11",
    "ip[2:2] - ((ip[0] & 0xf) << 2) > 100",
    "ip[ip[0]+ip[1]*ip[2]:4] != 0",
];

/// Expressions for the frame as captured.
const OUTER: &[&str] = &[
    "udp port 8472",
    "not ip",
    "ip and not host 172.18.0.2",
    "vlan",
    "src host 172.18.0.2",
    "ip6",
    "len > 150",
];

/// The exact decision, step by step and slow.
fn keeps(selection: &KernelSelection<'_>, frame: &[u8]) -> bool {
    let length = u32::try_from(frame.len()).expect("a short frame");
    let decoder = Decoder::default().ports(selection.ports.clone());
    let packet = decoder.decode(frame, selection.link_type);
    if !selection.expression.is_none_or(|program| program.matches(frame, length)) {
        return false;
    }
    if !selection.overlay.is_none_or(|overlay| overlay.contains(&packet)) {
        return false;
    }
    // the whole that fragments of UDP make is decided on when it is there
    let outer = packet.outer;
    if outer.fragment().is_some() && outer.protocol() == Some(IpProtocol::UDP) {
        return true;
    }
    let levels: Vec<_> = decoder.encapsulations(&packet).collect();
    let vni = selection.vnis.is_empty()
        || levels
            .iter()
            .any(|level| level.tunnel.vni().is_some_and(|vni| selection.vnis.contains(&vni)));
    let is_end = |address: Option<IpAddr>| {
        address.is_some_and(|address| selection.ends.iter().any(|end| end.contains(address)))
    };
    // what an error quotes is looked at in user space
    let is_end_of_quoted = || {
        let quoted = decoder.decode_quote(&packet.outer);
        packet.tunnel.is_none() && selection.vnis.is_empty() && quoted.is_some()
    };
    let ends = selection.ends.is_empty()
        || is_end(packet.inner.source())
        || is_end(packet.inner.destination());
    let is_cooked = selection.link_type != LinkType::ETHERNET;
    if !ends && is_end_of_quoted() {
        return true;
    }
    let inner = selection.inner.is_none_or(|program| match decoder.innermost_tunnel(&packet) {
        None if is_cooked => {
            selection.inner_cooked.is_none_or(|program| program.matches(frame, length))
        }
        None => program.matches(frame, length),
        Some(tunnel) if packet.inner.link_type() == LinkType::ETHERNET => {
            program.matches(tunnel.payload(), tunnel.payload_wire_len())
        }
        // this takes a program for another link type
        Some(_) => true,
    });
    vni && ends && inner
}

/// What the program would do with the frame on its way to a socket.
fn pushed(program: &Program, frame: &[u8]) -> bool {
    program.run_as_kernel(frame, Ancillary::default()) != 0
}

fn compile(expressions: &[&str], link_type: LinkType) -> Vec<Program> {
    let program = |expression: &&str| {
        Program::compile(expression, link_type, 0)
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    };
    expressions.iter().map(program).collect()
}

fn ethernet_program(expression: &str) -> Program {
    Program::compile(expression, LinkType::ETHERNET, 0)
        .unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn prefixes(list: &[(&str, u8)]) -> Vec<Prefix> {
    let prefix = |&(address, length): &(&str, u8)| {
        Prefix::new(address.parse().expect("an address"), length).expect("a prefix")
    };
    list.iter().map(prefix).collect()
}

/// What selections are made of.
struct Parts {
    link_type: LinkType,
    inner: Vec<Program>,
    /// The same for the link type, where it has a cooked header and they make sense for it.
    inner_cooked: Vec<Option<Program>>,
    outer: Vec<Program>,
    vnis: Vec<Vec<Vni>>,
    ends: Vec<Vec<Prefix>>,
    overlays: Vec<Overlay>,
}

impl Parts {
    fn new() -> Self {
        Self::of(LinkType::ETHERNET)
    }

    fn of(link_type: LinkType) -> Self {
        let vnis = |numbers: &[u32]| numbers.iter().filter_map(|&n| Vni::new(n)).collect();
        let pods = prefixes(&[("10.244.0.0", 16), ("fd00:10:244::", 48)]);
        // libpcap knows no VLAN behind a cooked header
        let has_tags = |text: &str| text == "vlan";
        let outer: Vec<&str> = OUTER
            .iter()
            .copied()
            .filter(|text| link_type == LinkType::ETHERNET || !has_tags(text))
            .collect();
        let source_too = Ports::none()
            .with(4789, TunnelKind::Vxlan)
            .and_then(|ports| ports.with_either_direction(8472, TunnelKind::Vxlan))
            .expect("room for two ports");
        Self {
            link_type,
            inner: compile(INNER, LinkType::ETHERNET),
            inner_cooked: if link_type == LinkType::ETHERNET {
                Vec::new()
            } else {
                INNER.iter().map(|text| Program::compile(text, link_type, 0).ok()).collect()
            },
            outer: compile(&outer, link_type),
            vnis: vec![vnis(&[1]), vnis(&[4096, 2, 11]), vnis(&[77])],
            ends: vec![
                prefixes(&[("10.244.1.2", 32)]),
                prefixes(&[
                    ("10.244.1.0", 24),
                    ("172.18.0.3", 32),
                    ("fd00::", 8),
                    ("30.0.0.1", 32),
                ]),
                prefixes(&[("::", 0)]),
                prefixes(&[("192.0.2.0", 24)]),
            ],
            overlays: vec![
                Overlay::new(Ports::default(), []),
                Overlay::new(Ports::default(), pods),
                Overlay::new(source_too, []),
            ],
        }
    }

    /// Each part alone, and many together.
    fn selections(&self) -> Vec<KernelSelection<'_>> {
        let mut list = Vec::new();
        let any = || KernelSelection::new(self.link_type);
        list.extend(self.inner.iter().enumerate().map(|(index, inner)| {
            let inner_cooked = self.inner_cooked.get(index).and_then(Option::as_ref);
            any().inner(inner).inner_cooked(inner_cooked)
        }));
        list.extend(self.outer.iter().map(|outer| any().expression(outer)));
        list.extend(self.vnis.iter().map(|vnis| any().vnis(vnis)));
        list.extend(self.ends.iter().map(|ends| any().ends(ends)));
        list.extend(
            self.overlays.iter().map(|overlay| any().overlay(overlay).ports(overlay.ports.clone())),
        );
        for (index, inner) in self.inner.iter().enumerate() {
            let overlay = &self.overlays[index % self.overlays.len()];
            list.push(
                any()
                    .inner_cooked(self.inner_cooked.get(index).and_then(Option::as_ref))
                    .ports(overlay.ports.clone())
                    .overlay((index % 4 != 3).then_some(overlay))
                    .expression(self.outer.get(index % (2 * self.outer.len())))
                    .inner(inner)
                    .vnis(self.vnis.get(index % 5).map_or(&[], Vec::as_slice))
                    .ends(self.ends.get(index % 7).map_or(&[], Vec::as_slice)),
            );
        }
        list
    }
}

fn ethernet(folder: &str, most: usize) -> Option<Vec<(String, Captured)>> {
    let mut frames = Vec::new();
    for path in captures::files(folder)? {
        let name = path.display().to_string();
        let ethernet = captures::frames(&path, most)
            .into_iter()
            .filter(|frame| frame.link_type == LinkType::ETHERNET);
        frames.extend(ethernet.map(|frame| (name.clone(), frame)));
    }
    Some(frames)
}

fn assert_kept(selection: &KernelSelection<'_>, program: &Program, frame: &[u8], name: &str) {
    if keeps(selection, frame) {
        assert!(
            pushed(program, frame),
            "dropped, of {name}: {frame:02x?}\n{selection:?}\n{program}"
        );
    }
}

#[test]
fn on_the_wire_of_a_cluster_the_decision_is_exact() {
    let Some(frames) = ethernet("lab", usize::MAX) else { return };
    let frames: Vec<_> = frames
        .into_iter()
        .filter(|(name, _)| name.ends_with("-eth0.pcap") && !name.contains("p1-eth0"))
        .filter(|(_, frame)| {
            let packet = vxlan::decode(&frame.data, LinkType::ETHERNET);
            packet.outer.fragment().is_none()
        })
        .collect();
    let parts = Parts::new();
    let (mut kept, mut dropped) = (0, 0);
    for selection in parts.selections() {
        let program = selection.program();
        assert_eq!(program.left_out, []);
        for (name, frame) in &frames {
            let expected = keeps(&selection, &frame.data);
            let found = pushed(&program.program, &frame.data);
            assert_eq!(found, expected, "{name}: {:02x?}\n{selection:?}", frame.data);
            if found { kept += 1 } else { dropped += 1 }
        }
    }
    eprintln!("{kept} frames kept, {dropped} dropped");
    assert!(kept > 20_000 && dropped > 50_000, "{kept} {dropped}");
}

#[test]
fn nothing_that_is_wanted_is_dropped() {
    let (Some(mut frames), Some(others)) = (ethernet("lab", 60), ethernet("third-party", 40))
    else {
        return;
    };
    frames.extend(others);
    let parts = Parts::new();
    for selection in parts.selections() {
        let program = selection.program().program;
        for (name, frame) in &frames {
            assert_kept(&selection, &program, &frame.data, name);
        }
    }
}

/// The frame with a cooked header in the stead of its Ethernet header.
fn cooked(frame: &[u8], link_type: LinkType) -> Option<Vec<u8>> {
    let (ethernet, packet) = frame.split_first_chunk::<14>()?;
    let [address, protocol] = [&ethernet[6..12], &ethernet[12..14]];
    let header = if link_type == LinkType::LINUX_SLL2 {
        [protocol, &[0, 0, 0, 0, 0, 7, 0, 1, 4, 6], address, &[0, 0]].concat()
    } else {
        [&[0, 4, 0, 1, 0, 6], address, &[0, 0], protocol].concat()
    };
    Some([&header, packet].concat())
}

/// What the program would do with a frame of a cooked header on its way to a socket, where it has
/// none.
fn pushed_without_header(program: &Program, frame: &[u8], link_type: LinkType) -> bool {
    let (len, protocol) = if link_type == LinkType::LINUX_SLL2 { (20, 0) } else { (16, 14) };
    let mut ancillary = Ancillary::default();
    ancillary.protocol = u16::from_be_bytes([frame[protocol], frame[protocol + 1]]);
    ancillary.packet_type = if len == 20 { frame[10] } else { frame[1] };
    ancillary.device = 7;
    program.run_as_kernel(&frame[len..], ancillary) != 0
}

#[test]
fn behind_cooked_headers_the_decision_is_the_same() {
    let Some(frames) = ethernet("lab", 60) else { return };
    for link_type in [LinkType::LINUX_SLL2, LinkType::LINUX_SLL] {
        let parts = Parts::of(link_type);
        let (mut kept, mut dropped, mut undecided) = (0, 0, 0);
        for selection in parts.selections() {
            let made = selection.program();
            // what cannot be asked of a packet without Ethernet header is asked in user space
            let is_cooked =
                |why: &pushdown::NotPushed| matches!(why, pushdown::NotPushed::CookedHeader);
            assert!(made.left_out.iter().all(|(_, why)| is_cooked(why)), "{:?}", made.left_out);
            let program = pushdown::cooked(&made.program, link_type).expect("it can be cooked");
            for (name, frame) in &frames {
                let frame = cooked(&frame.data, link_type).expect("a whole header");
                let expected = keeps(&selection, &frame);
                let found = pushed_without_header(&program, &frame, link_type);
                assert!(
                    found || !expected,
                    "dropped, of {name}: {frame:02x?}\n{selection:?}\n{program}"
                );
                match (expected, found) {
                    (true, _) => kept += 1,
                    (_, false) => dropped += 1,
                    (_, true) => undecided += 1,
                }
            }
        }
        eprintln!("{kept} frames kept, {dropped} dropped, {undecided} left to user space");
        assert!(kept > 5000 && dropped > 20 * undecided, "{kept} {dropped} {undecided}");
    }
}

/// What the kernel knows in another way, and what it does not tell at all.
#[test]
fn fields_of_cooked_headers_are_asked_of_the_kernel() {
    let link_type = LinkType::LINUX_SLL2;
    let frame = cooked(vxlan::example::SYN, link_type).expect("a whole header");
    let length = frame.len();
    for (expression, expected) in [
        ("outbound", true),
        ("inbound", false),
        ("ifindex 7", true),
        ("ifindex 8", false),
        ("ip", true),
        ("arp", false),
        (&format!("len = {length}"), true),
        (&format!("len > {length}"), false),
        ("udp[((ip[0] & 0xf) - 5) + 2:2] = 8472", true),
        ("ip[len - 21] = ip[len - 21]", true),
    ] {
        let program = Program::compile(expression, link_type, 0).expect(expression);
        assert_eq!(program.matches(&frame, length as u32), expected, "{expression}");
        let in_kernel = pushdown::cooked(&program, link_type).expect(expression);
        assert_eq!(pushed_without_header(&in_kernel, &frame, link_type), expected, "{expression}");
        // with a tag it is in other places
        let mut tagged = Ancillary::default();
        tagged.vlan_tag = Some(5);
        assert_ne!(in_kernel.run_as_kernel(&frame[20..], tagged), 0);
    }
    let address = Program::compile("link[12:4] = 1", link_type, 0).expect("it makes sense");
    assert_eq!(pushdown::cooked(&address, link_type), Err(NotPushed::CookedHeader));
    let selection = KernelSelection::new(link_type).expression(&address);
    assert_eq!(
        selection.program().left_out,
        [(SelectionPart::Expression, NotPushed::CookedHeader)]
    );
    let plain = Program::compile("ip", LinkType::ETHERNET, 0).expect("it makes sense");
    assert_eq!(pushdown::cooked(&plain, LinkType::ETHERNET), Err(NotPushed::CookedHeader));
}

/// A small generator of numbers for choices that need not be good (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

/// Values that matter in headers: ports, protocols, `EtherTypes`, flags, lengths.
const TELLING: [u8; 24] = [
    0, 1, 4, 6, 8, 12, 17, 20, 28, 44, 51, 58, 60, 0x08, 0x0c, 0x21, 0x18, 0x45, 0x46, 0x60, 0x81,
    0x86, 0xdd, 0xff,
];

#[test]
fn nothing_that_is_wanted_is_dropped_of_damaged_frames() {
    let (Some(mut frames), Some(others)) = (ethernet("lab", 3), ethernet("third-party", 4)) else {
        return;
    };
    frames.extend(others);
    frames.push(("example".to_owned(), example()));
    let parts = Parts::new();
    let selections: Vec<_> =
        parts.selections().into_iter().map(|s| (s.program().program, s)).collect();
    let mut dice = Dice(1);
    for round in 0..30 {
        for (name, frame) in &frames {
            let mut data = frame.data.clone();
            for _ in 0..=dice.below(3) {
                let headers = data.len().min(140);
                if headers == 0 {
                    break;
                }
                let at = dice.below(headers);
                match dice.below(4) {
                    0 => data[at] ^= 1 << dice.below(8),
                    1 => data[at] = TELLING[dice.below(TELLING.len())],
                    2 => data.truncate(at),
                    _ => {
                        let tag = [[0x81, 0, 0, 5], [0x88, 0xa8, 0, 6]][dice.below(2)];
                        let at = [12, 16, 62, 82][dice.below(4)].min(data.len());
                        data.splice(at..at, tag);
                    }
                }
            }
            // some of the selections in each round
            for (program, selection) in selections.iter().skip(round % 5).step_by(5) {
                assert_kept(selection, program, &data, name);
            }
        }
    }
}

fn example() -> Captured {
    let data = vxlan::example::SYN.to_vec();
    Captured { link_type: LinkType::ETHERNET, data }
}

/// The kernel takes the tag out of the frame before the program sees it, and user space has it in
/// again.
#[test]
fn nothing_that_is_wanted_is_dropped_of_tagged_frames() {
    let Some(frames) = ethernet("lab", 4) else { return };
    let parts = Parts::new();
    for selection in parts.selections() {
        let program = selection.program().program;
        for (name, frame) in &frames {
            let mut tagged = frame.data.clone();
            tagged.splice(12..12, [0x81, 0, 0, 100]);
            if keeps(&selection, &tagged) {
                let mut ancillary = Ancillary::default();
                ancillary.vlan_tag = Some(100);
                let found = program.run_as_kernel(&frame.data, ancillary) != 0;
                assert!(found, "dropped, of {name}: {:02x?}\n{selection:?}", frame.data);
            }
        }
    }
}

#[test]
fn overlay_traffic_is_selected_of_all_that_a_node_sees() {
    let Some(frames) = ethernet("lab/underlay-mix", usize::MAX) else { return };
    let overlay = Overlay::new(Ports::default(), []);
    let program = KernelSelection::default().overlay(&overlay).program().program;
    let (mut kept, mut ports) = (0, 0);
    for (_, frame) in frames.iter().filter(|(name, _)| name.ends_with("n1-eth0.pcap")) {
        kept += usize::from(pushed(&program, &frame.data));
        let packet = vxlan::decode(&frame.data, LinkType::ETHERNET);
        ports += usize::from(
            packet.outer.udp().is_some_and(|udp| [8472, 4789].contains(&udp.destination_port())),
        );
    }
    // two overlay pings with their answers, six datagrams to the ports that are no VXLAN, and three
    // ICMP errors about these
    assert_eq!((kept, ports), (13, 10), "of {}", frames.len());
}

/// An Ethernet frame with IPv4 and ICMP, port unreachable, that quotes the start of another.
fn icmp_error(quoted: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame
        .extend([0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 172, 18, 0, 4, 172, 18, 0, 3]);
    frame.extend([3, 3, 0, 0, 0, 0, 0, 0]);
    frame.extend(&quoted[14..quoted.len().min(14 + 28)]);
    let length = u16::try_from(frame.len() - 14).expect("a short frame");
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    frame
}

#[test]
fn errors_about_tunnel_packets_are_overlay_traffic_and_others_are_not() {
    let overlay = Overlay::new(Ports::default(), []);
    let program = KernelSelection::default().overlay(&overlay).program().program;
    let tunnel = icmp_error(vxlan::example::SYN);
    let decide = |frame: &[u8]| {
        let packet = vxlan::decode(frame, LinkType::ETHERNET);
        (pushed(&program, frame), overlay.contains(&packet))
    };
    assert_eq!(decide(&tunnel), (true, true));
    let mut other = tunnel.clone();
    other[14 + 20 + 8 + 22..][..2].copy_from_slice(&53_u16.to_be_bytes());
    assert_eq!(decide(&other), (false, false), "another port");
    let mut other = tunnel.clone();
    other[14 + 20] = 8;
    assert_eq!(decide(&other), (false, false), "an echo request");
    let mut other = tunnel.clone();
    other[14 + 20 + 8 + 9] = 6;
    assert_eq!(decide(&other), (false, false), "TCP");
    let mut other = tunnel.clone();
    other[14 + 20 + 8 + 7] = 2;
    assert_eq!(decide(&other), (true, true), "a later fragment");
    let cut = &tunnel[..tunnel.len() - 6];
    assert_eq!(decide(cut), (false, false), "the quote does not show its port");
}

#[test]
fn what_cannot_be_pushed_down_is_left_to_user_space() {
    let loop_ = ethernet_program("ip6 protochain 6");
    let shift = ethernet_program("ip[0] << ip[8] = 69");
    let live = ethernet_program("inbound");
    for (program, reason) in
        [(&loop_, NotPushed::Loop), (&shift, NotPushed::Shift), (&live, NotPushed::Ancillary)]
    {
        let pods = prefixes(&[("192.0.2.0", 24)]);
        let selection = KernelSelection::default().inner(program).ends(&pods);
        let pushed = selection.program();
        assert_eq!(pushed.left_out, [(SelectionPart::Inner, reason)]);
        // the rest is still decided in the kernel
        assert!(!self::pushed(&pushed.program, vxlan::example::SYN));
    }
    let pushed = KernelSelection::default().expression(&loop_).program();
    assert_eq!(pushed.left_out, [(SelectionPart::Expression, NotPushed::Loop)]);
    assert_eq!(pushed.program, Program::accept_all());
    let pushed = KernelSelection::default().expression(&live).program();
    assert_eq!(pushed.left_out, [], "on the outer frame the kernel knows");
}

#[test]
fn what_is_too_long_is_left_to_user_space() {
    // ld [26]; add #1 many times; jeq; ret
    let plain = |code, k| Instruction { code, jt: 0, jf: 0, k };
    let mut list = vec![plain(0x20, 26)];
    list.extend([plain(0x04, 1)].repeat(2000));
    list.extend([Instruction { code: 0x15, jt: 0, jf: 1, k: 7 }, plain(0x06, 1), plain(0x06, 0)]);
    let long = Program::new(list).expect("a program");
    let vnis: Vec<Vni> = (0..200).filter_map(Vni::new).collect();
    let pushed = KernelSelection::default().inner(&long).vnis(&vnis).program();
    let [(SelectionPart::Inner, NotPushed::TooLong { instructions })] = pushed.left_out[..] else {
        panic!("{:?}", pushed.left_out)
    };
    assert!(instructions > 4096);
    assert_eq!(pushed.left_out[0].0.to_string(), "the expression for the inner packet");
    assert!(pushed.program.fits_kernel() && pushed.program.instructions().len() > 400);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes at all.
    #[test]
    fn nothing_that_is_wanted_is_dropped_of_noise(
        noise in proptest::collection::vec(any::<u8>(), 0..160),
        start in 0_usize..110,
    ) {
        let parts = Parts::new();
        let mut frame = vxlan::example::SYN.to_vec();
        frame.truncate(start);
        frame.extend(noise);
        for selection in parts.selections() {
            assert_kept(&selection, &selection.program().program, &frame, "noise");
        }
    }
}
