//! Compressed captures: told by their magic, several members, cut anywhere.

use std::io::{Cursor, Write};

use flate2::write::GzEncoder;
use vxcap::Error;
use vxcap::file::{ByteOrder, Compression, Input, Reader};

use crate::sample::{self, Packet, read_all};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[cfg(feature = "zstd")]
fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[cfg(feature = "lz4")]
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;
const ALL: &[(Compression, Compress)] = &[
    (Compression::Gzip, gzip),
    #[cfg(feature = "zstd")]
    (Compression::Zstd, zstd),
    #[cfg(feature = "lz4")]
    (Compression::Lz4, lz4),
];

fn read_compressed(bytes: &[u8]) -> (Vec<Packet>, Option<Error>) {
    match Input::new(Cursor::new(bytes.to_vec())).and_then(Reader::from_input) {
        Ok(reader) => read_all(reader),
        Err(error) => (Vec::new(), Some(error)),
    }
}

#[test]
fn read_as_if_they_were_not() {
    let file = sample::small_pcapng(ByteOrder::Big).0;
    let whole = sample::read(&file).0;
    for &(compression, compress) in ALL {
        let bytes = compress(&file);
        let input = Input::new(Cursor::new(bytes.clone())).unwrap();
        assert_eq!(input.compression(), compression);
        let progress = input.progress();
        let (packets, error) = read_all(Reader::from_input(input).unwrap());
        assert!(error.is_none(), "{compression:?}: {error:?}");
        assert_eq!(packets, whole);
        assert_eq!(progress.read(), bytes.len() as u64);
        assert_eq!(progress.total(), None);
    }
}

#[test]
fn several_members() {
    let file = sample::small_pcap(ByteOrder::Little);
    let whole = sample::read(&file).0;
    for &(compression, compress) in ALL {
        // an empty member in the middle
        let (first, second) = file.split_at(50);
        let bytes = [compress(first), compress(b""), compress(second)].concat();
        let (packets, error) = read_compressed(&bytes);
        assert!(error.is_none(), "{compression:?}: {error:?}");
        assert_eq!(packets, whole, "{compression:?}");
    }
}

#[test]
fn cut_at_every_byte() {
    let file = sample::small_pcap(ByteOrder::Little);
    let whole = sample::read(&file).0;
    for &(compression, compress) in ALL {
        let first = compress(&file[..100]);
        let bytes = [first.clone(), compress(&file[100..])].concat();
        for len in 0..bytes.len() {
            let (packets, error) = read_compressed(&bytes[..len]);
            assert!(error.is_some(), "{compression:?} cut to {len} ends cleanly");
            assert!(whole.starts_with(&packets), "{compression:?} cut to {len}");
            if len >= first.len() {
                let there = sample::read(&file[..100]).0.len();
                assert!(packets.len() >= there, "{compression:?} cut to {len}");
            }
        }
    }
}

#[test]
fn a_long_cut_file_gives_what_is_there() {
    let mut file = sample::pcap_header(ByteOrder::Little, 0xa1b2_c3d4, 1);
    let mut seed = 1_u32;
    for number in 0..20_000_u32 {
        // not compressible, so that half of the file is about half of the packets
        let data: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(100)
        .collect();
        file.extend(sample::pcap_record(ByteOrder::Little, number, 0, 100, &data));
    }
    for &(compression, compress) in ALL {
        let bytes = compress(&file);
        let (packets, error) = read_compressed(&bytes[..bytes.len() / 2]);
        assert!(error.is_some());
        // an lz4 block of 4 MiB and a zstd block of 128 KiB may be lost
        assert!(
            packets.len() > 8_000 || compression == Compression::Lz4,
            "{compression:?}: {}",
            packets.len()
        );
        assert!(
            packets
                .iter()
                .zip(0_i64..)
                .all(|(packet, number)| packet.nanos == number * 1_000_000_000)
        );
    }
}

#[test]
fn damage_inside_is_an_error() {
    let file = sample::small_pcap(ByteOrder::Little);
    for &(compression, compress) in ALL {
        let bytes = compress(&file);
        for at in 4..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            // no panic; what is given has the form of packets
            let (packets, _) = read_compressed(&damaged);
            assert!(packets.len() < 1000, "{compression:?}");
        }
        let text = compress(b"not a capture at all\n");
        let error = read_compressed(&text).1.unwrap();
        assert!(error.to_string().contains("looks like text"), "{error}");
    }
}
