//! Connecting and asking name servers, as a host does it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use postdoctor::discover::{Family, listeners};
use postdoctor::host::{Connected, Host, Live, Peer, Question, Trouble};

const LIMIT: Duration = Duration::from_secs(3);
const LISTEN: Duration = Duration::from_millis(300);

fn question(server: SocketAddr, name: &str, qtype: &str) -> Question {
    Question { server, name: name.to_owned(), qtype: qtype.to_owned(), limit: Duration::from_millis(900) }
}

/// An answer to the query: `flags` are bytes 3 and 4, `records` the answer section as it goes over the wire.
fn answer(query: &[u8], flags: [u8; 2], count: u8, records: &[u8]) -> Vec<u8> {
    let name = query[12..].iter().position(|&b| b == 0).unwrap();
    let mut reply = vec![query[0], query[1], flags[0], flags[1], 0, 1, 0, count, 0, 0, 0, 0];
    reply.extend(&query[12..12 + name + 5]);
    reply.extend(records);
    reply
}

#[test]
fn a_greeting_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            stream.write_all(b"220 mx ESMTP\r\n").unwrap();
            let mut block = [0; 64];
            let n = stream.read(&mut block).unwrap_or(0);
            let _ = stream.write_all(&block[..n]);
        }
    });
    let Connected::Open { said, .. } = Live::default().connect(&Peer::Tcp(address), LIMIT, LISTEN).unwrap() else {
        panic!()
    };
    assert_eq!(said, b"220 mx ESMTP\r\n");
    let here = listeners(&Live::default()).unwrap();
    let own = here.iter().find(|l| l.takes(address.ip(), address.port())).unwrap();
    assert_eq!((own.family, own.pid), (Family::Inet, Some(std::process::id())));
}

#[test]
fn refused_missing_and_silent_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let silent = Live::default().connect(&Peer::Tcp(address), LIMIT, LISTEN).unwrap();
    assert!(matches!(silent, Connected::Open { said, .. } if said.is_empty()));
    drop(listener);
    assert_eq!(Live::default().connect(&Peer::Tcp(address), LIMIT, LISTEN), Ok(Connected::Refused));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let peer = Peer::Unix(path.to_str().unwrap().to_owned());
    assert_eq!(Live::default().connect(&peer, LIMIT, LISTEN), Ok(Connected::Missing));
    let listener = UnixListener::bind(&path).unwrap();
    assert!(matches!(Live::default().connect(&peer, LIMIT, LISTEN), Ok(Connected::Open { .. })));
    drop(listener);
    assert_eq!(Live::default().connect(&peer, LIMIT, LISTEN), Ok(Connected::Refused));
}

#[test]
fn a_full_backlog_does_not_hang_us() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::empty(),
        None,
    )
    .unwrap();
    let address = nix::sys::socket::UnixAddr::new(&path).unwrap();
    nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&listener), &address).unwrap();
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let start = Instant::now();
    let peer = Peer::Unix(path.to_str().unwrap().to_owned());
    let answer = Live::default().connect(&peer, Duration::from_millis(200), Duration::from_millis(100));
    assert_eq!(answer, Ok(Connected::TimedOut));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_cut_answer_is_asked_for_again_over_tcp() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(server).unwrap();
    std::thread::spawn(move || {
        let mut block = [0; 512];
        let (n, from) = udp.recv_from(&mut block).unwrap();
        udp.send_to(&answer(&block[..n], [0x83, 0x80], 0, &[]), from).unwrap();
    });
    std::thread::spawn(move || {
        let (mut stream, _) = tcp.accept().unwrap();
        let mut block = [0; 512];
        let n = stream.read(&mut block).unwrap();
        // example.net CNAME b.test (ttl 60), b.test MX 10 mx.b.test (ttl 30)
        let records = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x08\x01b\x04test\0\
                        \x01b\x04test\0\0\x0f\0\x01\0\0\0\x1e\0\x0d\0\x0a\x02mx\x01b\x04test\0";
        let reply = answer(&block[2..n], [0x81, 0xa0], 2, records);
        stream.write_all(&(reply.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(&reply).unwrap();
    });
    let reply = Live::default().resolve(&question(server, "example.net", "MX")).unwrap();
    assert_eq!((reply.rcode.as_str(), reply.records), ("NOERROR", vec!["10 mx.b.test.".to_owned()]));
    assert_eq!((reply.authentic, reply.ttl), (true, Some(30)));
}

#[test]
fn no_answer_is_not_an_empty_answer() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = udp.local_addr().unwrap();
    let start = Instant::now();
    assert_eq!(Live::default().resolve(&question(server, "example.net", "A")), Err(Trouble::TimedOut));
    assert!(start.elapsed() < Duration::from_secs(2));
    drop(udp);
    let refused = Live::default().resolve(&question(server, "example.net", "A"));
    assert!(matches!(refused, Err(Trouble::Other(why)) if why.contains("connection refused")));
    let bad = Live::default().resolve(&question(server, "bad..name", "A"));
    assert!(matches!(bad, Err(Trouble::Other(_))));
}

#[test]
fn a_name_that_does_not_exist() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = udp.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut block = [0; 512];
        let (n, from) = udp.recv_from(&mut block).unwrap();
        // Somebody else's answer comes first: another id.
        udp.send_to(&answer(&[&[!block[0], block[1]], &block[2..n]].concat(), [0x81, 0x80], 0, &[]), from).unwrap();
        udp.send_to(&answer(&block[..n], [0x81, 0x83], 0, &[]), from).unwrap();
    });
    let reply = Live::default().resolve(&question(server, "none.example", "A")).unwrap();
    assert_eq!((reply.rcode.as_str(), reply.records.len(), reply.ttl), ("NXDOMAIN", 0, None));
}
