//! Pieces of JSON objects (RFC 8259), for all commands that print them.

use podmap::{Kind, Owner};

use super::put;

/// Who has an address.
pub(crate) fn owner(out: &mut Vec<u8>, owner: Owner<'_>) {
    put::text(out, "{\"kind\":\"");
    put::text(out, owner.kind().as_str());
    out.push(b'"');
    if !matches!(owner.kind(), Kind::External | Kind::Unknown) {
        if let Some(cidr) = owner.cidr() {
            put::text(out, ",\"cidr\":\"");
            put::address(out, cidr.address());
            out.push(b'/');
            put::decimal(out, cidr.prefix_len().into());
            out.push(b'"');
        }
        let members = [
            ("node", owner.node()),
            ("namespace", owner.namespace()),
            ("pod", owner.pod()),
            ("service", owner.service()),
        ];
        for (key, value) in members {
            if let Some(value) = value {
                key_of(out, key);
                string(out, value);
            }
        }
    }
    out.push(b'}');
}

/// `,"key":`
pub(crate) fn key_of(out: &mut Vec<u8>, key: &str) {
    put::text(out, ",\"");
    put::text(out, key);
    put::text(out, "\":");
}

/// `,"key":number`
pub(crate) fn member(out: &mut Vec<u8>, key: &str, number: impl Into<u64>) {
    key_of(out, key);
    put::decimal(out, number.into());
}

/// A JSON string (RFC 8259 section 7).
pub(crate) fn string(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    for byte in value.bytes() {
        match byte {
            b'"' => put::text(out, "\\\""),
            b'\\' => put::text(out, "\\\\"),
            0..=0x1f | 0x7f => {
                put::text(out, "\\u00");
                put::hex_bytes(out, &[byte]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
