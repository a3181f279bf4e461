//! Says how many tests the run skipped, and why. No test itself: cargo runs the targets in the order
//! of their names, and this one after all others.

fn main() {
    // asked for a list of tests, as editors and nextest do: there are none
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    if let Some(skips) = vxtest::Skips::of_this_run() {
        print!("\n{}", skips.summary());
    }
}
