//! Published test vectors of both transforms, from session keys.

use super::*;
use crate::tests::hex;

/// RFC 7714 §16 and §17: "Quid pro quo".
const SALT: &str = "517569642070726f2071756f";
const RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e20\
    7061727465732074726573";
const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeef\
    deadbeefdeadbeefdeadbeef";

fn gcm(profile: SrtpProfile) -> SessionCipher {
    let key: Vec<u8> = (0..profile.key_len() as u8).collect();
    let mut salt = [0; MAX_SALT_LEN];
    salt[..12].copy_from_slice(&hex(SALT));
    SessionCipher::from_session_keys(profile, &key, &[], salt).unwrap()
}

fn check_rtp(cipher: &SessionCipher, ssrc: u32, index: u64, plain: &[u8], sealed: &[u8]) {
    let mut packet = plain.to_vec();
    packet.resize(sealed.len(), 0);
    let (header, rest) = packet.split_at_mut(12);
    let (payload, tag) = rest.split_at_mut(plain.len() - 12);
    cipher.seal_rtp(ssrc, index, header, payload, tag).unwrap();
    cipher
        .open_rtp(ssrc, index, header, &mut payload.to_vec(), tag)
        .unwrap();
    assert_eq!(packet, sealed);
}

fn check_rtcp(
    cipher: &SessionCipher,
    index_word: u32,
    plain: &[u8],
    sealed: &[u8],
    tag_len: usize,
) {
    let ssrc = crate::word_at(plain, 4).unwrap();
    let mut packet = plain.to_vec();
    packet.resize(sealed.len(), 0);
    cipher
        .seal_rtcp(ssrc, index_word, &mut packet, plain.len())
        .unwrap();
    assert_eq!(packet, sealed);
    let len = cipher
        .open_rtcp(ssrc, index_word, &mut packet, tag_len)
        .unwrap();
    assert_eq!(&packet[..len], plain);
}

/// RFC 7714 §16.1.1, §16.2.1.
#[test]
fn gcm_rtp_vectors() {
    let cases = [
        (
            SrtpProfile::AeadAes128Gcm,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            SrtpProfile::AeadAes256Gcm,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ];
    for (profile, protected) in cases {
        let plain = hex(RTP);
        let mut sealed = plain[..12].to_vec();
        sealed.extend(hex(protected));
        check_rtp(&gcm(profile), 0x5501_a0b2, 0xf17b, &plain, &sealed);
    }
}

/// RFC 7714 §17.1, §17.2.
#[test]
fn gcm_rtcp_vectors() {
    let cases = [
        (
            SrtpProfile::AeadAes128Gcm,
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda\
             4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            SrtpProfile::AeadAes256Gcm,
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be\
             8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ];
    for (profile, sealed) in cases {
        check_rtcp(&gcm(profile), 0x8000_05d4, &hex(RTCP), &hex(sealed), 16);
    }
}

/// RFC 7714 §17.3: only a tag, E flag clear.
#[test]
fn gcm_rtcp_unencrypted_vector() {
    let mut packet = hex(RTCP);
    packet.extend(hex("841dd9683dd78ec92ae58790125f62b3000005d4"));
    let mut forged = packet.clone();
    let cipher = gcm(SrtpProfile::AeadAes128Gcm);
    let len = cipher
        .open_rtcp(0x4d61_7273, 0x5d4, &mut packet, 16)
        .unwrap();
    assert_eq!(&packet[..len], hex(RTCP));

    forged[10] ^= 1;
    let result = cipher.open_rtcp(0x4d61_7273, 0x5d4, &mut forged, 16);
    assert_eq!(result, Err(SrtpError::AuthenticationFailed));
}

/// RFC 3711 appendix B.2.
#[test]
fn counter_mode_key_stream() {
    let mut salt = [0; MAX_SALT_LEN];
    salt.copy_from_slice(&hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd"));
    let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
    let profile = SrtpProfile::AesCm128HmacSha1_80;
    let cipher = SessionCipher::from_session_keys(profile, &key, &[0; 20], salt).unwrap();
    let mut stream = vec![0; 0xff02 * 16];
    let mut tag = [0; 10];
    cipher.seal_rtp(0, 0, &[], &mut stream, &mut tag).unwrap();
    assert_eq!(
        stream[..48],
        hex(
            "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab\
             41e95b3bb0a2e8dd477901e4fca894c0"
        )
    );
    assert_eq!(
        stream[0xfeff * 16..],
        hex(
            "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae\
             6a2cc3787889374fbeb4c81b17ba6c44"
        )
    );
}

/// What a widely deployed implementation sends under the master key of RFC 3711 appendix B.3.
#[test]
fn counter_mode_packets_of_another_implementation() {
    let material = KeyingMaterial::from_key_and_salt(
        SrtpProfile::AesCm128HmacSha1_80,
        &hex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6"),
    )
    .unwrap();
    check_rtp(
        &SessionCipher::for_rtp(&material).unwrap(),
        0xcafe_babe,
        0x1234,
        &hex("800f1234decafbadcafebabeabababababababababababababababab"),
        &hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"),
    );
    check_rtcp(
        &SessionCipher::for_rtcp(&material).unwrap(),
        0x8000_0001,
        &hex("81c8000bcafebabeabababababababababababababababab"),
        &hex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798"),
        10,
    );
}
