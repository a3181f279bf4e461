//! What a capture can do without: after everything is open, the process gives up its rights, so
//! that a packet that finds a fault in the decoder finds little else.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

/// What the process still needs.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    /// The folder in which it makes files: that of `-w`, where files are rotated. A file that is
    /// open needs none.
    pub writable: Option<PathBuf>,
    /// Files and folders that it opens for reading.
    pub readable: Vec<PathBuf>,
    /// It runs commands (`-z`), which need files and system calls that nobody knows: it only gives
    /// up capabilities then.
    pub commands: bool,
    /// It gives the terminal back as it was, at the end.
    pub terminal: bool,
}

/// A part of the sandbox that is not there, and why. The capture can go on without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    what: &'static str,
    why: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sandbox lacks {}: {} (--no-sandbox silences this)", self.what, self.why)
    }
}

impl Sandbox {
    /// Gives up what is not needed, for ever. To be called before other threads are begun:
    /// capabilities and the file system are given up by the calling thread and those that it begins
    /// later.
    ///
    /// Each part that the kernel or the container does not have is a warning; the others hold.
    pub fn enter(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut part = |what, result: Result<(), String>| {
            if let Err(why) = result {
                warnings.push(Warning { what, why });
            }
        };
        part("the drop of capabilities", self.drop_capabilities().map_err(|e| e.to_string()));
        if !self.commands {
            part("limits on files (landlock)", self.limit_files());
            part("limits on system calls (seccomp)", limit_calls(self.terminal));
        }
        warnings
    }

    fn drop_capabilities(&self) -> Result<(), caps::errors::CapsError> {
        let mut kept = CapsHashSet::new();
        // a user's folder is closed to root without this one, and landlock leaves it no other
        if self.writable.as_deref().is_some_and(|folder| !self.commands && is_closed_to_us(folder))
        {
            kept.insert(Capability::CAP_DAC_OVERRIDE);
        }
        // what a process without CAP_SETPCAP, or an old kernel, refuses; nobody can regain any of
        // it, see `no_new_privs` below
        let _ = caps::clear(None, CapSet::Ambient);
        let _ = caps::clear(None, CapSet::Bounding);
        let held = caps::read(None, CapSet::Permitted)?;
        let kept = kept.intersection(&held).copied().collect();
        caps::set(None, CapSet::Effective, &kept)?;
        caps::set(None, CapSet::Permitted, &kept)?;
        caps::clear(None, CapSet::Inheritable)
    }

    /// Landlock (Documentation/userspace-api/landlock.rst of the kernel) limits what is opened from
    /// now on, and sets `no_new_privs`.
    fn limit_files(&self) -> Result<(), String> {
        let enforced = self.landlock().map_err(|error| error.to_string())?;
        match enforced {
            RulesetStatus::NotEnforced => Err("this kernel has none".to_owned()),
            // an older kernel limits less, but files all the same
            RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
        }
    }

    fn landlock(&self) -> Result<RulesetStatus, landlock::RulesetError> {
        const NEWEST: ABI = ABI::V6;
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?;
        let making = AccessFs::WriteFile
            | AccessFs::ReadFile
            | AccessFs::ReadDir
            | AccessFs::MakeReg
            | AccessFs::RemoveFile
            | AccessFs::Truncate;
        let readable = self.readable.iter().map(|path| (path, AccessFs::from_read(NEWEST)));
        for (path, access) in self.writable.iter().map(|path| (path, making)).chain(readable) {
            // what is not there needs no right
            let Ok(place) = PathFd::new(path) else { continue };
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
            rules = rules.add_rule(PathBeneath::new(place, access))?;
        }
        Ok(rules.restrict_self()?.ruleset)
    }
}

/// Whether a folder's owner and mode leave us out, where root's right to everything is gone.
fn is_closed_to_us(folder: &Path) -> bool {
    /// Write and search, as chmod(2) has them.
    const WRITE_AND_SEARCH: u32 = 0o3;
    let Ok(own) = fs::metadata("/proc/self") else { return false };
    let Ok(folder) = fs::metadata(folder) else { return false };
    let granted = if folder.uid() == own.uid() {
        folder.mode() >> 6
    } else if folder.gid() == own.gid() {
        folder.mode() >> 3
    } else {
        folder.mode()
    };
    granted & WRITE_AND_SEARCH != WRITE_AND_SEARCH
}

/// System calls that a capture makes when everything is open, and what the allocator, the standard
/// library and threads make. No `execve`, no `socket`, no `ptrace`.
const CALLS: &[libc::c_long] = &[
    // reading, writing, rotating
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_readlinkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_umask,
    // devices and netlink
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_shutdown,
    libc::SYS_accept4,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    // memory, threads, time, signals, the end
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getrusage,
    libc::SYS_prlimit64,
    libc::SYS_uname,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The same under their older names, which only this architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER_CALLS: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CALLS: &[libc::c_long] = &[];

/// What may be asked of a descriptor: whether it is a terminal and how wide, and how much there is
/// to read (`ioctl_tty(2)`).
const REQUESTS: [libc::Ioctl; 4] = [libc::TCGETS, TCGETS2, libc::TIOCGWINSZ, libc::FIONREAD];
/// `_IOR('T', 0x2A, struct termios2)` of `asm-generic/ioctls.h`.
const TCGETS2: libc::Ioctl = 0x802c_542a;

/// What sets a terminal's mode, under its newer and its older name, and whose it is now
/// (`ioctl_tty(2)`). None of these puts characters into its input.
const TERMINAL_REQUESTS: [libc::Ioctl; 3] = [TCSETS2, libc::TCSETS, libc::TIOCGPGRP];
/// `_IOW('T', 0x2B, struct termios2)` of `asm-generic/ioctls.h`.
const TCSETS2: libc::Ioctl = 0x402c_542b;

/// What a program needs to stop itself and to know when it may draw again: whose the terminal is,
/// and raise(3).
const TERMINAL_CALLS: [libc::c_long; 2] = [libc::SYS_getpgid, libc::SYS_tkill];

/// Other calls than those of the list fail with EPERM from now on, in all threads.
fn limit_calls(terminal: bool) -> Result<(), String> {
    let error = |e: &dyn fmt::Display| e.to_string();
    let architecture =
        std::env::consts::ARCH.try_into().map_err(|e: seccompiler::BackendError| error(&e))?;
    let compiled = |rules, default, matched| -> Result<BpfProgram, String> {
        let filter = SeccompFilter::new(rules, default, matched, architecture);
        filter.and_then(TryInto::try_into).map_err(|e| error(&e))
    };

    let of_terminal: &[libc::c_long] = if terminal { &TERMINAL_CALLS } else { &[] };
    let calls = CALLS.iter().chain(OLDER_CALLS).chain(of_terminal);
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> =
        calls.map(|&call| (call, Vec::new())).collect();
    let rules = |condition: Result<SeccompCondition, seccompiler::BackendError>| {
        condition.and_then(|condition| SeccompRule::new(vec![condition])).map_err(|e| error(&e))
    };
    // a new thread, never a new process
    let thread = libc::CLONE_THREAD as u64;
    let is_thread = SeccompCmpOp::MaskedEq(thread);
    let clone = rules(SeccompCondition::new(0, SeccompCmpArgLen::Qword, is_thread, thread))?;
    allowed.insert(libc::SYS_clone, vec![clone]);
    let of_terminal: &[libc::Ioctl] = if terminal { &TERMINAL_REQUESTS } else { &[] };
    let requests = REQUESTS.iter().chain(of_terminal).map(|&request| {
        let length = SeccompCmpArgLen::Dword;
        rules(SeccompCondition::new(1, length, SeccompCmpOp::Eq, u64::from(request as u32)))
    });
    allowed.insert(libc::SYS_ioctl, requests.collect::<Result<_, _>>()?);
    let name = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        libc::PR_SET_NAME as u64,
    );
    allowed.insert(libc::SYS_prctl, vec![rules(name)?]);

    // The flags of clone3 are in memory, where a filter cannot look: the C library falls back to
    // clone where a kernel has none.
    let no_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let first = compiled(no_clone3, SeccompAction::Allow, absent)?;
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let second = compiled(allowed, denied, SeccompAction::Allow)?;
    // the list comes last: it does not let another filter follow
    for filter in [&first, &second] {
        apply_filter_all_threads(filter).map_err(|e| error(&e))?;
    }
    Ok(())
}
