//! Configurations that nobody would write.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use postdoctor::postfix::config::Config;
use postdoctor::postfix::expand::{expand, references};
use postdoctor::postfix::main_cf::MainCf;
use postdoctor::postfix::master_cf::MasterCf;
use postdoctor::postfix::needed::missing_services;
use postdoctor::postfix::unused::{undefined_names, unused_parameters};

use super::{Postconf, compare};

static POSTCONF: LazyLock<Option<Postconf>> = LazyLock::new(Postconf::find);

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "mydestination", "mynetworks", "relayhost", "smtpd_banner", "smtpd_recipient_restrictions", "mydomain",
            "myorigin", "alias_maps", "smtp_helo_name", "virtual_alias_maps",
            "smtp_destination_rate_delay", "strange_destination_rate_delay", "mailbox_command", "forward_path",
        ]).prop_map(str::to_owned),
        2 => "[a-c]{1,2}",
    ]
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-c0-9./:@+]{1,8}",
        3 => prop::sample::select(vec![
            "$mydomain", "${a}", "$(b)", "$a.$b", "$$", "${a?x}", "${a:y}", "${a?{b}:{c}}", "${{$a} == {x} ? {1} : {2}}",
            "${{1} < {2}?{$c}}", "$undefined", "${relayhost?{$b $c}}", "hash:/x", "ldap:a", "proxy:ldap:b", "inline:{ a=b }",
        ]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![",", "#", "#x", "=", "{", "}", "{ a, b }", "a=b", "\u{e9}", "\u{a0}", "\"", "\\"]).prop_map(str::to_owned),
    ]
}

fn words() -> impl Strategy<Value = String> {
    (prop::collection::vec(word(), 0..5), prop::sample::select(vec![" ", "  ", "\t", ", "]))
        .prop_map(|(w, by)| w.join(by))
}

fn main_line() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (name(), prop::sample::select(vec![" = ", "=", " =\t", "\t=  "]), words()).prop_map(|(n, e, w)| format!("{n}{e}{w}")),
        4 => (prop::sample::select(vec![" ", "\t", "   "]), words()).prop_map(|(b, w)| format!("{b}{w}")),
        2 => prop::sample::select(vec!["", "# comment", "  # comment", "   ", "\t", "\r", "\x0b"]).prop_map(str::to_owned),
        // Literal, for `postconf` does not look up defaults in here.
        1 => "smtpd_restriction_classes = [a-c]{1,2}, ?[a-c]{1,2}",
        1 => prop::sample::select(vec!["relayhost = x\r", "a = b\0c", " x\0y = z", "a == b", "mydomain=example.com"]).prop_map(str::to_owned),
    ]
}

fn service() -> impl Strategy<Value = String> {
    let argument = prop_oneof![
        4 => (name(), word()).prop_map(|(n, w)| format!("-o {n}={w}")),
        2 => (name(), words()).prop_map(|(n, w)| format!("-o {{ {n} = {w} }}")),
        // postconf, unlike getopt(3), splits `-oname` at every further `o`.
        1 => ("[a-c]{1,2}", "[a-c0-9$]{1,5}").prop_map(|(n, w)| format!("-o{n}={w}")),
        1 => prop::sample::select(vec!["-v", "-D", "-vo a=b", "--", "{ a b }", "x", "user=nobody argv=/bin/x ${a}", "-o", "-o a"])
            .prop_map(str::to_owned),
    ];
    (
        "[a-c]{1,2}",
        prop::sample::select(vec!["inet", "unix", "unix-dgram", "fifo", "pass"]),
        prop::sample::select(vec!["n - y - -", "- n n 60? 1", "y - - 0 0"]),
        prop::sample::select(vec!["smtpd", "smtp", "pipe", "spawn", "local"]),
        prop::collection::vec((prop::sample::select(vec![" ", "\n  ", "\n# c\n\t"]), argument), 0..4),
    )
        .prop_map(|(name, kind, flags, command, arguments)| {
            let mut text = format!("{name} {kind} {flags} {command}");
            for (by, argument) in arguments {
                text.push_str(by);
                text.push_str(&argument);
            }
            text
        })
}

fn everything(main: &[u8], master: &[u8]) {
    let config = Config {
        main: MainCf::parse("main.cf", main),
        master: MasterCf::parse("master.cf", master),
        ..Config::default()
    };
    for setting in &config.main.settings {
        config.value(&setting.name, None);
        config.items(&setting.name);
        config.seconds(&setting.name);
    }
    for service in &config.master.services {
        config.chrooted(service);
        config.syslog_name(service);
        service.postconf_line();
        for set in &service.overrides {
            config.value(&set.name, Some(service));
        }
    }
    config.service_of_tag("postfix/smtpd");
    unused_parameters(&config);
    undefined_names(&config);
    missing_services(&config);
}

/// 24 cases from a fixed seed, unless the environment asks for others.
fn steady() -> ProptestConfig {
    let asked = |name| std::env::var_os(name).is_some();
    let given = ProptestConfig::default();
    ProptestConfig {
        cases: if asked("PROPTEST_CASES") { given.cases } else { 24 },
        rng_seed: if asked("PROPTEST_RNG_SEED") { given.rng_seed } else { RngSeed::Fixed(20_261_123) },
        ..given
    }
}

proptest! {
    // The same files in each run: what a search finds belongs into `samples`, and is searched for with
    // PROPTEST_RNG_SEED=NUMBER PROPTEST_CASES=NUMBER.
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, failure_persistence: None, ..steady() })]

    #[test]
    fn generated_configurations_read_as_postconf_reads_them(
        main in prop::collection::vec(main_line(), 0..12),
        master in prop::collection::vec(service(), 1..4),
        end in prop::sample::select(vec!["", "\n"]),
    ) {
        if let Some(postconf) = POSTCONF.as_ref() {
            compare(postconf, (main.join("\n") + end).as_bytes(), (master.join("\n") + end).as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(main in prop::collection::vec(any::<u8>(), 0..400), master in prop::collection::vec(any::<u8>(), 0..400)) {
        everything(&main, &master);
    }

    #[test]
    fn bytes_that_look_like_configuration_are_read_without_panic(
        main in "([a-b]{1,2} ?= ?[a-b${}():?= #,\n\t]{0,30}\n ?){0,8}",
        master in "([a-b] (inet|unix) [yn-] - - - - [a-c-]{1,3} [o{}= a-c\n-]{0,30}\n ?){0,5}",
        value in "[$a-c{}()?:=<> ]{0,80}",
    ) {
        everything(main.as_bytes(), master.as_bytes());
        let config = MainCf::parse("main.cf", main.as_bytes());
        let lines = main.matches('\n').count() as u64 + 1;
        for setting in &config.settings {
            prop_assert!(1 <= setting.line && setting.line <= setting.end_line && setting.end_line <= lines);
        }
        expand(&value, &|name| (name == "a").then(|| value.clone()));
        references(&value);
    }
}
