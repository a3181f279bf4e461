//! With no action, what comes out is what went in.

use std::fs;
use std::io::Read;

use vxcap::file::Input;
use vxtest::{Folder, files_below};

use crate::harness::{arg, captures, vxrewrite};

#[test]
fn every_capture_is_identical() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out");
    let (mut whole, mut cut) = (0, 0);
    for path in files_below(&captures, &[]) {
        if matches!(path.extension().and_then(|e| e.to_str()), Some("csv" | "tsv" | "json" | "md"))
        {
            continue;
        }
        let Ok(mut input) = Input::open(&path) else { continue };
        let mut bytes = Vec::new();
        if input.read_to_end(&mut bytes).is_err() {
            continue;
        }
        let _ = fs::remove_file(&out);
        let run = vxrewrite(["-r", arg(&path), "-w", arg(&out)]);
        let name = path.display();
        match (run.status, fs::read(&out)) {
            (0, Ok(copy)) => {
                assert!(copy == bytes, "{name}");
                whole += 1;
            }
            (1, Ok(copy)) => {
                assert!(!copy.is_empty() && bytes.starts_with(&copy), "{name}");
                assert!(run.stderr.contains("at byte"), "{name}: {}", run.stderr);
                // what is there are whole packets: it can be read to its end
                let mut reader = vxcap::file::Reader::open(&out).unwrap();
                while reader.next_frame().unwrap_or_else(|e| panic!("{name}: {e}")).is_some() {}
                cut += 1;
            }
            (1, Err(_)) => assert!(!run.stderr.is_empty(), "{name}"),
            (status, _) => panic!("{name}: status {status}: {}", run.stderr),
        }
    }
    assert!(whole > 500 && cut > 10, "{whole} whole, {cut} cut");
}

/// A selection of everything goes the long way, and keeps everything.
#[test]
fn selecting_everything_keeps_everything() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let (out, verbatim) = (folder.file("out"), folder.file("verbatim"));
    for path in files_below(&captures.join("third-party/pcapng"), &[]) {
        for file in [&out, &verbatim] {
            let _ = fs::remove_file(file);
        }
        vxrewrite(["-r", arg(&path), "-w", arg(&verbatim)]);
        vxrewrite(["-r", arg(&path), "-w", arg(&out), "--snaplen", "4294967295"]);
        let (Ok(mut a), Ok(b)) = (fs::read(&verbatim), fs::read(&out)) else { continue };
        forget_section_lengths(&mut a);
        assert!(a == b, "{}", path.display());
    }
}

/// Sections tell their length; a rewriter that changes packets cannot.
fn forget_section_lengths(bytes: &mut [u8]) {
    let copy = bytes.to_vec();
    let Ok(mut reader) = vxcap::file::BlockReader::new(copy.as_slice()) else { return };
    while let Ok(Some(block)) = reader.next_block() {
        if let vxcap::file::Body::Section(_) = block.body {
            let at = block.offset as usize + 16;
            bytes[at..at + 8].copy_from_slice(&[0xff; 8]);
        }
    }
}

#[test]
fn a_selection_keeps_what_it_does_not_name() {
    let Some(captures) = captures() else { return };
    let file = captures.join("lab/variants/ping-n1-n2-merged.pcapng");
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "udp", "port", "8472"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    // every block that stayed is one of the input's, in order
    let (input, output) = (fs::read(&file).unwrap(), fs::read(&out).unwrap());
    let mut all = vxcap::file::BlockReader::new(input.as_slice()).unwrap();
    let mut kept = vxcap::file::BlockReader::new(output.as_slice()).unwrap();
    let mut packets = 0;
    while let Some(block) = kept.next_block().unwrap() {
        packets += u32::from(block.frame().is_some());
        loop {
            let next = all.next_block().unwrap().expect("a block of the input");
            if next.raw[..16] == block.raw[..16] && next.raw == block.raw || is_section(&next) {
                break;
            }
            assert!(next.frame().is_some(), "a block other than a packet's was left out");
        }
    }
    assert_eq!(packets, 40);
}

fn is_section(block: &vxcap::file::Block<'_>) -> bool {
    matches!(block.body, vxcap::file::Body::Section(_))
}
