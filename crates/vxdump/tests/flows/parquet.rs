//! Parquet, judged by Arrow's own reader: pyarrow.

use serde_json::Value;
use vxtest::{Folder, python};

use crate::program::{bundled, flows, run};

/// Prints the columns' types, and then each row as our JSON has it.
const READER: &str = r#"
import json, sys, datetime
import pyarrow, pyarrow.parquet
table = pyarrow.parquet.read_table(sys.argv[1])
print("; ".join(f"{f.name} {f.type}{'' if f.nullable else '!'}" for f in table.schema))
def time(ns):
    return datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + ".%09dZ" % (ns % 10**9)
for name in ["first", "last"]:
    at = table.schema.get_field_index(name)
    numbers = table.column(name).cast(pyarrow.int64()).to_pylist()
    table = table.set_column(at, name, pyarrow.array([time(ns) for ns in numbers], pyarrow.string()))
for row in table.to_pylist():
    print(json.dumps({key: value for key, value in row.items() if value is not None}))
"#;

/// The types of the columns and the rows, as pyarrow reads them.
fn read(file: &[u8]) -> Option<(String, Vec<Value>)> {
    let folder = Folder::new();
    let path = folder.file("flows.parquet");
    std::fs::write(&path, file).expect("a file");
    let text = python("pyarrow", READER, &[path.to_str().expect("a name in UTF-8")])?;
    let (types, rows) = text.split_once('\n').expect("lines");
    let rows = rows.lines().map(|line| serde_json::from_str(line).expect("an object"));
    Some((types.to_owned(), rows.collect()))
}

/// A row with its fractions in whole millionths of their unit, as readers of JSON round the last
/// digit differently.
fn rounded(mut row: Value) -> Value {
    for key in ["duration", "rtt_ms", "rtt_max_ms"] {
        if let Some(number) = row.get(key).and_then(Value::as_f64) {
            row[key] = format!("{number:.6}").into();
        }
    }
    row
}

/// The types of the first columns of flows; new ones come behind these.
const TYPES: &str = "first timestamp[ns, tz=UTC]!; last timestamp[ns, tz=UTC]!; duration double; vni int32; \
     protocol string; src string; sport int32; dst string; dport int32; src_node string; dst_node string; \
     src_name string; dst_name string; vtep_src string; vtep_dst string; packets int64!; bytes int64!; \
     rev_packets int64!; rev_bytes int64!; state string; tcp_flags string; rev_tcp_flags string; rtt_ms double; \
     retransmits int64; rev_retransmits int64";

/// The rows are those of JSON: flows of both families, without tunnel and with, sums of each kind,
/// and none at all.
#[test]
fn pyarrow_reads_the_rows_of_json() {
    let captures =
        ["mesh-n1-all.pcapng", "v6-n1-eth0.pcap", "underlay-mix-n1-eth0.pcap", "dns-n1-eth0.pcap"];
    let map = format!("{}/../../testdata/maps/nodes.json", env!("CARGO_MANIFEST_DIR"));
    for capture in captures {
        let path = bundled(capture);
        let name = path.to_str().expect("a name in UTF-8");
        for by in ["flow", "pod", "node", "vni", "vtep", "service"] {
            let arguments = ["--map", &map, "--by", by, "--sort", "bytes"];
            let output = run(&[&["-r", name, "--format", "parquet"], &arguments[..]].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let Some((types, rows)) = read(&output.stdout) else { return };
            if by == "flow" {
                assert!(types.starts_with(TYPES), "{types}");
            }
            let theirs: Vec<Value> = rows.into_iter().map(rounded).collect();
            let ours: Vec<Value> = flows(&path, &arguments).into_iter().map(rounded).collect();
            assert!(!ours.is_empty());
            assert_eq!(theirs, ours, "{capture} by {by}");
        }
    }
    let path = bundled("ping-n1-eth0.pcap");
    let name = path.to_str().expect("a name in UTF-8");
    let output = run(&["-r", name, "--format", "parquet", "--vni", "77"]);
    let (types, rows) = read(&output.stdout).expect("pyarrow, as before");
    assert!(types.starts_with(TYPES) && rows.is_empty(), "{types}: {rows:?}");
}

/// What can be read of a damaged file is a whole Parquet file, and the status says that something
/// is missing.
#[test]
fn of_a_damaged_file() {
    let path = bundled("ping-n1-eth0.cut.pcap");
    let name = path.to_str().expect("a name in UTF-8");
    let output = run(&["-r", name, "--format", "parquet"]);
    assert_eq!(output.status.code(), Some(1));
    let Some((_, rows)) = read(&output.stdout) else { return };
    let ours: Vec<Value> = flows(&path, &[]).into_iter().map(rounded).collect();
    assert_eq!(rows.into_iter().map(rounded).collect::<Vec<_>>(), ours);
}

/// Binary data would garble a terminal.
#[test]
fn no_terminal() {
    let mut terminal = vxdump::Terminal::of_streams("vxdump", std::io::sink(), std::io::sink());
    terminal.out_is_terminal = true;
    let path = bundled("ping-n1-eth0.pcap");
    let name = path.to_str().expect("a name in UTF-8");
    let status = |format: &str, terminal: &mut _| {
        let arguments = ["vxdump", "flows", "-r", name, "--format", format];
        vxdump::run(arguments.map(Into::into), terminal)
    };
    assert_eq!(status("csv", &mut terminal), 0);
    assert_eq!(status("parquet", &mut terminal), 2);
}
