//! Real datagrams over the loopback interface.

mod loopback;
