//! Capture files made by hand, independently of the writers under test.

use std::ops::ControlFlow;

use vxcap::file::{BlockReader, ByteOrder, Reader};
use vxcap::{Direction, Error, Frame};

/// A packet as it was read, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) nanos: i64,
    pub(crate) link_type: u16,
    pub(crate) interface: u32,
    pub(crate) orig_len: u32,
    pub(crate) direction: Direction,
    pub(crate) data: Vec<u8>,
}

impl Packet {
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        Self {
            nanos: frame.time.nanos(),
            link_type: frame.link_type.0,
            interface: frame.interface,
            orig_len: frame.orig_len,
            direction: frame.flags.direction,
            data: frame.data.to_vec(),
        }
    }
}

/// All packets of a reader, and how it ended. After the end there must be nothing more.
pub(crate) fn read_all<R: std::io::Read>(mut reader: Reader<R>) -> (Vec<Packet>, Option<Error>) {
    read_all_of(&mut reader)
}

/// The same, and the reader can be asked afterwards.
pub(crate) fn read_all_of<R: std::io::Read>(
    reader: &mut Reader<R>,
) -> (Vec<Packet>, Option<Error>) {
    let mut packets = Vec::new();
    let error = loop {
        match reader.next_frame() {
            Ok(Some(frame)) => packets.push(Packet::of(&frame)),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(matches!(reader.next_frame(), Ok(None)), "something comes behind the end");
    (packets, error)
}

/// All packets in these bytes, and how they end: the same, whichever way they are asked for.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Packet>, Option<Error>) {
    match Reader::new(bytes) {
        Ok(reader) => {
            let all = read_all(reader);
            let at_hand = read_at_hand(bytes);
            assert_eq!(all.0, at_hand.0);
            assert_eq!(all.1.as_ref().map(Error::to_string), at_hand.1.map(|e| e.to_string()));
            all
        }
        Err(error) => (Vec::new(), Some(error)),
    }
}

/// As `read_all`, by what is at hand, but never more than three packets of it.
fn read_at_hand(bytes: &[u8]) -> (Vec<Packet>, Option<Error>) {
    let mut reader = Reader::new(bytes).unwrap();
    let mut packets = Vec::new();
    loop {
        let mut given = 0;
        let flow = reader.frames_at_hand(|frame| {
            packets.push(Packet::of(&frame));
            given += 1;
            if given < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert_eq!(flow.is_break(), given == 3);
        match reader.next_frame() {
            Ok(Some(frame)) => packets.push(Packet::of(&frame)),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

/// The raw bytes of all blocks, how many packets were among them, and how it ended.
pub(crate) fn pass_through<R: std::io::Read>(
    reader: Result<BlockReader<R>, Error>,
) -> (Vec<u8>, usize, Option<Error>) {
    let mut copy = Vec::new();
    let mut packets = 0;
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return (copy, packets, Some(error)),
    };
    loop {
        match reader.next_block() {
            Ok(Some(block)) => {
                assert_eq!(block.offset, copy.len() as u64);
                copy.extend_from_slice(block.raw);
                packets += usize::from(block.frame().is_some());
                // every view of every block holds together
                let options = block.options_range().unwrap_or_default();
                assert!(options.end <= block.raw.len());
                for field in block.options() {
                    assert!(options.contains(&field.offset));
                }
                assert!(block.options_end().is_none_or(|end| end <= block.raw.len() - 4));
                for record in block.name_records() {
                    assert!(record.offset < block.raw.len());
                    let _ = (record.address(), record.names().count());
                }
                let _ = block.interface();
            }
            Ok(None) => return (copy, packets, None),
            Err(error) => {
                assert!(matches!(reader.next_block(), Ok(None)));
                return (copy, packets, Some(error));
            }
        }
    }
}

/// The header of a pcap file.
pub(crate) fn pcap_header(order: ByteOrder, magic: u32, network: u32) -> Vec<u8> {
    [
        order.bytes32(magic).as_slice(),
        &order.bytes16(2),
        &order.bytes16(4),
        &[0; 8],
        &order.bytes32(65535),
        &order.bytes32(network),
    ]
    .concat()
}

/// A record of a pcap file.
pub(crate) fn pcap_record(
    order: ByteOrder,
    seconds: u32,
    fraction: u32,
    orig_len: u32,
    data: &[u8],
) -> Vec<u8> {
    [
        order.bytes32(seconds).as_slice(),
        &order.bytes32(fraction),
        &order.bytes32(data.len() as u32),
        &order.bytes32(orig_len),
        data,
    ]
    .concat()
}

/// A pcapng block; the body is padded.
pub(crate) fn block(order: ByteOrder, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let len = order.bytes32((12 + body.len() + padding.len()) as u32);
    [order.bytes32(kind).as_slice(), &len, body, &padding, &len].concat()
}

/// A section header block.
pub(crate) fn section(order: ByteOrder) -> Vec<u8> {
    let body =
        [order.bytes32(0x1a2b_3c4d).as_slice(), &order.bytes16(1), &order.bytes16(0), &[0xff; 8]]
            .concat();
    block(order, 0x0a0d_0d0a, &body)
}

/// An option.
pub(crate) fn option(order: ByteOrder, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [order.bytes16(code).as_slice(), &order.bytes16(value.len() as u16), value, &padding].concat()
}

/// An interface description block.
pub(crate) fn interface(
    order: ByteOrder,
    link_type: u16,
    snaplen: u32,
    options: &[Vec<u8>],
) -> Vec<u8> {
    let body =
        [order.bytes16(link_type).as_slice(), &[0, 0], &order.bytes32(snaplen), &options.concat()]
            .concat();
    block(order, 1, &body)
}

/// An enhanced packet block.
pub(crate) fn enhanced(
    order: ByteOrder,
    interface: u32,
    ticks: u64,
    orig_len: u32,
    data: &[u8],
    options: &[Vec<u8>],
) -> Vec<u8> {
    let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
    let body = [
        order.bytes32(interface).as_slice(),
        &order.bytes32((ticks >> 32) as u32),
        &order.bytes32(ticks as u32),
        &order.bytes32(data.len() as u32),
        &order.bytes32(orig_len),
        data,
        &padding,
        &options.concat(),
    ]
    .concat();
    block(order, 6, &body)
}

/// A pcap file of four packets.
pub(crate) fn small_pcap(order: ByteOrder) -> Vec<u8> {
    let mut file = pcap_header(order, 0xa1b2_c3d4, 1);
    for (number, len) in [0_u8, 1, 60, 7].into_iter().enumerate() {
        let data = vec![0x40 + len; usize::from(len)];
        file.extend(pcap_record(order, 1_700_000_000 + number as u32, 123_456, 64, &data));
    }
    file
}

/// A pcapng file of two sections with every kind of block, and the number of its packets.
pub(crate) fn small_pcapng(order: ByteOrder) -> (Vec<u8>, usize) {
    let other = match order {
        ByteOrder::Little => ByteOrder::Big,
        ByteOrder::Big => ByteOrder::Little,
    };
    let mut file = Vec::new();
    for order in [order, other] {
        let comment = option(order, 1, b"hello");
        let end = option(order, 0, b"");
        file.extend(section(order));
        file.extend(interface(
            order,
            1,
            96,
            &[option(order, 2, b"eth0"), option(order, 9, &[9]), end.clone()],
        ));
        file.extend(interface(order, 101, 0, &[]));
        file.extend(enhanced(
            order,
            0,
            1_700_000_000_000_000_001,
            70,
            &[1; 61],
            &[option(order, 2, &order.bytes32(2)), comment.clone(), end.clone()],
        ));
        file.extend(enhanced(order, 1, 1_700_000_000_000_001, 4, &[2; 4], &[]));
        // simple: 100 bytes on the wire, of which the snapshot length leaves 96
        file.extend(block(order, 3, &[order.bytes32(100).as_slice(), &[3; 96]].concat()));
        // obsolete: interface 1, 7 drops
        let mut obsolete = [order.bytes16(1), order.bytes16(7)].concat();
        for number in [0x0006_0a24, 0x181e_4001, 3, 5] {
            obsolete.extend(order.bytes32(number));
        }
        obsolete.extend([4; 3]);
        file.extend(block(order, 2, &obsolete));
        // name resolution: two records, end record, an option
        let names = [
            option(order, 1, b"\x0a\xf4\x01\x05pod-1\0pod-one\0"),
            option(order, 2, b"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01six\0"),
            option(order, 0, b""),
            comment.clone(),
        ];
        file.extend(block(order, 4, &names.concat()));
        // statistics of interface 0, with the count of received packets
        let mut statistics = order.bytes32(0).to_vec();
        statistics.extend(order.bytes32(1));
        statistics.extend(order.bytes32(2));
        statistics.extend(option(order, 4, &order.bytes64(5)));
        file.extend(block(order, 5, &statistics));
        file.extend(block(order, 9, b"__REALTIME_TIMESTAMP=1\n"));
        let mut secrets = order.bytes32(0x544c_534b).to_vec();
        secrets.extend(order.bytes32(6));
        secrets.extend(b"SECRET\0\0");
        secrets.extend(comment);
        file.extend(block(order, 10, &secrets));
        file.extend(block(order, 0xbad, &[order.bytes32(32473).as_slice(), b"data"].concat()));
        file.extend(block(
            order,
            0x4000_0bad,
            &[order.bytes32(32473).as_slice(), b"more"].concat(),
        ));
        file.extend(block(order, 0x7777, b"nobody knows"));
    }
    (file, 8)
}
