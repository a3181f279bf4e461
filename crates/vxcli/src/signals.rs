//! What the process was told about signals when it began.

/// Whether the process was started with a signal ignored, as nohup(1) does with SIGHUP. Where the
/// system does not tell, it was not.
pub fn is_ignored(signal: i32) -> bool {
    // proc(5): a mask in hexadecimal digits, whose lowest bit is signal 1
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
