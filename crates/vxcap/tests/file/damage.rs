//! Cut and damaged files: every whole packet before the damage, then an error with its offset.

use vxcap::file::{BlockReader, ByteOrder};
use vxcap::{Error, Part};

use crate::sample::{self, pass_through, read};

const ORDER: ByteOrder = ByteOrder::Little;

/// The offsets at which blocks begin, and the end.
fn boundaries(file: &[u8]) -> Vec<usize> {
    let mut reader = BlockReader::new(file).unwrap();
    let mut offsets = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        offsets.push(block.offset as usize);
    }
    offsets.push(file.len());
    offsets
}

#[test]
fn cut_at_every_byte() {
    for file in [sample::small_pcap(ORDER), sample::small_pcapng(ORDER).0] {
        let boundaries = boundaries(&file);
        let whole = read(&file).0;
        for len in 0..file.len() {
            let cut = &file[..len];
            let (packets, error) = read(cut);
            let begin = boundaries.iter().copied().filter(|&offset| offset <= len).max().unwrap();
            let packets_there = pass_through(BlockReader::new(&file[..begin])).1;
            assert_eq!(packets, whole[..packets_there], "cut to {len}");
            let clean = begin == len && len > 0;
            assert_eq!(error.is_none(), clean, "cut to {len}: {error:?}");
            if let Some(error) = error {
                match error {
                    Error::Empty => assert_eq!(len, 0),
                    Error::Truncated { offset, needed, available, .. } => {
                        assert_eq!(offset as usize, begin, "cut to {len}");
                        assert_eq!(available as usize, len - begin);
                        assert!(needed > available);
                    }
                    other => panic!("cut to {len}: {other}"),
                }
            }
            assert_eq!(pass_through(BlockReader::new(cut)).0, file[..begin]);
        }
    }
}

#[test]
fn every_bit_flipped() {
    for order in [ORDER, ByteOrder::Big] {
        for file in [sample::small_pcap(order), sample::small_pcapng(order).0] {
            for bit in 0..file.len() * 8 {
                let mut damaged = file.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let (packets, error) = read(&damaged);
                let (copy, blocks_packets, blocks_error) =
                    pass_through(BlockReader::new(damaged.as_slice()));
                assert!(damaged.starts_with(&copy), "bit {bit}");
                assert_eq!(packets.len(), blocks_packets, "bit {bit}");
                assert_eq!(error.map(|it| it.to_string()), blocks_error.map(|it| it.to_string()));
                // the packets before the damage are there
                let before = pass_through(BlockReader::new(&file[..bit / 8])).1;
                assert!(packets.len() >= before, "bit {bit}: {} of {before}", packets.len());
            }
        }
    }
}

#[test]
fn senseless_lengths_of_pcap() {
    for (captured, is_damage) in
        [(u32::MAX, true), (0x8000_0000, true), (262_145, true), (262_144, false), (5, false)]
    {
        let mut file = sample::small_pcap(ORDER);
        let offset = file.len() as u64;
        file.extend([0; 8]);
        file.extend(captured.to_le_bytes());
        file.extend([0; 8]);
        let (packets, error) = read(&file);
        assert_eq!(packets.len(), 4);
        let error = error.unwrap();
        assert_eq!(error.offset(), Some(offset), "{error}");
        match error {
            Error::Damaged { .. } => assert!(is_damage, "{error}"),
            Error::Truncated { part, needed, available, .. } => {
                assert!(!is_damage, "{error}");
                assert_eq!((part, available), (Part::PacketData, 20));
                assert_eq!(needed, u64::from(captured) + 16);
            }
            _ => panic!("{error}"),
        }
    }
}

#[test]
fn senseless_lengths_of_pcapng() {
    let start = [sample::section(ORDER), sample::interface(ORDER, 1, 0, &[])].concat();
    for kind in [1_u32, 2, 3, 4, 5, 6, 9, 10, 0xbad, 0x0a0d_0d0a, 99] {
        for len in [0_u32, 1, 8, 11, 12, 13, 16, 27, 28, 0x0fff_fffc, 0x1000_0001, u32::MAX] {
            let mut file = start.clone();
            file.extend(kind.to_le_bytes());
            file.extend(len.to_le_bytes());
            file.extend(0x1a2b_3c4d_u32.to_le_bytes());
            file.extend([0; 64]);
            let error = read(&file).1.map(|error| error.offset());
            assert_eq!(error, Some(Some(start.len() as u64)), "{kind:#x} {len}");
        }
    }
}

#[test]
fn packets_that_cannot_be() {
    let start = [sample::section(ORDER), sample::interface(ORDER, 1, 8, &[])].concat();
    let long = {
        let mut packet = sample::enhanced(ORDER, 0, 0, 4, b"data", &[]);
        packet[20] = 9;
        packet
    };
    let simple = sample::block(ORDER, 3, &[&9_u32.to_le_bytes()[..], b"data"].concat());
    let mut trailer = sample::enhanced(ORDER, 0, 0, 4, b"data", &[]);
    *trailer.last_mut().unwrap() = 1;
    let mut no_order = sample::section(ORDER);
    no_order[8] = 0;
    let mut version = sample::section(ORDER);
    version[12] = 2;
    for (bad, words) in [
        (sample::enhanced(ORDER, 1, 0, 4, b"data", &[]), "interface 1"),
        (sample::block(ORDER, 2, &[7; 24]), "interface 1799"),
        (long, "9 bytes"),
        (simple, "9 bytes"),
        (trailer, "length"),
        (no_order, "byte-order magic"),
        (version, "pcapng version 2.0"),
        (sample::block(ORDER, 6, b"short"), "only 20 bytes"),
        (sample::block(ORDER, 1, b"abc"), "interface description"),
    ] {
        let good = sample::enhanced(ORDER, 0, 0, 4, b"good", &[]);
        let file = [start.as_slice(), &good, &bad, &good].concat();
        let (packets, error) = read(&file);
        assert_eq!(packets.len(), 1, "{words}");
        let error = error.unwrap();
        assert_eq!(error.offset(), Some((start.len() + good.len()) as u64));
        assert!(error.to_string().contains(words), "{error}");
    }
    // a packet before any interface
    let file = [sample::section(ORDER), sample::block(ORDER, 3, &[0; 8])].concat();
    assert!(matches!(read(&file).1, Some(Error::Damaged { offset: 28, .. })));
}

#[test]
fn lengths_without_padding_are_taken() {
    // some programs write the length of the block without its padding, at one end or at both
    let start = [sample::section(ORDER), sample::interface(ORDER, 1, 0, &[])].concat();
    let packet = sample::enhanced(ORDER, 0, 0, 3, b"abc", &[]);
    for both in [false, true] {
        let mut odd = packet.clone();
        odd[4] -= 1;
        if both {
            let at = odd.len() - 4;
            odd[at] -= 1;
        }
        let file = [start.as_slice(), &odd, &packet].concat();
        let (packets, error) = read(&file);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets.len(), 2);
        assert_eq!(pass_through(BlockReader::new(file.as_slice())).0, file);
    }
}

#[test]
fn failures_of_the_source_come_after_the_packets() {
    struct Failing<'a>(&'a [u8]);
    impl std::io::Read for Failing<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Err(std::io::Error::other("the cable was pulled"));
            }
            std::io::Read::read(&mut self.0, into)
        }
    }
    for (cut, packets_there) in [(0, 4), (5, 3)] {
        let file = sample::small_pcap(ORDER);
        let file = &file[..file.len() - cut];
        let reader = vxcap::file::Reader::new(Failing(file)).unwrap();
        let (packets, error) = sample::read_all(reader);
        assert_eq!(packets.len(), packets_there);
        let error = error.unwrap();
        assert!(error.to_string().contains("the cable was pulled"), "{error}");
        assert_eq!(error.offset(), Some(file.len() as u64));
    }
}
