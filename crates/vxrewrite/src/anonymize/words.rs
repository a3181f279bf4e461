//! Addresses in texts, as in descriptions of interfaces.

use std::net::IpAddr;

use super::Anonymizer;

impl Anonymizer {
    /// A text with the addresses in it replaced.
    pub(super) fn text(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        for part in text.chunk_by(|a, b| may_be_address(*a) == may_be_address(*b)) {
            match self.word(part) {
                Some(new) => out.extend(new.into_bytes()),
                None => out.extend_from_slice(part),
            }
        }
        out
    }

    /// The replacement of a word, if it is an address, perhaps followed by a full stop or a colon.
    fn word(&mut self, word: &[u8]) -> Option<String> {
        let word = str::from_utf8(word).ok()?;
        let bare = word.trim_end_matches(['.', '-']);
        let bare = if bare.ends_with("::") { bare } else { bare.trim_end_matches(':') };
        let bare = match bare.rsplit_once(':') {
            // an IPv4 address with a port
            Some((v4, _)) if v4.contains('.') && !v4.contains(':') => v4,
            _ => bare,
        };
        let new = match (bare.parse::<IpAddr>(), mac(bare)) {
            (Ok(address), _) => self.address(address).to_string(),
            (_, Some(mac)) => vxlan::MacAddr(self.mac(mac)).to_string(),
            _ => return None,
        };
        Some(format!("{new}{}", word.get(bare.len()..)?))
    }
}

fn may_be_address(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || b":.-".contains(&byte)
}

/// A MAC address with colons or hyphens.
fn mac(text: &str) -> Option<[u8; 6]> {
    let separator = if text.contains('-') { '-' } else { ':' };
    let mut mac = [0; 6];
    let mut parts = text.split(separator);
    for place in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *place = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_texts_are_replaced() {
        let mut keys = Anonymizer::new(std::array::from_fn(|at| at as u8)).unwrap();
        let v4 = keys.address([10, 244, 1, 5].into());
        let v6 = keys.address("fd00:1::2".parse().unwrap());
        let mac = vxlan::MacAddr(keys.mac([2, 0x42, 0xac, 0x12, 0, 3]));
        for (text, expected) in [
            ("eth0 vni 1".to_owned(), "eth0 vni 1".to_owned()),
            ("uplink to 10.244.1.5.".into(), format!("uplink to {v4}.")),
            ("10.244.1.5:8472 (02:42:ac:12:00:03)".into(), format!("{v4}:8472 ({mac})")),
            ("02-42-AC-12-00-03, fd00:1::2/64".into(), format!("{mac}, {v6}/64")),
            ("Linux 5.10.0-8, facade:".into(), "Linux 5.10.0-8, facade:".into()),
        ] {
            assert_eq!(keys.text(text.as_bytes()), expected.into_bytes(), "{text}");
        }
    }
}
