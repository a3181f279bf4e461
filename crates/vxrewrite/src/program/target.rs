//! Output files: compressed by their ending, written under another name and renamed when they are
//! complete.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use vxcap::write;
use vxcli::is_same_file;

use super::behind::Behind;
use crate::{OutputFormat, Sinks};

/// Endings of compressed files.
const COMPRESSED: [(&str, Compression); 3] =
    [("gz", Compression::Gzip), ("zst", Compression::Zstd), ("lz4", Compression::Lz4)];
/// Endings of capture files, with their format.
const FORMATS: [(&str, OutputFormat); 4] = [
    ("pcap", OutputFormat::Pcap),
    ("cap", OutputFormat::Pcap),
    ("pcapng", OutputFormat::Pcapng),
    ("ntar", OutputFormat::Pcapng),
];

/// How many symbolic links are followed (Linux: `MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Gzip,
    Zstd,
    Lz4,
}

/// The output file or files, or standard output.
pub(crate) struct Target<'t> {
    out: PathBuf,
    compression: Option<Compression>,
    stdout: Option<&'t mut dyn Write>,
    /// Files that are read, and so must not be written.
    read: &'t [PathBuf],
    /// The temporary names of the files that are written, by their final names.
    parts: HashMap<PathBuf, PathBuf>,
}

impl<'t> Target<'t> {
    /// `read`: files that are read. `stdout` is used where OUT is `-`.
    pub(crate) fn new(out: &Path, read: &'t [PathBuf], stdout: &'t mut dyn Write) -> Self {
        let is_stdout = out.as_os_str() == "-";
        Self {
            out: out.to_owned(),
            compression: compression(out),
            stdout: is_stdout.then_some(stdout),
            read,
            parts: HashMap::new(),
        }
    }

    /// Gives all files their final names.
    pub(crate) fn commit(mut self) -> Result<(), (PathBuf, io::Error)> {
        let parts = std::mem::take(&mut self.parts);
        let mut rest = parts.into_iter();
        for (place, part) in rest.by_ref() {
            if let Err(error) = fs::rename(&part, &place) {
                // dropping removes what has no final name
                self.parts = rest.collect();
                self.parts.insert(place.clone(), part);
                return Err((place, error));
            }
        }
        Ok(())
    }

    /// OUT with a key before its ending.
    fn place(&self, key: Option<&str>) -> PathBuf {
        let Some(key) = key else { return self.out.clone() };
        let name = self.out.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (stem, ending) = split_ending(&name);
        self.out.with_file_name(format!("{stem}-{key}{ending}"))
    }

    /// Makes the file that becomes `place`.
    fn create_part(&mut self, place: PathBuf) -> io::Result<File> {
        let place = behind_links(place)?;
        if self.read.iter().any(|file| is_same_file(file, &place)) {
            return Err(io::Error::other("is read at the same time: give -w another name"));
        }
        match fs::metadata(&place) {
            Ok(there) if there.is_dir() => {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder"));
            }
            // pipes and devices are written to directly
            Ok(there) if !there.is_file() => {
                return OpenOptions::new().write(true).open(&place);
            }
            _ => {}
        }
        let mut name = OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        let part = place.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&part)?;
        if let Ok(there) = fs::metadata(&place) {
            if there.permissions().readonly() {
                let _ = fs::remove_file(&part);
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "is read-only"));
            }
            // a replaced file keeps its permissions; where that fails, those of a new file will do
            let _ = file.set_permissions(there.permissions());
        }
        self.parts.insert(place, part);
        Ok(file)
    }
}

/// Follows symbolic links to their end, where nothing may be yet.
fn behind_links(mut place: PathBuf) -> io::Result<PathBuf> {
    for _ in 0..MOST_LINKS {
        // what exists need not have a name, as a pipe behind /dev/stdout
        if fs::metadata(&place).is_ok() {
            return Ok(fs::canonicalize(&place).unwrap_or(place));
        }
        match fs::read_link(&place) {
            // `join` with an absolute name gives that name
            Ok(next) => place = place.parent().map_or_else(|| next.clone(), |at| at.join(&next)),
            Err(_) => return Ok(place),
        }
    }
    Err(io::Error::other("too many symbolic links, or a circle of them"))
}

impl<'t> Sinks for Target<'t> {
    type Sink = Sink<'t>;

    fn create(&mut self, key: Option<&str>) -> io::Result<Sink<'t>> {
        if let Some(stdout) = self.stdout.take() {
            return Ok(Sink::Here(Compressed::new(stdout, self.compression)?));
        }
        let file = self.create_part(self.place(key))?;
        let file = Compressed::new(file, self.compression)?;
        // a thread for each of many files would be too many
        Ok(if key.is_none() { Sink::Behind(Behind::new(file)) } else { Sink::File(file) })
    }

    fn reopen(&mut self, key: Option<&str>) -> io::Result<Sink<'t>> {
        let place = behind_links(self.place(key))?;
        // pipes and devices have no part
        let Some(part) = self.parts.get(&place) else { return self.create(key) };
        let file = OpenOptions::new().append(true).open(part)?;
        Ok(Sink::File(Compressed::new(file, self.compression)?))
    }

    fn close(&mut self, _key: Option<&str>, sink: Sink<'t>) -> io::Result<()> {
        match sink {
            Sink::Here(sink) => sink.finish(),
            Sink::File(sink) => sink.finish(),
            Sink::Behind(sink) => sink.finish()?.finish(),
        }
    }

    fn name(&self, key: Option<&str>) -> String {
        match self.out.as_os_str() {
            out if out == "-" => "standard output".to_owned(),
            _ => self.place(key).display().to_string(),
        }
    }
}

impl Drop for Target<'_> {
    /// Removes the files that did not get their final names.
    fn drop(&mut self) {
        for part in self.parts.values() {
            let _ = fs::remove_file(part);
        }
    }
}

/// The sink of an output.
pub(crate) enum Sink<'t> {
    /// Standard output.
    Here(Compressed<&'t mut dyn Write>),
    /// One of several files.
    File(Compressed<File>),
    /// The only file. A thread of its own compresses and writes it.
    Behind(Behind<Compressed<File>>),
}

/// A writer that compresses, or not.
pub(crate) enum Compressed<W: Write> {
    Not(W),
    Gzip(Box<flate2::write::GzEncoder<W>>),
    Zstd(Box<zstd::Encoder<'static, W>>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<W>>),
}

impl<W: Write> Compressed<W> {
    fn new(sink: W, compression: Option<Compression>) -> io::Result<Self> {
        Ok(match compression {
            None => Self::Not(sink),
            Some(Compression::Gzip) => {
                let level = flate2::Compression::default();
                Self::Gzip(Box::new(flate2::write::GzEncoder::new(sink, level)))
            }
            Some(Compression::Zstd) => {
                let level = zstd::DEFAULT_COMPRESSION_LEVEL;
                let mut encoder = zstd::Encoder::new(sink, level)?;
                // without a checksum, a flipped bit may go unnoticed when the file is decompressed
                encoder.include_checksum(true)?;
                Self::Zstd(Box::new(encoder))
            }
            Some(Compression::Lz4) => {
                let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
                Self::Lz4(Box::new(lz4_flex::frame::FrameEncoder::with_frame_info(info, sink)))
            }
        })
    }

    /// Ends the compressed stream.
    fn finish(self) -> io::Result<()> {
        let mut sink = match self {
            Self::Not(sink) => sink,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other)?,
        };
        sink.flush()
    }
}

impl<W: Write> Write for Compressed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Not(sink) => sink.write(bytes),
            Self::Gzip(sink) => sink.write(bytes),
            Self::Zstd(sink) => sink.write(bytes),
            Self::Lz4(sink) => sink.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Not(sink) => sink.flush(),
            Self::Gzip(sink) => sink.flush(),
            Self::Zstd(sink) => sink.flush(),
            Self::Lz4(sink) => sink.flush(),
        }
    }
}

impl write::Sink for Sink<'_> {
    fn take(&mut self, buffer: &mut Vec<u8>, from: usize) -> io::Result<usize> {
        match self {
            Self::Here(sink) => write::Sink::take(sink, buffer, from),
            Self::File(sink) => write::Sink::take(sink, buffer, from),
            Self::Behind(sink) => write::Sink::take(sink, buffer, from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Here(sink) => Write::flush(sink),
            Self::File(sink) => Write::flush(sink),
            Self::Behind(sink) => write::Sink::flush(sink),
        }
    }
}

/// The format that a file's ending names.
pub(crate) fn format(out: &Path) -> Option<OutputFormat> {
    let name = out.file_name()?.to_str()?;
    let name = match compression(out) {
        Some(_) => name.rsplit_once('.')?.0,
        None => name,
    };
    let (_, ending) = name.rsplit_once('.')?;
    FORMATS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, format)| *format)
}

/// Whether a file is written compressed, by its ending.
pub(crate) fn compresses(out: &Path) -> bool {
    compression(out).is_some()
}

fn compression(out: &Path) -> Option<Compression> {
    let ending = out.extension()?.to_str()?;
    let found = COMPRESSED.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
    found.map(|(_, compression)| *compression)
}

/// Splits a name into `pods` and `.pcapng.zst`: the ending is that of a format, of a compression,
/// or of both; else what follows the last dot.
fn split_ending(name: &str) -> (&str, &str) {
    let path = Path::new(name);
    let dot = name.rfind('.').filter(|&at| at > 0);
    let Some(dot) = dot else { return (name, "") };
    let at = match compression(path) {
        Some(_) => {
            let before = name.get(..dot).unwrap_or_default();
            match before.rfind('.').filter(|&at| at > 0) {
                Some(at) if format(path).is_some() => at,
                _ => dot,
            }
        }
        None => dot,
    };
    name.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_before_the_ending() {
        assert_eq!(split_ending("pods.pcapng.zst"), ("pods", ".pcapng.zst"));
        assert_eq!(split_ending("a.b.pcap"), ("a.b", ".pcap"));
        assert_eq!(split_ending("a.b.gz"), ("a.b", ".gz"));
        assert_eq!(split_ending("plain"), ("plain", ""));
        assert_eq!(split_ending(".hidden"), (".hidden", ""));
    }

    #[test]
    fn formats_follow_from_endings() {
        assert_eq!(format(Path::new("x/y.pcap.GZ")), Some(OutputFormat::Pcap));
        assert_eq!(format(Path::new("y.PcapNg")), Some(OutputFormat::Pcapng));
        assert_eq!(format(Path::new("y.dump")), None);
        assert_eq!(format(Path::new("-")), None);
    }
}
