//! Parts of descriptions that tell of ICE alone (RFC 8840), as WHIP and WHEP send them.

use plenum_params::transport::{IceCandidate, IceParameters};
use sdp_types::{Attribute, Session};

use crate::{Credentials, Error, MAX_TEXT, answer::candidate_text};

/// A fragment from a client. Its candidates are of no use to an ICE-lite server, which learns addresses from checks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fragment {
    /// The client's credentials, if it says them. Others than before mean that ICE is to restart.
    pub credentials: Option<Credentials>,
    /// The media section that it is about.
    pub mid: Option<String>,
}

impl Fragment {
    /// Reads a fragment.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_TEXT {
            return Err(Error::malformed("too long"));
        }
        // A fragment is what would come after the head of a description.
        let whole = format!(
            "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\n{}",
            text.trim_start()
        );
        let session = Session::parse(whole.as_bytes());
        let session = session.map_err(|err| Error::malformed(err.to_string()))?;
        let media = session.medias.first();
        let own = media.map_or(&[][..], |media| media.attributes.as_slice());
        let places = [own, session.attributes.as_slice()];
        let is_said = |name: &str| {
            let mut all = places.iter().flat_map(|place| place.iter());
            all.any(|attribute: &Attribute| attribute.attribute == name)
        };
        let credentials = Credentials::find(&places);
        if credentials.is_none() && (is_said("ice-ufrag") || is_said("ice-pwd")) {
            return Err(Error::malformed("ICE credentials"));
        }
        let known = [
            "ice-ufrag",
            "candidate",
            "end-of-candidates",
            "mid",
            "ice-options",
        ];
        if !known.into_iter().any(is_said) {
            return Err(Error::malformed("nothing about ICE"));
        }
        Ok(Self {
            credentials,
            mid: crate::offer::value(&[own], "mid").map(str::to_owned),
        })
    }

    /// Tells a client of our new credentials, for the section with this `mid`.
    #[must_use]
    pub fn write(
        ice: &IceParameters,
        candidates: &[IceCandidate],
        kind: &str,
        mid: &str,
    ) -> String {
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        let mut lines = vec![
            "a=ice-lite".to_owned(),
            format!("a=ice-ufrag:{}", ice.username_fragment),
            format!("a=ice-pwd:{}", ice.password),
            format!("m={} 9 UDP/TLS/RTP/SAVPF 0", clean(kind)),
            format!("a=mid:{}", clean(mid)),
        ];
        let candidates = candidates.iter();
        lines.extend(candidates.map(|it| format!("a=candidate:{}", candidate_text(it))));
        lines.push("a=end-of-candidates".to_owned());
        lines.push(String::new());
        lines.join("\r\n")
    }
}
