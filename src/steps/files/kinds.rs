//! The observations of the step `files`, with their typed fields.

use crate::evidence::{Field, Kind};
use crate::steps::config::{int, list, text};

const PATH: Field = text("path", "path of the file or directory");
const OWNER: Field = text("owner", "its owner");
const GROUP: Field = text("group", "its group");
const MODE: Field = text("mode", "its permission bits, octal");
const COMMAND: Field = text("command", "the command that mends it");
const USER: Field = text("user", "login name");

/// All of them.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "queue-directory",
        doc: "a directory of the queue is missing, or its owner, group or mode keeps Postfix from using it",
        fields: &[
            PATH,
            list("paths", "all directories with this problem"),
            text("problem", "`missing`, `owner`, `group`, `mode`, `not-a-directory`"),
            OWNER,
            GROUP,
            MODE,
            text("wanted", "owner, group or mode as it should be"),
            COMMAND,
        ],
    },
    Kind {
        name: "setgid-command",
        doc: "postdrop or postqueue is missing, has the wrong group, or lacks the set-gid bit",
        fields: &[
            PATH,
            text("problem", "`missing`, `group`, `mode`, `not-executable`"),
            OWNER,
            GROUP,
            MODE,
            text("wanted", "group or mode as it should be"),
            COMMAND,
        ],
    },
    Kind {
        name: "owner-unsafe",
        doc: "`postfix check` warns: a file or directory of Postfix does not belong to root",
        fields: &[
            PATH,
            OWNER,
            text("wanted", "the right owner"),
            text("what", "`configuration`, `daemon`, `command`, `queue`"),
            COMMAND,
        ],
    },
    Kind {
        name: "writable-by-others",
        doc: "`postfix check` warns: group or others may write a file or directory of Postfix",
        fields: &[PATH, MODE, text("what", "`configuration`, `daemon`, `command`, `queue`"), COMMAND],
    },
    Kind {
        name: "config-unreadable",
        doc: "users cannot read main.cf: sendmail and postdrop run as the calling user and stop",
        fields: &[PATH, OWNER, MODE, COMMAND],
    },
    Kind {
        name: "data-directory",
        doc: "data_directory is missing, does not belong to mail_owner, or is writable by others",
        fields: &[
            PATH,
            text("problem", "`missing`, `owner`, `mode`, `file-owner`"),
            OWNER,
            MODE,
            text("wanted", "as it should be"),
            COMMAND,
        ],
    },
    Kind {
        name: "daemon-program",
        doc: "a program of Postfix is missing or cannot be executed",
        fields: &[PATH, text("problem", "`missing`, `not-executable`, `noexec-mount`"), MODE, COMMAND],
    },
    Kind {
        name: "stale-symlink",
        doc: "a symbolic link points to nothing",
        fields: &[PATH, text("target", "where it points"), text("what", "what needs it")],
    },
    Kind {
        name: "secret-readable",
        doc: "everybody may read a private key or a password table",
        fields: &[
            PATH,
            MODE,
            text("what", "`private key` or `passwords`"),
            text("parameter", "the parameter that names it"),
            COMMAND,
        ],
    },
    Kind {
        name: "tls-file",
        doc: "a certificate, key or CA file is missing, empty or cannot be read",
        fields: &[
            PATH,
            text("parameter", "the parameter that names it"),
            text(
                "problem",
                "`missing`, `empty`, `not-pem`, `no-key`, `no-certificate`, `directory`, `not-a-directory`",
            ),
            text("entry", "service in master.cf; empty: main.cf"),
            text("file", "where it is configured"),
            int("line", "line there"),
        ],
    },
    Kind {
        name: "certificate-date",
        doc: "a configured certificate has expired, will within 14 days, or is not valid yet",
        fields: &[
            PATH,
            text("parameter", "the parameter that names it"),
            text("problem", "`expired`, `expires-soon`, `not-yet`"),
            int("days", "days since or until"),
            text("until", "the date"),
            text("subject", "its subject"),
        ],
    },
    Kind {
        name: "mailbox-unwritable",
        doc: "a user cannot write his mailbox; local(8) delivers as that user",
        fields: &[
            USER,
            PATH,
            text("blocked_by", "the file or directory that is in the way"),
            OWNER,
            MODE,
            text("problem", "`owner`, `mode`, `missing-directory`, `wrong-kind`, `search`"),
            text("form", "`maildir` or `mbox`"),
            COMMAND,
        ],
    },
    Kind {
        name: "virtual-mailbox-unwritable",
        doc: "virtual(8) cannot write below virtual_mailbox_base with the configured user id",
        fields: &[
            PATH,
            text("uid", "the user id that it delivers as"),
            text("blocked_by", "the file or directory that is in the way"),
            OWNER,
            MODE,
            text("problem", "`missing`, `owner`, `search`"),
            COMMAND,
        ],
    },
    Kind {
        name: "home-missing",
        doc: "the home directory of a user does not exist, though mail is delivered there",
        fields: &[USER, PATH, COMMAND],
    },
    Kind {
        name: "spool-directory",
        doc: "mail_spool_directory is missing, or users cannot create their mailbox and lock there",
        fields: &[
            PATH,
            text("problem", "`missing`, `mode`, `group`"),
            OWNER,
            GROUP,
            MODE,
            text("wanted", "as it should be"),
            COMMAND,
        ],
    },
    Kind {
        name: "forward-ignored",
        doc: "a .forward file that local(8) does not use, because of its owner or mode",
        fields: &[USER, PATH, text("problem", "`owner`, `writable`, `unreadable`, `not-a-file`"), OWNER, MODE, COMMAND],
    },
    Kind {
        name: "forward-loop",
        doc: "aliases and .forward files send mail round in a circle",
        fields: &[
            list("names", "the names in the circle, first one again at the end"),
            text("how", "`forward`, `alias`, `alias and forward`"),
            text("path", "the file of the first step"),
        ],
    },
    Kind {
        name: "alias-target",
        doc: "an alias points to a user, file, command or list that does not exist",
        fields: &[
            text("alias", "the name"),
            text("target", "where it points"),
            text("problem", "`user-unknown`, `include-missing`, `command-missing`"),
            PATH,
            int("row", "line in that file"),
        ],
    },
    Kind {
        name: "sendmail-replaced",
        doc: "the sendmail command is not that of Postfix",
        fields: &[PATH, text("points_to", "what it is"), text("postfix_sendmail", "Postfix's own")],
    },
    Kind {
        name: "immutable",
        doc: "a file or directory that Postfix must write has the immutable or append-only attribute",
        fields: &[PATH, text("attributes", "as lsattr shows them"), COMMAND],
    },
];
