//! What fuzzing has found worth keeping runs through every parser as an ordinary test.
//!
//! `fuzz/corpus` has one file per fuzz target with one input per line in hexadecimal; `make fuzz-run` starts from them
//! and `make fuzz-keep` writes them.

use std::{fs, path::PathBuf};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 44] = [
    ("auth_claims", plenum_auth::fuzzing::fuzz_claims),
    ("auth_keys", plenum_auth::fuzzing::fuzz_keys),
    ("auth_token", plenum_auth::fuzzing::fuzz_token),
    ("bwe_feedback", plenum_bwe::fuzzing::fuzz_feedback),
    ("client_assembler", plenum_client::fuzzing::fuzz_assembler),
    ("client_dispatch", plenum_client::fuzzing::fuzz_dispatch),
    ("client_files", plenum_client::fuzzing::fuzz_files),
    ("client_frames", plenum_client::fuzzing::fuzz_frames),
    ("client_trace", plenum_client::fuzzing::fuzz_trace),
    (
        "codec_dependency_descriptor",
        plenum_codec::fuzzing::fuzz_dependency_descriptor,
    ),
    (
        "codec_dependency_descriptor_rewrite",
        plenum_codec::fuzzing::fuzz_dependency_descriptor_rewrite,
    ),
    ("codec_payload", plenum_codec::fuzzing::fuzz_payload),
    ("codec_red", plenum_codec::fuzzing::fuzz_red),
    ("codec_vp8_rewrite", plenum_codec::fuzzing::fuzz_vp8_rewrite),
    ("codec_vp9_rewrite", plenum_codec::fuzzing::fuzz_vp9_rewrite),
    ("dtls_fingerprint", plenum_dtls::fuzzing::fuzz_fingerprint),
    ("dtls_record_front", plenum_dtls::fuzzing::fuzz_record_front),
    ("ice_stun", plenum_ice::fuzzing::fuzz_stun),
    ("ipc_frames", plenum_ipc::fuzzing::fuzz_frames),
    ("ipc_packet", plenum_ipc::fuzzing::fuzz_packet),
    ("ipc_preamble", plenum_ipc::fuzzing::fuzz_preamble),
    ("link_frames", plenum_link::fuzzing::fuzz_frames),
    ("link_hello", plenum_link::fuzzing::fuzz_hello),
    ("load_assertion", plenum_load::fuzzing::fuzz_assertion),
    ("load_metrics", plenum_load::fuzzing::fuzz_metrics),
    ("params_ortc", plenum_params::fuzzing::fuzz_ortc),
    (
        "params_scalability_mode",
        plenum_params::fuzzing::fuzz_scalability_mode,
    ),
    ("registry_replies", plenum_registry::fuzzing::fuzz_replies),
    ("registry_values", plenum_registry::fuzzing::fuzz_values),
    ("room_words", plenum_room::fuzzing::fuzz_words),
    ("rtp", plenum_rtp::fuzzing::fuzz_rtp),
    ("rtp_extension", plenum_rtp::fuzzing::fuzz_extension),
    ("rtp_framing", plenum_rtp::fuzzing::fuzz_framing),
    ("rtp_rtcp", plenum_rtp::fuzzing::fuzz_rtcp),
    ("sctp_packets", plenum_sctp::fuzzing::fuzz_packets),
    ("sctp_split", plenum_sctp::fuzzing::fuzz_split),
    ("sdp_fragment", plenum_sdp::fuzzing::fuzz_fragment),
    ("sdp_offer", plenum_sdp::fuzzing::fuzz_offer),
    ("signal_forwarded", plenum_signal::fuzzing::fuzz_forwarded),
    (
        "signal_plenum_message",
        plenum_signal::fuzzing::fuzz_plenum_message,
    ),
    (
        "signal_protoo_message",
        plenum_signal::fuzzing::fuzz_protoo_message,
    ),
    (
        "signal_socketio_event",
        plenum_signal::fuzzing::fuzz_socketio_event,
    ),
    ("srtp_open_rtcp", plenum_srtp::fuzzing::fuzz_open_rtcp),
    ("srtp_open_rtp", plenum_srtp::fuzzing::fuzz_open_rtp),
];

#[test]
fn every_kept_input_is_taken_calmly() {
    for (name, parse) in TARGETS {
        let path = fuzz_folder().join("corpus").join(format!("{name}.hex"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!text.is_empty(), "{} is empty", path.display());
        for line in text.lines() {
            parse(&from_hex(line));
        }
    }
}

#[test]
fn every_fuzz_target_has_a_corpus_here() {
    let programs =
        fs::read_dir(fuzz_folder().join("src/bin")).expect("the fuzz crate is in the tree");
    let mut names: Vec<_> = programs
        .map(|entry| {
            entry
                .expect("readable")
                .path()
                .with_extension("")
                .file_name()
                .map(ToOwned::to_owned)
        })
        .map(|name| {
            name.and_then(|name| name.into_string().ok())
                .expect("plain names")
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
}

fn fuzz_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz")
}

fn from_hex(line: &str) -> Vec<u8> {
    let digits = line
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
        .collect()
}
