//! The harness of this workspace's tests.
//!
//! | task | items |
//! |---|---|
//! | run a program inside the test | [`in_process`], [`words`] |
//! | run a program as a process | [`command`], [`output`], [`Running`] |
//! | run a judge: tshark, tcpdump, editcap … | [`tool`], [`judge`], [`python`] |
//! | see a manual page as `man` shows it | [`man_page`] |
//! | find captures and maps | [`testdata`], [`references`], [`files_below`] |
//! | write files that go away | [`Folder`] |
//! | capture in network namespaces | [`Lab`] |
//! | wait, but not for ever | [`wait_until`], [`PATIENCE`] |
//! | skip what cannot run here | [`is_root`], [`has_tools`], [`skip`] |
//!
//! Processes are started with the default action for every signal. Whoever starts the tests may
//! ignore some: nohup(1) ignores SIGHUP, and a shell's background job ignores SIGINT.
//!
//! The variables that tests read:
//!
//! | variable | meaning |
//! |---|---|
//! | `VXDUMP_CAPTURES` | the folder of the reference captures; else `../shared/captures` |
//! | `VXDUMP_PYTHON` | the Python that judges Parquet and metrics; else that of `cargo xtask judges`, or `python3` |
//! | `VXDUMP_MAY_SKIP` | what may be missing, by the names of [`Missing`]; a test that misses something else fails |

mod captures;
mod command;
mod ended;
mod folder;
mod in_process;
mod lab;
mod man_page;
mod running;
mod skip;
mod wait;

pub use captures::{files_below, references, root, testdata};
pub use command::command;
pub use ended::{judge, output, python, run, tool};
pub use folder::{Folder, unique};
pub use in_process::{Kept, Outcome, in_process, words};
pub use lab::Lab;
pub use man_page::man_page;
pub use running::Running;
pub use skip::{Missing, Skipped, Skips, has_tools, is_root, skip};
pub use wait::{PATIENCE, wait_until};
