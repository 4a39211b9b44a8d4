//! Packet filter rules that stop a TCP port, read from `iptables-save`, `ip6tables-save` and `nft list ruleset`.
//!
//! Only what can be told from the text is told: a rule with a port match and DROP or REJECT in a chain that
//! packets of that direction reach, no rule before it that lets the same port pass. A rule that is bound to some
//! addresses, a user or a rate is marked as narrow: it need not stop Postfix.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::{Answer, Host, Run, Trouble};

/// The way of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// to this host
    In,
    /// from this host
    Out,
}

/// A rule that stops or turns packets to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// the rule as listed
    pub rule: String,
    /// command that listed it
    pub source: &'static str,
    /// `IPv4`, `IPv6` or `both`
    pub family: &'static str,
    /// `DROP`, `REJECT`, `REDIRECT`, `DNAT`
    pub action: String,
    /// bound to addresses, users or rates
    pub narrow: bool,
}

/// All rules of this host that stop TCP packets to `port`.
pub fn stops(host: &dyn Host, port: u16, way: Way) -> Answer<Vec<Stop>> {
    let mut found = Vec::new();
    let mut seen = false;
    let mut trouble = Trouble::Missing;
    for (program, family) in [("iptables-save", "IPv4"), ("ip6tables-save", "IPv6")] {
        match host.run(&Run::new(program, &[])) {
            Ok(ran) if ran.ok() => {
                seen = true;
                found.extend(iptables(&ran.out(), port, way).into_iter().map(|(rule, action, narrow)| Stop {
                    rule,
                    source: program,
                    family,
                    action,
                    narrow,
                }));
            }
            Ok(_) => trouble = Trouble::Denied,
            Err(t) => trouble = t,
        }
    }
    match host.run(&Run::new("nft", &["list", "ruleset"])) {
        Ok(ran) if ran.ok() => {
            seen = true;
            for (rule, action, narrow, family) in nft(&ran.out(), port, way) {
                // iptables-nft shows up in both listings.
                if found.iter().all(|f| f.family != family || f.action != action) {
                    found.push(Stop { rule, source: "nft list ruleset", family, action, narrow });
                }
            }
        }
        Ok(_) => trouble = Trouble::Denied,
        Err(_) => {}
    }
    if seen { Ok(found) } else { Err(trouble) }
}

fn iptables(text: &str, port: u16, way: Way) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    let mut table = String::new();
    let mut chains: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for line in text.lines().chain(["COMMIT"]) {
        if let Some(name) = line.strip_prefix('*') {
            name.trim().clone_into(&mut table);
            chains.clear();
        } else if let Some(rest) = line.strip_prefix("-A ") {
            let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
            if let Some((chain, rule)) = words.split_first() {
                chains.entry(chain.clone()).or_default().push(rule.to_vec());
            }
        } else if line == "COMMIT" && !table.is_empty() {
            let bases: &[&str] = match (table.as_str(), way) {
                ("filter" | "mangle" | "raw" | "nat", Way::Out) => &["OUTPUT", "POSTROUTING"],
                ("filter" | "mangle" | "raw", Way::In) => &["PREROUTING", "INPUT"],
                _ => &[],
            };
            for base in bases {
                walk(&table, base, &chains, port, &mut BTreeSet::new(), &mut found);
            }
            table.clear();
        }
    }
    found
}

/// Walks a chain; true: some rule before let the port pass.
fn walk(
    table: &str,
    chain: &str,
    chains: &BTreeMap<String, Vec<Vec<String>>>,
    port: u16,
    visited: &mut BTreeSet<String>,
    found: &mut Vec<(String, String, bool)>,
) -> bool {
    if !visited.insert(chain.to_owned()) {
        return false;
    }
    for rule in chains.get(chain).map_or(&[][..], Vec::as_slice) {
        let Some(target) = value_of(rule, &["-j", "-g"]) else { continue };
        let udp = value_of(rule, &["-p"]).is_some_and(|p| !matches!(p, "tcp" | "6" | "all"));
        let ports = value_of(rule, &["--dport", "--dports", "--destination-port"]);
        let covers = ports.is_some_and(|p| covers(p, port)) && !negated(rule);
        match target {
            _ if udp => {}
            "ACCEPT" | "RETURN" if covers && !bound_to_others(rule) => return true,
            "DROP" | "REJECT" | "REDIRECT" | "DNAT" if covers => {
                found.push((text_of(table, chain, rule), target.to_owned(), narrow(rule)));
            }
            other
                if chains.contains_key(other)
                    && (ports.is_none() || covers)
                    && walk(table, other, chains, port, visited, found) =>
            {
                return true;
            }
            _ => {}
        }
    }
    false
}

fn text_of(table: &str, chain: &str, rule: &[String]) -> String {
    let table = if table == "filter" { String::new() } else { format!("-t {table} ") };
    format!("{table}-A {chain} {}", rule.join(" "))
}

fn value_of<'r>(rule: &'r [String], names: &[&str]) -> Option<&'r str> {
    let at = rule.iter().position(|w| names.contains(&w.as_str()))?;
    rule.get(at + 1).map(String::as_str)
}

fn negated(rule: &[String]) -> bool {
    rule.windows(2).any(|w| w[0] == "!" && w[1].contains("dport"))
}

/// It lets pass only what is not Postfix's ordinary way: established connections, loopback.
fn bound_to_others(rule: &[String]) -> bool {
    rule.iter().any(|w| w == "lo" || w == "ESTABLISHED" || w == "RELATED,ESTABLISHED")
        || value_of(rule, &["-d", "-s"]).is_some()
}

fn narrow(rule: &[String]) -> bool {
    const NARROW: [&str; 12] = [
        "-s",
        "-d",
        "--uid-owner",
        "--gid-owner",
        "--connlimit-above",
        "--hashlimit-name",
        "--limit",
        "--match-set",
        "--src-range",
        "--seconds",
        "--hitcount",
        "--mark",
    ];
    rule.iter().any(|w| NARROW.contains(&w.as_str()))
        || rule.windows(2).any(|w| matches!(w[0].as_str(), "-o" | "-i") && w[1] == "lo")
        || rule.windows(2).any(|w| w[0] == "--ctstate" && w[1] == "INVALID")
}

/// `25`, `25,587`, `20:30`, `smtp`.
fn covers(ports: &str, port: u16) -> bool {
    ports.split(',').any(|p| match p.split_once([':', '-']) {
        Some((low, high)) => {
            let low = low.trim().parse().unwrap_or(0);
            let high = high.trim().parse().unwrap_or(u16::MAX);
            (low..=high).contains(&port)
        }
        None => super::address::port_number(p.trim()) == Some(port),
    })
}

fn nft(text: &str, port: u16, way: Way) -> Vec<(String, String, bool, &'static str)> {
    let mut found = Vec::new();
    let (mut family, mut chain, mut hooked, mut passed) = ("both", String::new(), false, false);
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("table ") {
            family = match rest.split_whitespace().next() {
                Some("ip") => "IPv4",
                Some("ip6") => "IPv6",
                _ => "both",
            };
        } else if let Some(rest) = line.strip_prefix("chain ") {
            rest.trim_end_matches('{').trim().clone_into(&mut chain);
            (hooked, passed) = (false, false);
        } else if let Some((_, rest)) = line.split_once("hook ") {
            hooked = match way {
                Way::Out => rest.starts_with("output") || rest.starts_with("postrouting"),
                Way::In => rest.starts_with("input") || rest.starts_with("prerouting"),
            };
        } else if let (true, Some(ports)) = (hooked, nft_ports(line)) {
            if !covers(&ports, port) {
                continue;
            }
            let word = |w: &str| line.split_whitespace().any(|x| x == w);
            let action = ["drop", "reject", "redirect", "dnat"].into_iter().find(|a| word(a));
            if word("accept") && !line.contains("established") && !line.contains("daddr") && !line.contains("saddr") {
                passed = true;
            } else if let (Some(action), false) = (action, passed) {
                let narrow = ["saddr", "daddr", "skuid", "skgid", "limit", "meter", "\"lo\"", "ct count", "mark"]
                    .iter()
                    .any(|w| line.contains(w));
                found.push((format!("chain {chain}: {line}"), action.to_uppercase(), narrow, family));
            }
        }
    }
    found
}

/// `tcp dport { 25, 587 } drop` -> `25,587`. Negations are left out.
fn nft_ports(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("tcp dport ").or_else(|| line.split_once("th dport "))?;
    let rest = rest.trim_start();
    if rest.starts_with("!=") {
        return None;
    }
    Some(match rest.strip_prefix('{') {
        Some(set) => set.split('}').next().unwrap_or_default().replace(' ', ""),
        None => rest.split_whitespace().next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str, way: Way) -> Vec<String> {
        iptables(text, 25, way).into_iter().map(|(r, a, n)| format!("{r} {a} {n}")).collect()
    }

    #[test]
    fn finds_a_drop_in_a_chain_that_output_reaches() {
        let text = "*filter\n:OUTPUT ACCEPT [0:0]\n:mine - [0:0]\n-A OUTPUT -j mine\n-A mine -o eth0 -p tcp -m tcp --dport 25 -j DROP\n-A other -p tcp --dport 25 -j DROP\nCOMMIT\n";
        assert_eq!(rules(text, Way::Out), ["-A mine -o eth0 -p tcp -m tcp --dport 25 -j DROP DROP false"]);
        assert!(rules(text, Way::In).is_empty());
    }

    #[test]
    fn a_rule_that_lets_postfix_pass_first_is_no_trouble() {
        let text = "*filter\n-A OUTPUT -p tcp --dport 25 -m owner --uid-owner 106 -j ACCEPT\n-A OUTPUT -p tcp --dport 25 -j REJECT\nCOMMIT\n";
        assert!(rules(text, Way::Out).is_empty());
    }

    #[test]
    fn bound_rules_are_narrow() {
        let text = "*filter\n-A INPUT -s 203.0.113.7/32 -p tcp -m multiport --dports 25,587 -j DROP\nCOMMIT\n";
        assert_eq!(rules(text, Way::In).len(), 1);
        assert!(rules(text, Way::In)[0].ends_with("true"));
    }

    #[test]
    fn reads_nft() {
        let text = "table inet filter {\n chain out {\n  type filter hook output priority 0; policy accept;\n  tcp dport { 25, 465 } reject\n }\n chain in {\n  type filter hook input priority 0;\n  tcp dport 25 drop\n }\n}\n";
        let f = nft(text, 25, Way::Out);
        assert_eq!(f.len(), 1);
        assert_eq!((f[0].1.as_str(), f[0].2, f[0].3), ("REJECT", false, "both"));
    }
}
