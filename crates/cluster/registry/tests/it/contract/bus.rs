//! Hints.

use bytes::Bytes;
use plenum_registry::{BusEvent, MAX_MESSAGE, MAX_TOPIC, RegistryError};

use crate::place::{Place, eventually, next};

super::contract!(
    a_subscription_begins_by_saying_so,
    messages_reach_everybody_who_listens_to_their_topic_in_their_order,
    who_has_left_hears_nothing,
    after_an_interruption_everything_is_to_be_looked_at,
    messages_and_topics_have_bounds,
);

fn message(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

async fn a_subscription_begins_by_saying_so(place: Place) {
    let bus = place.handle();
    let mut first = bus.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut first).await, BusEvent::Resubscribed);
    let mut second = bus.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut second).await, BusEvent::Resubscribed);
    assert_eq!(first.try_next(), None, "the first has missed nothing");
}

async fn messages_reach_everybody_who_listens_to_their_topic_in_their_order(place: Place) {
    let (here, there) = (place.handle(), place.handle());
    let mut listeners = vec![
        here.subscribe("t").expect("a subscription"),
        here.subscribe("t").expect("a subscription"),
        there.subscribe("t").expect("a subscription"),
    ];
    let mut other = there.subscribe("other").expect("a subscription");
    for listener in listeners.iter_mut().chain([&mut other]) {
        assert_eq!(next(listener).await, BusEvent::Resubscribed);
    }
    let texts: Vec<_> = (0..200)
        .map(|number| message(&number.to_string()))
        .collect();
    for text in &texts {
        here.publish("t", text.clone()).await.expect("published");
    }
    here.publish("other", message("last"))
        .await
        .expect("published");
    for listener in &mut listeners {
        for text in &texts {
            assert_eq!(next(listener).await, BusEvent::Message(text.clone()));
        }
        assert_eq!(listener.try_next(), None);
    }
    assert_eq!(next(&mut other).await, BusEvent::Message(message("last")));
}

async fn who_has_left_hears_nothing(place: Place) {
    let bus = place.handle();
    let mut stays = bus.subscribe("t").expect("a subscription");
    let leaves = bus.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut stays).await, BusEvent::Resubscribed);
    drop(leaves);
    bus.publish("t", message("1")).await.expect("published");
    assert_eq!(next(&mut stays).await, BusEvent::Message(message("1")));
    drop(stays);
    // Who comes back begins anew.
    let mut again = bus.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut again).await, BusEvent::Resubscribed);
    bus.publish("t", message("2")).await.expect("published");
    assert_eq!(next(&mut again).await, BusEvent::Message(message("2")));
}

async fn after_an_interruption_everything_is_to_be_looked_at(mut place: Place) {
    let bus = place.handle();
    let topics: Vec<_> = (0..300).map(|number| format!("t{number}")).collect();
    let mut listeners = Vec::new();
    for topic in &topics {
        listeners.push(bus.subscribe(topic).expect("a subscription"));
    }
    for listener in &mut listeners {
        assert_eq!(next(listener).await, BusEvent::Resubscribed);
    }
    place.forget().await;
    for listener in &mut listeners {
        assert_eq!(next(listener).await, BusEvent::Resubscribed);
    }
    let teller = place.handle();
    for (topic, listener) in topics.iter().zip(&mut listeners) {
        eventually("a message", async || {
            teller.publish(topic, message("again")).await.ok()
        })
        .await;
        assert_eq!(next(listener).await, BusEvent::Message(message("again")));
    }
}

async fn messages_and_topics_have_bounds(place: Place) {
    let bus = place.handle();
    let large = Bytes::from(vec![0; MAX_MESSAGE + 1]);
    let refused = bus.publish("t", large).await;
    assert!(matches!(refused, Err(RegistryError::TooLarge { .. })));
    let long = "t".repeat(MAX_TOPIC + 1);
    let refused = bus.publish(&long, Bytes::new()).await;
    assert!(matches!(refused, Err(RegistryError::TooLarge { .. })));
    assert!(bus.subscribe(&long).is_err());
    let mut listener = bus.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    let largest = Bytes::from(vec![7; MAX_MESSAGE]);
    bus.publish("t", largest.clone()).await.expect("published");
    assert_eq!(next(&mut listener).await, BusEvent::Message(largest));
}
