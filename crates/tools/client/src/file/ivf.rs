//! IVF: a head of 32 bytes, then frames, each with 12 bytes in front that say how long it is and when it is shown. All
//! numbers are little-endian.

use std::{
    io::{self, Seek, SeekFrom, Write},
    time::Duration,
};

use super::FileError;
use crate::Codec;

const HEAD: usize = 32;
const FRAME_HEAD: usize = 12;

/// A file in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ivf {
    /// VP8, VP9 or AV1.
    pub codec: Codec,
    /// Frames with the time at which they are shown.
    pub frames: Vec<(Duration, Vec<u8>)>,
}

impl Ivf {
    /// Reads a file. A frame that is cut off ends it.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let kind = FileError::Kind("IVF file of VP8, VP9 or AV1");
        if bytes.get(..4) != Some(b"DKIF") {
            return Err(kind);
        }
        let codec = match bytes.get(8..12) {
            Some(b"AV01") => Codec::Av1,
            Some(b"VP80") => Codec::Vp8,
            Some(b"VP90") => Codec::Vp9,
            _ => return Err(kind),
        };
        let head_len = bytes.get(6..8).and_then(|it| it.try_into().ok());
        let head_len = head_len.map_or(HEAD, |it| usize::from(u16::from_le_bytes(it)));
        let number = |at: usize| {
            let bytes: Option<[u8; 4]> = bytes.get(at..at + 4)?.try_into().ok();
            bytes.map(u32::from_le_bytes)
        };
        // Units of time in a second, and what a second is divided into: 30 / 1, or 1000 / 1.
        let (rate, scale) = (
            number(16).unwrap_or(30).max(1),
            number(20).unwrap_or(1).max(1),
        );
        let mut rest = bytes.get(head_len..).ok_or(kind)?;
        let mut frames = Vec::new();
        while let Some((head, more)) = rest.split_first_chunk::<FRAME_HEAD>() {
            let (len, time) = head.split_at(4);
            let len = len.try_into().map_or(0, u32::from_le_bytes) as usize;
            let time = time.try_into().map_or(0, u64::from_le_bytes);
            let Some((frame, more)) = more.split_at_checked(len) else {
                break;
            };
            let nanos = u128::from(time) * 1_000_000_000 * u128::from(scale) / u128::from(rate);
            let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            frames.push((time, frame.to_vec()));
            rest = more;
        }
        if frames.is_empty() {
            return Err(FileError::Empty);
        }
        Ok(Self { codec, frames })
    }
}

/// Writes a file.
#[derive(Debug)]
pub struct IvfWriter<W> {
    out: W,
    frames: u32,
}

impl<W: Write + Seek> IvfWriter<W> {
    /// Writes the head. Pictures of another size than this one play as well: the size is for show.
    ///
    /// # Errors
    /// When writing fails, or for a codec that has no place in such files.
    pub fn new(mut out: W, codec: Codec, size: (u16, u16)) -> io::Result<Self> {
        let name = match codec {
            Codec::Av1 => b"AV01",
            Codec::Vp8 => b"VP80",
            Codec::Vp9 => b"VP90",
            Codec::H264 | Codec::Opus => return Err(io::ErrorKind::Unsupported.into()),
        };
        out.write_all(b"DKIF")?;
        out.write_all(&[0, 0, HEAD as u8, 0])?;
        out.write_all(name)?;
        out.write_all(&size.0.to_le_bytes())?;
        out.write_all(&size.1.to_le_bytes())?;
        // Milliseconds.
        out.write_all(&1000_u32.to_le_bytes())?;
        out.write_all(&1_u32.to_le_bytes())?;
        out.write_all(&[0; 8])?;
        Ok(Self { out, frames: 0 })
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// When writing fails.
    pub fn frame(&mut self, time: Duration, data: &[u8]) -> io::Result<()> {
        let len = u32::try_from(data.len()).map_err(io::Error::other)?;
        self.out.write_all(&len.to_le_bytes())?;
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.out.write_all(&millis.to_le_bytes())?;
        self.out.write_all(data)?;
        self.frames += 1;
        Ok(())
    }

    /// Writes how many frames there are into the head.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.seek(SeekFrom::Start(24))?;
        self.out.write_all(&self.frames.to_le_bytes())?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            frames in prop::collection::vec((0_u64..100_000, prop::collection::vec(any::<u8>(), 0..50)), 1..20),
        ) {
            let frames: Vec<_> =
                frames.into_iter().map(|(time, data)| (Duration::from_millis(time), data)).collect();
            let mut writer = IvfWriter::new(Cursor::new(Vec::new()), Codec::Vp9, (640, 360)).expect("memory");
            for (time, data) in &frames {
                writer.frame(*time, data).expect("memory");
            }
            let bytes = writer.finish().expect("memory").into_inner();
            let read = Ivf::parse(&bytes).expect("well-formed");
            prop_assert_eq!(read, Ivf { codec: Codec::Vp9, frames });
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), real: bool) {
            if real && bytes.len() > 12 {
                bytes[..12].copy_from_slice(b"DKIF\0\0\x20\0VP80");
            }
            let _ = Ivf::parse(&bytes);
        }
    }
}
