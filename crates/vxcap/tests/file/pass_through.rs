//! The raw bytes of all blocks are the file, or what stands before its damage.

use std::io::Read;

use vxcap::file::{BlockReader, ByteOrder, Input};

use crate::references;
use crate::sample::{self, pass_through};

#[test]
fn hand_made_files_are_identical() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for file in [sample::small_pcap(order), sample::small_pcapng(order).0] {
            let (copy, _, error) = pass_through(BlockReader::new(file.as_slice()));
            assert!(error.is_none(), "{error:?}");
            assert_eq!(copy, file);
        }
    }
}

#[test]
fn reference_captures_are_identical() {
    let Some(folder) = vxtest::references("") else { return };
    let mut whole = 0;
    let mut damaged = 0;
    for path in references::captures(&folder) {
        let mut file = Vec::new();
        let mut input = Input::open(&path).unwrap();
        input.read_to_end(&mut file).expect("what is compressed is whole");
        let (copy, packets, error) = pass_through(BlockReader::open(&path));
        assert!(file.starts_with(&copy), "{}", path.display());
        if let Some(error) = error {
            damaged += 1;
            assert!(error.path() == Some(path.as_path()), "{error}");
            // damage lies where the blocks end, or the file was refused at its begin
            let offset = error.offset().unwrap_or(0) as usize;
            assert!(
                copy.is_empty() || offset == copy.len(),
                "{error}: {} bytes passed",
                copy.len()
            );
        } else {
            whole += 1;
            assert_eq!(copy.len(), file.len(), "{}", path.display());
        }
        let read = sample::read(&file).0.len();
        assert_eq!(read, packets, "{}", path.display());
    }
    assert!(whole > 450 && damaged > 10, "{whole} whole, {damaged} damaged");
}
