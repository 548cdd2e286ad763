//! `plenum token`: makes a token.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use plenum_api::grants::{Grants, Role};
use plenum_auth::{Audience, Claims, Signer};
use plenum_ids::NamespaceId;

/// What a token shall say.
#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// The room, or with * several of them: "class-*".
    #[arg(long, value_name = "ROOM")]
    pub(crate) room: String,
    /// The name that its bearer has in the room; without one it chooses for itself.
    #[arg(long, value_name = "NAME")]
    pub(crate) peer: Option<String>,
    /// The name that people see.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The region that its bearer is in, as nodes call it (node.region).
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// Who connects its bearer, as nodes call it (node.isp).
    #[arg(long, value_name = "NAME")]
    pub(crate) isp: Option<String>,
    /// The namespace.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = NamespaceId::parse)]
    pub(crate) namespace: NamespaceId,
    /// What its bearer is in the room; without it a speaker.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<RoleArg>,
    /// What its bearer may do: one or several of these, or none. Without any: publish everything and subscribe.
    #[arg(long = "grant", value_name = "GRANT", value_delimiter = ',')]
    pub(crate) grants: Vec<GrantArg>,
    /// Is not seen by the others, and publishes nothing.
    #[arg(long)]
    pub(crate) hidden: bool,
    /// For how long it holds: 90s, 30m, 1h, 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    pub(crate) expires: Duration,
    /// The private key (PEM) or the secret that signs it.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: std::path::PathBuf,
    /// The key's name, where nodes have it from a JWKS.
    #[arg(long, value_name = "ID")]
    pub(crate) key_id: Option<String>,
    /// Who makes it (auth.issuer of the nodes).
    #[arg(long, value_name = "NAME")]
    pub(crate) issuer: Option<String>,
    /// Whom it is for (auth.audience of the nodes).
    #[arg(long, value_name = "NAME")]
    pub(crate) audience: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Publishes nothing.
    Listener,
    /// Publishes what its grants allow.
    Speaker,
    /// Decides about the room and the others.
    Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GrantArg {
    /// May do what hosts may do.
    Admin,
    /// Publishes microphones.
    Audio,
    /// Publishes messages.
    Data,
    /// Nothing at all.
    None,
    /// Publishes all of the four.
    Publish,
    /// May have the room recorded.
    Record,
    /// Publishes screens.
    Screen,
    /// Receives what others publish.
    Subscribe,
    /// Publishes cameras.
    Video,
}

pub(crate) fn run(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let signer = Signer::from_file(&args.key)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.context("this machine's clock is wrong")?;
    let key_id = args.key_id.clone();
    let token = signer.sign(&claims(args, now), key_id);
    let token = token.map_err(anyhow::Error::msg)?;
    writeln!(io::stdout().lock(), "{token}")?;
    Ok(ExitCode::SUCCESS)
}

fn claims(args: TokenArgs, now: Duration) -> Claims {
    Claims {
        ns: args.namespace,
        room: args.room,
        peer: args.peer,
        name: args.name,
        region: args.region,
        isp: args.isp,
        role: args.role.map(|role| match role {
            RoleArg::Listener => Role::Listener,
            RoleArg::Speaker => Role::Speaker,
            RoleArg::Host => Role::Host,
        }),
        grants: Grants {
            hidden: args.hidden,
            ..grants(&args.grants)
        },
        exp: (now + args.expires).as_secs(),
        nbf: None,
        iss: args.issuer,
        aud: args.audience.map(Audience::One),
    }
}

fn grants(given: &[GrantArg]) -> Grants {
    if given.is_empty() {
        return Grants::default();
    }
    let has = |grant| given.contains(&grant);
    let publishes = |kind| has(kind) || has(GrantArg::Publish);
    Grants {
        publish_audio: publishes(GrantArg::Audio),
        publish_video: publishes(GrantArg::Video),
        publish_screen: publishes(GrantArg::Screen),
        publish_data: publishes(GrantArg::Data),
        subscribe: has(GrantArg::Subscribe),
        hidden: false,
        admin: has(GrantArg::Admin),
        record: has(GrantArg::Record),
    }
}

/// A number and its unit; seconds without one.
pub(crate) fn lifetime(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "a number with s, m, h or d behind it";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(EXPECTED),
    };
    let number: u32 = digits.parse().map_err(|_| EXPECTED)?;
    if number == 0 {
        return Err("at least one second");
    }
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_numbers_with_a_unit() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("30m", 1800),
            ("1h", 3600),
            ("7d", 604_800),
        ] {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "1w", "-1h", "1.5h", "0s", "1 h", "99999999999"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn who_names_grants_gets_those_and_no_others() {
        assert_eq!(grants(&[]), Grants::default());
        assert_eq!(grants(&[GrantArg::None]), Grants::NONE);
        let all = [GrantArg::Publish, GrantArg::Subscribe];
        assert_eq!(grants(&all), Grants::default());
        let some = grants(&[GrantArg::Audio, GrantArg::Admin]);
        assert_eq!(
            some,
            Grants {
                publish_audio: true,
                admin: true,
                ..Grants::NONE
            }
        );
    }
}
