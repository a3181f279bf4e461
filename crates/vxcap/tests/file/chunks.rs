//! Sources that give a few bytes at a time, and random files.

use std::io::{self, Read};

use proptest::prelude::*;
use vxcap::file::{BlockReader, ByteOrder, Reader};

use crate::sample::{self, pass_through, read, read_all};

/// Gives chunks of these lengths in turn, and is interrupted before each.
struct Chunks<'a> {
    bytes: &'a [u8],
    lens: Vec<usize>,
    next: usize,
    interrupt: bool,
}

impl Read for Chunks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.lens[self.next % self.lens.len()].min(self.bytes.len()).min(into.len());
        self.next += 1;
        let (now, rest) = self.bytes.split_at(len);
        into[..len].copy_from_slice(now);
        self.bytes = rest;
        Ok(len)
    }
}

fn order() -> impl Strategy<Value = ByteOrder> {
    prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)]
}

/// A pcapng file of several packets, some of them long.
fn long_file(order: ByteOrder, lens: &[usize]) -> Vec<u8> {
    let mut file = [sample::section(order), sample::interface(order, 1, 0, &[])].concat();
    for (number, &len) in lens.iter().enumerate() {
        let data = vec![number as u8; len];
        file.extend(sample::enhanced(order, 0, number as u64, len as u32, &data, &[]));
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunks_make_no_difference(
        order in order(),
        lens in prop::collection::vec(1_usize..200, 1..8),
        is_pcap: bool,
    ) {
        let file = if is_pcap { sample::small_pcap(order) } else { sample::small_pcapng(order).0 };
        let chunks = || Chunks { bytes: &file, lens: lens.clone(), next: 0, interrupt: false };
        let (packets, error) = read_all(Reader::new(chunks()).unwrap());
        prop_assert!(error.is_none());
        prop_assert_eq!(packets, read(&file).0);
        prop_assert_eq!(pass_through(BlockReader::new(chunks())).0, file);
    }

    #[test]
    fn long_blocks_in_chunks(
        order in order(),
        packets in prop::collection::vec(prop_oneof![0_usize..2000, 50_000_usize..300_000], 1..12),
        lens in prop::collection::vec(1_000_usize..100_000, 1..4),
    ) {
        let file = long_file(order, &packets);
        let chunks = Chunks { bytes: &file, lens, next: 0, interrupt: false };
        let (got, error) = read_all(Reader::new(chunks).unwrap());
        prop_assert!(error.is_none());
        prop_assert_eq!(got.iter().map(|packet| packet.data.len()).collect::<Vec<_>>(), packets);
        for (number, packet) in got.iter().enumerate() {
            prop_assert!(packet.data.iter().all(|&byte| byte == number as u8));
        }
    }

    #[test]
    fn random_bytes_do_no_harm(
        mut bytes in prop::collection::vec(any::<u8>(), 24..400),
        start in prop::sample::select(vec![&b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00"[..], b"\xa1\xb2\x3c\x4d\x00\x02\x00\x04", b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0"]),
    ) {
        bytes[..start.len()].copy_from_slice(start);
        let (copy, packets, _) = pass_through(BlockReader::new(bytes.as_slice()));
        prop_assert!(bytes.starts_with(&copy));
        prop_assert_eq!(read(&bytes).0.len(), packets);
    }
}
