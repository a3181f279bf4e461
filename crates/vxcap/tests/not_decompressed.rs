//! A compressed file whose feature is off: the error says so.

use std::io::Cursor;

use vxcap::file::{Compression, Input};

#[test]
fn the_feature_that_is_off_is_named() {
    for (compression, magic, is_on) in [
        (Compression::Gzip, [0x1f, 0x8b, 8, 0], cfg!(feature = "gzip")),
        (Compression::Zstd, [0x28, 0xb5, 0x2f, 0xfd], cfg!(feature = "zstd")),
        (Compression::Lz4, [4, 0x22, 0x4d, 0x18], cfg!(feature = "lz4")),
    ] {
        match Input::new(Cursor::new(magic)) {
            Ok(input) => assert!(is_on && input.compression() == compression),
            Err(error) => {
                let message = error.to_string();
                let named = message.contains(&format!("compressed with {compression}"))
                    && message.contains(&format!("feature `{compression}`"));
                assert!(!is_on && named, "{message}");
            }
        }
    }
}
