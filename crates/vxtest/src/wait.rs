//! Waiting with a limit.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that a test waits for, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again and again until there is an answer.
///
/// # Panics
///
/// After [`PATIENCE`], with what was waited for and what was seen last.
pub fn wait_until<T>(what: &str, mut answer: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match answer() {
            Ok(answer) => return answer,
            Err(seen) if begin.elapsed() > PATIENCE => {
                panic!("waited {PATIENCE:?} for {what}; seen last: {seen}")
            }
            Err(_) => thread::sleep(pause),
        }
        pause = (2 * pause).min(Duration::from_millis(20));
    }
}
