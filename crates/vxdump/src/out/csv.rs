//! Fields of comma-separated values (RFC 4180), for all commands that print them.

use super::put;

/// Text that may need quotes.
pub(crate) fn field(out: &mut Vec<u8>, value: &str) {
    if value.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r')) {
        out.push(b'"');
        put::text(out, &value.replace('"', "\"\""));
        out.push(b'"');
    } else {
        put::text(out, value);
    }
}
