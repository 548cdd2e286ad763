use proptest::prelude::*;

use super::*;

fn framed<'a>(datagrams: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stream = Vec::new();
    for datagram in datagrams {
        stream.extend(frame_header(datagram.len()).expect("short"));
        stream.extend(datagram);
    }
    stream
}

fn read(reader: &mut FrameReader, input: &[u8]) -> Result<Vec<Vec<u8>>, FrameTooLong> {
    let mut input = input.to_vec();
    let frames = reader.read(&mut input)?;
    Ok(frames.map(|frame| frame.to_vec()).collect())
}

#[test]
fn datagrams_come_out_as_they_went_in() {
    let mut reader = FrameReader::new();
    let stream = framed([&b"one"[..], b"", b"three", b"4"]);
    let expected = [b"one".to_vec(), b"three".to_vec(), b"4".to_vec()];
    assert_eq!(read(&mut reader, &stream), Ok(expected.to_vec()));
    assert_eq!(reader.pending(), 0);
    assert_eq!(read(&mut reader, &[]), Ok(vec![]));
}

#[test]
fn a_datagram_that_comes_byte_by_byte_is_there_with_its_last_one() {
    let mut reader = FrameReader::new();
    let stream = framed([&b"hello"[..]]);
    for byte in &stream[..stream.len() - 1] {
        assert_eq!(read(&mut reader, &[*byte]), Ok(vec![]));
    }
    assert_eq!(read(&mut reader, b"o"), Ok(vec![b"hello".to_vec()]));
    assert_eq!(reader.pending(), 0);
}

#[test]
fn what_is_no_frame_ends_the_stream_before_memory_is_taken() {
    let longest = vec![7; MAX_FRAME];
    let mut reader = FrameReader::new();
    let read_all = read(&mut reader, &framed([&longest[..]]));
    assert_eq!(read_all, Ok(vec![longest]));
    let too_long = u16::try_from(MAX_FRAME + 1)
        .expect("a length")
        .to_be_bytes();
    assert_eq!(read(&mut reader, &too_long), Err(FrameTooLong(9_001)));
    assert_eq!(
        read(&mut reader, b"GET / HTTP/1.1\r\n"),
        Err(FrameTooLong(0x4745))
    );
    // Also when the length comes in two pieces.
    let mut reader = FrameReader::new();
    assert_eq!(read(&mut reader, &too_long[..1]), Ok(vec![]));
    assert_eq!(read(&mut reader, &too_long[1..]), Err(FrameTooLong(9_001)));
    assert_eq!(frame_header(65_536), None);
}

#[test]
fn frames_are_changed_in_place() {
    let mut reader = FrameReader::new();
    let mut input = framed([&b"ab"[..], b"cd"]);
    for frame in reader.read(&mut input).expect("well-formed") {
        frame.make_ascii_uppercase();
    }
    assert_eq!(input, framed([&b"AB"[..], b"CD"]));
}

proptest! {
    #[test]
    fn the_pieces_of_a_stream_make_no_difference(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        cuts in prop::collection::vec(1_usize..64, 1..40),
    ) {
        let stream = framed(datagrams.iter().map(Vec::as_slice));
        let (mut reader, mut received, mut at) = (FrameReader::new(), Vec::new(), 0);
        for cut in cuts.iter().cycle() {
            if at == stream.len() {
                break;
            }
            let end = (at + cut).min(stream.len());
            received.extend(read(&mut reader, &stream[at..end]).expect("well-formed"));
            at = end;
        }
        let expected: Vec<Vec<u8>> =
            datagrams.into_iter().filter(|datagram| !datagram.is_empty()).collect();
        prop_assert_eq!(received, expected);
        prop_assert_eq!(reader.pending(), 0);
    }

    #[test]
    fn no_input_panics_or_grows_memory(stream in prop::collection::vec(any::<u8>(), 0..4096)) {
        crate::fuzzing::fuzz_framing(&stream);
    }
}
