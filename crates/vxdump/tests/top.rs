//! The whole-screen view in a real terminal: tmux, in the lab's network namespaces. Needs root, and
//! tmux.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use vxtest::{Folder, Lab, command, has_tools, output, run, tool, unique, wait_until};

/// The built program.
const VXDUMP: &str = env!("CARGO_BIN_EXE_vxdump");
/// Tells this test program that it is to panic while it has the screen, and where: in the thread
/// that draws, or another.
const PANIC: &str = "VXDUMP_TEST_TOP_PANIC";

/// A terminal with a shell.
struct Tmux {
    name: String,
    folder: Folder,
}

impl Tmux {
    /// `None` where tmux is not installed; the test is then recorded as skipped.
    fn new(width: u16, height: u16) -> Option<Self> {
        if !has_tools(&["tmux"]) {
            return None;
        }
        let tmux = Self { name: unique("vxdump-top"), folder: Folder::new() };
        let (width, height) = (width.to_string(), height.to_string());
        let size = ["-x", width.as_str(), "-y", height.as_str()];
        tmux.command(&[&["-f", "/dev/null", "new-session", "-d"], &size[..], &["sh"]].concat());
        Some(tmux)
    }

    fn command(&self, arguments: &[&str]) -> String {
        let mut tmux = command("tmux");
        tmux.args(["-L", &self.name]).args(arguments).env_remove("TMUX");
        let output = output(&mut tmux);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn keys(&self, keys: &[&str]) {
        self.command(&[&["send-keys"], keys].concat());
    }

    fn screen(&self) -> String {
        self.command(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be.
    fn wait(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        wait_until(what, || {
            let screen = self.screen();
            if is(&screen) { Ok(screen) } else { Err(screen) }
        })
    }

    /// Waits until a file is there.
    fn wait_for_file(&self, path: &Path) {
        wait_until(
            "a file of the shell",
            || {
                if path.exists() { Ok(()) } else { Err(self.screen()) }
            },
        );
    }

    /// Runs a program between two looks at the terminal's mode; `meanwhile`, while it has the whole
    /// screen. Gives its status and the screen afterwards.
    fn run(&self, command: &str, meanwhile: impl FnOnce()) -> (String, String) {
        let file = |name: &str| self.folder.file(name).display().to_string();
        let (before, after, status) = (file("before"), file("after"), file("status"));
        let script = format!(
            "echo begin\nstty -a >{before}\n{command}\necho $? >{status}.part\nstty -a >{after}\nmv {status}.part {status}\n"
        );
        fs::write(file("script"), script).unwrap();
        self.keys(&[&format!("clear; . {}", file("script")), "Enter"]);
        meanwhile();
        self.wait_for_file(status.as_ref());
        let modes = [before, after].map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(modes[0], modes[1], "the terminal's mode is not what it was");
        assert_eq!(self.shows("#{alternate_on} #{cursor_flag}"), "0 1", "{}", self.screen());
        let screen = self.wait("what was there before", |screen| screen.contains("begin"));
        (fs::read_to_string(&status).unwrap().trim().to_owned(), screen)
    }

    fn shows(&self, what: &str) -> String {
        self.command(&["display-message", "-p", what]).trim().to_owned()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // it is gone already where its last terminal is
        run("tmux", ["-L", &self.name, "kill-server"]);
    }
}

/// The process that another one has begun.
fn child(of: &str) -> String {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
    children.expect("a process has a list of children").trim().to_owned()
}

fn top(lab: &Lab) -> String {
    format!("{VXDUMP} top --netns {} -i eth0 --interval 0.2", lab.netns("n1"))
}

/// The row of the two pods that ping.
fn pinged(screen: &str) -> Option<Vec<&str>> {
    let row =
        screen.lines().find(|line| line.contains("10.244.1.2") && line.contains("10.244.2.2"));
    row.map(|row| row.split_whitespace().collect())
}

#[test]
fn pings_are_seen_at_both_sizes_while_it_is_resized() {
    let Some(tmux) = Tmux::new(80, 24) else { return };
    let Some(lab) = Lab::up(&[]) else { return };
    let (status, screen) = tmux.run(&top(&lab), || {
        let screen = tmux.wait("an empty view", |screen| screen.contains("No packets yet."));
        let lines: Vec<&str> = screen.lines().collect();
        assert!(lines[0].starts_with("vxdump top eth0") && lines[0].ends_with("every 0.2 s"));
        assert!(lines[23].starts_with("q quit") && lines[23].len() <= 80, "{screen}");
        assert_eq!(tmux.shows("#{alternate_on} #{cursor_flag}"), "1 0");

        // 20 echo requests of 98 bytes, and as many answers, on the inner link
        lab.command(&["exec", "n1p1", "ping", "-q", "-c20", "-i0.05", "10.244.2.2"]);
        tmux.wait("their rows", |screen| pinged(screen).is_some());
        tmux.command(&["resize-window", "-x", "200", "-y", "50"]);
        let screen = tmux.wait("all columns, and silence", |screen| {
            let row = pinged(screen).unwrap_or_default();
            row.get(2) == Some(&"0") && row.get(12) == Some(&"40")
        });
        let row = pinged(&screen).unwrap();
        assert_eq!((row.get(4), row.get(13)), (Some(&"0"), Some(&"3.92k")), "{screen}");
        assert!(screen.lines().nth(48).unwrap().starts_with("0 dropped"), "{screen}");

        // every key of the last line, and what the first line makes of it
        for (key, title) in [
            ("n", "pairs of nodes by bytes/s "),
            ("v", "VNIs by bytes/s "),
            ("s", "clients and services by bytes/s "),
            ("p", "pairs of pods by bytes/s "),
            ("k", "by packets/s "),
            ("f", "by failed flows "),
            ("r", "by retransmissions "),
            ("t", "by round-trip time "),
            ("a", "by name "),
            ("a", "by name, Z to A "),
            ("b", "by bytes/s "),
            ("Space", " PAUSED"),
            ("Space", "every 0.2 s"),
        ] {
            tmux.keys(&[key]);
            tmux.wait(key, |screen| {
                screen.lines().next().is_some_and(|line| format!("{line} ").contains(title))
            });
        }
        tmux.keys(&["/", "nobody", "Enter"]);
        tmux.wait("a filter", |screen| screen.contains("has \"nobody\" in its name"));
        tmux.keys(&["Escape"]);
        tmux.wait("no filter", |screen| pinged(screen).is_some());
        tmux.command(&["resize-window", "-x", "80", "-y", "24"]);
        tmux.wait("the small screen", |screen| {
            !screen.contains("MAX RTT") && pinged(screen).is_some()
        });

        // nobody listens there
        let connect = "! exec 3<>/dev/tcp/10.244.2.2/9";
        lab.command(&["exec", "n1p1", "bash", "-c", connect]);
        tmux.wait("a refused connection", |screen| {
            screen.contains("FAILED") && pinged(screen).is_some_and(|row| row.get(4) == Some(&"1"))
        });
        tmux.keys(&["q"]);
    });
    assert_eq!(status, "0", "{screen}");
    assert!(screen.contains("\n0 packets dropped by kernel"), "{screen}");
    assert!(!screen.contains("q quit"), "{screen}");
}

#[test]
fn a_packet_sent_just_before_the_end_counts() {
    let Some(tmux) = Tmux::new(80, 24) else { return };
    let Some(lab) = Lab::up(&[]) else { return };
    let only = format!("{} udp port 4444", top(&lab));
    let (status, screen) = tmux.run(&only, || {
        tmux.wait("the view", |screen| screen.contains("No packets yet."));
        let pid = child(&tmux.shows("#{pane_pid}"));
        let script = format!("echo x > /dev/udp/172.18.0.3/4444; kill -INT {pid}");
        lab.command(&["exec", "n1", "bash", "-c", &script]);
    });
    assert_eq!(status, "0", "{screen}");
    assert!(screen.contains("\n1 packet captured"), "{screen}");
}

#[test]
fn signals_leave_the_terminal_as_it_was() {
    let Some(tmux) = Tmux::new(80, 24) else { return };
    let Some(lab) = Lab::up(&[]) else { return };
    for signal in ["TERM", "INT", "QUIT"] {
        let (status, screen) = tmux.run(&top(&lab), || {
            tmux.wait("the view", |screen| screen.contains("q quit"));
            tool("kill", ["-s", signal, &child(&tmux.shows("#{pane_pid}"))]);
        });
        assert_eq!(status, "0", "SIG{signal}: {screen}");
        assert!(screen.contains("packets captured"), "SIG{signal}: {screen}");
        fs::remove_file(tmux.folder.file("status")).unwrap();
    }
    let (status, _) = tmux.run(&top(&lab), || {
        tmux.wait("the view", |screen| screen.contains("q quit"));
        tmux.keys(&["C-c"]);
    });
    assert_eq!(status, "0");
}

/// Ctrl-Z gives the shell its terminal, as it was, and `fg` has the whole picture again, as large
/// as the terminal is then; in the background it waits for the terminal.
#[test]
fn it_stops_and_goes_on_as_a_shells_job() {
    let Some(tmux) = Tmux::new(80, 24) else { return };
    let Some(lab) = Lab::up(&[]) else { return };
    tmux.keys(&["exec bash --norc", "Enter"]);
    let mode = |name: &str| {
        let file = tmux.folder.file(name);
        tmux.keys(&[&format!("stty -a >{0}.part; mv {0}.part {0}", file.display()), "Enter"]);
        tmux.wait_for_file(&file);
        // its first line has the size, which changes
        let mode = fs::read_to_string(file).unwrap();
        mode.split_once('\n').expect("lines").1.to_owned()
    };
    let before = mode("before");
    tmux.keys(&[&format!("clear; {}", top(&lab)), "Enter"]);
    let is_whole = |screen: &str, height: usize, title: &str| {
        let lines: Vec<&str> = screen.lines().collect();
        lines.len() == height
            && lines[0].contains(title)
            && pinged(screen).is_some()
            && lines[height - 1].starts_with("q quit")
    };
    tmux.wait("the view", |screen| screen.contains("No packets yet."));
    lab.command(&["exec", "n1p1", "ping", "-q", "-c2", "-i0.05", "10.244.2.2"]);
    tmux.wait("a row", |screen| is_whole(screen, 24, "pairs of pods"));

    for (name, width, height) in [("same", "80", 24), ("larger", "130", 30), ("smaller", "80", 24)]
    {
        tmux.keys(&["C-z"]);
        tmux.wait("the shell", |screen| screen.contains("Stopped"));
        assert_eq!(tmux.shows("#{alternate_on} #{cursor_flag}"), "0 1");
        assert_eq!(mode(name), before, "the terminal's mode is not what it was");
        tmux.command(&["resize-window", "-x", width, "-y", &height.to_string()]);
        // what is typed is the shell's: services is `s`
        tmux.keys(&["s=typed; echo $s; clear", "Enter"]);
        tmux.keys(&["fg", "Enter"]);
        tmux.wait(name, |screen| is_whole(screen, height, "pairs of pods"));
        assert_eq!(tmux.shows("#{alternate_on} #{cursor_flag}"), "1 0");
    }
    // its keys work again
    tmux.keys(&["s"]);
    tmux.wait("services", |screen| screen.contains("clients and services by"));
    tmux.keys(&["p"]);

    tmux.keys(&["C-z"]);
    tmux.wait("the shell", |screen| screen.contains("Stopped"));
    tmux.keys(&["clear; bg", "Enter"]);
    assert_eq!(mode("background"), before);
    let job = child(&tmux.shows("#{pane_pid}"));
    let status = fs::read_to_string(format!("/proc/{job}/status")).unwrap();
    assert!(!status.contains("State:\tT"), "it is stopped again:\n{status}");
    tmux.keys(&["fg", "Enter"]);
    tmux.wait("the picture", |screen| is_whole(screen, 24, "pairs of pods"));

    // ended while it is stopped, it takes the terminal no more
    tmux.keys(&["C-z"]);
    tmux.wait("the shell", |screen| screen.contains("Stopped"));
    tmux.keys(&["kill %1", "Enter"]);
    tmux.wait("its end", |screen| screen.contains("packets captured"));
    assert_eq!(tmux.shows("#{alternate_on} #{cursor_flag}"), "0 1");
    assert_eq!(mode("after"), before);
}

/// What a full buffer loses stands in the last line but one.
#[test]
fn losses_are_told() {
    let Some(tmux) = Tmux::new(80, 24) else { return };
    let Some(lab) = Lab::up(&[]) else { return };
    // a shell between, as the terminal's own would notice that its job is stopped
    let command = format!("sh -c '{} -B 64; exit $?'", top(&lab));
    let (status, screen) = tmux.run(&command, || {
        tmux.wait("the view", |screen| screen.contains("q quit"));
        let program = child(&child(&tmux.shows("#{pane_pid}")));
        tool("kill", ["-s", "STOP", &program]);
        lab.command(&["exec", "n1p1", "ping", "-q", "-f", "-c3000", "10.244.2.2"]);
        tool("kill", ["-s", "CONT", &program]);
        tmux.wait("drops", |screen| {
            screen
                .lines()
                .nth(22)
                .is_some_and(|line| line.starts_with("dropped ") && line.contains(" by kernel"))
        });
        tmux.keys(&["q"]);
    });
    assert_eq!(status, "0", "{screen}");
    assert!(!screen.contains("\n0 packets dropped by kernel"), "{screen}");
}

/// Nothing is left running where nobody looks any more.
#[test]
fn a_terminal_that_goes_away_ends_it() {
    let Some(tmux) = Tmux::new(80, 24) else { return };
    let Some(lab) = Lab::up(&[]) else { return };
    tmux.keys(&[&top(&lab), "Enter"]);
    tmux.wait("the view", |screen| screen.contains("q quit"));
    let program = PathBuf::from(format!("/proc/{}/exe", child(&tmux.shows("#{pane_pid}"))));
    assert!(fs::read_link(&program).is_ok_and(|exe| exe.ends_with("vxdump")));
    tmux.command(&["kill-pane"]);
    wait_until("the end of vxdump", || match fs::read_link(&program) {
        Ok(_) => Err("it still runs".to_owned()),
        Err(_) => Ok(()),
    });
}

#[test]
fn a_device_that_goes_away_ends_it_with_a_word() {
    let Some(tmux) = Tmux::new(80, 24) else { return };
    let Some(lab) = Lab::up(&[]) else { return };
    let (status, screen) = tmux.run(&top(&lab), || {
        tmux.wait("the view", |screen| screen.contains("q quit"));
        lab.command(&["exec", "n1", "ip", "link", "delete", "eth0"]);
    });
    assert_eq!(status, "1", "{screen}");
    assert!(screen.contains("the capture on 1 of 1 devices ended early"), "{screen}");
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was() {
    if let Some(place) = std::env::var_os(PANIC) {
        panic_with_the_screen(place == "elsewhere");
    }
    let Some(tmux) = Tmux::new(80, 24) else { return };
    let program = std::env::current_exe().unwrap();
    for place in ["here", "elsewhere"] {
        let test = "--exact a_panic_leaves_the_terminal_as_it_was --nocapture";
        let command = format!("RUST_BACKTRACE=0 {PANIC}={place} {} {test}", program.display());
        let (status, screen) = tmux.run(&command, || {});
        assert_eq!(status, "101", "{screen}");
        // the message can be read, each line at the left
        assert!(screen.lines().any(|line| line == "it went wrong"), "{place}:\n{screen}");
        fs::remove_file(tmux.folder.file("status")).unwrap();
    }
}

fn panic_with_the_screen(elsewhere: bool) -> ! {
    let screen = vxdump::top::Screen::enter().expect("tmux is a terminal");
    let fail = || panic!("first line\nit went wrong");
    if elsewhere {
        let result = std::thread::spawn(fail).join();
        // what comes later draws over nothing
        drop(screen);
        std::panic::resume_unwind(result.unwrap_err());
    }
    fail()
}

#[test]
fn without_a_terminal_or_a_device_it_says_so() {
    let refused = |arguments: &[&str]| {
        let output = run(VXDUMP, [&["top"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["-i", "lo"]).contains("top needs a terminal"));
    assert!(refused(&[]).contains("give a device with -i"));
    assert!(refused(&["-r", "some.pcap"]).contains("vxdump flows -r"));
    for interval in ["0", "-1", "NaN", "soon"] {
        assert!(refused(&["-i", "lo", &format!("--interval={interval}")]).contains("0.1 to 3600"));
    }
}
