//! Whatever the packets are, rewriting conserves their number, times and bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use vxcap::file::{BlockReader, ByteOrder, Reader};
use vxcap::write::{PacketOptions, PcapngWriter, Section};
use vxcap::{Frame, FrameFlags, Interface, LinkType, Resolution, Timestamp};
use vxrewrite::{Decap, Pipeline};

/// A packet: time, interface, whether it is in a tunnel, bytes, VNI.
#[derive(Clone, Debug)]
struct Made {
    nanos: i64,
    interface: u32,
    vni: Option<u32>,
    payload: Vec<u8>,
    comment: bool,
}

fn made() -> impl Strategy<Value = Made> {
    let vni = prop_oneof![Just(None), (0_u32..4).prop_map(Some)];
    (0_i64..5_000_000_000, 0_u32..3, vni, vec(any::<u8>(), 0..200), any::<bool>()).prop_map(
        |(nanos, interface, vni, payload, comment)| Made {
            nanos,
            interface,
            vni,
            payload,
            comment,
        },
    )
}

impl Made {
    /// The innermost frame: Ethernet with a type that nothing decodes further.
    fn inner(&self) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x88, 0xcc]);
        frame.extend(&self.payload);
        frame
    }

    fn frame(&self) -> Vec<u8> {
        let Some(vni) = self.vni else { return self.inner() };
        let inner = self.inner();
        let udp_len = (16 + inner.len()) as u16;
        let mut frame = vec![4; 12];
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + udp_len).to_be_bytes());
        frame.extend([0, 1, 0, 0, 64, 17, 0, 0, 172, 18, 0, 3, 172, 18, 0, 4]);
        frame.extend([0xc0, 0, 0x21, 0x18]);
        frame.extend(udp_len.to_be_bytes());
        frame.extend([0, 0, 8, 0, 0, 0]);
        frame.extend((vni << 8).to_be_bytes());
        frame.extend(inner);
        frame
    }
}

fn capture(packets: &[Made], order: ByteOrder) -> Vec<u8> {
    let mut writer = PcapngWriter::with_order(Vec::new(), order);
    writer.section(&Section::default()).unwrap();
    for name in ["eth0", "eth1", "eth2"] {
        let interface = Interface::new(LinkType::ETHERNET, 0)
            .with_name(name)
            .with_resolution(Resolution::NANOS);
        writer.interface(&interface, &[]).unwrap();
    }
    for packet in packets {
        let data = packet.frame();
        let frame = Frame {
            time: Timestamp::from_nanos(packet.nanos),
            link_type: LinkType::ETHERNET,
            interface: packet.interface,
            orig_len: data.len() as u32 + 7,
            data: &data,
            flags: FrameFlags::default(),
        };
        let comments: &[&str] = if packet.comment { &["kept"] } else { &[] };
        writer.packet(&frame, &PacketOptions::default().comments(comments)).unwrap();
    }
    writer.finish().unwrap()
}

/// Time, interface's name and bytes of each packet.
fn read(bytes: &[u8]) -> Vec<(i64, String, Vec<u8>)> {
    let mut reader = Reader::new(bytes).unwrap();
    let mut packets = Vec::new();
    while let Some((frame, interface)) = reader.next_with_interface().unwrap() {
        let name = interface.and_then(|i| i.name.clone()).unwrap_or_default();
        packets.push((frame.time.nanos(), name, frame.data.to_vec()));
    }
    packets
}

fn run(pipeline: Pipeline<'_>, inputs: &[&[u8]]) -> Vec<u8> {
    let readers = inputs.iter().map(|bytes| BlockReader::new(*bytes).unwrap()).collect();
    let (report, out) = pipeline.run(readers, Vec::new()).unwrap();
    assert!(report.damage.is_empty());
    out
}

fn order() -> impl Strategy<Value = ByteOrder> {
    prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)]
}

proptest! {
    #[test]
    fn nothing_asked_nothing_changed(packets in vec(made(), 0..20), order in order()) {
        let input = capture(&packets, order);
        prop_assert_eq!(run(Pipeline::new(), &[&input]), input);
    }

    #[test]
    fn decapsulation_takes_the_inner_frame(packets in vec(made(), 0..20), order in order()) {
        let input = capture(&packets, order);
        let out = run(Pipeline::new().decap(Decap::Innermost), &[&input]);
        let expected: Vec<_> = packets
            .iter()
            .map(|packet| {
                let name = match packet.vni {
                    Some(vni) => format!("eth{} vni {vni}", packet.interface),
                    None => format!("eth{}", packet.interface),
                };
                (packet.nanos, name, packet.inner())
            })
            .collect();
        prop_assert_eq!(read(&out), expected);
        let comments = |bytes: &[u8]| bytes.windows(4).filter(|word| word == b"kept").count();
        prop_assert!(comments(&out) >= packets.iter().filter(|packet| packet.comment).count());
    }

    #[test]
    fn another_port_and_back(packets in vec(made(), 0..20), order in order()) {
        let input = capture(&packets, order);
        let there = run(Pipeline::new().to_port(4789), &[&input]);
        prop_assert_eq!(there.len(), input.len());
        let differing = there.iter().zip(&input).filter(|(a, b)| a != b).count();
        prop_assert_eq!(differing, 2 * packets.iter().filter(|packet| packet.vni.is_some()).count());
        prop_assert_eq!(run(Pipeline::new().to_port(8472), &[&there]), input);
    }

    #[test]
    fn merging_sorts_and_keeps_all(
        a in vec(made(), 0..20),
        b in vec(made(), 0..20),
        orders in (order(), order()),
    ) {
        let (first, second) = (capture(&a, orders.0), capture(&b, orders.1));
        let out = read(&run(Pipeline::new(), &[&first, &second]));
        prop_assert!(out.is_sorted_by_key(|packet| packet.0));
        let mut expected = [read(&first), read(&second)].concat();
        let mut sorted = out;
        expected.sort();
        sorted.sort();
        prop_assert_eq!(sorted, expected);
    }

    #[test]
    fn garbage_is_no_danger(mut packets in vec(made(), 1..5), place in any::<prop::sample::Index>(), byte: u8) {
        let mut input = capture(&packets, ByteOrder::Little);
        packets.clear();
        let at = place.index(input.len());
        input[at] = byte;
        let Ok(reader) = BlockReader::new(input.as_slice()) else { return Ok(()) };
        let key = std::array::from_fn(|at| at as u8);
        let anonymizer = vxrewrite::Anonymizer::new(key).unwrap();
        let pipeline = Pipeline::new()
            .decap(Decap::Innermost)
            .to_port(4789)
            .dedup(std::time::Duration::from_secs(1))
            .anonymize(anonymizer)
            .headers_only();
        let _ = pipeline.run(vec![reader], Vec::new());
    }
}
