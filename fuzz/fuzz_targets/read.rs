//! Reads a capture file block by block, frame by frame and in pieces: the blocks are the file, and
//! all ways see the same frames.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vxcap::file::{BlockReader, Piece, Pieces, Reader};

fuzz_target!(|file: &[u8]| {
    let mut raw = Vec::new();
    let mut in_blocks = 0_u64;
    if let Ok(mut blocks) = BlockReader::new(file) {
        while let Ok(Some(block)) = blocks.next_block() {
            raw.extend_from_slice(block.raw);
            in_blocks += u64::from(block.frame().is_some());
            for option in block.options() {
                std::hint::black_box(option);
            }
            for record in block.name_records() {
                std::hint::black_box(record);
            }
        }
    }
    assert!(file.starts_with(&raw), "the blocks are the beginning of the file");
    let mut frames = 0_u64;
    if let Ok(mut reader) = Reader::new(file) {
        while let Ok(Some(frame)) = reader.next_frame() {
            assert!(frame.data.len() <= file.len());
            frames += 1;
        }
        std::hint::black_box(reader.interfaces());
    }
    assert_eq!(frames, in_blocks);
    in_pieces(file, frames);
});

/// Pieces so short that blocks reach over several of them.
fn in_pieces(file: &[u8], frames: u64) {
    let path = std::env::temp_dir().join(format!("vxdump-fuzz-{}", std::process::id()));
    std::fs::write(&path, file).expect("the folder for temporary files can be written to");
    let pieces = Pieces::open(&path);
    let _ = std::fs::remove_file(&path);
    let Ok(Some(pieces)) = pieces else { return };
    let pieces = pieces.of_len(64);
    let (mut piece, mut in_pieces) = (Piece::default(), 0);
    for number in 0..pieces.count() {
        let _ = pieces.read(number, &mut piece);
        in_pieces += piece.frames().count() as u64;
    }
    assert_eq!(in_pieces, frames);
}
