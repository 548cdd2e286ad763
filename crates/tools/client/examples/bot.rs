//! A participant that does not exist: sends made-up sound and pictures, receives everybody else, and says every second
//! how that goes.
//!
//! ```text
//! cargo run -p plenum-client --example bot -- http://localhost:3000 lobby [plenum|protoo|socketio] [token]
//! ```
#![expect(clippy::print_stdout, reason = "what a program is for")]

use std::time::Duration;

use plenum_client::{
    Client, ClientConfig, ClientError, Codec, Dialect, Event, Media, MediaOptions, Publication,
    Step, Tls, source::Synthetic,
};
use tokio::time::interval;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .unwrap_or_else(|| "http://localhost:3000".to_owned());
    let room = arguments.next().unwrap_or_else(|| "lobby".to_owned());
    let dialect = match arguments.next().as_deref() {
        Some("protoo") => Dialect::Protoo,
        Some("socketio") => Dialect::SocketIo,
        _ => Dialect::Plenum,
    };
    let media = Media::start(MediaOptions::default())?;
    let mut config = ClientConfig::new(url, room)
        .display_name("Bot")
        .dialect(dialect)
        // For a node with a certificate of its own making. Leave it out where certificates are real.
        .tls(Tls::any_certificate())
        .hook(|step: &Step| println!("{:?} took {:?}", step.stage, step.took()));
    config.token = arguments.next();
    let (client, mut events) = Client::join(config, &media).await?;
    client
        .publish(Publication::audio(Synthetic::audio(32_000)))
        .await?;
    let bitrates = [150_000, 500_000, 1_500_000];
    let camera = Publication::video(Codec::Vp8, Synthetic::simulcast(Codec::Vp8, &bitrates));
    client
        .publish(camera.simulcast(Synthetic::encodings(&bitrates)))
        .await?;
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Ended(ended)) => println!("over: {ended:?}"),
                Some(event) => println!("{event:?}"),
                None => return Ok(()),
            },
            _ = seconds.tick() => {
                let stats = client.stats().await;
                let (sent, received) = (stats.sent, stats.received);
                println!(
                    "sent {} packets, received {} in {} streams, {} lost",
                    sent.packets, received.packets, stats.receiving.len(), received.lost,
                );
            }
            _ = tokio::signal::ctrl_c() => {
                client.leave().await;
                return Ok(());
            }
        }
    }
}
