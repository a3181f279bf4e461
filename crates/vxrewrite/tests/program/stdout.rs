//! What the program prints on stdout, where it cannot be written to.

use std::io::{self, Write};

use vxrewrite::program::{self, Terminal};

/// Refuses every byte.
struct Refuses(io::ErrorKind);

impl Write for Refuses {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_cannot_be_printed_has_status_1_and_a_closed_pipe_0() {
    for args in [vec!["--help"], vec!["--version"], vec!["--man"], vec!["--completions", "bash"]] {
        for (kind, status) in [(io::ErrorKind::StorageFull, 1), (io::ErrorKind::BrokenPipe, 0)] {
            let mut terminal = Terminal::of_streams("vxrewrite", Refuses(kind), io::sink());
            let args = ["vxrewrite"].iter().chain(&args).map(Into::into);
            assert_eq!(program::run(args, &mut terminal), status, "{kind}");
        }
    }
}
