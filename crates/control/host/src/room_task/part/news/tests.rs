use plenum_cluster::Stamp;
use plenum_ids::{NodeEpoch, RoomId};
use plenum_registry::{BusEvent, Memory, Subscription};

use super::*;

const EPOCH: NodeEpoch = NodeEpoch(3);

fn news(bus: &Memory) -> (News, Subscription) {
    let node = "a".into();
    let me = NodeKey { node, epoch: EPOCH };
    let room = RoomName::from(RoomId::from("lobby"));
    let news = News::new(Arc::new(bus.clone()), me, &room);
    let mut heard = bus.subscribe(news.topic()).expect("a topic");
    assert_eq!(heard.try_next(), Some(BusEvent::Resubscribed));
    (news, heard)
}

fn left(seq: u64, name: &str) -> Numbered<PartChange> {
    let stamp = Stamp { epoch: EPOCH, seq };
    let peer = name.into();
    let change = PartChange::PeerLeft { peer };
    Numbered { stamp, change }
}

/// What was heard, message by message.
fn bulletins(heard: &mut Subscription) -> Vec<Vec<Item>> {
    let messages = std::iter::from_fn(|| heard.try_next());
    let read = messages.map(|event| match event {
        BusEvent::Message(message) => {
            let bulletin: Bulletin = serde_json::from_slice(&message).expect("a bulletin");
            assert_eq!((bulletin.node.as_str(), bulletin.epoch), ("a", EPOCH));
            bulletin.items
        }
        other => panic!("{other:?}"),
    });
    read.collect()
}

#[tokio::test]
async fn what_comes_together_is_told_together_and_in_order() {
    let bus = Memory::new();
    let (mut news, mut heard) = news(&bus);
    for seq in 1..=5 {
        news.change(left(seq, "ada"));
    }
    news.end(5);
    news.flush().await;
    let told = bulletins(&mut heard);
    assert_eq!(told.len(), 1);
    let numbers: Vec<_> = told[0].iter().map(|it| (it.seq, it.ended)).collect();
    let expected = [1, 2, 3, 4, 5].map(|seq| (Some(seq), false));
    assert_eq!(numbers[..5], expected);
    assert_eq!(numbers[5..], [(Some(5), true)]);
}

#[tokio::test]
async fn no_message_is_longer_than_the_bus_takes_and_what_is_longer_is_to_be_fetched() {
    let bus = Memory::new();
    let (mut news, mut heard) = news(&bus);
    for seq in 1..=20 {
        news.change(left(seq, &"x".repeat(10_000)));
    }
    news.change(left(21, &"x".repeat(MAX_MESSAGE)));
    news.flush().await;
    let told = bulletins(&mut heard);
    assert_eq!(told.len(), 4, "six of them in each");
    let items = told.concat();
    let numbers: Vec<_> = items.iter().filter_map(|item| item.seq).collect();
    assert_eq!(numbers, (1..=21).collect::<Vec<_>>());
    let bare: Vec<_> = items.iter().filter(|item| item.change.is_none()).collect();
    assert_eq!(bare.len(), 1);
    assert_eq!(bare[0].seq, Some(21));
}

#[tokio::test]
async fn what_the_bus_does_not_take_is_bounded_and_the_last_number_is_told() {
    let bus = Memory::new();
    let (mut news, mut heard) = news(&bus);
    let last = 3 * MAX_WAITING as u64;
    for seq in 1..=last {
        news.change(left(seq, "ada"));
        assert!(news.waiting.len() <= MAX_WAITING);
    }
    news.flush().await;
    let items = bulletins(&mut heard).concat();
    assert!(items.len() <= MAX_WAITING);
    assert_eq!(items.last().and_then(|item| item.seq), Some(last));
    assert!(items[0].change.is_none(), "the rest is fetched");
}
