use std::{
    net::{TcpListener, UdpSocket},
    process::{Child, Command, Stdio},
    time::Instant,
};

use super::*;

#[test]
fn base64_is_that_of_the_rfc() {
    // RFC 4648 §10.
    for (plain, encoded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(plain.as_bytes()), encoded);
    }
}

#[test]
fn a_name_says_until_when_and_for_whom_and_the_password_proves_it() {
    let ice = IceServers {
        stun: vec!["stun:stun.example.org".to_owned()],
        turn: vec!["turn:turn.example.org:3478?transport=udp".to_owned()],
        turn_secret: "north".to_owned(),
        turn_ttl: Duration::from_mins(10),
    };
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let servers = ice.for_peer(&"Ada 1\n:".into(), now);
    assert_eq!(servers[0].urls, ice.stun);
    assert_eq!(servers[0].username, None);
    assert_eq!(servers[1].urls, ice.turn);
    assert_eq!(servers[1].username.as_deref(), Some("1700000600:Ada1"));
    // printf 1700000600:Ada1 | openssl dgst -sha1 -hmac north -binary | base64
    assert_eq!(
        servers[1].credential.as_deref(),
        Some("dMb6M10Sd97NNpXbgdmIPSP5dmI=")
    );
    assert!(!format!("{ice:?}").contains("north"));
}

#[test]
fn without_servers_nothing_is_said() {
    assert_eq!(IceServers::default().for_peer(&"a".into(), UNIX_EPOCH), []);
}

/// coturn on this machine; killed when dropped.
struct Coturn {
    child: Child,
    port: u16,
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Coturn {
    fn start(secret: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let relay = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let relay = relay.expect("a free port").port().min(65_000);
        let child = Command::new("turnserver")
            .args([
                "-n",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--use-auth-secret",
            ])
            .args(["--realm=plenum", "--pidfile=", "--log-file=stdout"])
            .args([
                "--listening-ip=127.0.0.1",
                "--relay-ip=127.0.0.1",
                "--allow-loopback-peers",
            ])
            .arg(format!("--static-auth-secret={secret}"))
            .arg(format!("--listening-port={port}"))
            .arg(format!("--min-port={relay}"))
            .arg(format!("--max-port={}", relay + 100))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`make setup` installs coturn");
        let server = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !server.answers() {
            assert!(Instant::now() < deadline, "never listened");
        }
        server
    }

    /// Whether it answers a binding request (RFC 8489 §6.3.1) over UDP, where it listens later than over TCP.
    fn answers(&self) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let timeout = Some(Duration::from_millis(50));
        socket.set_read_timeout(timeout).expect("not zero");
        let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42any twelve b";
        let _ = socket.send_to(request, ("127.0.0.1", self.port));
        socket.recv(&mut [0; 256]).is_ok()
    }

    /// Whether a client with this name and password gets an allocation, and messages through it.
    fn serves(&self, server: &IceServer) -> bool {
        let client = Command::new("turnutils_uclient")
            .args(["-y", "-c", "-n", "1", "-m", "1"])
            .args(["-u", server.username.as_deref().expect("a name")])
            .args(["-w", server.credential.as_deref().expect("a password")])
            .args(["-p", &self.port.to_string(), "127.0.0.1"])
            .output();
        client.expect("comes with coturn").status.success()
    }
}

#[test]
fn coturn_takes_what_we_hand_out_until_its_time_is_over_and_nothing_else() {
    let coturn = Coturn::start("north");
    let credentials = |secret: &str, now: SystemTime| {
        let ice = IceServers {
            turn: vec![format!("turn:127.0.0.1:{}", coturn.port)],
            turn_secret: secret.to_owned(),
            turn_ttl: Duration::from_mins(10),
            ..IceServers::default()
        };
        ice.for_peer(&"ada".into(), now).remove(0)
    };
    let now = SystemTime::now();
    assert!(coturn.serves(&credentials("north", now)));
    let long_ago = now - Duration::from_mins(11);
    assert!(!coturn.serves(&credentials("north", long_ago)), "expired");
    assert!(
        !coturn.serves(&credentials("south", now)),
        "of another secret"
    );
    let mut another = credentials("north", now);
    another.username = another.username.map(|name| name.replace("ada", "bob"));
    assert!(!coturn.serves(&another), "of another name");
}
