//! A DNS stub: one question to one server, over UDP and, where the answer does not fit, over TCP. Own, because
//! a resolver library asks what resolv.conf says, and the question here is what *this* server says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::str::FromStr;
use std::time::{Duration, Instant};

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::AllRecordData;

use super::{Answer, Question, Resolved, Trouble};

/// A packet is lost now and then; a server that is silent three times is silent.
const TRIES: u32 = 3;

/// Asks.
pub(super) fn resolve(question: &Question) -> Answer<Resolved> {
    let start = Instant::now();
    let deadline = start + question.limit;
    let bad = |what: &str| Trouble::Other(format!("{what} cannot be asked"));
    let name = Name::<Vec<u8>>::from_str(&question.name).map_err(|_| bad(&question.name))?;
    let qtype = Rtype::from_str(&question.qtype.to_ascii_uppercase()).map_err(|_| bad(&question.qtype))?;
    let mut reply = Err(Trouble::TimedOut);
    for attempt in 0..TRIES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        // Servers that predate EDNS answer FORMERR or NOTIMP: the last try goes without.
        let query = query(&name, qtype, attempt + 1 < TRIES)?;
        reply = over_udp(question.server, &query, left / (TRIES - attempt));
        match &reply {
            Ok(message) if [Rcode::FORMERR, Rcode::NOTIMP].contains(&message.header().rcode()) => {}
            Ok(message) if message.header().tc() => {
                let left = deadline.saturating_duration_since(Instant::now());
                reply = over_tcp(question.server, &query, left);
                break;
            }
            Err(Trouble::TimedOut) => {}
            _ => break,
        }
    }
    Ok(read_reply(&reply?, &name, qtype, start.elapsed().as_millis() as u64))
}

fn query(name: &Name<Vec<u8>>, qtype: Rtype, edns: bool) -> Answer<Vec<u8>> {
    let long = |_| Trouble::Other("the question is too long".to_owned());
    let mut builder = MessageBuilder::new_vec();
    // The seed of a hash map is random enough for an id that only has to be hard to guess.
    let id = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), name.as_ref() as &[u8]) as u16;
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    // AD in a question asks for AD in the answer (RFC 6840).
    builder.header_mut().set_ad(true);
    let mut builder = builder.question();
    builder.push((name, qtype)).map_err(long)?;
    let mut builder = builder.additional();
    if edns {
        builder
            .opt(|opt| {
                opt.set_udp_payload_size(1232);
                Ok(())
            })
            .map_err(long)?;
    }
    Ok(builder.finish())
}

fn over_udp(server: SocketAddr, query: &[u8], limit: Duration) -> Answer<Message<Vec<u8>>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).map_err(|e| reason(server, &e))?;
    socket.connect(server).map_err(|e| reason(server, &e))?;
    socket.send(query).map_err(|e| reason(server, &e))?;
    let deadline = Instant::now() + limit;
    let mut buffer = vec![0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::TimedOut);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut buffer) {
            Ok(n) => {
                if let Some(message) = matching(&buffer[..n], query) {
                    return Ok(message);
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(reason(server, &e)),
        }
    }
}

fn over_tcp(server: SocketAddr, query: &[u8], limit: Duration) -> Answer<Message<Vec<u8>>> {
    let deadline = Instant::now() + limit;
    if limit.is_zero() {
        return Err(Trouble::TimedOut);
    }
    let mut stream = TcpStream::connect_timeout(&server, limit).map_err(|e| reason(server, &e))?;
    stream.set_write_timeout(Some(limit))?;
    let mut framed = (query.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(query);
    stream.write_all(&framed).map_err(|e| reason(server, &e))?;
    let mut received = Vec::new();
    let mut block = [0; 4096];
    loop {
        if let [a, b, rest @ ..] = received.as_slice()
            && rest.len() >= usize::from(u16::from_be_bytes([*a, *b]))
        {
            return matching(rest, query).ok_or_else(|| Trouble::Other(format!("{server} sent no DNS answer")));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::TimedOut);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut block) {
            Ok(0) => return Err(Trouble::Other(format!("{server} closed the connection without an answer"))),
            Ok(n) => received.extend_from_slice(&block[..n]),
            Err(e) => return Err(reason(server, &e)),
        }
    }
}

/// The message, if it answers the query.
fn matching(bytes: &[u8], query: &[u8]) -> Option<Message<Vec<u8>>> {
    let message = Message::from_octets(bytes.to_vec()).ok()?;
    (message.header().qr() && bytes.get(..2) == query.get(..2)).then_some(message)
}

/// Nothing listening, no route and silence are different faults: the words tell them apart.
fn reason(server: SocketAddr, error: &std::io::Error) -> Trouble {
    use std::io::ErrorKind as K;
    match error.kind() {
        K::TimedOut | K::WouldBlock => Trouble::TimedOut,
        K::ConnectionRefused => Trouble::Other(format!("connection refused: no DNS server listens at {server}")),
        _ => Trouble::Other(format!("{server}: {error}")),
    }
}

fn read_reply(message: &Message<Vec<u8>>, name: &Name<Vec<u8>>, qtype: Rtype, millis: u64) -> Resolved {
    let mut owners = vec![name.to_string().to_ascii_lowercase()];
    let mut found: Vec<(String, Rtype, u32, String)> = Vec::new();
    if let Ok(answer) = message.answer() {
        for record in answer.limit_to::<AllRecordData<_, _>>().take(1000) {
            let Ok(record) = record else { break };
            let owner = record.owner().to_string().to_ascii_lowercase();
            found.push((owner, record.rtype(), record.ttl().as_secs(), presentation(record.data())));
        }
    }
    // The chain of aliases may stand in any order; each round follows one link, so a loop ends as well.
    for _ in 0..found.len() {
        let last = owners.len();
        for (owner, rtype, _, target) in &found {
            let target = target.trim_end_matches('.').to_ascii_lowercase();
            if *rtype == Rtype::CNAME && owners.contains(owner) && !owners.contains(&target) {
                owners.push(target);
            }
        }
        if owners.len() == last {
            break;
        }
    }
    let mut records = Vec::new();
    let mut lowest = None;
    for (owner, rtype, ttl, data) in found {
        if rtype == qtype && owners.contains(&owner) {
            lowest = Some(lowest.map_or(ttl, |l: u32| l.min(ttl)));
            records.push(data);
        }
    }
    Resolved {
        rcode: message.header().rcode().to_string(),
        records,
        authentic: message.header().ad(),
        ttl: lowest,
        millis,
    }
}

/// As in a zone file, names with their final dot.
fn presentation<O, N>(data: &AllRecordData<O, N>) -> String
where
    O: AsRef<[u8]> + domain::dep::octseq::Octets,
    N: domain::base::ToName + std::fmt::Display,
{
    match data {
        AllRecordData::Mx(mx) => format!("{} {}", mx.preference(), dotted(mx.exchange())),
        AllRecordData::Cname(name) => dotted(name.cname()),
        AllRecordData::Ptr(name) => dotted(name.ptrdname()),
        AllRecordData::Ns(name) => dotted(name.nsdname()),
        other => other.to_string(),
    }
}

fn dotted(name: &impl std::fmt::Display) -> String {
    let name = name.to_string();
    if name.ends_with('.') { name } else { format!("{name}.") }
}
