//! `plenum console` against real nodes: single commands, scripts, and a terminal.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, Command as StdCommand, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::{
    client::{Client, join, produce_audio},
    node::{Node, PATIENCE, command, rtc_ports},
};

/// Status, standard output and standard error.
async fn console(port: u16, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = command()
        .args(["console", "--url", &format!("http://127.0.0.1:{port}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let mut stdin = child.stdin.take().expect("piped");
    // It may have ended before it has read everything.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("ours");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn commands_say_how_they_went() {
    let node = Node::start().await;
    let (status, output, errors) = console(node.port, &["-c", "workers"], "").await;
    assert_eq!((status, errors.as_str()), (Some(0), ""));
    assert!(output.starts_with("WORKER  STATE"), "{output}");
    assert_eq!(output.lines().count(), 3, "{output}");

    let (status, output, _) = console(node.port, &["--json", "-c", "worker 1"], "").await;
    let stats: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(
        (status, &stats["workers"][1]["workerId"]),
        (Some(0), &1.into())
    );

    let (status, _, errors) = console(node.port, &["-c", "worker 7"], "").await;
    assert_eq!(status, Some(1));
    assert!(errors.contains("no worker \"7\""), "{errors}");

    let (status, _, errors) = console(node.port, &["-c", "wrokers"], "").await;
    assert_eq!(status, Some(2));
    assert!(errors.contains("\"help\" lists all"), "{errors}");

    let nobody = Node::start().await.port;
    let (status, _, errors) = console(nobody, &["-c", "workers"], "").await;
    assert_eq!(status, Some(3));
    assert!(errors.contains("plenum serve"), "{errors}");
}

#[tokio::test]
async fn scripts_run_line_by_line_and_stop_at_what_fails() {
    let node = Node::start().await;
    let script = "# what it is\nstatus\n\nlog-worker 0 debug ice\nlog-worker 0\nnonsense\nstatus\n";
    let (status, output, errors) = console(node.port, &[], script).await;
    assert_eq!(status, Some(2));
    assert!(
        errors.contains("line 6: there is no command \"nonsense\""),
        "{errors}"
    );
    assert_eq!(output.matches("ready: yes").count(), 1, "{output}");
    assert_eq!(output.matches("tags: ice").count(), 2, "{output}");
    let (status, output, _) = console(node.port, &[], "exit\nnonsense\n").await;
    assert_eq!((status, output.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn the_nodes_own_log_changes_its_level() {
    let node = Node::start().await;
    let (_, output, _) = console(node.port, &[], "log\nlog warn\nlog\n").await;
    assert_eq!(output, "level: info\nlevel: warn\nlevel: warn\n");
    let (status, _, errors) = console(node.port, &["-c", "log loud"], "").await;
    assert_eq!(status, Some(1), "{errors}");
}

#[tokio::test]
async fn what_is_in_a_room_is_listed_and_closed() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "my%20room", "ada").await;
    let session = join(&mut ada, "Ada").await;
    produce_audio(&mut ada, &session).await;
    let mut bob = Client::connect(node.port, "my%20room", "bob").await;
    join(&mut bob, "Bob").await;
    let script =
        "rooms\npeers 'my room'\nproducers 'my room' ada\nlock 'my room'\nroom 'my room'\n";
    let (status, output, errors) = console(node.port, &[], script).await;
    assert_eq!((status, errors.as_str()), (Some(0), ""), "{output}");
    for word in [
        "my room",
        "Ada",
        "Bob",
        "classic",
        "audio",
        "opus",
        "locked: yes",
    ] {
        assert!(output.contains(word), "{word} in {output}");
    }
    let (status, ..) = console(node.port, &["-c", "kick 'my room' bob"], "").await;
    assert_eq!(status, Some(0));
    let (code, _) = bob.closed().await.expect("closed in good order");
    assert_eq!(code, 4000, "he shall not come back by himself");
    let (status, ..) = console(node.port, &["-c", "close room 'my room'"], "").await;
    assert_eq!(status, Some(0));
    ada.closed().await;
    let (status, _, errors) = console(node.port, &["-c", "peers 'my room'"], "").await;
    assert_eq!(status, Some(1), "{errors}");
}

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    screen: Arc<(Mutex<String>, Condvar)>,
    keys: File,
    seen: usize,
}

impl Terminal {
    fn start(mut program: StdCommand) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("ours");
        unlockpt(&master).expect("ours");
        let size = Winsize {
            ws_row: 40,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).expect("a terminal");
        let path = ptsname(&master, Vec::new()).expect("a name");
        let end = || -> OwnedFd {
            let flags = OFlags::RDWR | OFlags::NOCTTY;
            open(&path, flags, Mode::empty()).expect("the other end")
        };
        let child = program
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .env("TERM", "xterm")
            .spawn()
            .expect("the binary was built for this test");
        // Its copies of the other end would keep it open.
        drop(program);
        let mut output = File::from(master);
        let keys = output.try_clone().expect("a descriptor");
        let mut answers = output.try_clone().expect("a descriptor");
        let screen: Arc<(Mutex<String>, Condvar)> = Arc::default();
        let shared = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                // A prompt asks the terminal where it is.
                for _ in text.matches("\x1b[6n") {
                    let _ = answers.write_all(b"\x1b[1;1R");
                }
                shared.0.lock().expect("not poisoned").push_str(&text);
                shared.1.notify_all();
            }
        });
        Self {
            child,
            screen,
            keys,
            seen: 0,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads");
    }

    /// Waits until this is printed, after what was waited for before.
    fn expect(&mut self, words: &str) {
        let (text, changed) = &*self.screen;
        let mut text = text.lock().expect("not poisoned");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = text[self.seen..].find(words) {
                self.seen += at + words.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{words:?} is not in {:?}",
                &text[self.seen..]
            );
            text = changed.wait_timeout(text, left).expect("not poisoned").0;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_node_has_a_console_beside_its_log() {
    let home = tempfile::tempdir().expect("a directory");
    let mut program = command().into_std();
    program
        .args(["serve", "--interactive", "--port", "0", "--workers", "1"])
        // The prompt has a key of its own.
        .args(["--tls", "self-signed", "--set", "admin.allow=none"])
        .args(rtc_ports(1))
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME");
    let mut terminal = Terminal::start(program);
    terminal.expect("Plenum is ready");
    terminal.expect("> ");
    // The menu of what begins so, the first of it, and off it goes.
    terminal.press("worker\t");
    terminal.expect("everything about one worker");
    terminal.press("s\r\r");
    terminal.expect("WORKER  STATE");
    terminal.expect("> ");
    terminal.press("log-worker 0 debug ice\r");
    terminal.expect("tags: ice");
    // Lines of the node and of its worker, above the prompt.
    terminal.expect("log of a worker changed");
    terminal.press("\x03");
    terminal.expect("once more ends the node");
    // Between two prompts the terminal is not the console's.
    terminal.expect("> ");
    terminal.press("\x03");
    terminal.expect("shutting down");
    let status = terminal.child.wait().expect("ours");
    assert!(status.success(), "{status}");
    let history = home.path().join(".local/state/plenum/console_history");
    let history = std::fs::read_to_string(history).expect("is remembered");
    assert!(history.contains("log-worker 0 debug ice"), "{history}");
}

#[test]
fn without_a_terminal_there_is_no_prompt() {
    let output = command()
        .into_std()
        .args(["serve", "--interactive", "--port", "0"])
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("needs a terminal"),
        "{text}"
    );
}
