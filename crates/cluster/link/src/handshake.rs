//! From a TCP connection to two nodes that know each other.
//!
//! ```text
//! dialler                                   listener
//!    TLS 1.3
//!    hello, [proof] ───────────────────────→   checks version and proof
//!    checks version and proof ←─────────────── hello, [proof]
//!               ←───────────────────────────── welcome, or rejected with the reason
//! ```
//!
//! A listener says nothing about itself before the dialler has proved who it is, but for versions and that a proof is
//! wrong. What it says after its own proof is from a node; only that may make a node believe that it is stale.

use std::{io, net::SocketAddr};

use plenum_ids::{NodeEpoch, NodeId};
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::{
    Rejection, RejectionCode, Secret,
    connection::running::{LAST_WORDS, drain},
    frame::{Decoder, FrameError, encode, parse},
    hello::{Hello, OPENING_BYTES, Opening, VERSIONS},
    identity::{Credentials, Trust},
    proof::{EXPORTED_BYTES, EXPORTER_LABEL, Proofs, Role, Subject},
};

/// Two nodes that know each other.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) stream: TlsStream<TcpStream>,
    /// Has what came behind the first words.
    pub(crate) decoder: Decoder,
    pub(crate) address: SocketAddr,
    pub(crate) dialled: bool,
    pub(crate) theirs: Hello,
    pub(crate) version: u32,
    pub(crate) evidence: Evidence,
}

/// Why the other side was believed.
#[derive(Debug)]
pub(crate) enum Evidence {
    Chain(Vec<CertificateDer<'static>>),
    Secret {
        ours: Subject,
        theirs: Subject,
        shown: Proofs,
    },
}

/// Why nobody was met.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("what was said cannot be understood")]
    Frame(#[from] FrameError),
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("something else was said than should be")]
    Protocol,
    /// One of both does not want it.
    #[error("{rejection}")]
    Rejected {
        rejection: Rejection,
        /// Said by somebody who had proved who he is.
        proved: Option<(NodeId, NodeEpoch)>,
        by: Option<NodeEpoch>,
    },
    #[error("TLS failed")]
    Tls(#[from] rustls::Error),
}

/// What a listener decides about somebody who has proved who he is.
pub(crate) type Verdict = Result<(), (Rejection, Option<NodeEpoch>)>;

/// A conversation of which it is not yet known with whom.
struct Opener {
    stream: TlsStream<TcpStream>,
    decoder: Decoder,
}

/// Meets the node that is expected at the other end.
pub(crate) async fn dial(
    tcp: TcpStream,
    credentials: &Credentials,
    ours: &Hello,
    expected: &NodeId,
    judge: impl Fn(&Hello) -> Verdict + Send,
) -> Result<Met, HandshakeError> {
    let address = tcp.peer_addr()?;
    // It goes nowhere: no name is sent, and the certificate's is looked at below.
    let name = DnsName::try_from("plenum.invalid").map_err(|_| HandshakeError::Protocol)?;
    let connector = TlsConnector::from(credentials.client.clone());
    let stream = connector.connect(ServerName::DnsName(name), tcp).await?;
    let mut opener = Opener::new(stream.into());
    let exported = opener.exported()?;
    let mut hello = ours.clone();
    hello.to = Some(expected.clone());
    let our_words = opener.say(&Opening::Hello(hello)).await?;
    let ours = Subject::new(Role::Dialler, &exported, &[&our_words]);
    opener.prove(&credentials.trust, &ours).await?;

    let (theirs, their_words) = opener.hear_hello().await?;
    let subject = Subject::new(Role::Listener, &exported, &[&our_words, &their_words]);
    let evidence = opener.hear_proof(&credentials.trust, ours, subject).await?;
    if let Err(rejection) = judge_hello(&theirs, credentials, &opener, Some(expected)) {
        return opener.reject(rejection, None).await;
    }
    if let Err((rejection, by)) = judge(&theirs) {
        return opener.reject(rejection, by).await;
    }
    let ours = VERSIONS.agree(theirs.versions).map_err(rejected)?;
    match opener.hear(Some(&theirs)).await?.0 {
        Opening::Welcome { version } if version == ours => Ok(Met {
            stream: opener.stream,
            decoder: opener.decoder,
            address,
            dialled: true,
            theirs,
            version,
            evidence,
        }),
        _ => Err(HandshakeError::Protocol),
    }
}

/// Meets whoever has dialled.
pub(crate) async fn accept(
    tcp: TcpStream,
    credentials: &Credentials,
    ours: &Hello,
    judge: impl Fn(&Hello) -> Verdict + Send,
) -> Result<Met, HandshakeError> {
    let address = tcp.peer_addr()?;
    let acceptor = TlsAcceptor::from(credentials.server.clone());
    let mut opener = Opener::new(acceptor.accept(tcp).await?.into());
    let exported = opener.exported()?;
    let (theirs, their_words) = opener.hear_hello().await?;
    // Versions say nothing about this node that strangers must not know, and later ones may prove in other ways.
    let version = match VERSIONS.agree(theirs.versions) {
        Ok(version) => version,
        Err(rejection) => return opener.reject(rejection, None).await,
    };
    let subject = Subject::new(Role::Dialler, &exported, &[&their_words]);
    let proofs = opener.hear_proof_only(&credentials.trust, &subject).await?;

    let our_words = opener.say(&Opening::Hello(ours.clone())).await?;
    let ours_said = Subject::new(Role::Listener, &exported, &[&their_words, &our_words]);
    opener.prove(&credentials.trust, &ours_said).await?;
    if let Err(rejection) = judge_hello(&theirs, credentials, &opener, None) {
        return opener.reject(rejection, None).await;
    }
    if let Some(to) = theirs.to.as_ref().filter(|to| **to != ours.node) {
        let message = format!("this is {}, and {to} was dialled", ours.node);
        let code = RejectionCode::WrongNode;
        return opener.reject(Rejection { code, message }, None).await;
    }
    if let Err((rejection, by)) = judge(&theirs) {
        return opener.reject(rejection, by).await;
    }
    opener.say(&Opening::Welcome { version }).await?;
    let evidence = match proofs {
        Some(shown) => Evidence::Secret {
            ours: ours_said,
            theirs: subject,
            shown,
        },
        None => Evidence::Chain(opener.chain()),
    };
    Ok(Met {
        stream: opener.stream,
        decoder: opener.decoder,
        address,
        dialled: false,
        theirs,
        version,
        evidence,
    })
}

impl Opener {
    fn new(stream: TlsStream<TcpStream>) -> Self {
        Self {
            stream,
            decoder: Decoder::new(OPENING_BYTES),
        }
    }

    fn exported(&self) -> Result<[u8; EXPORTED_BYTES], HandshakeError> {
        let output = [0; EXPORTED_BYTES];
        Ok(match &self.stream {
            TlsStream::Client(stream) => {
                let (_, session) = stream.get_ref();
                session.export_keying_material(output, EXPORTER_LABEL, None)?
            }
            TlsStream::Server(stream) => {
                let (_, session) = stream.get_ref();
                session.export_keying_material(output, EXPORTER_LABEL, None)?
            }
        })
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        let (_, session) = self.stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        chain.iter().map(|one| one.clone().into_owned()).collect()
    }

    /// Says something; as it was written, because proofs are about that.
    async fn say(&mut self, opening: &Opening) -> Result<Vec<u8>, HandshakeError> {
        let frame = encode(opening, OPENING_BYTES)?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        Ok(frame)
    }

    async fn prove(&mut self, trust: &Trust, subject: &Subject) -> Result<(), HandshakeError> {
        if let Trust::Secrets(secrets) = trust {
            let macs = subject.prove(secrets);
            self.say(&Opening::Proof { macs }).await?;
        }
        Ok(())
    }

    /// Says no, and why.
    async fn reject(
        &mut self,
        rejection: Rejection,
        by: Option<NodeEpoch>,
    ) -> Result<Met, HandshakeError> {
        let said = Opening::Rejected {
            code: rejection.code,
            message: rejection.message.clone(),
            by,
        };
        let saying = async {
            self.say(&said).await?;
            self.stream.shutdown().await?;
            drain(&mut self.stream).await;
            Ok::<_, HandshakeError>(())
        };
        // Whether it is heard does not matter to the one who says it.
        let _ = timeout(LAST_WORDS, saying).await;
        Err(rejected(rejection))
    }

    /// What is said next, and as it was written with its length. A rejection is an error; `proved` is who would say it.
    async fn hear(&mut self, proved: Option<&Hello>) -> Result<(Opening, Vec<u8>), HandshakeError> {
        let mut read = [0; 4096];
        loop {
            if let Some(json) = self.decoder.next_frame()? {
                let mut words = (json.len() as u32).to_be_bytes().to_vec();
                words.extend(json);
                match parse(json)? {
                    Opening::Unknown => continue,
                    Opening::Rejected {
                        code,
                        mut message,
                        by,
                    } => {
                        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
                        return Err(HandshakeError::Rejected {
                            rejection: Rejection { code, message },
                            proved: proved.map(|hello| (hello.node.clone(), hello.epoch)),
                            by,
                        });
                    }
                    opening => return Ok((opening, words)),
                }
            }
            let count = self.stream.read(&mut read).await?;
            let Some(bytes) = read.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            };
            self.decoder.feed(bytes);
        }
    }

    async fn hear_hello(&mut self) -> Result<(Hello, Vec<u8>), HandshakeError> {
        match self.hear(None).await? {
            (Opening::Hello(hello), words) if hello.is_sensible() => Ok((hello, words)),
            _ => Err(HandshakeError::Protocol),
        }
    }

    /// Hears and checks the dialler's proof, if secrets are what counts.
    async fn hear_proof_only(
        &mut self,
        trust: &Trust,
        subject: &Subject,
    ) -> Result<Option<Proofs>, HandshakeError> {
        let Trust::Secrets(secrets) = trust else {
            return Ok(None);
        };
        let proofs = self.hear_proofs().await?;
        if subject.is_proved(&proofs, secrets) {
            return Ok(Some(proofs));
        }
        self.reject(wrong_secret(), None).await?;
        Err(HandshakeError::Protocol)
    }

    /// Hears and checks the listener's proof, and keeps what there is to keep.
    async fn hear_proof(
        &mut self,
        trust: &Trust,
        ours: Subject,
        theirs: Subject,
    ) -> Result<Evidence, HandshakeError> {
        let Some(shown) = self.hear_proof_only(trust, &theirs).await? else {
            return Ok(Evidence::Chain(self.chain()));
        };
        Ok(Evidence::Secret {
            ours,
            theirs,
            shown,
        })
    }

    async fn hear_proofs(&mut self) -> Result<Proofs, HandshakeError> {
        match self.hear(None).await?.0 {
            Opening::Proof { macs } => Ok(Proofs::parse(&macs)),
            _ => Err(HandshakeError::Protocol),
        }
    }
}

impl Evidence {
    /// Whether what was shown is good with what holds now. `we_dialled`: the other side listened.
    pub(crate) fn is_good(&self, trust: &Trust, we_dialled: bool) -> bool {
        match (self, trust) {
            (Self::Chain(chain), Trust::Authority { .. }) => trust.is_trusted(chain, !we_dialled),
            (Self::Secret { theirs, shown, .. }, Trust::Secrets(secrets)) => {
                theirs.is_proved(shown, secrets)
            }
            _ => false,
        }
    }

    /// What to show when secrets have changed.
    pub(crate) fn prove(&self, secrets: &[Secret]) -> Vec<String> {
        match self {
            Self::Chain(_) => Vec::new(),
            Self::Secret { ours, .. } => ours.prove(secrets),
        }
    }

    /// The other side's secrets have changed.
    pub(crate) fn show(&mut self, macs: &[String]) {
        if let Self::Secret { shown, .. } = self {
            *shown = Proofs::parse(macs);
        }
    }
}

/// Longest reason that is kept.
const MAX_MESSAGE_BYTES: usize = 512;

/// Whether names fit the certificate, and the one who was meant.
fn judge_hello(
    theirs: &Hello,
    credentials: &Credentials,
    opener: &Opener,
    expected: Option<&NodeId>,
) -> Result<(), Rejection> {
    let code = RejectionCode::WrongNode;
    if let Some(expected) = expected.filter(|expected| **expected != theirs.node) {
        let message = format!("{} is where {expected} was dialled", theirs.node);
        return Err(Rejection { code, message });
    }
    if !credentials.trust.is_named(&opener.chain(), &theirs.node) {
        let message = format!("the certificate is not for {}", theirs.node);
        return Err(Rejection { code, message });
    }
    Ok(())
}

fn wrong_secret() -> Rejection {
    Rejection {
        code: RejectionCode::WrongSecret,
        message: "the secrets of both sides have nothing in common, or somebody is in between"
            .to_owned(),
    }
}

fn rejected(rejection: Rejection) -> HandshakeError {
    HandshakeError::Rejected {
        rejection,
        proved: None,
        by: None,
    }
}
