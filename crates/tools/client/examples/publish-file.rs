//! Sends media files into a room, again and again: IVF (VP8, VP9, AV1), Ogg with Opus, H.264 as a byte stream.
//!
//! ```text
//! cargo run -p plenum-client --example publish-file -- http://localhost:3000 lobby picture.ivf sound.ogg
//! ```
//!
//! Such files come, for instance, from
//!
//! ```text
//! ffmpeg -i film.mp4 -an -c:v libvpx -deadline realtime -b:v 1M -g 60 picture.ivf -vn -c:a libopus sound.ogg
//! ```
#![expect(clippy::print_stdout, reason = "what a program is for")]

use std::path::Path;

use plenum_client::{
    Client, ClientConfig, ClientError, Codec, Event, Media, MediaOptions, Publication, Tls,
    source::FileSource,
};

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .unwrap_or_else(|| "http://localhost:3000".to_owned());
    let room = arguments.next().unwrap_or_else(|| "lobby".to_owned());
    let media = Media::start(MediaOptions::default())?;
    let config = ClientConfig::new(url, room)
        .display_name("Files")
        .send_only()
        // For a node with a certificate of its own making. Leave it out where certificates are real.
        .tls(Tls::any_certificate());
    let (client, mut events) = Client::join(config, &media).await?;
    for file in arguments {
        let source = FileSource::open(Path::new(&file))?;
        let codec = source.codec();
        let publication = match codec {
            Codec::Opus => Publication::audio(source),
            _ => Publication::video(codec, source),
        };
        client.publish(publication).await?;
        println!("{file} is on the air, as {}", codec.name());
    }
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Ended(ended)) => println!("over: {ended:?}"),
                Some(_) => {}
                None => return Ok(()),
            },
            _ = tokio::signal::ctrl_c() => {
                client.leave().await;
                return Ok(());
            }
        }
    }
}
