//! The readers of a map's sources: each kind of file is recognised by what stands in it.

mod cni;
mod etcd;
mod field;
mod flannel;
mod json;
mod kubectl;
mod lines;
mod node;
mod subnet_env;
mod tree;
mod workload;
mod yaml;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use crate::error::{Fault, quoted};
use crate::text::check_name;
use crate::{Builder, Cidr, MapError, NodeRef, SourceId};

/// The longest map file that is read, in bytes: 2 GiB. All pods of the largest cluster that
/// Kubernetes supports (150,000 pods; kubernetes.io, "Considerations for large clusters") are
/// about 1 GiB of JSON.
pub const MAX_FILE_LEN: u64 = 2 << 30;

/// What a reader took from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSummary {
    /// How many rows were added. A node or pod may give several, or none.
    pub rows: usize,
    /// How many objects of other kinds (`ConfigMap`, `Secret` …) were passed over, by kind. After
    /// 32 kinds the rest is counted as `other`.
    pub passed_over: BTreeMap<String, usize>,
}

/// How many kinds a [`FileSummary`] names.
const KINDS_MAX: usize = 32;

/// Where a reader puts rows: the builder, under one source.
struct Sink<'b> {
    builder: &'b mut Builder,
    source: SourceId,
    summary: FileSummary,
    /// The nodes' addresses that pods told: thirty pods tell the same.
    hosts: HashSet<(NodeRef, IpAddr)>,
}

impl Sink<'_> {
    fn pass_over(&mut self, kind: &str) {
        let known = self.summary.passed_over.len();
        let kind = if known < KINDS_MAX || self.summary.passed_over.contains_key(kind) {
            kind
        } else {
            "other"
        };
        *self.summary.passed_over.entry(kind.to_owned()).or_default() += 1;
    }
}

/// The kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Yaml,
    SubnetEnv,
    Etcd,
    Lines,
}

impl Builder {
    /// Reads a map file, whose kind is told from its content:
    ///
    /// - JSON or YAML as kubectl prints it (`kubectl get nodes -o json`), one object, a list, or
    ///   several documents: Node, Pod, Service, `EndpointSlice`, Endpoints, `ServiceCIDR`; of
    ///   Calico `IPAMBlock`, `BlockAffinity`, `IPPool` and its own Node; of Cilium `CiliumNode`.
    ///   Other kinds are counted and passed over;
    /// - flannel's `subnet.env`;
    /// - flannel's keys in etcd, as `etcdctl get --prefix /coreos.com/network` prints them;
    /// - plain lines, `#` starting a comment:
    ///
    /// | line | meaning |
    /// |---|---|
    /// | `10.244.1.0/24 NODE` | the podCIDR of a node |
    /// | `10.244.0.0/16 pod` | addresses of pods, of whichever node |
    /// | `10.96.0.0/12 svc` | addresses of services |
    /// | `172.18.0.0/16 node` | addresses of nodes |
    /// | `172.18.0.2 NODE`, `172.18.0.2 node:NODE` | a node's address |
    /// | `10.244.1.5 NS/POD`, `10.244.1.5 NS/POD@NODE` | a pod |
    /// | `10.96.0.10 svc:NS/NAME` | a service |
    /// | `10.244.1.0 vtep:NODE [MAC]` | a node's tunnel device |
    ///
    /// UTF-8, and UTF-16 with a byte order mark as `PowerShell` writes it.
    ///
    /// # Errors
    /// A [`MapError`] where the file cannot be read, is none of these, or has something in it that
    /// makes no sense. Then no row of it is added.
    pub fn read_file(&mut self, path: impl AsRef<Path>) -> Result<FileSummary, MapError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => self.read_from(&name, file),
            Err(cause) => Err(MapError::Io { file: name, cause }),
        }
    }

    /// Reads a map file from a stream, as [`Builder::read_file`]; `name` is what errors, warnings
    /// and rows call it.
    ///
    /// # Errors
    ///
    /// As [`Builder::read_file`].
    pub fn read_from(&mut self, name: &str, stream: impl Read) -> Result<FileSummary, MapError> {
        let mut bytes = Vec::new();
        stream
            .take(MAX_FILE_LEN + 1)
            .read_to_end(&mut bytes)
            .map_err(|cause| MapError::Io { file: name.to_owned(), cause })?;
        self.read_bytes(name, &bytes)
    }

    /// Reads a map file that is in memory, as [`Builder::read_file`]; `name` is what errors,
    /// warnings and rows call it.
    ///
    /// # Errors
    ///
    /// As [`Builder::read_file`].
    pub fn read_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<FileSummary, MapError> {
        let source = self.source(name);
        let result = self.read_into(source, bytes);
        if result.is_err() {
            self.sources.truncate(source.0 as usize);
        }
        result
    }

    /// Reads a map file that is in memory into an existing source. After [`Builder::forget`], the
    /// new content takes the place and the rank of the old one. Errors name the file by the
    /// source's label.
    ///
    /// # Errors
    ///
    /// As [`Builder::read_file`].
    pub fn read_into(&mut self, source: SourceId, bytes: &[u8]) -> Result<FileSummary, MapError> {
        let name = self.sources.get(source.0 as usize).cloned().unwrap_or_default();
        let name = name.as_str();
        if bytes.len() as u64 > MAX_FILE_LEN {
            return Err(MapError::TooLong { file: name.to_owned(), limit: MAX_FILE_LEN });
        }
        let text = decode(bytes).map_err(|fault| fault.in_file(name))?;
        let format = recognise(&text)
            .map_err(|what| MapError::Unrecognised { file: name.to_owned(), what })?;

        let rows_before = self.rows.len();
        let mut sink =
            Sink { builder: self, source, summary: FileSummary::default(), hosts: HashSet::new() };
        let result = match format {
            Format::Json => json::read(&text, |top| kubectl::document(&mut sink, top)),
            Format::Yaml => yaml::read(&text, |top| kubectl::document(&mut sink, top)),
            Format::SubnetEnv => subnet_env::read(&mut sink, &text),
            Format::Etcd => etcd::read(&mut sink, &text),
            Format::Lines => lines::read(&mut sink, &text),
        };
        let mut summary = sink.summary;
        if let Err(fault) = result {
            self.rows.truncate(rows_before);
            return Err(fault.in_file(name));
        }
        summary.rows = self.rows.len() - rows_before;
        if summary.rows == 0 {
            self.barren.push(source);
        }
        Ok(summary)
    }
}

/// The file as text without a byte order mark.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let wide = |of: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes.chunks(2).map(|unit| match *unit {
            [a, b] => of([a, b]),
            // half a unit at the end cannot be read
            _ => 0xfffd,
        });
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => Ok(Cow::Owned(wide(u16::from_le_bytes, rest))),
        [0xfe, 0xff, rest @ ..] => Ok(Cow::Owned(wide(u16::from_be_bytes, rest))),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        Fault::line(line, "this is not text: bytes that are not UTF-8")
    })
}

/// Tells the kind of file by its first line that says anything.
fn recognise(text: &str) -> Result<Format, String> {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .ok_or("empty, or nothing but comments")?;
    let word = line.split_whitespace().next().unwrap_or_default();
    let key = word.split_once(['=', ':']).map_or("", |(key, _)| key);
    let is_word = |key: &str| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/\"'".contains(&b))
    };
    if line.starts_with(['{', '[']) {
        Ok(Format::Json)
    } else if line.starts_with("FLANNEL_") && line.contains('=') {
        Ok(Format::SubnetEnv)
    } else if line.starts_with('/') && line.contains("/network/") {
        Ok(Format::Etcd)
    } else if word.parse::<IpAddr>().is_ok() || Cidr::parse_interface(word).is_ok() {
        Ok(Format::Lines)
    } else if matches!(word, "---" | "-" | "%YAML" | "%TAG")
        || (is_word(key) && word.ends_with(':'))
    {
        Ok(Format::Yaml)
    } else if word.starts_with(|c: char| c.is_ascii_hexdigit()) && word.contains(['.', '/', ':']) {
        // a mistyped first address: the reader of lines says what is wrong with it
        Ok(Format::Lines)
    } else {
        Err(format!(
            "starts with {}, which is neither kubectl's JSON or YAML, nor flannel's subnet.env, nor \
             lines of the form CIDR NAME",
            quoted(line)
        ))
    }
}

/// The name, if it can be one.
fn checked(name: &str) -> Result<&str, String> {
    check_name(name).map_err(|reason| format!("{} is not a name: {reason}", quoted(name)))?;
    Ok(name)
}
