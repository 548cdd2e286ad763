//! What this node shows to others and what it accepts of them, and reading that again while it runs.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use plenum_ids::NodeId;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::{Resumption, verify_server_name},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    server::{ParsedCertificate, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::TLS13,
};

use crate::{Identity, Secret, SecretSource, StartError};

use verifiers::ListenerVerifier;

mod verifiers;

/// RFC 7301: so that nothing else that speaks TLS is taken for a node.
const PROTOCOL: &[u8] = b"plenum-link";

/// Most bytes of a file. Authorities are some kilobytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What holds now. Connections keep what they began with.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) trust: Trust,
}

/// How others are believed.
#[derive(Debug)]
pub(crate) enum Trust {
    Authority {
        diallers: Arc<dyn ClientCertVerifier>,
        listeners: Arc<ListenerVerifier>,
        names: bool,
    },
    /// The current one first.
    Secrets(Vec<Secret>),
}

/// Credentials, and where they come from.
#[derive(Debug)]
pub(crate) struct Keeper {
    identity: Identity,
    node: NodeId,
    provider: Arc<CryptoProvider>,
    /// What was in the files, in their order.
    read: RwLock<Vec<Option<Vec<u8>>>>,
    current: RwLock<Arc<Credentials>>,
}

impl Keeper {
    /// Reads what there is.
    pub(crate) fn new(identity: Identity, node: NodeId) -> Result<Self, StartError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let read = read_all(&identity)?;
        let current = Arc::new(make(&identity, &node, &read, &provider)?);
        Ok(Self {
            identity,
            node,
            provider,
            read: RwLock::new(read),
            current: RwLock::new(current),
        })
    }

    /// What holds now.
    pub(crate) fn current(&self) -> Arc<Credentials> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again, waiting for the disk. Whether something else holds now. On an error, what held before
    /// goes on; it is not told twice for the same content.
    pub(crate) fn look_again(&self) -> Result<bool, StartError> {
        let read = read_all(&self.identity)?;
        {
            let mut known = self.read.write().unwrap_or_else(PoisonError::into_inner);
            if *known == read {
                return Ok(false);
            }
            known.clone_from(&read);
        }
        let made = make(&self.identity, &self.node, &read, &self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
        Ok(true)
    }
}

impl Trust {
    /// Whether whoever shows this chain may be that node. What the chain itself is worth is TLS' affair.
    pub(crate) fn is_named(&self, chain: &[CertificateDer<'_>], node: &NodeId) -> bool {
        match self {
            Self::Authority { names: true, .. } => chain
                .first()
                .is_some_and(|certificate| is_for(certificate, node)),
            Self::Authority { names: false, .. } | Self::Secrets(_) => true,
        }
    }

    /// Whether a chain that was good when the connection began is so now.
    pub(crate) fn is_trusted(&self, chain: &[CertificateDer<'_>], they_dialled: bool) -> bool {
        let Self::Authority {
            diallers,
            listeners,
            ..
        } = self
        else {
            return true;
        };
        let Some((certificate, between)) = chain.split_first() else {
            return false;
        };
        let now = UnixTime::now();
        if they_dialled {
            let verified = diallers.verify_client_cert(certificate, between, now);
            verified.is_ok()
        } else {
            listeners.verify(certificate, between, now).is_ok()
        }
    }
}

fn make(
    identity: &Identity,
    node: &NodeId,
    read: &[Option<Vec<u8>>],
    provider: &Arc<CryptoProvider>,
) -> Result<Credentials, StartError> {
    match identity {
        Identity::Mtls {
            certificate,
            key,
            authority,
            names,
        } => {
            let [Some(chain), Some(own_key), Some(roots)] = read else {
                // A missing file is an error before this.
                return Err(missing(certificate));
            };
            let chain = certificates(chain, certificate)?;
            if let Some(own) = chain.first()
                && *names
                && !is_for(own, node)
            {
                let node = node.to_string();
                return Err(StartError::WrongName { node });
            }
            let own_key = PrivateKeyDer::from_pem_slice(own_key)
                .map_err(|source| unreadable(key, io::Error::other(source)))?;
            with_authority(
                chain,
                own_key,
                &certificates(roots, authority)?,
                *names,
                provider,
            )
        }
        Identity::Secret { current, previous } => {
            let mut values = read.iter();
            let mut secrets = Vec::new();
            for source in [Some(current), previous.as_ref()].into_iter().flatten() {
                let value = values.next().and_then(Option::as_deref);
                secrets.extend(secret(source, value, secrets.is_empty())?);
            }
            with_secrets(secrets, provider)
        }
    }
}

fn with_authority(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authority: &[CertificateDer<'static>],
    names: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<Credentials, StartError> {
    let mut roots = RootCertStore::empty();
    for root in authority {
        roots.add(root.clone()).map_err(StartError::Certificate)?;
    }
    let roots = Arc::new(roots);
    let diallers =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
            .build()
            .map_err(|err| StartError::Certificate(rustls::Error::General(err.to_string())))?;
    let listeners = Arc::new(ListenerVerifier::of_authority(roots, Arc::clone(provider)));
    let server = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(StartError::Certificate)?
        .with_client_cert_verifier(Arc::clone(&diallers))
        .with_single_cert(chain.clone(), key.clone_key())
        .map_err(StartError::Certificate)?;
    let client = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(StartError::Certificate)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&listeners) as _)
        .with_client_auth_cert(chain, key)
        .map_err(StartError::Certificate)?;
    let trust = Trust::Authority {
        diallers,
        listeners,
        names,
    };
    Ok(credentials(server, client, trust))
}

/// TLS with a certificate made on the spot. The listener shows one because TLS wants it; a dialler's would add
/// nothing, as both prove that they know the secret.
fn with_secrets(
    secrets: Vec<Secret>,
    provider: &Arc<CryptoProvider>,
) -> Result<Credentials, StartError> {
    // No name of anybody is in it: strangers see it.
    let made = rcgen::generate_simple_self_signed(["plenum.invalid".to_owned()])
        .map_err(StartError::SelfSigned)?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(StartError::Certificate)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(StartError::Certificate)?;
    let verifier = Arc::new(ListenerVerifier::any(Arc::clone(provider)));
    let client = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(StartError::Certificate)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(credentials(server, client, Trust::Secrets(secrets)))
}

fn credentials(mut server: ServerConfig, mut client: ClientConfig, trust: Trust) -> Credentials {
    server.alpn_protocols = vec![PROTOCOL.to_vec()];
    client.alpn_protocols = vec![PROTOCOL.to_vec()];
    // A session that goes on from an earlier one would not show certificates again, of which the authority may be gone.
    server.send_tls13_tickets = 0;
    client.resumption = Resumption::disabled();
    // Names are checked when it is known who speaks.
    client.enable_sni = false;
    Credentials {
        server: Arc::new(server),
        client: Arc::new(client),
        trust,
    }
}

fn is_for(certificate: &CertificateDer<'_>, node: &NodeId) -> bool {
    let Ok(name) = ServerName::try_from(node.as_str()) else {
        return false;
    };
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|source| unreadable(path, io::Error::other(source)))?;
    if found.is_empty() {
        return Err(missing(path));
    }
    Ok(found)
}

/// The secret of a source, if there is one. The first one is needed.
fn secret(
    source: &SecretSource,
    read: Option<&[u8]>,
    needed: bool,
) -> Result<Option<Secret>, StartError> {
    let secret = match source {
        SecretSource::Value(secret) => secret.clone(),
        SecretSource::File(path) => {
            let text = std::str::from_utf8(read.unwrap_or_default())
                .map_err(|source| unreadable(path, io::Error::other(source)))?;
            let secret = Secret::from(text);
            if secret.expose().is_empty() {
                return if needed { Err(missing(path)) } else { Ok(None) };
            }
            secret
        }
    };
    let length = secret.expose().len();
    let least = Secret::MIN_BYTES;
    if length < least {
        return Err(StartError::ShortSecret { length, least });
    }
    Ok(Some(secret))
}

/// What is in the files of an identity, one entry for each of its sources.
fn read_all(identity: &Identity) -> Result<Vec<Option<Vec<u8>>>, StartError> {
    match identity {
        Identity::Mtls {
            certificate,
            key,
            authority,
            ..
        } => {
            let read = |path: &PathBuf| read(path).map(Some).map_err(|err| unreadable(path, err));
            [certificate, key, authority]
                .into_iter()
                .map(read)
                .collect()
        }
        Identity::Secret { current, previous } => {
            let mut all = vec![read_secret(current, true)?];
            if let Some(previous) = previous {
                all.push(read_secret(previous, false)?);
            }
            Ok(all)
        }
    }
}

fn read_secret(source: &SecretSource, needed: bool) -> Result<Option<Vec<u8>>, StartError> {
    match source {
        SecretSource::Value(_) => Ok(None),
        SecretSource::File(path) => match read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(err) if err.kind() == io::ErrorKind::NotFound && !needed => Ok(None),
            Err(err) => Err(unreadable(path, err)),
        },
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &Path, source: io::Error) -> StartError {
    let path = path.to_owned();
    StartError::File { path, source }
}

fn missing(path: &Path) -> StartError {
    unreadable(
        path,
        io::Error::new(io::ErrorKind::InvalidData, "nothing is in it"),
    )
}
