use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use plenum_udp::{
    BindOptions, Events, Interest, MAX_RECEIVED_MESSAGES, Message, Poller, RecvBatch, SendReport,
    Sender, UdpSocket,
};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn socket(ip: IpAddr, options: &BindOptions) -> UdpSocket {
    UdpSocket::bind(SocketAddr::new(ip, 0), options).expect("a free loopback port")
}

fn plain() -> BindOptions {
    BindOptions {
        gso: false,
        gro: false,
        ..BindOptions::default()
    }
}

/// `count` datagrams of `size` bytes, each filled with its number.
fn run(count: u8, size: usize) -> Vec<u8> {
    (0..count).flat_map(|n| vec![n; size]).collect()
}

/// Receives until `count` datagrams are there, which loopback delivers before the send returns; waits at most 5 s.
fn receive(socket: &UdpSocket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let poller = Poller::new().expect("epoll");
    poller
        .add(socket, 0, Interest::Readable)
        .expect("a new descriptor");
    let mut events = Events::with_capacity(1);
    let mut batch = RecvBatch::new();
    let mut datagrams = Vec::new();
    while datagrams.len() < count {
        let ready = poller
            .wait(Some(Duration::from_secs(5)), &mut events)
            .expect("epoll");
        assert!(ready > 0, "only {} of {count} arrived", datagrams.len());
        socket.recv(&mut batch).expect("readable");
        datagrams.extend(
            batch
                .datagrams_mut()
                .map(|received| (received.from, received.data.to_vec())),
        );
    }
    assert_eq!(
        socket.recv(&mut batch).ok(),
        Some(0),
        "no more than {count}"
    );
    assert_eq!(batch.datagrams_mut().count(), 0);
    datagrams
}

fn totals(report: &SendReport) -> (u64, u64, u64) {
    (report.datagrams, report.bytes, report.dropped)
}

#[test]
fn a_run_leaves_in_one_call_and_arrives_as_datagrams() {
    let (a, b) = (socket(V4, &BindOptions::default()), socket(V4, &plain()));
    let data = run(8, 1200);
    let message = Message {
        to: b.local_addr(),
        data: &data,
        segment_size: 1200,
    };
    let report = Sender::new().send(&a, [message].into_iter());
    assert_eq!(totals(&report), (8, 9600, 0));
    if a.supports_gso() {
        assert_eq!(report.syscalls, 1);
    }
    let received = receive(&b, 8);
    for (index, (from, datagram)) in received.iter().enumerate() {
        assert_eq!(*from, a.local_addr());
        assert_eq!(*datagram, [index as u8; 1200]);
    }
}

#[test]
fn runs_that_arrive_joined_are_cut_again() {
    for ip in [V4, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let (a, b) = (
            socket(ip, &BindOptions::default()),
            socket(ip, &BindOptions::default()),
        );
        let mut data = run(20, 1001);
        data.truncate(data.len() - 900);
        let to = b.local_addr();
        let messages = [
            Message {
                to,
                data: &data,
                segment_size: 1001,
            },
            Message {
                to,
                data: b"single",
                segment_size: 6,
            },
        ];
        let report = Sender::new().send(&a, messages.into_iter());
        assert_eq!(totals(&report), (21, data.len() as u64 + 6, 0));

        let received = receive(&b, 21);
        let sent: Vec<&[u8]> = data.chunks(1001).chain([b"single".as_slice()]).collect();
        assert!(received.iter().all(|(from, _)| *from == a.local_addr()));
        assert_eq!(received.len(), sent.len());
        for ((_, datagram), sent) in received.iter().zip(sent) {
            assert_eq!(datagram, sent);
        }
    }
}

#[test]
fn without_offload_the_same_datagrams_leave_one_by_one() {
    let (a, b) = (socket(V4, &plain()), socket(V4, &plain()));
    assert!(!a.supports_gso() && !b.supports_gro());
    let data = run(10, 100);
    // More than one system call's worth of messages.
    let message = Message {
        to: b.local_addr(),
        data: &data,
        segment_size: 100,
    };
    let report = Sender::new().send(&a, [message; 10].into_iter());
    assert_eq!(totals(&report), (100, 10_000, 0));
    assert_eq!(report.syscalls, 2);
    let received = receive(&b, 100);
    for (index, (_, datagram)) in received.iter().enumerate() {
        assert_eq!(*datagram, [(index % 10) as u8; 100]);
    }
}

#[test]
fn sizes_and_destinations_mix_in_one_call() {
    let a = socket(V4, &BindOptions::default());
    let (b, c) = (socket(V4, &plain()), socket(V4, &BindOptions::default()));
    let (large, small) = (run(3, 1150), run(5, 90));
    let messages = (0..40_u16).map(|n| {
        let to = if n % 2 == 0 { &b } else { &c };
        let (data, segment_size) = if n % 4 < 2 {
            (&large, 1150)
        } else {
            (&small, 90)
        };
        Message {
            to: to.local_addr(),
            data,
            segment_size,
        }
    });
    let report = Sender::new().send(&a, messages);
    assert_eq!(report.datagrams, 160);
    assert_eq!(report.dropped, 0);
    for socket in [&b, &c] {
        let received = receive(socket, 80);
        let large = received.iter().filter(|(_, data)| data.len() == 1150);
        assert_eq!(large.count(), 30);
    }
}

#[test]
fn a_refused_message_does_not_stop_the_others() {
    for options in [BindOptions::default(), plain()] {
        let (a, b) = (socket(V4, &options), socket(V4, &plain()));
        let data = run(2, 500);
        let mut messages = [Message {
            to: b.local_addr(),
            data: &data,
            segment_size: 500,
        }; 5];
        // An IPv6 destination on an IPv4 socket and port 0 are refused by the kernel.
        messages[1].to = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 9);
        messages[3].to = SocketAddr::new(V4, 0);
        let report = Sender::new().send(&a, messages.into_iter());
        assert_eq!(totals(&report), (6, 3000, 4));
        receive(&b, 6);
        assert_eq!(a.supports_gso(), options.gso);
    }
}

#[test]
fn a_run_beyond_the_message_limit_leaves_as_two_messages() {
    let (a, b) = (socket(V4, &BindOptions::default()), socket(V4, &plain()));
    let data = run(1, 60_000);
    let message = Message {
        to: b.local_addr(),
        data: &data,
        segment_size: 40_000,
    };
    let report = Sender::new().send(&a, [message].into_iter());
    assert_eq!(totals(&report), (2, 60_000, 0));
    let sizes: Vec<usize> = receive(&b, 2).iter().map(|(_, data)| data.len()).collect();
    assert_eq!(sizes, [40_000, 20_000]);
}

#[test]
fn offload_can_be_given_up_while_running() {
    let (a, b) = (socket(V4, &BindOptions::default()), socket(V4, &plain()));
    let mut sender = Sender::new();
    let data = run(4, 1200);
    let message = Message {
        to: b.local_addr(),
        data: &data,
        segment_size: 1200,
    };
    sender.send(&a, [message].into_iter());
    a.disable_gso();
    let report = sender.send(&a, [message].into_iter());
    assert_eq!(totals(&report), (4, 4800, 0));
    receive(&b, 8);
}

#[test]
fn a_batch_is_received_in_pieces_when_it_is_full() {
    let (a, b) = (socket(V4, &plain()), socket(V4, &plain()));
    let data = [7; 10];
    let message = Message {
        to: b.local_addr(),
        data: &data,
        segment_size: 10,
    };
    Sender::new().send(&a, [message; MAX_RECEIVED_MESSAGES + 1].into_iter());
    let mut batch = RecvBatch::new();
    assert_eq!(b.recv(&mut batch).ok(), Some(MAX_RECEIVED_MESSAGES));
    assert!(batch.is_full());
    assert_eq!(b.recv(&mut batch).ok(), Some(1));
    assert!(!batch.is_full());
}

#[test]
fn a_socket_survives_being_handed_over() {
    let (a, b) = (
        socket(V4, &BindOptions::default()),
        socket(V4, &BindOptions::default()),
    );
    let address = b.local_addr();
    let moved = UdpSocket::from_fd(OwnedFd::from(b)).expect("a bound UDP socket");
    assert_eq!(moved.local_addr(), address);
    let message = Message {
        to: address,
        data: b"still here",
        segment_size: 10,
    };
    Sender::new().send(&a, [message].into_iter());
    assert_eq!(receive(&moved, 1)[0].1, b"still here");

    let listener = std::net::TcpListener::bind((V4, 0)).expect("a free port");
    let copy = listener.as_fd().try_clone_to_owned().expect("open");
    assert!(UdpSocket::from_fd(copy).is_err(), "a TCP socket is refused");
}

#[test]
fn a_taken_port_is_an_error_unless_both_share_it() {
    let a = socket(V4, &BindOptions::default());
    let taken = UdpSocket::bind(a.local_addr(), &BindOptions::default());
    assert_eq!(
        taken.map_err(|error| error.kind()).err(),
        Some(std::io::ErrorKind::AddrInUse)
    );
    let shared = BindOptions {
        reuse_port: true,
        recv_buffer: Some(100_000),
        send_buffer: Some(100_000),
        ..BindOptions::default()
    };
    let b = socket(V4, &shared);
    UdpSocket::bind(b.local_addr(), &shared).expect("both allow sharing");
    let (recv, send) = b.buffer_sizes().expect("open");
    assert!(recv >= 100_000 && send >= 100_000);
}
