//! Reads a capture file block by block and frame by frame: the blocks are the file, and both ways see the same frames.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vxcap::file::{BlockReader, Reader};

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
});
