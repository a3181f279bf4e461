//! Files in pieces give what the reader gives, whoever reads which piece.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use vxcap::Error;
use vxcap::file::{ByteOrder, Piece, Pieces, Reader};

use crate::references;
use crate::sample::{self, Packet};

const ORDER: ByteOrder = ByteOrder::Little;
/// The length of pieces where nobody says another.
const USUAL_LEN: u64 = 256 << 10;

/// What a file gives: its packets, and how it ends.
type Given = (Vec<Packet>, Option<String>);

/// A file that is removed in the end.
struct Stored(PathBuf);

impl Stored {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("vxcap-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn in_order(path: &Path) -> Given {
    match Reader::open(path).map(sample::read_all) {
        Ok((packets, error)) => (packets, error.map(|error| error.to_string())),
        Err(error) => (Vec::new(), Some(error.to_string())),
    }
}

/// What all pieces give, in the order of their numbers, read by several threads.
fn all(pieces: &Pieces, threads: usize) -> Given {
    let numbers = Mutex::new(0..pieces.count());
    let read = Mutex::new(Vec::new());
    let work = || {
        let mut piece = Piece::default();
        loop {
            let Some(number) = numbers.lock().unwrap().next() else { return };
            let error = pieces.read(number, &mut piece).err();
            let packets: Vec<_> = piece.frames().map(|frame| Packet::of(&frame)).collect();
            read.lock().unwrap().push((number, packets, error.map(|error| error.to_string())));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut read = read.into_inner().unwrap();
    read.sort_by_key(|(number, ..)| *number);
    let (packets, errors): (Vec<_>, Vec<_>) =
        read.into_iter().map(|(_, packets, error)| (packets, error)).unzip();
    let mut errors = errors.into_iter().flatten();
    let error = errors.next();
    assert_eq!(errors.next(), None, "nothing comes behind damage");
    (packets.concat(), error)
}

/// Compares a file in pieces of these lengths with what the reader gives, which is returned; `None`
/// where the file cannot be read in pieces.
fn compare(path: &Path, lens: &[u64], threads: usize) -> Option<Given> {
    let expected = in_order(path);
    for &len in lens {
        let pieces = match Pieces::open(path) {
            Ok(pieces) => pieces?.of_len(len),
            Err(error) => {
                assert_eq!((Vec::new(), Some(error.to_string())), expected, "{}", path.display());
                return None;
            }
        };
        let given = all(&pieces, threads);
        let at = given.0.iter().zip(&expected.0).position(|(given, expected)| given != expected);
        assert_eq!(at, None, "{} in pieces of {len}", path.display());
        let end = |given: &Given| (given.0.len(), given.1.clone());
        assert_eq!(end(&given), end(&expected), "{} in pieces of {len}", path.display());
    }
    Some(expected)
}

/// Compares bytes, by one thread.
fn compare_bytes(file: &Stored, bytes: &[u8], lens: &[u64]) -> Option<Given> {
    fs::write(&file.0, bytes).unwrap();
    compare(&file.0, lens, 1)
}

/// A pcap file with packets of these lengths, each filled with the headers of records.
fn pcap(lengths: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let fake = sample::pcap_record(ORDER, 1, 0, 100, &[]);
    filled(sample::pcap_header(ORDER, 0xa1b2_c3d4, 1), lengths, |number, len| {
        let data: Vec<u8> = fake.iter().copied().cycle().take(len as usize).collect();
        sample::pcap_record(ORDER, number, 0, len, &data)
    })
}

/// A pcapng file with packets of these lengths, each filled with packet blocks, and many sections
/// and interfaces.
fn pcapng(lengths: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let fake = sample::enhanced(ORDER, 0, 0, 8, &[7; 8], &[]);
    let mut order = ORDER;
    filled(Vec::new(), lengths, |number, len| {
        let mut blocks = Vec::new();
        if number % 300 == 0 {
            order = if order == ORDER { ByteOrder::Big } else { ORDER };
            blocks.extend(sample::section(order));
        }
        if number % 60 == 0 {
            let unit = [6 + (number / 60 % 4) as u8];
            blocks.extend(sample::interface(order, 1, 40, &[sample::option(order, 9, &unit)]));
        }
        if number % 11 == 0 {
            blocks.extend(sample::block(order, 4, &[0; 4]));
        }
        let data: Vec<u8> = fake.iter().copied().cycle().take(len as usize).collect();
        let comment = sample::option(order, 1, b"a comment");
        let options = if number % 7 == 0 { &[comment][..] } else { &[] };
        let interface = number % 300 / 60;
        blocks.extend(if number % 13 == 0 {
            let body = [&order.bytes32(len)[..], &data[..data.len().min(40)]].concat();
            sample::block(order, 3, &body)
        } else {
            sample::enhanced(order, interface, u64::from(number) << 30, len, &data, options)
        });
        blocks
    })
}

fn filled(
    mut file: Vec<u8>,
    lengths: impl IntoIterator<Item = u32>,
    mut packet: impl FnMut(u32, u32) -> Vec<u8>,
) -> Vec<u8> {
    for (number, len) in (0..).zip(lengths) {
        file.extend(packet(number, len));
    }
    file
}

/// Lengths below this one that look as if by chance.
fn lengths(count: u32, most: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |number| number.wrapping_mul(2_654_435_761) % most)
}

#[test]
fn of_many_packets() {
    for (name, whole) in
        [("many-pcap", pcap(lengths(5000, 1500))), ("many-pcapng", pcapng(lengths(5000, 1500)))]
    {
        let file = Stored::new(name, &whole);
        let (packets, error) = compare(&file.0, &[USUAL_LEN, 10_000, 300], 3).unwrap();
        assert_eq!((packets.len(), error), (5000, None), "{name}");
        for cut in [1, 16, 1000, 1_000_000] {
            let error = compare_bytes(&file, &whole[..whole.len() - cut], &[USUAL_LEN]).unwrap().1;
            assert!(error.is_some(), "{name} without its last {cut} bytes");
        }
    }
}

/// The end of a piece at every byte of a file with every kind of block, in both byte orders.
#[test]
fn with_an_end_anywhere() {
    for (name, bytes) in [
        ("anywhere-pcap", sample::small_pcap(ByteOrder::Big)),
        ("anywhere-pcapng", sample::small_pcapng(ORDER).0),
    ] {
        let file = Stored::new(name, &bytes);
        let lens: Vec<u64> = (1..=bytes.len() as u64).collect();
        let (packets, error) = compare(&file.0, &lens, 1).unwrap();
        assert_eq!(error, None);
        assert!(packets.len() >= 4);
        compare(&file.0, &[1, 7, 50, 200], 3).unwrap();
    }
}

#[test]
fn cut_anywhere() {
    for (name, whole) in
        [("cut-pcap", sample::small_pcap(ORDER)), ("cut-pcapng", sample::small_pcapng(ORDER).0)]
    {
        let file = Stored::new(name, &whole);
        for len in 0..whole.len() {
            compare_bytes(&file, &whole[..len], &[USUAL_LEN, 100]);
        }
    }
}

#[test]
fn damaged_anywhere() {
    for (name, whole) in
        [("bit-pcap", sample::small_pcap(ORDER)), ("bit-pcapng", sample::small_pcapng(ORDER).0)]
    {
        let file = Stored::new(name, &whole);
        let mut bytes = whole.clone();
        let mut damaged = 0;
        for (at, &byte) in whole.iter().enumerate() {
            // one bit of each byte, and of two bytes that follow each other not the same
            bytes[at] ^= 1 << (at % 8);
            let given = compare_bytes(&file, &bytes, &[100]);
            damaged += usize::from(given.is_some_and(|(_, error)| error.is_some()));
            bytes[at] = byte;
        }
        assert!(damaged > 10, "{name}: {damaged}");
    }
}

#[test]
fn longer_than_a_piece() {
    let lens = [100, 262_144, 262_144, 0, 7, 262_000, 262_144, 262_144, 1];
    let file = Stored::new("long", &[]);
    for bytes in [pcap(lens), pcapng(lens)] {
        let (packets, error) = compare_bytes(&file, &bytes, &[USUAL_LEN, 1000]).unwrap();
        assert_eq!((packets.len(), error), (lens.len(), None));
    }
    // a pcap file has no such packet, a pcapng file may
    let mad = [100, 300_000, 5, 6];
    assert!(compare_bytes(&file, &pcap(mad), &[USUAL_LEN]).unwrap().1.is_some());
    assert_eq!(compare_bytes(&file, &pcapng(mad), &[USUAL_LEN]).unwrap().1, None);
    // other blocks, over many pieces
    let packet = sample::enhanced(ORDER, 0, 1, 4, b"data", &[]);
    let start = [sample::section(ORDER), sample::interface(ORDER, 1, 0, &[])].concat();
    let secrets = sample::block(ORDER, 10, &vec![0; 3 << 20]);
    let bytes = [&start[..], &packet, &secrets, &packet, &secrets, &packet].concat();
    let (packets, error) = compare_bytes(&file, &bytes, &[USUAL_LEN]).unwrap();
    assert_eq!((packets.len(), error), (3, None));
}

/// The header of a record or block across the end of a piece.
#[test]
fn with_a_header_across_the_end() {
    let file = Stored::new("edge", &[]);
    for len in 262_144 - 24 - 16 - 20..262_144 - 24 - 16 + 2 {
        assert_eq!(compare_bytes(&file, &pcap([len, 5, 6]), &[USUAL_LEN]).unwrap().1, None);
    }
    for len in 262_144 - 28 - 28 - 20 - 40..262_144 - 28 - 28 + 4 {
        let bytes = pcapng([5, len, 5, 6]);
        assert_eq!(compare_bytes(&file, &bytes, &[USUAL_LEN]).unwrap().1, None);
    }
}

/// What a file was when it was opened is read, also where it grows meanwhile.
#[test]
fn of_a_file_that_grows() {
    for (name, bytes) in [("grows-pcap", pcap([1; 50])), ("grows-pcapng", pcapng([1; 50]))] {
        for cut in [0, 3] {
            let file = Stored::new(name, &bytes[..bytes.len() - cut]);
            let expected = in_order(&file.0);
            let pieces = Pieces::open(&file.0).unwrap().unwrap().of_len(100);
            let mut more = fs::OpenOptions::new().append(true).open(&file.0).unwrap();
            more.write_all(&bytes[bytes.len() - 30..]).unwrap();
            assert!(all(&pieces, 2) == expected, "{name} less {cut}");
        }
    }
}

/// Where a file shrinks meanwhile, what is left is read, and an error follows.
#[test]
fn of_a_file_that_shrinks() {
    for (name, bytes) in [("shrinks-pcap", pcap([1; 50])), ("shrinks-pcapng", pcapng([1; 50]))] {
        let file = Stored::new(name, &bytes);
        let pieces = Pieces::open(&file.0).unwrap().unwrap();
        fs::OpenOptions::new().write(true).open(&file.0).unwrap().set_len(700).unwrap();
        let (packets, error) = all(&pieces, 1);
        assert_eq!((&packets, error.is_some()), (&in_order(&file.0).0, true), "{name}");
        assert!(packets.len() > 10, "{name}");
    }
}

#[test]
fn what_is_not_read_so() {
    let mut gzip = Vec::new();
    let mut encoder = flate2::write::GzEncoder::new(&mut gzip, flate2::Compression::fast());
    encoder.write_all(&sample::small_pcap(ORDER)).unwrap();
    encoder.finish().unwrap();
    let file = Stored::new("compressed", &gzip);
    assert!(Pieces::open(&file.0).unwrap().is_none());
    assert!(Pieces::open("/dev/zero").unwrap().is_none());
    let missing = Pieces::open(file.0.with_extension("missing"));
    assert!(missing.is_ok_and(|pieces| pieces.is_none()));
    fs::write(&file.0, b"no capture at all").unwrap();
    assert!(matches!(
        Pieces::open(&file.0).map_err(|error| matches!(error.cause(), Error::BadMagic { .. })),
        Err(true)
    ));
}

/// Every reference capture, the damaged ones too.
#[test]
fn of_the_reference_captures() {
    let Some(folder) = vxtest::references("") else { return };
    let (mut pcapng, mut damaged) = (0, 0);
    for path in references::captures(&folder) {
        let small = fs::metadata(&path).unwrap().len() < 1 << 20;
        let lens: &[u64] = if small { &[USUAL_LEN, 4096, 64] } else { &[USUAL_LEN, 10_000] };
        let Some((_, error)) = compare(&path, lens, 2) else { continue };
        pcapng += usize::from(fs::read(&path).unwrap().starts_with(b"\x0a\x0d\x0d\x0a"));
        damaged += usize::from(error.is_some());
    }
    assert!(pcapng > 80 && damaged > 5, "{pcapng} pcapng files, {damaged} damaged ones");
}
