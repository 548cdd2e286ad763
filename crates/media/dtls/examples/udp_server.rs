//! Serves one DTLS client over UDP and echoes what it sends; to try other implementations against ours.
//!
//! ```text
//! cargo run -p plenum-dtls --example udp_server -- 127.0.0.1:4433 [SRTP profile number]
//! openssl s_client -dtls1_2 -connect 127.0.0.1:4433 -cert c.pem -key k.pem \
//!     -use_srtp SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM
//! ```

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use plenum_dtls::{
    Certificate, DtlsEndpoint, DtlsEvent, DtlsRole, DtlsSettings, Fingerprint,
    FingerprintAlgorithm, MAX_DATAGRAM, SrtpProfileId,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .ok_or("an address to listen on is needed")?;
    let settings = match arguments.next() {
        Some(id) => {
            let profile = SrtpProfileId::from_iana_id(id.parse()?).ok_or("unknown profile")?;
            DtlsSettings::with_profiles(&[profile])
        }
        None => DtlsSettings::default(),
    };
    let socket = UdpSocket::bind(address)?;
    let certificate = Certificate::generate()?;
    println!("serving with sha-256 {}", certificate.fingerprint());
    let mut server =
        DtlsEndpoint::with_settings(DtlsRole::Server, &certificate, &settings, Instant::now())?;
    serve(&socket, &mut server)
}

fn serve(socket: &UdpSocket, server: &mut DtlsEndpoint) -> Result<(), Box<dyn Error>> {
    let mut peer: Option<SocketAddr> = None;
    let mut buf = [0; MAX_DATAGRAM];
    loop {
        let wait = server
            .poll_timeout()
            .map(|at| at.saturating_duration_since(Instant::now()));
        socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut buf) {
            Ok((len, from)) if peer.is_none_or(|peer| peer == from) => {
                peer = Some(from);
                server.handle_datagram(Instant::now(), &buf[..len])?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                server.handle_timeout(Instant::now())?;
            }
            Err(error) => return Err(error.into()),
        }
        let mut over = false;
        while let Some(event) = server.poll_event() {
            over |= event == DtlsEvent::Closed;
            report(server, event)?;
        }
        while let (Some(len), Some(peer)) = (server.poll_transmit(&mut buf), peer) {
            socket.send_to(&buf[..len], peer)?;
        }
        if over {
            return Ok(());
        }
    }
}

fn report(server: &mut DtlsEndpoint, event: DtlsEvent) -> Result<(), Box<dyn Error>> {
    match event {
        DtlsEvent::Connected {
            profile,
            keying,
            remote_certificate_der,
        } => {
            let fingerprint =
                Fingerprint::of(FingerprintAlgorithm::Sha256, &remote_certificate_der);
            println!("connected with {profile} to sha-256 {fingerprint}");
            println!("{} bytes of keying material", keying.as_bytes().len());
        }
        DtlsEvent::ApplicationData(data) => {
            println!("{} bytes", data.len());
            server.send_application_data(&data)?;
        }
        DtlsEvent::Closed => println!("closed"),
        other => println!("{other:?}"),
    }
    Ok(())
}
