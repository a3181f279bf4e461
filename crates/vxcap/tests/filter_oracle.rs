//! Programs are run as libpcap runs them, and listed as tcpdump lists them.

mod captures;

use std::collections::BTreeMap;
use std::fs;

use captures::Captured;
use pcap::{BpfProgram, Capture, Linktype};
use proptest::prelude::*;
use vxcap::filter::{Error, Filter, Instruction, Program};
use vxlan::LinkType;
use vxtest::{Folder, command, has_tools, output};

/// Expressions for Ethernet, from everyday ones to such as exercise each operation of the machine.
const EXPRESSIONS: &[&str] = &[
    "",
    "arp",
    "ip",
    "ip6",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "sctp",
    "igmp",
    "not ip",
    "not tcp",
    "udp port 8472",
    "udp port 4789 or udp port 8472",
    "udp dst port 53",
    "tcp port 80",
    "tcp src port 8080",
    "port 53",
    "port domain",
    "portrange 30000-40000",
    "udp portrange 0-1023",
    "tcp dst portrange 5201-5201",
    "host 172.18.0.2",
    "src host 172.18.0.3",
    "dst host 10.244.1.2",
    "host 172.18.0.2 and host 172.18.0.3",
    "ip host 10.244.2.2 and tcp port 8080",
    "net 10.244.0.0/16",
    "src net 10.244.1.0/24",
    "net 10.244.1.0 mask 255.255.255.0",
    "dst net 172.18",
    "ip6 host fd00::1",
    "ip6 net fd00::/8",
    "src net fe80::/10",
    "ip6 proto 17",
    "ip6 protochain 17",
    "ip proto 50",
    "ip protochain 6",
    "ether host 02:42:ac:12:00:02",
    "ether src 02:42:ac:12:00:03",
    "ether broadcast",
    "ether multicast",
    "broadcast",
    "multicast",
    "ip broadcast",
    "ip multicast",
    "ip6 multicast",
    "ether proto 0x0800",
    "ether proto \\arp",
    "ether[0] & 1 != 0",
    "ether[12:2] = 0x86dd",
    "vlan",
    "vlan 100",
    "vlan and ip",
    "vlan 100 and vlan 200",
    "vlan and tcp port 80",
    "mpls",
    "mpls 1000 and ip",
    "pppoes",
    "pppoes and ip",
    "pppoed",
    "llc",
    "stp",
    "ether proto \\ipx",
    "geneve",
    "geneve 11",
    "geneve and ip",
    "geneve and tcp port 80",
    "vxlan",
    "vxlan 1 and ip",
    "len >= 100",
    "len = 60 or len = 42",
    "greater 200",
    "less 100",
    "len - 14 = ip[2:2]",
    "len > 70 and len < 1500",
    "ip[0] & 0xf != 5",
    "ip[6:2] & 0x1fff != 0",
    "ip[6] & 0x20 != 0",
    "ip[8] < 64",
    "ip[9] = 17",
    "ip[2:2] - ((ip[0] & 0xf) << 2) > 100",
    "ip[12:4] = 0x0af40102",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[tcpflags] = tcp-syn",
    "tcp[tcpflags] & tcp-push != 0 and tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
    "tcp[13] & 4 = 4",
    "tcp[2:2] % 2 = 0",
    "tcp[2:2] / 100 = 80",
    "tcp[4:4] * 3 > 100000",
    "tcp[4:4] ^ 0xffffffff > 100",
    "tcp[4:4] | 0xff = 0xffff",
    "udp[4:2] - 8 > 20",
    "udp[8] = 8 and udp[12:4] & 0xffffff00 = 0x100",
    "udp[8:4] = 0x08000000",
    "udp[50:4] = 1",
    "udp[2000] = 1",
    "icmp[icmptype] = icmp-echo",
    "icmp[icmptype] = icmp-unreach",
    "icmp[0] = 3 and icmp[1] = 3",
    "icmp6[icmp6type] = icmp6-echo",
    "ip6[6] = 17",
    "ip6[40:2] > 1000",
    "ip[ip[0] & 0xf] = 0",
    "ip[ip[0]+ip[1]*ip[2]:4] != 0",
    "ip[len] = 3",
    "len / ip[1] = 3",
    "len % ip[8] = 3",
    "ip[0] << ip[1] = 69",
    "ip[0] >> ip[9] = 69",
    "ip[0] << ip[8] = 69",
    "ip[0] >> ip[8] = 0",
    "1 << ip[0] = 0",
    "len & ip[3] = 4",
    "len | ip[3] = 0xff",
    "len ^ ip[3] = 14",
    "len * ip[3] > 10000",
    "ip[2:2] + len > ip[4:2]",
    "ip[2:2] > ip[4:2]",
    "ip[2:2] = len - 14",
    "ip[0-1] = 0",
    "-1 = 0xffffffff",
    "tcp or udp or icmp or arp or ip6",
    "(tcp port 80 or tcp port 8080) and not host 10.244.1.2",
    "not (tcp[tcpflags] & tcp-syn != 0) and not port 22",
    "ip and not (dst net 10.0.0.0/8 or dst net 192.168.0.0/16 or dst net 172.16.0.0/12)",
    "tcp port 80 or 81 or 82 or 83 or 84 or 85 or 86 or 87 or 88 or 89",
    "host 10.244.1.2 or host 10.244.1.3 or host 10.244.2.2 or host 10.244.2.3 or host 10.244.3.2",
];

/// Expressions for other link types.
const OTHER_EXPRESSIONS: &[&str] = &[
    "",
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp port 8472",
    "tcp port 80",
    "host 10.244.1.2",
    "net 10.244.0.0/16",
    "len > 100",
    "icmp[icmptype] = icmp-echo",
    "ip[0] & 0xf != 5",
    "inbound",
    "outbound",
    "ifindex 2",
    "vlan",
    "ether host 02:42:ac:12:00:02",
    "wlan type mgt",
    "wlan host 00:11:22:33:44:55",
    "not tcp",
];

fn by_libpcap(expression: &str, link_type: LinkType) -> Result<BpfProgram, pcap::Error> {
    let dlt = if link_type == LinkType::RAW { 12 } else { i32::from(link_type.0) };
    Capture::dead(Linktype(dlt))?.compile(expression, true)
}

/// Both, or neither: what libpcap refuses is refused here.
fn both(expression: &str, link_type: LinkType) -> Option<(Program, BpfProgram)> {
    match (Program::compile(expression, link_type, 0), by_libpcap(expression, link_type)) {
        (Ok(ours), Ok(theirs)) => Some((ours, theirs)),
        (Err(Error::Expression(error)), Err(pcap::Error::PcapError(words))) => {
            assert_eq!(error.message, words, "{expression}");
            None
        }
        (ours, theirs) => {
            panic!("`{expression}` on {link_type:?}: {ours:?}, libpcap: {:?}", theirs.err())
        }
    }
}

#[test]
fn frames_are_selected_as_by_libpcap() {
    let (Some(lab), Some(third_party)) = (captures::files("lab"), captures::files("third-party"))
    else {
        return;
    };
    let mut frames: BTreeMap<LinkType, Vec<Captured>> = BTreeMap::new();
    for path in &lab {
        for frame in captures::frames(path, usize::MAX) {
            frames.entry(frame.link_type).or_default().push(frame);
        }
    }
    for path in &third_party {
        for frame in captures::frames(path, 50) {
            frames.entry(frame.link_type).or_default().push(frame);
        }
    }
    let (mut compared, mut selected) = (0_u64, 0_u64);
    for (&link_type, frames) in &frames {
        let expressions =
            if link_type == LinkType::ETHERNET { EXPRESSIONS } else { OTHER_EXPRESSIONS };
        for expression in expressions {
            let Some((ours, theirs)) = both(expression, link_type) else { continue };
            for frame in frames {
                let length = u32::try_from(frame.data.len()).expect("a short frame");
                let expected = theirs.filter(&frame.data);
                let found = ours.matches(&frame.data, length);
                assert_eq!(found, expected, "`{expression}` on {:02x?}\n{ours}", frame.data);
                compared += 1;
                selected += u64::from(expected);
            }
        }
    }
    eprintln!("{compared} decisions compared, {selected} of them to keep the frame");
    assert!(compared > 1_000_000 && selected > 100_000, "{compared} {selected}");
}

/// A pcap file without packets, for `tcpdump -r`: little endian, version 2.4, snaplen 262144.
fn empty_file(link_type: LinkType) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(262_144_u32.to_le_bytes());
    file.extend(u32::from(link_type.0).to_le_bytes());
    file
}

#[test]
fn listings_are_tcpdumps() {
    if !has_tools(&["tcpdump"]) {
        return;
    }
    let folder = Folder::new();
    let mut compared = 0;
    for link_type in [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW]
    {
        let file = folder.file(&format!("{}.pcap", link_type.0));
        fs::write(&file, empty_file(link_type)).expect("a file is written");
        let tcpdump = |option: &str, expression: &str| {
            let mut tcpdump = command("tcpdump");
            let output = output(tcpdump.arg("-r").arg(&file).args([option, "--", expression]));
            String::from_utf8(output.stdout).expect("text")
        };
        let expressions =
            if link_type == LinkType::ETHERNET { EXPRESSIONS } else { OTHER_EXPRESSIONS };
        for expression in expressions {
            let Some((ours, _)) = both(expression, link_type) else { continue };
            if ours.needs_kernel() {
                assert_eq!(tcpdump("-d", expression), "", "tcpdump takes {expression}");
                continue;
            }
            assert_eq!(format!("{ours}\n"), tcpdump("-d", expression), "-d {expression}");
            assert_eq!(
                format!("{}\n", ours.c_array()),
                tcpdump("-dd", expression),
                "-dd {expression}"
            );
            assert_eq!(
                format!("{}\n", ours.decimal()),
                tcpdump("-ddd", expression),
                "-ddd {expression}"
            );
            compared += 1;
        }
    }
    assert!(compared > 130, "{compared}");
}

#[test]
fn a_refusal_has_libpcaps_words_and_the_place() {
    let Err(Error::Expression(error)) = Filter::new("tcp and port nosuchservice") else {
        panic!("the port was taken")
    };
    assert_eq!(error.position, Some(13));
    assert_eq!(
        error.to_string(),
        "filter expression `tcp and port nosuchservice`: unknown port 'nosuchservice' (at byte 13)"
    );
    let error = Filter::new("ip and (").expect_err("unfinished").to_string();
    assert!(error.contains("`ip and (`") && error.contains("syntax error"), "{error}");
    let error = Filter::new("ip \0").expect_err("a zero byte").to_string();
    assert!(error.contains("nul"), "{error}");
}

#[test]
fn an_expression_for_another_link_type_is_refused_only_for_frames_of_this_one() {
    let mut filter = Filter::new("wlan type mgt").expect("an expression for 802.11");
    let error = filter.matches(LinkType::ETHERNET, &[0; 60], 60).expect_err("not on Ethernet");
    assert!(error.to_string().contains("wlan type mgt"), "{error}");
    assert_eq!(filter.matches(LinkType(105), &[0x80; 60], 60), Ok(true), "a beacon");
    assert_eq!(filter.matches(LinkType(105), &[0x08; 60], 60), Ok(false), "data");
    let error = filter.matches(LinkType::RAW, &[0x45; 60], 60).expect_err("not on raw IP");
    assert!(error.to_string().contains("on link type RAW"), "{error}");
    // the same answers again, from what was kept
    assert!(filter.matches(LinkType::ETHERNET, &[0; 60], 60).is_err());
    assert_eq!(filter.matches(LinkType(105), &[0x80; 60], 60), Ok(true));
}

#[test]
fn what_only_a_kernel_knows_is_refused_in_user_space() {
    let mut filter =
        Filter::new("inbound").expect("cooked captures have the direction in their bytes");
    let error = filter.matches(LinkType::ETHERNET, &[0; 60], 60).expect_err("not on Ethernet");
    assert!(matches!(error, Error::LiveOnly { .. }), "{error}");
    assert_eq!(filter.matches(LinkType::LINUX_SLL, &[0; 60], 60), Ok(true));
    let program =
        Program::compile("inbound", LinkType::ETHERNET, 0).expect("a program for kernels");
    assert!(program.needs_kernel() && program.fits_kernel());
}

#[test]
fn the_length_on_the_wire_counts_and_not_the_captured_one() {
    let program = Program::compile("len > 100", LinkType::ETHERNET, 0).expect("a program");
    assert!(program.matches(&[0; 60], 1500));
    assert!(!program.matches(&[0; 160], 100));
}

#[test]
fn the_snaplen_is_what_an_accepting_program_returns() {
    let program = Program::compile("ip or arp", LinkType::ETHERNET, 96).expect("a program");
    let mut frame = [0; 60];
    assert_eq!(program.run(&frame, 60), 0);
    frame[12] = 8;
    assert_eq!(program.run(&frame, 60), 96);
}

/// Any instruction, mostly a sound one, with jumps and offsets that are mostly inside.
fn instruction() -> impl Strategy<Value = Instruction> {
    let code = prop_oneof![
        9 => proptest::sample::select(vec![
            0x20_u16, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60, 0x01, 0x61, 0x81, 0xb1, 0x02,
            0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64,
            0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35,
            0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87,
        ]),
        1 => any::<u16>(),
    ];
    let k = prop_oneof![6 => 0_u32..8, 4 => 0_u32..64, 1 => any::<u32>()];
    (code, 0_u8..4, 0_u8..4, k).prop_map(|(code, jt, jf, k)| Instruction { code, jt, jf, k })
}

fn instructions() -> impl Strategy<Value = Vec<Instruction>> {
    (proptest::collection::vec(instruction(), 0..24), any::<bool>()).prop_map(|(mut list, a)| {
        list.push(Instruction { code: if a { 0x16 } else { 0x06 }, jt: 0, jf: 0, k: 1 });
        list
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// No list of instructions and no packet makes the interpreter fail.
    #[test]
    fn any_program_that_is_taken_ends(
        list in instructions(),
        data in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        if let Ok(program) = Program::new(list) {
            program.matches(&data, 80);
            let _ = program.to_string();
        }
    }

    /// The decision hangs on the packet's bytes only as libpcap's does, with numbers drawn at
    /// random.
    #[test]
    fn arithmetic_is_libpcaps(
        numbers in proptest::array::uniform4(any::<u32>()),
        which in 0_usize..8,
        operator in proptest::sample::select(vec!["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]),
        relation in proptest::sample::select(vec!["=", "!=", ">", "<", ">=", "<="]),
    ) {
        let term = |bits: usize, at: usize| {
            if which & bits == 0 {
                format!("ether[{at}:4]")
            } else {
                format!("{}", numbers[at / 4] % 31 + 1)
            }
        };
        let expression = format!("{} {operator} {} {relation} {}", term(1, 0), term(2, 4), term(4, 8));
        let Some((ours, theirs)) = both(&expression, LinkType::ETHERNET) else { return Ok(()) };
        let mut small = [0; 16];
        let mut large = [0; 16];
        for (index, number) in numbers.iter().enumerate() {
            large[index * 4..][..4].copy_from_slice(&number.to_be_bytes());
            small[index * 4..][..4].copy_from_slice(&(number % 40).to_be_bytes());
        }
        for data in [small, large] {
            prop_assert_eq!(ours.matches(&data, 16), theirs.filter(&data), "{}", expression);
        }
    }
}
