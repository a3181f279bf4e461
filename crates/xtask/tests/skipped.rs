//! Says how many tests the run skipped, and why. No test itself: cargo runs the targets in the
//! order of their names, and this one after all others; only the documentation's examples come
//! after it. `cargo xtask test` says the same after those.

fn main() {
    // editors and nextest ask for a list of tests: there are none
    let is_list = std::env::args().any(|argument| argument == "--list");
    if is_list || std::env::var_os("XTASK_TEST").is_some() {
        return;
    }
    if let Some(skips) = vxtest::Skips::of_this_run() {
        print!("\n{}", skips.summary());
    }
}
