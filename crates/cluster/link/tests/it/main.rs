//! Links over loopback: nodes that meet, break, ask too much, and those who only pretend to be one.

mod breaking;
mod channels;
mod identities;
mod intruders;
mod limits;
mod meeting;
mod support;
mod versions;
