//! What is written is read again, by this crate and by tshark.

use std::net::IpAddr;

use proptest::prelude::*;
use vxcap::file::{BlockReader, Body, ByteOrder, Reader, option};
use vxcap::write::{InterfaceCounts, PacketOptions, PcapFormat, PcapWriter, PcapngWriter, Section};
use vxcap::{
    ChecksumHint, Direction, Error, Frame, FrameFlags, Interface, LinkType, Resolution, Timestamp,
};
use vxtest::{Folder, command, has_tools, output};

use crate::sample;

fn frame(nanos: i64, interface: u32, data: &[u8]) -> Frame<'_> {
    Frame {
        time: Timestamp::from_nanos(nanos),
        link_type: LinkType::ETHERNET,
        interface,
        orig_len: data.len() as u32 + 1,
        data,
        flags: FrameFlags::default(),
    }
}

/// A file with everything that the writer can write.
fn full_pcapng(order: ByteOrder) -> Vec<u8> {
    let mut writer = PcapngWriter::with_order(Vec::new(), order);
    writer
        .section(
            &Section::default()
                .hardware("x86_64")
                .os("Linux")
                .application("vxdump")
                .comments(&["made for a test"]),
        )
        .unwrap();
    let mut eth0 = Interface::new(LinkType::ETHERNET, 262_144)
        .with_name("eth0")
        .with_resolution(Resolution::NANOS);
    eth0.description = Some("uplink".into());
    eth0.filter = Some("udp port 8472".into());
    eth0.os = Some("Linux 6.18".into());
    eth0.hardware = Some("virtio".into());
    eth0.speed = Some(10_000_000_000);
    eth0.mac = Some([2, 0x42, 0xac, 0x12, 0, 3]);
    eth0.fcs_len = Some(0);
    assert_eq!(writer.interface(&eth0, &["first"]).unwrap(), 0);
    let early = Interface::new(LinkType::ETHERNET, 0).with_ts_offset(-100);
    assert_eq!(writer.interface(&early, &[]).unwrap(), 1);
    let names: [(IpAddr, &str); 2] =
        [("10.244.1.5".parse().unwrap(), "default/pod-1"), ("fd00::1".parse().unwrap(), "node-1")];
    writer.names(names).unwrap();
    let mut flags = FrameFlags::default();
    flags.direction = Direction::Inbound;
    flags.checksum = ChecksumHint::NotReady;
    let first = Frame { flags, ..frame(1_700_000_000_000_000_001, 0, &[1; 61]) };
    let options = PacketOptions::default().comments(&["one", "zwei ü"]).drop_count(3);
    writer.packet(&first, &options).unwrap();
    writer.packet(&frame(-50_000_000_000, 1, &[2; 64]), &PacketOptions::default()).unwrap();
    let counts = InterfaceCounts::default()
        .start(Timestamp::from_nanos(1_700_000_000_000_000_000))
        .end(Timestamp::from_nanos(1_700_000_001_000_000_000))
        .received(5)
        .dropped_by_interface(1)
        .accepted_by_filter(4)
        .dropped_by_os(2)
        .delivered(2);
    writer.statistics(0, Timestamp::from_nanos(1_700_000_001_000_000_000), &counts).unwrap();
    writer.secrets(0x544c_534b, b"CLIENT_RANDOM 00 00\n").unwrap();
    writer.finish().unwrap()
}

#[test]
fn all_of_pcapng() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let file = full_pcapng(order);
        let (packets, error) = sample::read(&file);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets[0].nanos, 1_700_000_000_000_000_001);
        assert_eq!((packets[0].direction, packets[0].orig_len), (Direction::Inbound, 62));
        assert_eq!((packets[1].nanos, packets[1].interface), (-50_000_000_000, 1));
        let mut reader = BlockReader::new(file.as_slice()).unwrap();
        let mut comments = Vec::new();
        let mut names = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            assert_eq!(block.order, order);
            comments.extend(block.options().comments().map(str::to_owned));
            names.extend(block.name_records().map(|record| record.address().unwrap().to_string()));
            if let Body::Statistics(statistics) = block.body {
                assert_eq!(statistics.ticks, 1_700_000_001_000_000_000);
                let start = block.options().find(option::ISB_STARTTIME).unwrap();
                assert_eq!(start.ticks(), Some(1_700_000_000_000_000_000));
                assert_eq!(block.options().find(option::ISB_OSDROP).unwrap().u64(), Some(2));
            }
        }
        assert_eq!(comments, ["made for a test", "first", "one", "zwei ü"]);
        assert_eq!(names, ["10.244.1.5", "fd00::1"]);
        let eth0 = &reader.interfaces()[0];
        assert_eq!(eth0.filter.as_deref(), Some("udp port 8472"));
        assert_eq!(
            (eth0.speed, eth0.mac, eth0.fcs_len),
            (Some(10_000_000_000), Some([2, 0x42, 0xac, 0x12, 0, 3]), Some(0))
        );
    }
}

#[test]
fn tshark_reads_what_is_written() {
    if !has_tools(&["tshark"]) {
        return;
    }
    let folder = Folder::new();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let path = folder.file(&format!("{order:?}.pcapng"));
        std::fs::write(&path, full_pcapng(order)).unwrap();
        let mut tshark = command("tshark");
        tshark.args(["-n", "-T", "fields", "-E", "separator=|", "-E", "aggregator=;"]);
        for field in ["time_epoch", "len", "cap_len", "interface_name", "comment", "packet_flags"] {
            tshark.args(["-e", &format!("frame.{field}")]);
        }
        let output = output(tshark.arg("-r").arg(&path));
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "1700000000.000000001|62|61|eth0|one;zwei ü|0x00000201", "{order:?}");
        assert!(lines[1].starts_with("-50.000000000|65|64|"), "{}", lines[1]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert!(!errors.contains("damaged") && !errors.contains(".pcapng"), "{errors}");
    }
}

#[test]
fn pcap_says_what_it_cannot_hold() {
    let mut format = PcapFormat::of(&Interface::new(LinkType::ETHERNET, 10));
    format.order = ByteOrder::Big;
    format.fcs_len = Some(4);
    let mut writer = PcapWriter::new(Vec::new(), format).unwrap();
    let far = frame(5_000_000_000_000_000_000, 0, b"x");
    assert!(writer.packet(&far).unwrap_err().to_string().contains("2106"));
    let early = frame(-1, 0, b"x");
    assert!(matches!(writer.packet(&early), Err(Error::Unwritable { .. })));
    let other = Frame { link_type: LinkType::RAW, ..frame(0, 0, b"x") };
    assert!(writer.packet(&other).unwrap_err().to_string().contains("link type 101"));
    let mut picoseconds = PcapngWriter::new(Vec::new());
    picoseconds.section(&Section::default()).unwrap();
    let unit = Interface::new(LinkType::ETHERNET, 0).with_resolution(Resolution(12));
    picoseconds.interface(&unit, &[]).unwrap();
    for far in [far, early] {
        let error = picoseconds.packet(&far, &PacketOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error}");
    }
    writer.packet(&frame(1_999, 0, b"0123456789abc")).unwrap();
    let file = writer.finish().unwrap();
    let reader = Reader::new(file.as_slice()).unwrap();
    assert_eq!(reader.interfaces()[0].fcs_len, Some(4));
    let (packets, error) = sample::read_all(reader);
    assert!(error.is_none());
    assert_eq!((packets[0].nanos, packets[0].orig_len), (1_000, 14));
    assert_eq!(packets[0].data, b"0123456789");
}

#[test]
fn raw_blocks_are_understood() {
    let other = full_pcapng(ByteOrder::Big);
    let mut reader = BlockReader::new(other.as_slice()).unwrap();
    let mut writer = PcapngWriter::with_order(Vec::new(), ByteOrder::Little);
    writer.section(&Section::default()).unwrap();
    writer.interface(&Interface::new(LinkType::RAW, 0), &[]).unwrap();
    while let Some(block) = reader.next_block().unwrap() {
        writer.raw(block.raw).unwrap();
    }
    // the writer has followed: big-endian, two interfaces, one of nanoseconds
    assert_eq!((writer.order(), writer.interface_count()), (ByteOrder::Big, 2));
    writer.packet(&frame(7, 0, b"last"), &PacketOptions::default()).unwrap();
    assert!(writer.packet(&frame(7, 2, b"none"), &PacketOptions::default()).is_err());
    assert!(writer.raw(b"short").is_err());
    assert!(writer.raw(&[0; 16]).is_err());
    let file = writer.finish().unwrap();
    let (packets, error) = sample::read(&file);
    assert!(error.is_none(), "{error:?}");
    let last = packets.last().unwrap();
    assert_eq!((last.nanos, last.interface, last.data.as_slice()), (7, 1, &b"last"[..]));
}

#[test]
fn options_are_kept_and_comments_added() {
    let file = full_pcapng(ByteOrder::Little);
    let mut reader = BlockReader::new(file.as_slice()).unwrap();
    let mut writer = PcapngWriter::with_order(Vec::new(), ByteOrder::Little);
    while let Some(block) = reader.next_block().unwrap() {
        let Body::EnhancedPacket(packet) = block.body else {
            writer.raw(block.raw).unwrap();
            continue;
        };
        let options = block.options_range().unwrap().start..block.options_end().unwrap();
        let options = PacketOptions::default().raw(&block.raw[options]).comments(&["added"]);
        let frame = Frame { interface: packet.section_interface, ..packet.frame };
        writer.packet(&frame, &options).unwrap();
    }
    let written = writer.finish().unwrap();
    let mut reader = BlockReader::new(written.as_slice()).unwrap();
    let mut seen = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        if block.frame().is_some() {
            seen.push(block.options().comments().map(str::to_owned).collect::<Vec<_>>());
            let flags = block.options().filter(|field| field.code == option::EPB_FLAGS).count();
            assert_eq!(flags, usize::from(seen.len() == 1));
        }
    }
    assert_eq!(seen, [vec!["one", "zwei ü", "added"], vec!["added"]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packets_come_back(
        packets in prop::collection::vec((0_i64..4_000_000_000_000_000_000, prop::collection::vec(any::<u8>(), 0..300)), 0..40),
        big: bool,
        resolution in prop::sample::select(vec![3_u8, 6, 9, 0x80 + 20, 0x80 + 32]),
    ) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let resolution = Resolution(resolution);
        let mut pcapng = PcapngWriter::with_order(Vec::new(), order);
        pcapng.section(&Section::default()).unwrap();
        let interface = Interface::new(LinkType::ETHERNET, 0);
        let mut format = PcapFormat::of(&interface.clone().with_resolution(Resolution::NANOS));
        format.order = order;
        pcapng.interface(&interface.with_resolution(resolution), &[]).unwrap();
        let mut pcap = PcapWriter::new(Vec::new(), format).unwrap();
        for (nanos, data) in &packets {
            pcapng.packet(&frame(*nanos, 0, data), &PacketOptions::default()).unwrap();
            pcap.packet(&frame(*nanos, 0, data)).unwrap();
        }
        let (in_pcapng, error) = sample::read(&pcapng.finish().unwrap());
        prop_assert!(error.is_none());
        let (in_pcap, error) = sample::read(&pcap.finish().unwrap());
        prop_assert!(error.is_none());
        prop_assert_eq!(in_pcapng.len(), packets.len());
        for ((got, exact), (nanos, data)) in in_pcapng.iter().zip(&in_pcap).zip(&packets) {
            prop_assert_eq!((exact.nanos, &exact.data), (*nanos, data));
            prop_assert_eq!(&got.data, data);
            let rounded = resolution.timestamp(resolution.ticks(Timestamp::from_nanos(*nanos), 0), 0).nanos();
            prop_assert_eq!(got.nanos, rounded);
            let unit = if resolution.is_binary() { 1_000_000_000 >> resolution.exponent() } else { 10_i64.pow(9_u32.saturating_sub(resolution.exponent())) };
            prop_assert!(nanos - got.nanos <= unit + 1, "{} {}", nanos, got.nanos);
        }
    }
}
