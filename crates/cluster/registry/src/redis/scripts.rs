//! The scripts: each is the prelude and its own text. The server knows them by their digest, and is told the text when it
//! does not.

use redis::Script;

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Script::new(concat!(
                        include_str!("lua/prelude.lua"),
                        include_str!(concat!("lua/", stringify!($name), ".lua")),
                    )),)*
                }
            }
        }
    };
}

scripts! {
    claim,
    leases,
    peers,
    put_part,
    put_peer,
    register,
    release,
    remove_part,
    remove_peer,
    renew,
    resign,
    room,
    rooms_of,
    sweep,
}
