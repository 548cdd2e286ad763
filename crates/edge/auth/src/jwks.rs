//! Sets of keys as JSON (RFC 7517).

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tracing::debug;

use crate::keys::{ED25519_KEY, Key, MAX_KEYS, MIN_MODULUS};

/// Where a set came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The operator.
    File,
    /// Something that everybody can read: there are no secrets in it.
    Url,
}

/// The keys of a set, or a single one. Those that are not for us are passed over (RFC 7517 §5).
pub(crate) fn parse(bytes: &[u8], source: Source) -> Result<Vec<Key>, &'static str> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| "not JSON")?;
    let list = match value {
        Value::Object(mut set) => match set.remove("keys") {
            Some(Value::Array(list)) => list,
            Some(_) => return Err("\"keys\" is no list"),
            None => vec![Value::Object(set)],
        },
        _ => return Err("no set of keys"),
    };
    let mut keys = Vec::new();
    for value in list.into_iter().take(MAX_LISTED) {
        let Ok(jwk) = serde_json::from_value::<Jwk>(value) else {
            debug!("not a key, passed over");
            continue;
        };
        match jwk.into_key(source) {
            Ok(key) => keys.push(key),
            Err(reason) => debug!(reason, "key passed over"),
        }
    }
    keys.truncate(MAX_KEYS);
    if keys.is_empty() {
        return Err("there is no key in it that could be used (RS256, EdDSA)");
    }
    Ok(keys)
}

/// Keys of a set that are looked at; many are for other algorithms.
const MAX_LISTED: usize = 4 * MAX_KEYS;

/// Longest name of a key.
const MAX_ID: usize = 256;

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    k: Option<String>,
}

impl Jwk {
    fn into_key(self, source: Source) -> Result<Key, &'static str> {
        let is_for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let may_verify = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
        if !is_for_signatures || !self.key_ops.as_ref().is_none_or(may_verify) {
            return Err("not for checking signatures");
        }
        if self.kid.as_ref().is_some_and(|id| id.len() > MAX_ID) {
            return Err("its name is too long");
        }
        let (algorithm, decoding) = match self.kty.as_str() {
            "RSA" => (Algorithm::RS256, self.rsa()?),
            "OKP" => (Algorithm::EdDSA, self.ed25519()?),
            "oct" if source == Source::File => (Algorithm::HS256, self.secret()?),
            "oct" => return Err("a secret that everybody can read"),
            _ => return Err("of another kind"),
        };
        let is_for = |alg: &str| match algorithm {
            Algorithm::RS256 => alg == "RS256",
            Algorithm::HS256 => alg == "HS256",
            // RFC 9864 gave it a name of its own.
            _ => alg == "EdDSA" || alg == "Ed25519",
        };
        if !self.alg.as_deref().is_none_or(is_for) {
            return Err("for another algorithm");
        }
        Ok(Key::new(self.kid, algorithm, decoding))
    }

    fn rsa(&self) -> Result<DecodingKey, &'static str> {
        const MALFORMED: &str = "no RSA key";
        let (Some(n), Some(e)) = (&self.n, &self.e) else {
            return Err(MALFORMED);
        };
        // Four characters for three bytes.
        if n.len() * 3 / 4 < MIN_MODULUS {
            return Err("too short a key");
        }
        DecodingKey::from_rsa_components(n, e).map_err(|_| MALFORMED)
    }

    fn ed25519(&self) -> Result<DecodingKey, &'static str> {
        const MALFORMED: &str = "no Ed25519 key";
        if self.crv.as_deref() != Some("Ed25519") {
            return Err("another curve");
        }
        let x = self.x.as_deref().ok_or(MALFORMED)?;
        let key = DecodingKey::from_ed_components(x).map_err(|_| MALFORMED)?;
        let length = key.try_get_as_bytes().map_or(0, <[u8]>::len);
        if length == ED25519_KEY {
            Ok(key)
        } else {
            Err(MALFORMED)
        }
    }

    fn secret(&self) -> Result<DecodingKey, &'static str> {
        const MALFORMED: &str = "no secret";
        let k = self.k.as_deref().ok_or(MALFORMED)?;
        // Base64 as URLs have it: the other alphabet differs in two characters, and pads.
        let mut standard = k.replace('-', "+").replace('_', "/");
        while standard.len() % 4 != 0 {
            standard.push('=');
        }
        let key = DecodingKey::from_base64_secret(&standard).map_err(|_| MALFORMED)?;
        let bytes = key.try_get_as_bytes().map_err(|_| MALFORMED)?;
        crate::keys::secret(bytes)?;
        Ok(key)
    }
}
