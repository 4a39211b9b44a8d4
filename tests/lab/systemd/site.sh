# site.sh of the machines: the site of ../site.sh on a booted systemd, with units for the daemons and the journal for the log.
. "$LAB/site.sh"
unit=postfix@-.service
[ -e /lib/systemd/system/postfix@.service ] || unit=postfix.service

read_log() { journalctl --quiet --no-pager --output=short-iso; }
noise() { :; } # a journal cannot be filled with days that have passed
postfix_start() { fill_jail >/dev/null; systemctl start $unit; until_true 3 test -S $JAIL/public/pickup; }
postfix_stop() { systemctl stop $unit; }
postfix_reload() { systemctl reload $unit; sleep 0.4; }
postfix_restart_bare() { systemctl restart $unit; sleep 0.4; }
settled() { until_true 20 bash -c '[ -z "$(systemctl list-jobs --no-legend)" ]'; }

# service NAME COMMAND [lines of [Service]]: a unit that runs COMMAND
service() {
  local name=$1 command=$2; shift 2
  { printf '[Unit]\nDescription=%s\nAfter=network.target\n[Service]\nExecStart=%s\n' "$name" "$command"
    printf '%s\n' "$@" '[Install]' 'WantedBy=multi-user.target'; } >/etc/systemd/system/$name.service
}
# script NAME PEER: a daemon of the lab as a program of this machine, since a unit does not see the lab's folder once it moves
script() { { echo '#!/usr/bin/python3'; cat "$LAB/peers/$2"; } >/usr/local/sbin/$1; chmod 755 /usr/local/sbin/$1; }
signing_milter() { # opendkim, signing for corp.example, at inet:127.0.0.1:8891
  mkdir -p /etc/dkimkeys; openssl genrsa -out /etc/dkimkeys/mail.private 2048 2>/dev/null
  chown -R opendkim: /etc/dkimkeys; chmod 600 /etc/dkimkeys/mail.private
  printf '%s\n' 'Syslog yes' 'UMask 007' 'Mode sv' 'Domain corp.example' 'Selector mail' 'KeyFile /etc/dkimkeys/mail.private' \
    'Socket inet:8891@127.0.0.1' 'PidFile /run/opendkim/opendkim.pid' 'UserID opendkim' 'InternalHosts 127.0.0.1' >/etc/opendkim.conf
  postconf smtpd_milters=inet:127.0.0.1:8891 non_smtpd_milters=inet:127.0.0.1:8891
}

# Before the boot: files only.
machine_off() {
  site_names_files; site_pki; site_users
  (postfix_start() { mkdir -p $JAIL/etc; cp -p /etc/sasldb2 $JAIL/etc/; }; site_postfix)
}
# After it: the network, which on this machine is made by hand, and the others.
machine_on() { hostname mail.corp.example; site_net; site_dns; site_peers; }
