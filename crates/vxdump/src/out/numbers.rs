//! Numbers for people to read: in a narrow column three digits that count and a unit; words behind
//! them.

/// Thousands, and so on (SI prefixes).
const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// A count in at most five characters: `999`, `1.23k`, `12.3M`, `123G`.
pub(crate) fn count(number: u64) -> String {
    if number < 1000 {
        return number.to_string();
    }
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    with_prefix(number as f64)
}

fn with_prefix(mut value: f64) -> String {
    let mut prefix = PREFIXES.iter();
    let mut at = prefix.next().unwrap_or(&"");
    // what would be rounded to 1000 is 1.00 of the next
    while value >= 999.5 {
        let Some(next) = prefix.next() else { break };
        (at, value) = (next, value / 1000.0);
    }
    format!("{}{at}", three_digits(value))
}

fn three_digits(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A count with a unit: `999 B/s`, `12.3 kB/s`.
pub(crate) fn with_unit(number: u64, unit: &str) -> String {
    let count = count(number);
    let (digits, prefix) = match count.strip_suffix(|last: char| last.is_ascii_alphabetic()) {
        Some(digits) => (digits, &count[digits.len()..]),
        None => (count.as_str(), ""),
    };
    format!("{digits} {prefix}{unit}")
}

/// A time of this many nanoseconds in at most six characters: `850ns`, `123µs`, `1.23ms`, `12.3s`,
/// `5040s`.
pub(crate) fn time(nanos: i64) -> String {
    let nanos = nanos.max(0);
    if nanos < 1000 {
        return format!("{nanos}ns");
    }
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    let mut value = nanos as f64 / 1e3;
    for unit in ["µs", "ms"] {
        if value < 999.5 {
            return format!("{}{unit}", three_digits(value));
        }
        value /= 1000.0;
    }
    format!("{}s", three_digits(value))
}

/// What a word has at its end behind a number: `1 flow`, `2 flows`.
pub(crate) const fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// A part of a whole, in percent: `0`, `0.12%`, `100%`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0".to_owned();
    }
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    let percent = part as f64 * 100.0 / whole as f64;
    format!("{}%", three_digits(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_three_digits_and_five_characters() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1.00k"),
            (9_994, "9.99k"),
            (9_996, "10.0k"),
            (99_960, "100k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (12_345_678, "12.3M"),
            (u64::MAX, "18.4E"),
        ];
        for (number, text) in cases {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn prefixes_stand_at_the_unit() {
        assert_eq!(with_unit(999, "B/s"), "999 B/s");
        assert_eq!(with_unit(270_000, "B/s"), "270 kB/s");
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        let cases = [
            (-5, "0ns"),
            (850, "850ns"),
            (1_234, "1.23µs"),
            (123_456, "123µs"),
            (999_600, "1.00ms"),
            (12_300_000, "12.3ms"),
            (1_500_000_000, "1.50s"),
            (5_040_000_000_000, "5040s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(time(nanos), text);
        }
    }

    #[test]
    fn parts_in_percent() {
        assert_eq!(percent(0, 5), "0");
        assert_eq!(percent(5, 0), "0");
        assert_eq!(percent(1, 3), "33.3%");
        assert_eq!(percent(7, 7), "100%");
    }
}
