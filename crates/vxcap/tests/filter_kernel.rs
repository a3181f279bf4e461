//! The Linux kernel is the judge: it takes what is said to fit it, and decides as the interpreter
//! says it does.
//!
//! A filter on a Unix datagram socket sees what is sent to it, byte for byte, and needs no
//! privilege.

#![cfg(target_os = "linux")]

mod captures;

use std::{io, os::unix::net::UnixDatagram};

use proptest::prelude::*;
use socket2::{SockFilter, SockRef};
use vxcap::filter::{
    Ancillary, Instruction, Program,
    pushdown::{KernelSelection, Overlay, Prefix},
};
use vxlan::{LinkType, Ports, Vni};

/// Longer packets are left out.
const LONGEST: usize = 1 << 16;

/// A socket with a program, and one that sends to it.
struct Kernel {
    sender: UnixDatagram,
    receiver: UnixDatagram,
}

impl Kernel {
    /// Fails where the kernel does not take the program.
    fn attach(instructions: &[Instruction]) -> io::Result<Self> {
        let (sender, receiver) = UnixDatagram::pair()?;
        receiver.set_nonblocking(true)?;
        let filters: Vec<SockFilter> =
            instructions.iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect();
        SockRef::from(&receiver).attach_filter(&filters)?;
        Ok(Self { sender, receiver })
    }

    /// How many bytes of a packet come through.
    fn passes(&self, packet: &[u8]) -> usize {
        self.sender.send(packet).expect("the packet is sent");
        let mut buffer = vec![0; LONGEST];
        match self.receiver.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

/// How many bytes come through by the interpreter.
fn expected(program: &Program, packet: &[u8]) -> usize {
    packet.len().min(program.run_as_kernel(packet, Ancillary::default()) as usize)
}

fn compare(program: &Program, packets: &[Vec<u8>]) {
    assert!(program.fits_kernel());
    let kernel =
        Kernel::attach(program.instructions()).unwrap_or_else(|e| panic!("{e}\n{program}"));
    for packet in packets {
        assert_eq!(kernel.passes(packet), expected(program, packet), "{packet:02x?}\n{program}");
    }
}

fn packets() -> Vec<Vec<u8>> {
    let mut packets = vec![vxlan::example::SYN.to_vec()];
    for folder in ["lab", "third-party/vxlan"] {
        for path in captures::files(folder).unwrap_or_default() {
            let frames = captures::frames(&path, 8).into_iter();
            let ethernet = frames.filter(|frame| frame.link_type == LinkType::ETHERNET);
            packets.extend(ethernet.map(|frame| frame.data));
        }
    }
    packets.retain(|packet| (1..LONGEST).contains(&packet.len()));
    packets
}

#[test]
fn programs_that_are_pushed_down_are_taken_and_decide_as_said() {
    let packets = packets();
    let compile = |expression: &str| {
        Program::compile(expression, LinkType::ETHERNET, 96)
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    };
    let pods = (0..100)
        .filter_map(|n| Prefix::new([10, 244, 2 * n, 0].into(), 24))
        .chain(Prefix::new("fd00:10:244::".parse().expect("an address"), 48));
    let overlay = Overlay::new(Ports::default(), pods);
    let ends = [Prefix::from("10.244.1.2".parse::<std::net::IpAddr>().expect("an address"))];
    let vnis: Vec<Vni> = [1, 4096].into_iter().filter_map(Vni::new).collect();
    let any = KernelSelection::default;
    for expression in [
        "tcp port 80",
        "not tcp",
        "icmp or arp",
        "len > 200",
        "ip[len] = 3",
        "len % ip[8] = 3",
        "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
        "host 10.244.1.2 or host 10.244.2.2 or ip6 net fd00::/8",
    ] {
        let program = compile(expression);
        compare(&program, &packets);
        compare(&any().inner(&program).program().program, &packets);
        let all = any().overlay(&overlay).inner(&program).ends(&ends).vnis(&vnis);
        compare(&all.program().program.with_snaplen(128), &packets);
    }
    compare(&any().overlay(&overlay).program().program, &packets);
    compare(&any().ends(&ends).program().program, &packets);
    compare(&any().vnis(&vnis).program().program, &packets);
}

#[test]
fn loops_and_length_are_as_the_kernel_has_them() {
    let chain = Program::compile("ip6 protochain 17", LinkType::ETHERNET, 0).expect("a program");
    assert!(!chain.fits_kernel());
    assert!(Kernel::attach(chain.instructions()).is_err());
    let ret = Instruction { code: 0x06, jt: 0, jf: 0, k: 1 };
    for (length, fits) in [(4096, true), (4097, false)] {
        let program = Program::new(vec![ret; length]).expect("a program");
        assert_eq!(program.fits_kernel(), fits);
        assert_eq!(Kernel::attach(program.instructions()).is_ok(), fits);
    }
}

#[test]
fn an_index_wraps_in_the_kernel_and_not_in_libpcap() {
    let plain = |code, k| Instruction { code, jt: 0, jf: 0, k };
    // ldx #-1; ldb [x + 5]; ret a
    let list = [plain(0x01, u32::MAX), plain(0x50, 5), plain(0x16, 0)];
    let program = Program::new(list).expect("a sound program");
    let packet = [9, 9, 9, 9, 3, 9, 9, 9];
    assert_eq!(Kernel::attach(&list).expect("it is taken").passes(&packet), 3);
    assert_eq!(program.run_as_kernel(&packet, Ancillary::default()), 3);
    assert_eq!(program.run(&packet, 8), 0);
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let code = prop_oneof![
        30 => proptest::sample::select(vec![
            0x20_u16, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60, 0x01, 0x61, 0x81, 0xb1, 0x02,
            0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64,
            0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35,
            0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87,
        ]),
        1 => any::<u16>(),
    ];
    let k = prop_oneof![8 => 0_u32..4, 8 => 0_u32..36, 1 => any::<u32>()];
    (code, 0_u8..3, 0_u8..3, k).prop_map(|(code, jt, jf, k)| Instruction { code, jt, jf, k })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Programs of random instructions: what the kernel takes is sound here too, and the other way
    /// round but for words of scratch memory that were not stored; and both get the same of them.
    #[test]
    fn random_programs_are_judged_and_run_alike(
        mut list in proptest::collection::vec(instruction(), 0..16),
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..48), 4),
    ) {
        list.push(Instruction { code: 0x16, jt: 0, jf: 0, k: 0 });
        let taken = Kernel::attach(&list);
        let program = match Program::new(list.clone()) {
            Err(error) => {
                prop_assert!(taken.is_err(), "{error}: {list:?}");
                return Ok(());
            }
            Ok(program) => program,
        };
        let loads_scratch = list.iter().any(|i| matches!(i.code, 0x60 | 0x61));
        match taken {
            Err(error) => prop_assert!(
                loads_scratch || program.needs_kernel() || !program.fits_kernel(),
                "{error}\n{program}"
            ),
            Ok(kernel) if !program.needs_kernel() => for packet in packets {
                let expected = expected(&program, &packet);
                prop_assert_eq!(kernel.passes(&packet), expected, "{:02x?}\n{}", packet, program);
            },
            Ok(_) => {}
        }
    }
}
