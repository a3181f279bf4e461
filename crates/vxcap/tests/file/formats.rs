//! Each format by hand-made bytes.

use std::net::IpAddr;

use vxcap::file::{Block, BlockReader, Body, ByteOrder, Format, Reader, Variant, option};
use vxcap::{Direction, Error, LinkType, Resolution};

use crate::sample::{self, read};

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

#[test]
fn pcap_of_both_orders_and_units() {
    for order in ORDERS {
        for (magic, nanos, unit) in [(0xa1b2_c3d4, false, 1_000), (0xa1b2_3c4d, true, 1)] {
            let mut file = sample::pcap_header(order, magic, 113);
            file.extend(sample::pcap_record(order, 4_000_000_000, 999_999, 1500, b"packet"));
            file.extend(sample::pcap_record(order, 1, 0, 0, b""));
            let reader = Reader::new(file.as_slice()).unwrap();
            let variant = Variant::Standard;
            assert_eq!(reader.format(), Format::Pcap { order, nanos, variant });
            assert_eq!(reader.interfaces().len(), 1);
            assert_eq!(reader.interfaces()[0].snaplen, 65535);
            let (packets, error) = sample::read_all(reader);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(packets.len(), 2);
            assert_eq!(packets[0].nanos, 4_000_000_000_000_000_000 + 999_999 * unit);
            assert_eq!(packets[0].data, b"packet");
            assert_eq!((packets[0].orig_len, packets[0].link_type), (1500, 113));
            assert_eq!((packets[1].nanos, packets[1].data.len()), (1_000_000_000, 0));
        }
    }
}

#[test]
fn link_types_are_kept_as_they_are() {
    for (network, link_type) in [(12, 12), (14, 14), (101, 101), (0x2400_0001, 1)] {
        let file = [
            sample::pcap_header(ByteOrder::Little, 0xa1b2_c3d4, network),
            sample::pcap_record(ByteOrder::Little, 0, 0, 1, b"x"),
        ];
        assert_eq!(read(&file.concat()).0[0].link_type, link_type);
    }
    let reserved = sample::pcap_header(ByteOrder::Little, 0xa1b2_c3d4, 0x0100_0001);
    assert!(matches!(read(&reserved).1, Some(Error::Unsupported { offset: 20, .. })));
}

#[test]
fn patched_pcap_and_ixia() {
    for order in ORDERS {
        let record = sample::pcap_record(order, 5, 6, 70, b"");
        let mut patched = sample::pcap_header(order, 0xa1b2_cd34, 1);
        for data in [b"one", b"two"] {
            patched.extend(&record[..8]);
            patched.extend(order.bytes32(3));
            patched.extend(&record[12..]);
            patched.extend([9; 8]);
            patched.extend(data);
        }
        let (packets, error) = read(&patched);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets.len(), 2);
        assert_eq!((packets[1].nanos, packets[1].data.as_slice()), (5_000_006_000, &b"two"[..]));
        for magic in [0x1c00_01ac, 0x1c00_01ab] {
            let mut ixia = sample::pcap_header(order, magic, 1);
            ixia.extend(order.bytes32(19));
            ixia.extend(sample::pcap_record(order, 5, 6, 70, b"one"));
            let (packets, error) = read(&ixia);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(packets[0].nanos, 5_000_006_000);
            assert_eq!(packets[0].data, b"one");
        }
    }
}

#[test]
fn every_block_of_pcapng() {
    for order in ORDERS {
        let (file, count) = sample::small_pcapng(order);
        let (packets, error) = read(&file);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets.len(), count);
        let seen: Vec<_> = packets
            .iter()
            .map(|packet| {
                (
                    packet.nanos,
                    packet.link_type,
                    packet.interface,
                    packet.orig_len,
                    packet.data.len(),
                )
            })
            .collect();
        for (section, base) in [(&seen[..4], 0), (&seen[4..], 2)] {
            assert_eq!(
                section,
                [
                    (1_700_000_000_000_000_001, 1, base, 70, 61),
                    (1_700_000_000_000_001_000, 101, base + 1, 4, 4),
                    (0, 1, base, 100, 96),
                    (1_700_000_000_000_001_000, 101, base + 1, 5, 3),
                ]
            );
        }
        assert_eq!(packets[0].direction, Direction::Outbound);
        assert_eq!(packets[1].direction, Direction::Unknown);
    }
}

#[test]
fn views_of_blocks() {
    for order in ORDERS {
        let (file, _) = sample::small_pcapng(order);
        let mut reader = BlockReader::new(file.as_slice()).unwrap();
        let mut seen = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            if block.section == 1 {
                break;
            }
            assert_eq!(block.order, order);
            assert!(block.block_type().is_some());
            seen.push(match block.body {
                Body::Section(header) => {
                    assert_eq!((header.version, header.length), ((1, 0), None));
                    "section"
                }
                Body::Interface(fixed) => {
                    let interface = block.interface().unwrap();
                    assert_eq!(interface.link_type, fixed.link_type);
                    if fixed.index == 0 {
                        assert_eq!(interface.name.as_deref(), Some("eth0"));
                        assert_eq!(interface.resolution, Resolution::NANOS);
                        // another option goes before the end mark
                        assert_eq!(block.options_end(), Some(block.raw.len() - 8));
                    } else {
                        assert_eq!(fixed.link_type, LinkType::RAW);
                        assert_eq!(interface.resolution, Resolution::MICROS);
                    }
                    "interface"
                }
                Body::EnhancedPacket(_) | Body::SimplePacket(_) | Body::ObsoletePacket(_) => {
                    packet_view(&block)
                }
                Body::NameResolution => {
                    let records: Vec<_> = block.name_records().collect();
                    let [four, six] = records.as_slice() else { panic!("{records:?}") };
                    assert_eq!(four.address(), "10.244.1.5".parse::<IpAddr>().ok());
                    assert_eq!(four.names().collect::<Vec<_>>(), [&b"pod-1"[..], b"pod-one"]);
                    assert_eq!(six.address(), "fd00::1".parse::<IpAddr>().ok());
                    assert_eq!(six.names().collect::<Vec<_>>(), [b"six"]);
                    assert_eq!(block.options().comments().collect::<Vec<_>>(), ["hello"]);
                    let end = block.name_records_end().unwrap();
                    assert_eq!(block.raw[end..end + 4], [0; 4]);
                    "names"
                }
                Body::Statistics(statistics) => {
                    assert_eq!((statistics.section_interface, statistics.ticks), (0, 1 << 32 | 2));
                    let received = block.options().find(option::ISB_IFRECV).unwrap();
                    assert_eq!(received.u64(), Some(5));
                    "statistics"
                }
                Body::Journal(entry) => {
                    assert!(entry.starts_with(b"__REALTIME"));
                    "journal"
                }
                Body::Secrets(secrets) => {
                    assert_eq!((secrets.kind, secrets.data), (0x544c_534b, &b"SECRET"[..]));
                    assert_eq!(block.options().comments().collect::<Vec<_>>(), ["hello"]);
                    "secrets"
                }
                Body::Custom(custom) => {
                    assert_eq!(custom.enterprise, 32473);
                    assert_eq!(custom.data, if custom.copy { b"data" } else { b"more" });
                    "custom"
                }
                Body::Unknown(0x7777) => "unknown",
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(
            seen,
            [
                "section",
                "interface",
                "interface",
                "enhanced",
                "enhanced",
                "simple",
                "obsolete",
                "names",
                "statistics",
                "journal",
                "secrets",
                "custom",
                "custom",
                "unknown",
            ]
        );
    }
}

/// The views of packet blocks: which it is.
fn packet_view(block: &Block<'_>) -> &'static str {
    match block.body {
        Body::EnhancedPacket(packet) => {
            if packet.section_interface == 0 {
                let comments: Vec<_> = block.options().comments().collect();
                assert_eq!(comments, ["hello"]);
                let flags = block.options().find(option::EPB_FLAGS).unwrap();
                assert_eq!(flags.u32(), Some(2));
                assert_eq!(flags.offset, 28 + 64);
                assert_eq!(block.raw[packet.data_at..][..61], *packet.frame.data);
            } else {
                assert_eq!(block.options_range(), Some(32..32));
            }
            "enhanced"
        }
        Body::SimplePacket(packet) => {
            assert_eq!((packet.data_at, packet.frame.data.len()), (12, 96));
            assert_eq!(block.options_range(), None);
            "simple"
        }
        Body::ObsoletePacket(packet) => {
            assert_eq!((packet.drops, packet.section_interface), (Some(7), 1));
            "obsolete"
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn times_of_pcapng() {
    let order = ByteOrder::Little;
    let nanos = |options: &[Vec<u8>], ticks| {
        let file = [
            sample::section(order),
            sample::interface(order, 1, 0, options),
            sample::enhanced(order, 0, ticks, 1, b"x", &[]),
        ];
        read(&file.concat()).0[0].nanos
    };
    let unit = |unit| option_of(9, &[unit]);
    let offset = |seconds: i64| option_of(14, &seconds.to_le_bytes());
    assert_eq!(nanos(&[], 1_700_000_000_000_001), 1_700_000_000_000_001_000);
    assert_eq!(nanos(&[unit(9)], 17), 17);
    assert_eq!(nanos(&[unit(3)], 17), 17_000_000);
    assert_eq!(nanos(&[unit(12)], 17_999), 17);
    assert_eq!(nanos(&[unit(0x80 + 10)], 1536), 1_500_000_000);
    assert_eq!(nanos(&[unit(9), offset(-2)], 1), -1_999_999_999);
    assert_eq!(nanos(&[offset(1_700_000_000)], 1), 1_700_000_000_000_001_000);
    assert_eq!(nanos(&[], u64::MAX), i64::MAX);
}

fn option_of(code: u16, value: &[u8]) -> Vec<u8> {
    sample::option(ByteOrder::Little, code, value)
}

#[test]
fn interfaces_tell_all() {
    let order = ByteOrder::Little;
    let options = [
        option_of(2, b"eth0"),
        option_of(3, b"uplink\0"),
        option_of(6, &[2, 0x42, 0xac, 0x12, 0, 3]),
        option_of(8, &10_000_000_000_u64.to_le_bytes()),
        option_of(11, b"\0udp port 8472"),
        option_of(12, b"Linux 6.18"),
        option_of(13, &[4]),
        option_of(15, b"virtio"),
        option_of(0, b""),
    ];
    let file = [sample::section(order), sample::interface(order, 1, 262_144, &options)].concat();
    let mut reader = Reader::new(file.as_slice()).unwrap();
    assert!(reader.next_frame().unwrap().is_none());
    let interface = &reader.interfaces()[0];
    assert_eq!(interface.name.as_deref(), Some("eth0"));
    assert_eq!(interface.description.as_deref(), Some("uplink"));
    assert_eq!(interface.filter.as_deref(), Some("udp port 8472"));
    assert_eq!(interface.os.as_deref(), Some("Linux 6.18"));
    assert_eq!(interface.hardware.as_deref(), Some("virtio"));
    assert_eq!(interface.mac, Some([2, 0x42, 0xac, 0x12, 0, 3]));
    assert_eq!((interface.speed, interface.fcs_len), (Some(10_000_000_000), Some(4)));
    assert_eq!((interface.snaplen, interface.section), (262_144, 0));
}

#[test]
fn what_is_no_capture_is_told() {
    assert!(matches!(read(b"").1, Some(Error::Empty)));
    assert!(matches!(read(b"ab").1, Some(Error::Truncated { offset: 0, available: 2, .. })));
    for (bytes, words) in [
        (&b"apiVersion: v1\nkind: List\n"[..], "looks like text"),
        (b"snoop\0\0\0\0\0\0\x02\0\0\0\x04", "editcap"),
        (b"\xfd7zXZ\0\0\x04", "xz -dc"),
        (b"\x7fELF\x02\x01\x01\0", "7f 45 4c 46"),
    ] {
        let message = read(bytes).1.unwrap().to_string();
        assert!(message.contains(words), "{message}");
    }
}
