//! What every registry and every bus does.

mod bus;
mod claims;
mod leases;
mod loss;
mod rooms;

/// Each of these runs in memory and on a server.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::place::Place::memory()).await;
            })*
        }

        mod in_redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::place::Place::redis().await).await;
            })*
        }
    };
}
use contract;
