//! `postdoctor explain-address` agrees with Postfix: `sendmail -bv` tells what Postfix would do, the SMTP server whom it takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use crate::lab;

const PROGRAM: &str = env!("CARGO_BIN_EXE_postdoctor");

/// What a box left behind.
struct Asked {
    out: PathBuf,
    addresses: Vec<String>,
    /// as the live host tells it
    live: Value,
    /// as its files alone tell it
    read: Value,
    /// what trivial-rewrite(8) says to each queued recipient
    resolved: Value,
}

/// Asks Postfix and postdoctor about the addresses of a case; None where there are no boxes.
fn ask(case: &str) -> Option<Asked> {
    if let Some(why) = lab::missing() {
        lab::skip(case, &why);
        return None;
    }
    let list = std::fs::read_to_string(lab::lab_dir().join("odd").join(case).join("ask")).unwrap();
    let addresses: Vec<String> = list.lines().map(str::to_owned).collect();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab").join(case);
    let recipients = "import json, sys; [print(r) for t in json.load(sys.stdin)['addresses'] for r in t['recipients']]";
    let peer = lab::lab_dir().join("peers/resolve.py");
    let script = format!(
        "{PROGRAM} explain-address --format json \"$@\" >/tmp/live; cat /tmp/live
         {PROGRAM} explain-address --allow 0 --format json \"$@\"
         python3 -c \"{recipients}\" </tmp/live | python3 {}",
        peer.display()
    );
    let ran = lab::in_slot(|| {
        Command::new(lab::lab_dir().join("run"))
            .args([case, "--", "sh", "-c", &script, "sh"])
            .args(&addresses)
            .env("OUT", &out)
            .env("SEE", PROGRAM)
            .output()
            .unwrap()
    });
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let stdout = std::fs::read_to_string(out.join("stdout")).unwrap();
    let mut said = serde_json::Deserializer::from_str(&stdout).into_iter::<Value>();
    let mut next = || said.next().unwrap_or_else(|| panic!("no answer, see {}", out.display())).unwrap();
    let (mut live, mut read, resolved) = (next(), next(), next());
    let (live, read) = (live["addresses"].take(), read["addresses"].take());
    Some(Asked { out: out.clone(), addresses, live, read, resolved })
}

/// What Postfix said about one recipient.
#[derive(Debug, Clone)]
struct Row {
    program: String,
    to: String,
    relay: String,
    deliverable: bool,
    why: String,
}

/// The rows of the log for each question.
fn answers(asked: &Asked) -> BTreeMap<usize, Vec<Row>> {
    let log = std::fs::read_to_string(asked.out.join("mail.log")).unwrap();
    let question = Regex::new(r"qmgr\[\d+\]: (\w+): from=<ada\+ask(\d+)@").unwrap();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for found in question.captures_iter(&log) {
        numbers.entry(found.get(1).unwrap().as_str()).or_insert_with(|| found[2].parse().unwrap());
    }
    let row = Regex::new(r"postfix/(\S+)\[\d+\]: (\w+): to=<(.*?)>,.* relay=(\S+), .*status=(\w+) \((.*)\)").unwrap();
    let mut all: BTreeMap<usize, Vec<Row>> = BTreeMap::new();
    for found in log.lines().filter_map(|line| row.captures(line)) {
        if let Some(number) = numbers.get(&found[2]) {
            all.entry(*number).or_default().push(Row {
                program: found[1].to_owned(),
                to: found[3].to_owned(),
                relay: found[4].to_owned(),
                deliverable: &found[5] == "deliverable",
                why: found[6].to_owned(),
            });
        }
    }
    all
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// Whether a delivery is what Postfix said.
fn same(route: &Value, delivery: &Value, row: &Row) -> bool {
    let (transport, target) = (text(route, "transport"), text(delivery, "target"));
    let words = |prefix: &str| row.why.strip_prefix(prefix);
    let by = |name: &str| row.relay == name;
    // Which of the names in the circle Postfix blames depends on where its count ends.
    if target.starts_with("alias database loop") {
        return row.why.starts_with("alias database loop");
    }
    let ends = match text(delivery, "end") {
        "mailbox" => by(transport) && row.why == "delivers to mailbox",
        "maildir" => by(transport) && row.why == "delivers to maildir",
        "command" => by(transport) && words("delivers to command: ").is_some_and(|c| target.starts_with(c)),
        "file" => by(transport) && words("delivers to file: ") == Some(target),
        "forward" => by(transport) && words("forwards to ") == Some(target),
        "transport" => words("delivers to command: ").is_some() && target.starts_with(&format!("{},", row.relay)),
        // Its own words, without the status code in front.
        "bounce" | "defer" => {
            let bare = target.split_once(' ').filter(|(code, _)| code.contains('.')).map_or(target, |(_, rest)| rest);
            let bare = bare.split(" (").next().unwrap_or_default();
            !row.deliverable && row.why.contains(bare)
        }
        "host" => {
            let host = row.relay.split('[').next().unwrap_or_default();
            let port = row.relay.rsplit_once(':').map_or("", |(_, port)| port);
            let agent = if transport == "smtp" { "smtp".to_owned() } else { format!("{transport}/smtp") };
            let said = row.deliverable || row.why.contains("said:");
            said && !host.is_empty()
                && target.contains(host)
                && target.contains(&format!("port {port}"))
                && row.program == agent
        }
        _ => false,
    };
    ends && text(delivery, "recipient").eq_ignore_ascii_case(&row.to)
}

/// Every delivery is one that Postfix tells, and none is missing.
fn compare(asked: &Asked) {
    let answers = answers(asked);
    let mut wrong = Vec::new();
    let mut rows_seen = 0;
    for (number, (address, trace)) in (1..).zip(asked.addresses.iter().zip(asked.live.as_array().unwrap())) {
        assert_eq!(text(trace, "address"), address);
        let mut rows = answers.get(&number).cloned().unwrap_or_default();
        rows_seen += rows.len();
        let said = format!("{rows:#?}");
        for route in list(trace, "routes") {
            for delivery in list(route, "deliveries") {
                match rows.iter().position(|row| same(route, delivery, row)) {
                    Some(at) => drop(rows.remove(at)),
                    None => wrong.push(format!("{address}: Postfix does not say {delivery:#}\nit says {said}")),
                }
            }
        }
        wrong.extend(rows.iter().map(|row| format!("{address}: Postfix also says {row:?}")));
    }
    assert!(wrong.is_empty(), "see {}\n{}", asked.out.display(), wrong.join("\n"));
    assert!(rows_seen >= asked.addresses.len(), "only {rows_seen} answers of Postfix");
}

/// Class, transport, next hop and recipient of each route are those of trivial-rewrite(8).
fn compare_routes(asked: &Asked) {
    let traces = asked.live.as_array().unwrap();
    let routes = traces.iter().flat_map(|trace| list(trace, "recipients").iter().zip(list(trace, "routes")));
    let mut compared = 0;
    for ((queued, route), resolved) in routes.zip(asked.resolved.as_array().unwrap()) {
        assert_eq!(queued, &resolved["address"]);
        for name in ["class", "transport", "nexthop", "recipient"] {
            assert_eq!(route[name], resolved[name], "{name} of {queued}: {resolved}");
        }
        compared += 1;
    }
    assert!(compared >= asked.addresses.len(), "{compared} routes compared");
}

/// The files alone tell the same, but for what DNS says.
fn compare_files(asked: &Asked) {
    let short = |traces: &Value| -> Vec<String> {
        let rows = traces.as_array().unwrap().iter().flat_map(|trace| list(trace, "goes_to"));
        let way =
            |row: &Value| format!("{} {}:{}", text(row, "recipient"), text(row, "transport"), text(row, "nexthop"));
        rows.map(way).collect()
    };
    assert_eq!(short(&asked.live), short(&asked.read));
}

#[test]
fn all_address_classes_go_where_postfix_says() {
    let Some(asked) = ask("addresses") else { return };
    compare(&asked);
    compare_routes(&asked);
    compare_files(&asked);
    let of = |address: &str| asked.live.as_array().unwrap().iter().find(|t| text(t, "address") == address).unwrap();
    // The line that decides is named, with the form of the key.
    let steps = |address: &str| format!("{:#}", of(address));
    assert!(steps("anybody@club.example").contains("key @club.example"), "{}", steps("anybody@club.example"));
    assert!(steps("x@deep.override.example").contains(".override.example"), "{}", steps("x@deep.override.example"));
    assert!(steps("ada@corp.example").contains("corp.example is in virtual_mailbox_domains as well"));
    let hit = &of("chair@club.example")["steps"][0];
    assert_eq!(
        (text(&hit["hit"]["at"], "source"), &hit["hit"]["at"]["line"]),
        ("/etc/postfix/virtual", &Value::from(1))
    );
}

#[test]
fn a_relay_host_and_the_smtp_server_agree() {
    let Some(asked) = ask("addresses-relayhost") else { return };
    compare(&asked);
    compare_routes(&asked);
    compare_files(&asked);
    let log = std::fs::read_to_string(asked.out.join("lab.log")).unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for trace in asked.live.as_array().unwrap() {
        let judged = list(trace, "restrictions").iter().find(|j| text(j, "service") == "smtp/inet").unwrap();
        let said = log.lines().find_map(|l| l.strip_prefix(&format!("rcpt {} ", text(trace, "address")))).unwrap();
        let accepted = said.starts_with("250");
        match text(judged, "verdict") {
            "permit" if accepted => {}
            // The client is a stranger: nothing lets it in before.
            "reject" if !accepted => {}
            "permit" | "reject" => wrong.push(format!("{said}: {}", text(judged, "text"))),
            _ => continue,
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 20, "{compared} certain verdicts");
}

// --- without Postfix -------------------------------------------------------------------------------------------

/// A tree with these files, and what is said about the addresses in it.
fn in_tree(files: &[(&str, &str)], args: &[&str]) -> Value {
    let tree = tempfile::TempDir::new().unwrap();
    for (path, text) in files {
        let path = tree.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let ran = Command::new(PROGRAM)
        .args(["explain-address", "--format", "json", "--snapshot"])
        .arg(tree.path())
        .args(args)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice::<Value>(&ran.stdout).unwrap()["addresses"].take()
}

const MAIN: &str = "compatibility_level = 3.6\nmyhostname = mail.corp.example\nmydestination = corp.example\nmyorigin = corp.example\n\
    recipient_delimiter = +\nalias_maps =\nlocal_recipient_maps =\n";

fn goes_to(trace: &Value) -> Vec<String> {
    let row = |r: &Value| format!("{} {}:{}", text(r, "recipient"), text(r, "transport"), text(r, "nexthop"));
    list(trace, "goes_to").iter().map(row).collect()
}

#[test]
fn tables_of_the_sender_need_a_sender() {
    let main = format!(
        "{MAIN}sender_dependent_relayhost_maps = inline:{{ada@corp.example=[one.example]}}\n\
         sender_dependent_default_transport_maps = inline:{{@list.example=slow:}}\nrelayhost = [all.example]\n\
         sender_canonical_maps = inline:{{ada=news@list.example}}\n"
    );
    let files = [("etc/postfix/main.cf", main.as_str())];
    let traces = in_tree(&files, &["eva@partner.example"]);
    assert_eq!(goes_to(&traces[0]), ["eva@partner.example smtp:[all.example]"]);
    let open = list(&traces[0]["goes_to"][0], "unless");
    assert_eq!(open.len(), 2, "{open:?}");
    // The table sees the sender as it is queued; `slow:` leaves the next hop.
    let traces = in_tree(&files, &["--sender", "ben@corp.example", "eva@partner.example"]);
    assert_eq!(goes_to(&traces[0]), ["eva@partner.example smtp:[all.example]"]);
    let traces = in_tree(&files, &["--sender", "ada", "eva@partner.example"]);
    assert_eq!(traces[0]["sender_written"], "news@list.example");
    assert_eq!(goes_to(&traces[0]), ["eva@partner.example slow:[all.example]"]);
    let traces = in_tree(&files, &["--sender", "ada+x@corp.example", "eva@partner.example"]);
    assert_eq!(
        goes_to(&traces[0]),
        ["eva@partner.example slow:[all.example]"],
        "the canonical table maps the bare user"
    );
}

#[test]
fn a_table_that_cannot_be_asked_is_neither_a_hit_nor_a_miss() {
    let main =
        format!("{MAIN}virtual_alias_maps = mysql:/etc/postfix/virtual.cf\ntransport_maps = ldap:/etc/postfix/t.cf\n");
    let traces = in_tree(&[("etc/postfix/main.cf", main.as_str())], &["eva@partner.example"]);
    let row = &traces[0]["goes_to"][0];
    assert_eq!(
        row["unless"],
        serde_json::json!(["virtual_alias_maps", "virtual_alias_domains", "transport_maps"]),
        "{row:#}"
    );
    let shown = format!("{:#}", traces[0]);
    assert!(shown.contains("postmap -q eva@partner.example mysql:/etc/postfix/virtual.cf"), "{shown}");
}

#[test]
fn circles_end() {
    let main = format!("{MAIN}virtual_alias_maps = hash:/etc/postfix/virtual\n");
    let files = [
        ("etc/postfix/main.cf", main.as_str()),
        (
            "etc/postfix/virtual",
            "a@corp.example b@corp.example\nb@corp.example a@corp.example\nc@corp.example c@corp.example, d@corp.example\n",
        ),
        ("etc/passwd", "c:x:5:5::/home/c:/bin/sh\nd:x:6:6::/home/d:/bin/sh\n"),
        ("home/c/.forward", "d\n"),
        ("home/d/.forward", "c\n"),
    ];
    let traces = in_tree(&files, &["a@corp.example", "c@corp.example"]);
    assert_eq!(traces[0]["goes_to"][0]["end"], "defer");
    let ends: Vec<&str> = list(&traces[1], "goes_to").iter().map(|row| text(row, "end")).collect();
    assert!(
        ends.iter().all(|end| *end == "bounce") && !ends.is_empty(),
        "mail forwarding loop: {:#}",
        traces[1]["goes_to"]
    );
}

#[test]
fn what_is_no_address_is_refused() {
    let refused = |args: &[&str]| {
        let ran = Command::new(PROGRAM).arg("explain-address").args(args).output().unwrap();
        assert_eq!(ran.status.code(), Some(3), "{args:?}");
        String::from_utf8_lossy(&ran.stderr).into_owned()
    };
    assert!(refused(&["a b@x.example"]).contains("blank"));
    assert!(refused(&["ada@x..example"]).contains("two dots"));
    assert!(refused(&["ada@x.example", "--sender", "@"]).contains("not a sender"));
    assert!(refused(&["--snapshot", "/nonexistent/folder", "ada@x.example"]).contains("/nonexistent/folder"));
    let empty = tempfile::TempDir::new().unwrap();
    let folder = empty.path().to_str().unwrap();
    assert!(refused(&["--snapshot", folder, "ada@x.example"]).contains("holds neither"));
    std::fs::write(empty.path().join("mail.log"), "Nov 20 10:00:00 mx postfix/qmgr[7]: 3F2: removed\n").unwrap();
    assert!(refused(&["--snapshot", folder, "ada@x.example"]).contains("main.cf"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    /// Whatever stands in the files and in the address: an answer, and no panic.
    #[test]
    fn strange_configurations_and_addresses(
        address in r#"[a-zäİ.+@%!"\\\[\]:-]{1,20}"#,
        table in r#"([a-z@.+İ"|\\/:,! -]{0,20}\n){0,4}"#,
        delimiter in "[+ü-]{0,2}",
        masquerade in "[a-zİ.! ]{0,12}",
    ) {
        use std::borrow::Cow;
        use postdoctor::host::Snapshot;
        let main = format!(
            "myhostname = mail.a\nmydestination = a, /etc/t\nrecipient_delimiter = {delimiter}\nvirtual_alias_maps = hash:/etc/t\n\
             alias_maps = hash:/etc/t\ntransport_maps = regexp:/etc/t, hash:/etc/t\nmasquerade_domains = {masquerade}\n\
             masquerade_classes = envelope_recipient\nrelay_domains = hash:/etc/t\nluser_relay = $local$extension\n\
             smtpd_recipient_restrictions = check_recipient_access hash:/etc/t\n"
        );
        let bytes = |text: String| -> Cow<'static, [u8]> { Cow::Owned(text.into_bytes()) };
        let files = [
            ("/etc/postfix/main.cf".to_owned(), bytes(main)),
            ("/etc/postfix/master.cf".to_owned(), bytes("smtp inet n - n - - smtpd\nlocal unix - n n - - local\n".to_owned())),
            ("/etc/passwd".to_owned(), bytes("a:x:5:5::/a:/bin/sh\n".to_owned())),
            ("/etc/t".to_owned(), bytes(table)),
        ];
        let host = Snapshot::in_memory("strange", files, "");
        let server = postdoctor::discover::discover(&host, &postdoctor::discover::Options::default());
        let trace = postdoctor::address::trace(&server, &server.instances[0], 0, &address, Some(&address));
        let mut out = Vec::new();
        postdoctor::address::text::write(&trace, 80, &mut out).unwrap();
        proptest::prop_assert!(!out.is_empty());
    }
}
