//! Writes seeds for the fuzz targets, made of capture files: `seed CORPUS FILE...`.
//!
//! `CORPUS/decode` gets frames, `CORPUS/reassemble` the fragments of each file in their order,
//! `CORPUS/read` and `CORPUS/program` the beginnings of the files themselves, `CORPUS/map` the map
//! files that are named among them.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use vxcap::file::Reader;
use vxlan::LinkType;

/// More frames of a file teach the fuzzer nothing.
const MOST_FRAMES: usize = 200;
const LONGEST_FRAME: usize = 1600;
/// So much of a file is a seed.
const LONGEST_FILE: usize = 4000;

/// The number by which the target `decode` knows a link type.
fn number(link_type: LinkType) -> u8 {
    match link_type {
        LinkType::ETHERNET => 0,
        LinkType::LINUX_SLL => 1,
        LinkType::LINUX_SLL2 => 2,
        LinkType::RAW => 3,
        LinkType::NULL => 4,
        LinkType::LOOP => 5,
        LinkType::IPV4 => 6,
        LinkType::IPV6 => 7,
        LinkType(other) => other as u8,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let corpus = arguments.next().ok_or("usage: seed CORPUS FILE...")?;
    let corpus = Path::new(&corpus);
    for target in ["decode", "reassemble", "read", "program", "map"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    for path in arguments {
        let path = Path::new(&path);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(path)?;
        let start = &bytes[..bytes.len().min(LONGEST_FILE)];
        let Ok(mut reader) = Reader::open(path) else {
            fs::write(corpus.join("map").join(&name), start)?;
            continue;
        };
        fs::write(corpus.join("read").join(&name), start)?;
        fs::write(corpus.join("program").join(&name), [&[0], start].concat())?;
        let (mut shapes, mut fragments) = (BTreeSet::new(), Vec::new());
        let mut number_of_frame = 0;
        // a cut file is a seed, too: what could be read of it
        while let Ok(Some(frame)) = reader.next_frame() {
            number_of_frame += 1;
            if number_of_frame > MOST_FRAMES || frame.data.len() > LONGEST_FRAME {
                continue;
            }
            let packet = vxlan::decode(frame.data, frame.link_type);
            if packet.outer.fragment().is_some() && frame.link_type == LinkType::ETHERNET {
                let units = frame.data.len().div_ceil(8);
                fragments.extend([units as u8, 1]);
                fragments.extend_from_slice(frame.data);
                // padding up to whole units
                fragments.resize(fragments.len() + units * 8 - frame.data.len(), 0);
            }
            // one of each length and protocol is enough
            if shapes.insert((frame.data.len(), packet.inner.protocol())) {
                let cut = (frame.orig_len as usize).saturating_sub(frame.data.len()) as u16;
                let [high, low] = cut.to_be_bytes();
                let seed = [&[number(frame.link_type), 0, high, low], frame.data].concat();
                fs::write(corpus.join("decode").join(format!("{name}-{number_of_frame}")), seed)?;
            }
        }
        if !fragments.is_empty() {
            fs::write(corpus.join("reassemble").join(&name), fragments)?;
        }
    }
    Ok(())
}
