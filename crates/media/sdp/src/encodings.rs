//! Streams of a section: by SSRC (RFC 5576) or by RID (RFC 8851, RFC 8853).

use plenum_params::rtp_parameters::{RtpEncodingParameters, RtxParameters};
use sdp_types::Attribute;

use crate::{MAX_ENTRIES, section::MAX_NAME};

/// A stream that has an SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) ssrc: u32,
    pub(crate) rtx: Option<u32>,
}

/// A stream that has a RID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rid {
    pub(crate) name: String,
    /// Pixels of a picture, or bits per second, if the sender limits itself in either.
    limit: Option<u64>,
}

/// Streams in the order of `a=ssrc-group:SIM`, else in that of their first mention.
pub(crate) fn sources(attributes: &[Attribute]) -> Vec<Source> {
    let groups = |semantics: &'static str| {
        let all = attributes.iter();
        let named = all.filter(|attribute| attribute.attribute == "ssrc-group");
        named.take(MAX_ENTRIES).filter_map(move |attribute| {
            let mut words = attribute.value.as_deref()?.split_whitespace();
            (words.next()? == semantics).then(|| ssrcs(words))
        })
    };
    let repeats: Vec<(u32, u32)> = groups("FID")
        .filter_map(|group| Some((*group.first()?, *group.get(1)?)))
        .collect();
    let mut order: Vec<u32> = groups("SIM").next().unwrap_or_default();
    let all = attributes.iter();
    let mentions = all.filter(|attribute| attribute.attribute == "ssrc");
    let mentioned = mentions.filter_map(|attribute| {
        let first = attribute.value.as_deref()?.split_whitespace().next()?;
        first.parse().ok()
    });
    for ssrc in mentioned {
        if order.len() < MAX_ENTRIES && !order.contains(&ssrc) {
            order.push(ssrc);
        }
    }
    order.retain(|ssrc| !repeats.iter().any(|(_, rtx)| rtx == ssrc));
    let rtx_of = |ssrc: u32| repeats.iter().find(|(first, _)| *first == ssrc);
    let sources = order.into_iter().map(|ssrc| Source {
        ssrc,
        rtx: rtx_of(ssrc).map(|(_, rtx)| *rtx),
    });
    sources.collect()
}

fn ssrcs<'a>(words: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut list: Vec<u32> = Vec::new();
    for ssrc in words.take(MAX_ENTRIES).filter_map(|word| word.parse().ok()) {
        if !list.contains(&ssrc) {
            list.push(ssrc);
        }
    }
    list
}

/// The first value that an SSRC has for a name.
pub(crate) fn source_value(attributes: &[Attribute], name: &str) -> Option<String> {
    let all = attributes.iter();
    let mut named = all.filter(|attribute| attribute.attribute == "ssrc");
    named.find_map(|attribute| {
        let (_, rest) = attribute.value.as_deref()?.trim().split_once(' ')?;
        let (found, value) = rest.split_once(':')?;
        (found == name && !value.is_empty()).then(|| value.to_owned())
    })
}

/// RIDs that are sent, lowest quality first. Alternatives and paused streams count as streams.
pub(crate) fn rids(attributes: &[Attribute]) -> Vec<Rid> {
    let values = |name: &'static str| {
        let all = attributes.iter();
        let named = all.filter(move |attribute| attribute.attribute == name);
        named.filter_map(|attribute| attribute.value.as_deref())
    };
    let declared: Vec<Rid> = values("rid").take(MAX_ENTRIES).filter_map(rid).collect();
    let listed = values("simulcast").find_map(|text| {
        let mut words = text.split_whitespace();
        words.find(|word| *word == "send")?;
        words.next()
    });
    let Some(listed) = listed else {
        // One RID without simulcast (RFC 8852 §3.2) is as good as none, but for naming the stream.
        return declared.into_iter().take(1).collect();
    };
    let listed = listed
        .split([';', ','])
        .map(|word| word.trim_start_matches('~'));
    let mut order: Vec<Rid> = Vec::new();
    for name in listed.take(MAX_ENTRIES) {
        let found = declared.iter().find(|rid| rid.name == name);
        if let Some(rid) = found
            && !order.contains(rid)
        {
            order.push(rid.clone());
        }
    }
    sort(&mut order);
    order
}

/// `name send [restrictions]`
fn rid(text: &str) -> Option<Rid> {
    let mut words = text.split_whitespace();
    let (name, direction) = (words.next()?, words.next()?);
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if direction != "send" || !is_name || name.len() > MAX_NAME {
        return None;
    }
    let restrictions = words.next().unwrap_or_default();
    let find = |wanted: &str| {
        let mut pairs = restrictions
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
        value.parse::<u32>().ok().map(u64::from)
    };
    let pixels = find("max-width").zip(find("max-height"));
    let pixels = pixels.map(|(width, height)| width * height);
    Some(Rid {
        name: name.to_owned(),
        limit: pixels.or_else(|| find("max-fs")).or_else(|| find("max-br")),
    })
}

/// RFC 8853 wants the best one first, browsers write them as the page gave them, and our rooms want the best one last.
/// Limits tell, if all have one. Else names do: words and letters that mean sizes; `r0`, `r1` … grow, as in mediasoup; mere
/// numbers are those of OBS, which begins with the best. Otherwise the order stays.
fn sort(rids: &mut [Rid]) {
    if rids.iter().all(|rid| rid.limit.is_some()) {
        rids.sort_by_key(|rid| rid.limit);
        return;
    }
    let has = |name: &str| rids.iter().any(|rid| rid.name.eq_ignore_ascii_case(name));
    let quarters = has("q") || has("f");
    let ranks: Option<Vec<_>> = rids.iter().map(|rid| rank(&rid.name, quarters)).collect();
    if ranks.is_some() {
        rids.sort_by_key(|rid| rank(&rid.name, quarters));
    } else if rids.iter().all(|rid| rid.name.parse::<u16>().is_ok()) {
        rids.sort_by_key(|rid| std::cmp::Reverse(rid.name.parse::<u16>().unwrap_or_default()));
    } else if rids.iter().all(|rid| numbered(&rid.name).is_some()) {
        rids.sort_by_key(|rid| numbered(&rid.name));
    }
}

fn numbered(name: &str) -> Option<u16> {
    name.strip_prefix('r')?.parse().ok()
}

fn rank(name: &str, quarters: bool) -> Option<u8> {
    Some(match name.to_ascii_lowercase().as_str() {
        "q" | "l" | "lo" | "low" | "quarter" => 0,
        "m" | "mid" | "middle" | "med" | "medium" | "half" => 1,
        "h" if quarters => 1,
        "h" | "hi" | "high" => 2,
        "f" | "full" | "original" => 3,
        _ => return None,
    })
}

/// What the producer has as streams. At least one: a sender that names none is recognised by its MID.
pub(crate) fn encodings(sources: &[Source], rids: &[Rid]) -> Vec<RtpEncodingParameters> {
    if rids.len() > 1 {
        let named = rids.iter().map(|rid| RtpEncodingParameters {
            rid: Some(rid.name.clone()),
            ..RtpEncodingParameters::default()
        });
        return named.collect();
    }
    if sources.is_empty() {
        return vec![RtpEncodingParameters {
            rid: rids.first().map(|rid| rid.name.clone()),
            ..RtpEncodingParameters::default()
        }];
    }
    let known = sources.iter().map(|source| RtpEncodingParameters {
        ssrc: Some(source.ssrc),
        rtx: source.rtx.map(|ssrc| RtxParameters { ssrc }),
        ..RtpEncodingParameters::default()
    });
    known.collect()
}
