//! Plays somebody by WHEP and publishes that by WHIP: into another room, or on another server. Nothing is decoded.
//!
//! ```text
//! cargo run -p plenum --example bridge -- http://127.0.0.1:3000/whep/stage/ada http://127.0.0.1:3000/whip/hall
//! ```
//!
//! It ends, and takes its leave, when its standard input does (Ctrl-D). WebRTC is str0m's, HTTP is by hand.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

use std::{
    env,
    error::Error,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::SdpAnswer,
    crypto,
    media::{Direction, MediaData, MediaKind, Mid},
    net::{Protocol, Receive},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Both directions are looked after in turns, so none may wait long for its socket.
const TURN: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: bridge WHEP-URL WHIP-URL");
        return ExitCode::from(2);
    };
    match run(from, to) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("bridge: {err}");
            ExitCode::FAILURE
        }
    }
}

fn run(from: &str, to: &str) -> Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&ended);
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        watched.store(true, Ordering::Relaxed);
    });
    let mut player = Leg::open(from, Direction::RecvOnly)?;
    let mut publisher = Leg::open(to, Direction::SendOnly)?;
    let mut bridged = 0_u64;
    while !ended.load(Ordering::Relaxed) {
        for event in player.turn()? {
            match event {
                Event::MediaData(data) => bridged += u64::from(publisher.write(&data)?),
                Event::IceConnectionStateChange(state) => println!("playing: {state:?}"),
                _ => {}
            }
        }
        for event in publisher.turn()? {
            match event {
                // Who sees it there needs what only the one who sends it here can make.
                Event::KeyframeRequest(request) => {
                    player.ask_for_key_frame(request.mid, &publisher);
                }
                Event::IceConnectionStateChange(state) => println!("publishing: {state:?}"),
                _ => {}
            }
        }
    }
    println!("{bridged} frames bridged");
    player.close()?;
    publisher.close()
}

/// One session: a connection, and the URL that it is ended by.
struct Leg {
    rtc: Rtc,
    socket: UdpSocket,
    audio: Mid,
    video: Mid,
    session: String,
}

impl Leg {
    fn open(url: &str, direction: Direction) -> Result<Self> {
        // Where packets to that server leave is what it is told.
        let (authority, _) = split(url)?;
        let way = TcpStream::connect(authority)?.local_addr()?.ip();
        let socket = UdpSocket::bind((way, 0))?;
        socket.set_read_timeout(Some(TURN))?;
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(Arc::new(crypto::from_feature_flags()))
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr()?, "udp")?);
        let mut changes = rtc.sdp_api();
        let [audio, video] = [MediaKind::Audio, MediaKind::Video]
            .map(|kind| changes.add_media(kind, direction, None, None, None));
        let (offer, pending) = changes.apply().ok_or("nothing to offer")?;
        let (head, answer) = http("POST", url, &offer.to_sdp_string())?;
        let answer = SdpAnswer::from_sdp_string(&answer)?;
        rtc.sdp_api().accept_answer(pending, answer)?;
        let location = header(&head, "location").ok_or("an answer without Location")?;
        let session = match location.strip_prefix('/') {
            Some(path) => format!("http://{authority}/{path}"),
            None => location.to_owned(),
        };
        Ok(Self {
            rtc,
            socket,
            audio,
            video,
            session,
        })
    }

    /// Sends and receives what is due; waits a little if nothing is.
    fn turn(&mut self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        loop {
            match self.rtc.poll_output()? {
                Output::Transmit(datagram) => {
                    self.socket
                        .send_to(&datagram.contents, datagram.destination)?;
                }
                Output::Event(event) => events.push(event),
                Output::Timeout(_) => break,
            }
        }
        let mut buffer = [0; 2048];
        let input = match self.socket.recv_from(&mut buffer) {
            Ok((length, source)) => Input::Receive(
                Instant::now(),
                Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: self.socket.local_addr()?,
                    contents: buffer[..length].try_into()?,
                },
            ),
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Input::Timeout(Instant::now())
            }
            Err(err) => return Err(err.into()),
        };
        self.rtc.handle_input(input)?;
        Ok(events)
    }

    /// Passes on what was played; `false` if the other side takes nothing of the kind, or not yet.
    fn write(&mut self, data: &MediaData) -> Result<bool> {
        let mid = if data.params.spec().codec.is_audio() {
            self.audio
        } else {
            self.video
        };
        let Some(writer) = self.rtc.writer(mid) else {
            return Ok(false);
        };
        let Some(pt) = writer.match_params(data.params) else {
            return Ok(false);
        };
        writer.write(pt, data.network_time, data.time, data.data.to_vec())?;
        Ok(true)
    }

    fn ask_for_key_frame(&mut self, wanted: Mid, of: &Self) {
        use str0m::media::KeyframeRequestKind::Pli;
        let mid = if wanted == of.video {
            self.video
        } else {
            self.audio
        };
        if let Some(mut writer) = self.rtc.writer(mid)
            && writer.is_request_keyframe_possible(Pli)
        {
            // Before the first packet there is nobody to ask; the first picture is whole anyway.
            let _ = writer.request_keyframe(None, Pli);
        }
    }

    fn close(&self) -> Result<()> {
        http("DELETE", &self.session, "").map(|_| ())
    }
}

/// `http://authority/path` → authority and path.
fn split(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix("http://").ok_or("only http:// here")?;
    let at = rest.find('/').ok_or("a URL without a path")?;
    Ok(rest.split_at(at))
}

/// Head and body of the answer; anything but success is an error.
fn http(method: &str, url: &str, body: &str) -> Result<(String, String)> {
    let (authority, path) = split(url)?;
    let mut stream = TcpStream::connect(authority)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.lines().next().unwrap_or_default();
    if status
        .split(' ')
        .nth(1)
        .is_some_and(|code| code.starts_with('2'))
    {
        Ok((head.to_owned(), body.to_owned()))
    } else {
        Err(format!("{method} {url}: {status}: {body}").into())
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value)
}
