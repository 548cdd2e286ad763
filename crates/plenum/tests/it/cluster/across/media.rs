//! What is said of sound and pictures over nodes, and what is written.

use serde_json::{Value, json};

use super::until;
use crate::{
    client::Client,
    cluster::{
        CLIENTS, Cluster,
        people::{Consumer, Speaker, Viewer, lock},
    },
};

/// Nobody hears it.
const SILENT: u8 = 127;

struct Stage {
    ada: Speaker,
    carl: Speaker,
    bob: Viewer,
    sound: Consumer,
    picture: Consumer,
}

impl Stage {
    /// Two who send, and between them one who looks on, each at a node of its own.
    async fn begin(cluster: &Cluster) -> Self {
        let connect = async |index: usize, name: &str| {
            Client::connect_from(cluster.node(index), "stage", name, CLIENTS[index]).await
        };
        let ada = Speaker::join(connect(0, "ada").await, "Ada").await;
        let mut bob = Viewer::join(connect(1, "bob").await, "Bob", true).await;
        ada.send_like(|how| how.level = SILENT);
        let (sound, picture) = bob.take_both().await;
        assert_eq!(
            (&sound.producer, &picture.producer),
            (&ada.sound, &ada.picture)
        );
        bob.take_chat().await;
        let carl = Speaker::join(connect(2, "carl").await, "Carl").await;
        carl.send_like(|how| how.level = SILENT);
        let (of_carl, _) = bob.take_both().await;
        assert_eq!(of_carl.producer, carl.sound);
        let (id, chat) = bob.client.asked("newDataConsumer").await;
        assert_eq!(chat["peerId"], "carl");
        bob.client.accept(id).await;
        Self {
            ada,
            carl,
            bob,
            sound,
            picture,
        }
    }

    /// What is told of the picture, when it is so.
    async fn told(&mut self, method: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let told = self.bob.client.notified(method).await;
            if told["consumerId"] == self.picture.id && fits(&told) {
                return told;
            }
        }
    }

    async fn shows(&mut self, size: usize) {
        let layer = json!(size);
        self.told("consumerLayersChanged", |told| {
            told["spatialLayer"] == layer
        })
        .await;
        until("the picture's size", async || {
            (self.bob.size(&self.picture) == Some(size)).then_some(())
        })
        .await;
    }
}

pub(super) async fn sound_pictures_and_messages(cluster: &Cluster) {
    let mut stage = Stage::begin(cluster).await;
    stage.shows(2).await;
    layers_scores_and_key_frames(&mut stage).await;
    who_is_heard(&mut stage).await;
    what_is_written(&mut stage).await;
    assert!(stage.bob.packets(&stage.sound) > 0);
}

async fn layers_scores_and_key_frames(stage: &mut Stage) {
    let own = |index: usize| move |told: &Value| told["score"]["producerScores"][index] == 10;
    stage.told("consumerScore", own(2)).await;
    // The largest size ends at its sender: the receiver hears that it is worth nothing, and goes on with the next.
    stage.ada.send_like(|how| how.sizes = 2);
    stage.shows(1).await;
    stage
        .told("consumerScore", |told| {
            told["score"]["producerScores"][2] == 0
        })
        .await;
    stage.ada.send_like(|how| how.sizes = 3);
    stage.shows(2).await;

    let prefer = json!({"consumerId": stage.picture.id, "spatialLayer": 0, "temporalLayer": 0});
    let done = stage.bob.client.ask("setConsumerPreferredLayers", prefer);
    assert_eq!(done.await, Ok(json!({})));
    stage.shows(0).await;
    let before = stage.ada.asked()[0];
    let which = json!({"consumerId": stage.picture.id});
    let done = stage.bob.client.ask("requestConsumerKeyFrame", which);
    assert_eq!(done.await, Ok(json!({})));
    until("a key frame is asked for at the sender", async || {
        (stage.ada.asked()[0] > before).then_some(())
    })
    .await;
}

async fn who_is_heard(stage: &mut Stage) {
    // An even sound is a noise: who speaks begins after silence.
    speaks(stage, |stage| &stage.ada, ("ada", 20)).await;
    stage.ada.send_like(|how| how.level = SILENT);
    speaks(stage, |stage| &stage.carl, ("carl", 30)).await;
}

async fn speaks(stage: &mut Stage, who: impl Fn(&Stage) -> &Speaker, (name, level): (&str, u8)) {
    who(stage).send_like(|how| how.level = level);
    let client = &mut stage.bob.client;
    while client.notified("dominantSpeaker").await["peerId"] != name {}
    let loudest = json!({"peerId": name, "volume": -i16::from(level)});
    while client.notified("speakingPeers").await["peerVolumes"][0] != loudest {}
}

async fn what_is_written(stage: &mut Stage) {
    let Stage { ada, carl, bob, .. } = stage;
    let seen = |bob: &Viewer| lock(&bob.seen).messages.clone();
    // Who reads is not waited for by who writes: the first that arrives says that the pipe is there.
    for (speaker, name) in [(&*ada, "ada"), (&*carl, "carl")] {
        until("a first message", async || {
            speaker.write(name);
            seen(bob).iter().any(|it| it == name).then_some(())
        })
        .await;
        let texts: Vec<_> = (0..20).map(|n| format!("{name} {n}")).collect();
        for text in &texts {
            speaker.write(text);
        }
        until("all messages in order", async || {
            let seen = seen(bob);
            let own = seen.iter().filter(|it| it.starts_with(&format!("{name} ")));
            own.eq(&texts).then_some(())
        })
        .await;
    }
    carl.open_bot().await;
    until("what the bot repeats", async || {
        carl.write_to_bot("hello");
        let said = "Carl said me: \"hello\"";
        seen(bob).iter().any(|it| it == said).then_some(())
    })
    .await;
}
