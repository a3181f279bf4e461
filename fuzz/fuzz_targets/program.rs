//! Prints a capture file with the whole program: text in several forms, JSON, CSV, flows. What
//! comes out is what a terminal and a reader of JSON can take.
//!
//! Input: a byte that chooses the form, then the file.

#![no_main]

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;

const FORMS: [&[&str]; 10] = [
    &["-tt"],
    &["-tt", "-e", "-v"],
    &["-tt", "-vvv", "-XX"],
    &["-tt", "-q", "-S", "-A"],
    &["-ttttt", "-x", "--nano"],
    &["--format", "json"],
    &["--format", "csv"],
    &["--tunnel-port", "8472", "--tunnel-port", "6081=geneve", "--format", "json"],
    &["flows", "--format", "json", "--max-flows", "5", "--threads", "1"],
    &["flows", "--by", "service", "--once", "--idle-timeout", "1", "--threads", "1"],
];

#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, file)) = input.split_first() else { return };
    let path = std::env::temp_dir().join(format!("vxdump-fuzz-{}", std::process::id()));
    if std::fs::write(&path, file).is_err() {
        return;
    }
    let out = Kept::default();
    let mut terminal = vxdump::Terminal::of_streams("vxdump", out.clone(), io::sink());
    let form = FORMS[usize::from(choice) % FORMS.len()];
    let path = path.display().to_string();
    let args = ["vxdump"].into_iter().chain(form.iter().copied()).chain(["-r", &path]);
    let status = vxdump::run(args.map(Into::into), &mut terminal);
    assert!(status <= 2);
    let out = out.0.borrow();
    let harmless = |byte: &u8| matches!(byte, b'\n' | b'\t' | 0x20..=0x7e) || *byte >= 0x80;
    assert!(out.iter().all(harmless), "a control character came through");
    assert!(out.len() < 4096 + file.len() * 4096, "{} bytes of {}", out.len(), file.len());
});
