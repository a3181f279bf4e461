//! Runs the program in-process, and asks Wireshark's tools of its files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use vxrewrite::program::{self, Terminal};
use vxtest::{Outcome, has_tools, in_process, judge, references};

/// Runs `vxrewrite ARGS`.
pub(crate) fn vxrewrite<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Outcome {
    let args = std::iter::once("vxrewrite".into()).chain(args.into_iter().map(Into::into));
    in_process(|out, err| program::run(args, &mut Terminal::of_streams("vxrewrite", out, err)))
}

/// The reference captures.
pub(crate) fn captures() -> Option<PathBuf> {
    references("")
}

/// The reference captures, where Wireshark's tools can judge what is made of them.
pub(crate) fn judged_captures() -> Option<PathBuf> {
    captures().filter(|_| has_tools(&["tshark", "editcap", "mergecap", "capinfos"]))
}

/// Fields of each packet by tshark: one line a packet, the fields with `;` between.
pub(crate) fn tshark(file: &Path, options: &[&str], fields: &[&str]) -> Vec<String> {
    let mut args = vec!["-n", "-r", arg(file), "-T", "fields", "-E", "separator=;"];
    args.extend(options);
    for field in fields {
        args.extend(["-e", field]);
    }
    judge("tshark", args).lines().map(str::to_owned).collect()
}

/// Time in nanoseconds, original length and bytes of each packet of a capture.
pub(crate) fn packets(path: &Path) -> Vec<(i64, u32, Vec<u8>)> {
    let mut reader = vxcap::file::Reader::open(path).unwrap();
    let mut packets = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        packets.push((frame.time.nanos(), frame.orig_len, frame.data.to_vec()));
    }
    packets
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}
