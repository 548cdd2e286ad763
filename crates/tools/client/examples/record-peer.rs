//! Records what one participant of a room sends, or everybody: pictures of VP8 and VP9 into IVF files, of H.264 into byte
//! streams, sound into Ogg. Ends with Ctrl-C.
//!
//! ```text
//! cargo run -p plenum-client --example record-peer -- http://localhost:3000 lobby directory [peer]
//! ```
#![expect(clippy::print_stdout, reason = "what a program is for")]

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use plenum_client::{
    Client, ClientConfig, ClientError, Codec, Consumer, Event, Media, MediaOptions, Tls,
    file::{ivf::IvfWriter, ogg::OggOpusWriter},
    sink::{Assembler, Frame, ReceivedPacket, Sink},
};

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .unwrap_or_else(|| "http://localhost:3000".to_owned());
    let room = arguments.next().unwrap_or_else(|| "lobby".to_owned());
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| ".".to_owned()));
    let peer = arguments.next();
    let media = Media::start(MediaOptions::default())?;
    let config = ClientConfig::new(url, room)
        .display_name("Recorder")
        .receive_only()
        // For a node with a certificate of its own making. Leave it out where certificates are real.
        .tls(Tls::any_certificate())
        .sinks(move |consumer| {
            if peer.is_some() && peer != consumer.peer_id {
                return None;
            }
            match Recording::begin(&directory, consumer) {
                Ok(recording) => Some(Box::new(recording)),
                Err(error) => {
                    println!("{} is not recorded: {error}", consumer.id);
                    None
                }
            }
        });
    let (client, mut events) = Client::join(config, &media).await?;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Ended(ended)) => println!("over: {ended:?}"),
                Some(_) => {}
                None => return Ok(()),
            },
            _ = tokio::signal::ctrl_c() => {
                client.leave().await;
                while events.next().await.is_some() {}
                // Files are finished when their consumers close, and threads answer after that.
                media.figures().await;
                return Ok(());
            }
        }
    }
}

/// A file that is being written. It is written on a media thread, through a buffer: fine for a recorder, not for a
/// thread that serves hundreds of others.
struct Recording {
    assembler: Assembler,
    clock_rate: u32,
    out: Option<Out>,
    /// The first timestamp, and the time since it.
    first: Option<u32>,
    path: PathBuf,
}

enum Out {
    Ivf(IvfWriter<BufWriter<File>>),
    Ogg(OggOpusWriter<BufWriter<File>>),
    ByteStream(BufWriter<File>),
}

impl Recording {
    fn begin(directory: &Path, consumer: &Consumer) -> io::Result<Self> {
        let codec = consumer.codec.ok_or(io::ErrorKind::Unsupported)?;
        let ending = match codec {
            Codec::H264 => "h264",
            Codec::Opus => "ogg",
            Codec::Av1 | Codec::Vp8 | Codec::Vp9 => "ivf",
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let path = directory.join(format!("{}.{ending}", consumer.producer_id));
        let file = BufWriter::new(File::create(&path)?);
        let out = match codec {
            Codec::H264 => Out::ByteStream(file),
            Codec::Opus => Out::Ogg(OggOpusWriter::new(file)?),
            _ => Out::Ivf(IvfWriter::new(file, codec, (1280, 720))?),
        };
        println!("recording {}", path.display());
        Ok(Self {
            assembler: Assembler::new(codec),
            clock_rate: codec.clock_rate(),
            out: Some(out),
            first: None,
            path,
        })
    }

    fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let first = *self.first.get_or_insert(frame.timestamp);
        let ticks = frame.timestamp.wrapping_sub(first);
        let time = Duration::from_secs(ticks.into()) / self.clock_rate;
        match &mut self.out {
            Some(Out::Ivf(out)) => out.frame(time, &frame.data),
            Some(Out::Ogg(out)) => out.packet(time, &frame.data),
            Some(Out::ByteStream(out)) => out.write_all(&frame.data),
            None => Ok(()),
        }
    }
}

impl Sink for Recording {
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        let (sequence, timestamp) = (packet.sequence, packet.timestamp);
        self.assembler
            .push(sequence, timestamp, packet.marker, packet.payload);
        while let Some(frame) = self.assembler.poll() {
            if let Err(error) = self.write(&frame) {
                println!("{} ends here: {error}", self.path.display());
                self.out = None;
            }
        }
    }

    fn closed(&mut self) {
        let finished = match self.out.take() {
            Some(Out::Ivf(out)) => out.finish().map(drop),
            Some(Out::Ogg(out)) => out.finish().map(drop),
            Some(Out::ByteStream(mut out)) => out.flush(),
            None => return,
        };
        println!("{} is finished: {finished:?}", self.path.display());
    }
}
