//! Damaged lengths make nothing allocate more than the file holds, and packets allocate nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use vxcap::file::{Piece, Pieces, Reader};
use vxcap::write::{PacketOptions, PcapngWriter, Section};
use vxcap::{Direction, Frame, FrameFlags, Interface, LinkType, Timestamp};

thread_local! {
    /// Bytes that this thread has now, the most it had, and how often it allocated.
    static HELD: Cell<(isize, isize, usize)> = const { Cell::new((0, 0, 0)) };
}

/// Counts what each thread allocates.
struct Counting;

fn count(len: isize) {
    HELD.with(|held| {
        let (now, most, times) = held.get();
        let now = now + len;
        held.set((now, most.max(now), times + usize::from(len > 0)));
    });
}

// SAFETY: all calls are given on to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the conditions of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps the conditions of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count(len.cast_signed() - layout.size().cast_signed());
        // SAFETY: the caller keeps the conditions of `realloc`.
        unsafe { System.realloc(pointer, layout, len) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were held at once while this ran, above those before, and how often it
/// allocated.
fn measure(run: impl FnOnce()) -> (usize, usize) {
    let before = HELD.with(|held| {
        let (now, _, times) = held.get();
        held.set((now, now, times));
        (now, times)
    });
    run();
    let (_, most, times) = HELD.with(Cell::get);
    ((most - before.0).cast_unsigned(), times - before.1)
}

/// What a reader may hold beside twice the bytes of a block that is longer than its buffer.
const ALLOWED: usize = 192 << 10;

fn read(bytes: &[u8]) {
    if let Ok(mut reader) = Reader::new(bytes) {
        while let Ok(Some(_)) = reader.next_frame() {}
    }
}

/// A section header block, an interface description block and the begin of a block of this type and
/// length.
fn pcapng(kind: u32, len: u32, rest: usize) -> Vec<u8> {
    let mut file = vec![0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
    file.extend([0xff; 8]);
    file.extend([28, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0]);
    file.extend(kind.to_le_bytes());
    file.extend(len.to_le_bytes());
    file.extend(std::iter::repeat_n(0xff, rest));
    file
}

/// A pcap file with one record header of this captured length.
fn pcap(snaplen: u32, captured: u32, rest: usize) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(snaplen.to_le_bytes());
    file.extend([1, 0, 0, 0]);
    file.extend([0; 8]);
    file.extend(captured.to_le_bytes());
    file.extend(captured.to_le_bytes());
    file.extend(std::iter::repeat_n(0xff, rest));
    file
}

#[test]
fn no_length_allocates_more_than_the_file() {
    let lens = [
        0,
        1,
        12,
        64,
        65_536,
        1 << 20,
        0x0fff_fffc,
        0x1000_0000,
        0x7fff_fffc,
        0xffff_fffc,
        u32::MAX,
    ];
    for rest in [0, 100, 100_000, 3_000_000] {
        for len in lens {
            let kinds = [6, 1, 0x0a0d_0d0a, 2, 3, 4, 5, 9, 10, 0xbad, 99, u32::MAX];
            // of the large files, which take time, only two kinds
            for &kind in kinds.iter().take(if rest > 1 << 20 { 2 } else { kinds.len() }) {
                let file = pcapng(kind, len, rest);
                let (most, _) = measure(|| read(&file));
                assert!(most <= ALLOWED + 2 * file.len(), "{kind:#x} {len:#x} of {rest}: {most}");
            }
            for snaplen in [0, 96, 262_144, u32::MAX] {
                let file = pcap(snaplen, len, rest);
                let (most, _) = measure(|| read(&file));
                assert!(most <= ALLOWED + 2 * file.len(), "{len:#x} of {rest}: {most}");
            }
        }
    }
}

#[test]
fn packets_allocate_nothing() {
    let mut writer = PcapngWriter::new(Vec::with_capacity(64 << 20));
    writer.section(&Section::default()).unwrap();
    writer.interface(&Interface::new(LinkType::ETHERNET, 0), &[]).unwrap();
    let mut flags = FrameFlags::default();
    flags.direction = Direction::Outbound;
    let data = [7; 90];
    let mut packet = |number: i64| {
        let time = Timestamp::from_nanos(number * 1000);
        let (link_type, interface, orig_len) = (LinkType::ETHERNET, 0, 90);
        let frame = Frame { time, link_type, interface, orig_len, data: &data, flags };
        let options = PacketOptions::default().comments(&["a comment"]);
        writer.packet(&frame, &options).unwrap();
    };
    // until the buffer has its final length
    (0..20_000).for_each(&mut packet);
    let (_, times) = measure(|| (20_000..200_000).for_each(&mut packet));
    assert_eq!(times, 0, "writing allocated");
    let file = writer.finish().unwrap();

    let folder = vxtest::Folder::new();
    let path = folder.file("many.pcapng");
    std::fs::write(&path, &file).unwrap();
    let pieces = Pieces::open(&path).unwrap().unwrap();
    let mut piece = Piece::default();
    pieces.read(0, &mut piece).unwrap();
    let mut count = piece.frames().count();
    let (_, times) = measure(|| {
        for number in 1..pieces.count() {
            pieces.read(number, &mut piece).unwrap();
            count += piece.frames().count();
        }
    });
    // a piece may have a longer last block, or one packet more, than those before it
    assert_eq!(count, 200_000);
    assert!(times <= 4, "reading in pieces allocated {times} times");

    let mut reader = Reader::new(file.as_slice()).unwrap();
    for _ in 0..20_000 {
        assert!(reader.next_frame().unwrap().is_some());
    }
    let mut count = 20_000;
    let (_, times) = measure(|| {
        while reader.next_frame().unwrap().is_some() {
            count += 1;
        }
    });
    assert_eq!((count, times), (200_000, 0), "reading allocated");
}
