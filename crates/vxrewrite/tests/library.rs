//! The library without the program: what is handed in decides, watches and ends a run.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use vxcap::file::BlockReader;
use vxlan::{Decoder, Packet};
use vxrewrite::{Error, Pipeline, Report, Select, SelectError, Sinks, Split};

/// A pcap file of so many packets, each a TCP SYN in VXLAN with the VNI 1, or the same frame cut
/// before the tunnel.
fn capture(packets: usize) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    file.extend([1, 0, 0, 0]);
    for number in 0..packets {
        let frame = vxlan::example::SYN;
        let frame = if number % 2 == 0 { frame } else { &frame[..30] };
        let len = u32::try_from(frame.len()).unwrap().to_le_bytes();
        file.extend([[10, 0, 0, 0], [7, 0, 0, 0], len, len].concat());
        file.extend(frame);
    }
    file
}

fn run(pipeline: Pipeline<'_>, file: &[u8]) -> Result<(Report, Vec<u8>), Error> {
    pipeline.run(vec![BlockReader::new(file).unwrap()], Vec::new())
}

#[test]
fn a_closure_selects() {
    let file = capture(10);
    let in_tunnel = |packet: &Packet<'_>| packet.tunnel.is_some();
    let (report, out) = run(Pipeline::new().select(in_tunnel), &file).unwrap();
    assert_eq!((report.read, report.written), (10, 5));
    let (_, same) = run(Pipeline::new().tunnel_only(), &file).unwrap();
    assert_eq!(out, same);
}

#[test]
fn a_selection_that_fails_ends_the_run_with_its_error() {
    struct Fails;
    impl Select for Fails {
        fn wants_packet(
            &mut self,
            _: &Packet<'_>,
            _: &Decoder,
            _: u32,
        ) -> Result<bool, SelectError> {
            Err("no such network".into())
        }
    }
    let error = run(Pipeline::new().select(Fails), &capture(1)).unwrap_err();
    assert!(matches!(error, Error::Select(_)), "{error:?}");
    assert_eq!(error.to_string(), "no such network");
}

#[test]
fn an_observer_sees_the_progress_and_ends_the_run() {
    let file = capture(40_000);
    let mut seen = Vec::new();
    let observer = |progress: vxrewrite::Progress| {
        assert_eq!(progress.total, None); // a reader of bytes has no length
        seen.push(progress.packets);
        if seen.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let error = run(Pipeline::new().observe(observer), &file).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error:?}");
    assert_eq!(seen, [16_384, 32_768]);
}

/// Files in memory.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Sinks for Files {
    type Sink = Vec<u8>;

    fn create(&mut self, _key: Option<&str>) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn reopen(&mut self, key: Option<&str>) -> io::Result<Vec<u8>> {
        Ok(self.0.remove(key.unwrap_or_default()).unwrap_or_default())
    }

    fn close(&mut self, key: Option<&str>, sink: Vec<u8>) -> io::Result<()> {
        self.0.insert(key.unwrap_or_default().to_owned(), sink);
        Ok(())
    }

    fn name(&self, key: Option<&str>) -> String {
        key.unwrap_or_default().to_owned()
    }
}

#[test]
fn a_split_fills_an_output_for_each_key() {
    let file = capture(4);
    let reader = BlockReader::new(file.as_slice()).unwrap();
    let (report, files) =
        Pipeline::new().split(Split::Vni).run_split(vec![reader], Files::default()).unwrap();
    assert_eq!(report.written, 4);
    assert_eq!(files.0.keys().collect::<Vec<_>>(), ["no-vni", "vni1"]);
    let (_, in_tunnel) = run(Pipeline::new().tunnel_only(), &file).unwrap();
    assert_eq!(files.0["vni1"], in_tunnel);
}
