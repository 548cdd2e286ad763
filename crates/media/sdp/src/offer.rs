//! Offers, as far as all media sections share them.

use plenum_params::transport::{DtlsFingerprint, DtlsParameters, DtlsRole};
use sdp_types::{Attribute, Origin, Session};

use crate::{Error, MAX_ENTRIES, MAX_SECTIONS, MAX_TEXT, Section};

/// An offer for one bundled transport.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Offer {
    /// ICE credentials of the client.
    pub credentials: Credentials,
    /// Fingerprints of its certificate.
    pub fingerprints: Vec<DtlsFingerprint>,
    /// Who begins with DTLS.
    pub setup: Setup,
    /// An engine of browsers wrote it.
    pub from_browser: bool,
    /// Media sections, in order. At least one; all of them are in the bundle.
    pub sections: Vec<Section>,
}

/// ICE credentials of a side. Secrets: never logged.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// `a=ice-ufrag`
    pub username_fragment: String,
    /// `a=ice-pwd`
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Who begins with DTLS (RFC 8842 §5.2), from the viewpoint of whoever states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setup {
    /// It does.
    Active,
    /// Whoever the other side likes.
    ActPass,
    /// The other side does.
    Passive,
}

impl Offer {
    /// Reads an offer.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_TEXT {
            return Err(Error::malformed("too long"));
        }
        let session = Session::parse(text.as_bytes());
        let session = session.map_err(|err| Error::malformed(err.to_string()))?;
        if session.medias.is_empty() {
            return Err(Error::malformed("no media section"));
        }
        if session.medias.len() > MAX_SECTIONS {
            return Err(Error::unacceptable("too many media sections"));
        }
        let sections = session
            .medias
            .iter()
            .map(|media| Section::parse(media, &session.attributes));
        let sections: Vec<_> = sections.collect::<Result<_, _>>()?;
        check_bundle(&session, &sections)?;
        // With all media in one bundle, what the first section says of the transport holds for it (RFC 9143 §7.1.3).
        let first = session.medias.first();
        let places = [
            first.map(|media| media.attributes.as_slice()),
            Some(session.attributes.as_slice()),
        ];
        let places: Vec<_> = places.into_iter().flatten().collect();
        let credentials =
            Credentials::find(&places).ok_or_else(|| Error::malformed("no ICE credentials"))?;
        let fingerprints = fingerprints(&places);
        if fingerprints.is_empty() {
            return Err(Error::malformed("no fingerprint"));
        }
        let setup = match value(&places, "setup") {
            Some("actpass") => Setup::ActPass,
            // What RFC 4145 §4 says of offers without it.
            Some("active") | None => Setup::Active,
            Some("passive") => Setup::Passive,
            Some(_) => return Err(Error::malformed("a=setup")),
        };
        Ok(Self {
            credentials,
            fingerprints,
            setup,
            from_browser: is_browsers(&session.origin),
            sections,
        })
    }

    /// What a transport is to be connected with.
    #[must_use]
    pub fn dtls_parameters(&self) -> DtlsParameters {
        DtlsParameters {
            role: match self.setup {
                Setup::Active | Setup::ActPass => DtlsRole::Client,
                Setup::Passive => DtlsRole::Server,
            },
            fingerprints: self.fingerprints.clone(),
        }
    }
}

impl Credentials {
    pub(crate) fn find(places: &[&[Attribute]]) -> Option<Self> {
        // RFC 8839 §5.4: at least 4 and 22 characters, at most 256.
        let within = |least: usize| move |text: &&str| (least..=256).contains(&text.len());
        let fragment = value(places, "ice-ufrag").filter(within(4))?;
        let password = value(places, "ice-pwd").filter(within(22))?;
        Some(Self {
            username_fragment: fragment.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// Whether an engine of browsers wrote this line. libwebrtc always writes the same name and address (Chromium, Safari and
/// apps built on it), Mozilla's a name of its own; other stacks write either another name or another address.
fn is_browsers(origin: &Origin) -> bool {
    let name = origin.username.as_deref().unwrap_or("-");
    (name == "-" && origin.unicast_address == "127.0.0.1") || name.starts_with("mozilla")
}

fn check_bundle(session: &Session, sections: &[Section]) -> Result<(), Error> {
    let distinct = sections.iter().enumerate().all(|(index, section)| {
        let earlier = sections.get(..index).unwrap_or_default();
        earlier.iter().all(|other| other.mid != section.mid)
    });
    if !distinct {
        return Err(Error::malformed("a=mid twice"));
    }
    let groups = session.attributes.iter();
    let mut bundles = groups
        .filter(|attribute| attribute.attribute == "group")
        .filter_map(|attribute| attribute.value.as_deref()?.strip_prefix("BUNDLE"));
    let bundle = bundles.next().unwrap_or_default();
    let is_in = |section: &Section| bundle.split_whitespace().any(|mid| mid == section.mid);
    if sections.len() > 1 && !sections.iter().all(is_in) {
        return Err(Error::unacceptable("media that is not in one bundle"));
    }
    Ok(())
}

fn fingerprints(places: &[&[Attribute]]) -> Vec<DtlsFingerprint> {
    let found = places.iter().flat_map(|place| place.iter());
    let found = found.filter(|attribute| attribute.attribute == "fingerprint");
    found
        .filter_map(|attribute| {
            let (algorithm, value) = attribute.value.as_deref()?.split_once(' ')?;
            Some(DtlsFingerprint {
                algorithm: algorithm.to_ascii_lowercase(),
                value: value.trim().to_ascii_uppercase(),
            })
        })
        .take(MAX_ENTRIES)
        .collect()
}

/// The first value of an attribute.
pub(crate) fn value<'a>(places: &[&'a [Attribute]], name: &str) -> Option<&'a str> {
    let mut all = places.iter().flat_map(|place| place.iter());
    let found = all.find(|attribute| attribute.attribute == name)?;
    Some(found.value.as_deref().unwrap_or_default().trim())
}
