//! Appends numbers and addresses to a byte buffer by hand: std's formatting costs several times as
//! much a packet.

use std::net::IpAddr;

/// Digits of hexadecimal numbers.
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Every number of one byte in decimal: its digits, then how many they are.
const DECIMAL_BYTES: [[u8; 4]; 256] = {
    let mut table = [[0; 4]; 256];
    let mut number = 0;
    while number < 256 {
        let (hundreds, tens, ones) = (
            b'0' + (number / 100) as u8,
            b'0' + (number / 10 % 10) as u8,
            b'0' + (number % 10) as u8,
        );
        table[number] = match number {
            0..10 => [ones, 0, 0, 1],
            10..100 => [tens, ones, 0, 2],
            _ => [hundreds, tens, ones, 3],
        };
        number += 1;
    }
    table
};

/// Every number of one byte in decimal with a point behind it.
const DOTTED_BYTES: [[u8; 4]; 256] = {
    let mut table = [[0; 4]; 256];
    let mut number = 0;
    while number < 256 {
        let [a, b, c, len] = DECIMAL_BYTES[number];
        table[number] = [a, b, c, b'.'];
        table[number][len as usize] = b'.';
        number += 1;
    }
    table
};

/// Appends text.
#[inline]
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a number in decimal.
#[inline]
pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    match u32::try_from(number) {
        Ok(number) if number < 256 => {
            let [a, b, c, len] = DECIMAL_BYTES[number as usize];
            short(out, [a, b, c, 0], usize::from(len));
        }
        Ok(number) if number < 100_000_000 => up_to_8_digits(out, number),
        _ => many_digits(out, number),
    }
}

/// A number of at most eight digits, without leading zeros; not 0.
fn up_to_8_digits(out: &mut Vec<u8>, number: u32) {
    let digits = eight_digits(number);
    let zeros = (digits & 0x0f0f_0f0f_0f0f_0f0f).trailing_zeros() / 8;
    short(out, (digits >> (8 * zeros)).to_le_bytes(), 8 - zeros as usize);
}

/// A number of more digits.
fn many_digits(out: &mut Vec<u8>, number: u64) {
    decimal(out, number / 100_000_000);
    out.extend_from_slice(&eight_digits((number % 100_000_000) as u32).to_le_bytes());
}

/// The eight decimal digits of a number below 100,000,000 as text, the first digit in the lowest
/// byte.
///
/// The number is halved three times, at 4, 2 and 1 digits, all parts of a step side by side in one
/// word; a division by a constant is a multiplication and a shift that is exact for parts of that
/// size.
#[inline]
pub(crate) fn eight_digits(number: u32) -> u64 {
    let number = u64::from(number);
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | (twos - 10 * tens) << 8) | 0x3030_3030_3030_3030
}

/// Appends the first `len` of `bytes`. All are appended and the rest is taken back: a copy of
/// constant length is a few instructions, and one of any length is a call.
#[inline]
pub(crate) fn short<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N], len: usize) {
    let end = out.len() + len;
    out.extend_from_slice(&bytes);
    out.truncate(end);
}

/// Appends a number in decimal, with leading zeros up to `width` digits.
pub(crate) fn zero_padded(out: &mut Vec<u8>, number: u64, width: usize) {
    let start = out.len();
    decimal(out, number);
    let digits = out.len() - start;
    for _ in digits..width {
        out.insert(start, b'0');
    }
}

/// Appends a number in hexadecimal, without prefix, with leading zeros up to `width` digits.
pub(crate) fn hexadecimal(out: &mut Vec<u8>, number: u32, width: u32) {
    let needed = (32 - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..needed.max(width)).rev() {
        let shift = digit * 4;
        let nibble = if shift < 32 { number >> shift & 15 } else { 0 };
        out.push(HEX[nibble as usize]);
    }
}

/// Appends bytes, two digits each.
pub(crate) fn hex_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Appends an IPv4 address.
#[inline]
pub(crate) fn ipv4(out: &mut Vec<u8>, address: [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(&[0; 16]);
    let mut len = 0;
    // Each octet goes where it belongs at once: put together on the stack and copied from there,
    // the wide load would wait for the narrow stores before it.
    if let Some(room) = out.last_chunk_mut::<16>() {
        for octet in address {
            let octet = usize::from(octet);
            if let Some(place) = room.get_mut(len..len + 4) {
                place.copy_from_slice(&DOTTED_BYTES[octet]);
            }
            len += 2 + usize::from(octet > 9) + usize::from(octet > 99);
        }
    }
    // but the last point
    out.truncate(start + len - 1);
}

/// Appends an IPv6 address as RFC 5952 has it.
pub(crate) fn ipv6(out: &mut Vec<u8>, address: [u8; 16]) {
    let group = |at: usize| u16::from_be_bytes([address[2 * at], address[2 * at + 1]]);
    // the first of the longest runs of at least two zero groups becomes `::`
    let (mut run_start, mut run_len) = (8, 1);
    let mut at = 0;
    while at < 8 {
        let len = (at..8).take_while(|&i| group(i) == 0).count();
        if len > run_len {
            (run_start, run_len) = (at, len);
        }
        at += len.max(1);
    }
    let embedded = match (run_start, run_len) {
        // ::ffff:1.2.3.4 and, as the C library has it, the deprecated ::1.2.3.4
        (0, 5) if group(5) == 0xffff => Some("::ffff:"),
        (0, 6) => Some("::"),
        _ => None,
    };
    if let Some(prefix) = embedded {
        text(out, prefix);
        return ipv4(out, [address[12], address[13], address[14], address[15]]);
    }
    let mut at = 0;
    while at < 8 {
        if at == run_start {
            text(out, "::");
            at += run_len;
            continue;
        }
        if at > 0 && at != run_start + run_len {
            out.push(b':');
        }
        hexadecimal(out, u32::from(group(at)), 1);
        at += 1;
    }
}

/// Appends an address of either kind.
#[inline]
pub(crate) fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => ipv4(out, address.octets()),
        IpAddr::V6(address) => ipv6(out, address.octets()),
    }
}

/// Appends a MAC address.
#[inline]
pub(crate) fn mac(out: &mut Vec<u8>, address: [u8; 6]) {
    let mut text = [b':'; 17];
    for (place, byte) in text.chunks_mut(3).zip(address) {
        place[0] = HEX[usize::from(byte >> 4)];
        place[1] = HEX[usize::from(byte & 15)];
    }
    out.extend_from_slice(&text);
}

/// Appends a hardware address of any length.
pub(crate) fn hardware_address(out: &mut Vec<u8>, address: &[u8]) {
    for (at, byte) in address.iter().enumerate() {
        if at > 0 {
            out.push(b':');
        }
        hex_bytes(out, &[*byte]);
    }
}

/// Appends one byte of text from the network so that it can do no harm to a terminal: `^A` for
/// control characters, `M-x` for what is not ASCII.
pub(crate) fn harmless(out: &mut Vec<u8>, byte: u8) {
    let mut byte = byte;
    if !byte.is_ascii() {
        text(out, "M-");
        byte &= 0x7f;
    }
    if !(0x20..0x7f).contains(&byte) {
        out.push(b'^');
        byte ^= 0x40;
    }
    out.push(byte);
}

/// Appends TCP flags as tcpdump writes them: `S`, `P.`, `F.`; `none` where none is set.
pub(crate) fn tcp_flags(out: &mut Vec<u8>, flags: vxlan::TcpFlags) {
    use vxlan::TcpFlags as F;
    const LETTERS: [(u16, u8); 9] = [
        (F::FIN, b'F'),
        (F::SYN, b'S'),
        (F::RST, b'R'),
        (F::PSH, b'P'),
        (F::ACK, b'.'),
        (F::URG, b'U'),
        (F::ECE, b'E'),
        (F::CWR, b'W'),
        (F::AE, b'e'),
    ];
    let start = out.len();
    out.extend(LETTERS.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, letter)| letter));
    if out.len() == start {
        text(out, "none");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn printed(print: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_c_librarys_form_of_ipv6() {
        for (octets, text) in [
            ([0; 16], "::"),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "::1"),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4], "::ffff:1.2.3.4"),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], "::1.2.3.4"),
            ([0xfe, 0x80, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "fe80:0:1::"),
        ] {
            assert_eq!(printed(|out| ipv6(out, octets)), text);
        }
    }

    proptest! {
        #[test]
        fn ipv6_as_std(groups in prop::array::uniform8(prop_oneof![Just(0u16), Just(0xffff), any::<u16>()])) {
            let address = Ipv6Addr::from(groups);
            // std prints the deprecated IPv4-compatible addresses in hexadecimal, tcpdump does not
            prop_assume!(groups[..6] != [0; 6] || groups[6] == 0);
            prop_assert_eq!(printed(|out| ipv6(out, address.octets())), address.to_string());
        }

        #[test]
        fn ipv4_as_std(octets in any::<[u8; 4]>()) {
            prop_assert_eq!(printed(|out| ipv4(out, octets)), Ipv4Addr::from(octets).to_string());
        }

        #[test]
        fn numbers_as_std(number in any::<u64>(), width in 0usize..12) {
            prop_assert_eq!(printed(|out| decimal(out, number)), number.to_string());
            prop_assert_eq!(printed(|out| zero_padded(out, number >> 40, width)), format!("{:0width$}", number >> 40));
            let small = number as u32 >> (number % 32);
            prop_assert_eq!(printed(|out| hexadecimal(out, small, width as u32)), format!("{small:0width$x}"));
        }
    }
}
