# site.sh, sourced in a box: a mail server with a small internet around it, and the words in which faults are written.
#
#   mail.corp.example        192.0.2.10, 2001:db8:1::10   this machine; users ada, ben, cleo (password: open sesame)
#   in the namespace `world`:
#   gateway and DNS          192.0.2.1                    office PC 192.0.2.150, inside mynetworks
#   partner.example          198.51.100.11  STARTTLS      plain.example   198.51.100.12  no TLS
#   both.example             198.51.100.13 and 2001:db8:2::13
#   grey.example             198.51.100.14  defers what is new for GREY seconds
#   gone.example             198.51.100.15  refuses connections
#   void.example             198.51.100.16  drops packets
#   smarthost.isp.example    198.51.100.20, ports 25 and 587, wants AUTH corp:letmein
#   in.isp.example           198.51.100.21  MX of isp.example and of smarthost.isp.example; relays nothing
#   out.sender.example       203.0.113.5    a client with a name; 203.0.113.66 has none
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
unset LD_LIBRARY_PATH
LOG=/var/log/mail.log
JAIL=/var/spool/postfix
PKI=/etc/pki
TABLES=$(postconf -dh default_database_type)

# --- words of the shell -----------------------------------------------------------------------------------------

world() { nsenter --net=/run/netns/world "$@"; }
aside() { "$@" </dev/null >/dev/null 2>&1 & }
until_true() { local left=$(($1 * 10)); shift; until "$@"; do [ $((left--)) -gt 0 ] || return 1; sleep 0.1; done; }
listens() { ss -Hltn "sport = :$1" | grep -q .; }
world_listens() { world ss -Hltn "src ${1%%,*}" | grep -q .; }
read_log() { cat $LOG; }
logged() { read_log | grep -Eq -- "$1"; }
wait_log() { until_true "${2:-15}" logged "$1" || echo "site: not logged in ${2:-15} s: $1"; }

# --- the world --------------------------------------------------------------------------------------------------

peer() { aside world python3 "$LAB/peers/smtp_peer.py" "$@"; until_true 5 world_listens "$1"; }
filter() { aside python3 "$LAB/peers/smtp_peer.py" "$@"; sleep 0.3; }
milter() { aside python3 "$LAB/peers/milter_peer.py" "$@"; sleep 0.3; }
policy() { aside python3 "$LAB/peers/policy_peer.py" "$@"; sleep 0.3; }

certify() { # certify NAME HOST [openssl x509 options]: a certificate of our authority
  local name=$1 host=$2; shift 2; [ $# != 0 ] || set -- -days 200
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$host" \
    -keyout $PKI/$name.key -out $PKI/$name.csr 2>/dev/null
  openssl x509 -req -in $PKI/$name.csr -CA $PKI/root.pem -CAkey $PKI/root.key -CAcreateserial "$@" \
    -extfile <(echo "subjectAltName=DNS:$host") -out $PKI/$name.pem 2>/dev/null
  chmod 600 $PKI/$name.key
}

self_signed() { # self_signed NAME HOST
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj "/CN=$2" \
    -keyout $PKI/$1.key -out $PKI/$1.pem 2>/dev/null
  chmod 600 $PKI/$1.key
}

site_pki() {
  mkdir -p $PKI /etc/postfix/ssl
  self_signed root "Example Authority"
  certify mail mail.corp.example; certify partner mx.partner.example; certify smarthost smarthost.isp.example
  cp $PKI/mail.pem $PKI/mail.key /etc/postfix/ssl/
  cp $PKI/root.pem /etc/ssl/certs/example-authority.pem
  ln -sf example-authority.pem "/etc/ssl/certs/$(openssl x509 -hash -noout -in $PKI/root.pem).0"
}

site_net() {
  ip netns add world
  ip link add uplink type veth peer name lan netns world
  ip address add 192.0.2.10/24 dev uplink; ip address add 2001:db8:1::10/64 dev uplink nodad; ip link set uplink up
  world ip link set lo up; world ip link set lan up
  local a
  for a in 192.0.2.1/24 192.0.2.150/24; do world ip address add $a dev lan; done
  for a in 198.51.100.{11,12,13,14,15,16,20,21,30,31} 203.0.113.{5,6,66}; do world ip address add $a/32 dev lo; done
  world ip address add 2001:db8:1::1/64 dev lan nodad; world ip address add 2001:db8:2::13/128 dev lo
  ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:1::1
  world iptables -A INPUT -d 198.51.100.16 -j DROP
}

site_names() { hostname mail.corp.example; site_names_files; }
site_names_files() {
  echo mail.corp.example >/etc/hostname; echo corp.example >/etc/mailname
  printf '127.0.0.1 localhost\n192.0.2.10 mail.corp.example mail\n::1 localhost ip6-localhost\n' >/etc/hosts
  rm -f /etc/resolv.conf; echo nameserver 192.0.2.1 >/etc/resolv.conf
}

dns() { # dns [dnsmasq options]: starts the DNS server of the world anew, with these records too
  [ ! -e /run/dns.pid ] || { kill "$(cat /run/dns.pid)"; sleep 0.2; }
  world dnsmasq --conf-file=$PKI/dns.conf --pid-file=/run/dns.pid "$@" </dev/null >/dev/null 2>&1
}

site_dns() {
  { printf '%s\n' no-resolv no-hosts no-poll user=root bind-interfaces listen-address=192.0.2.1 \
      local=/example/ local=/in-addr.arpa/ local=/ip6.arpa/ \
      host-record=mail.corp.example,192.0.2.10,2001:db8:1::10 mx-host=corp.example,mail.corp.example,10 \
      host-record=desk.corp.example,192.0.2.150 \
      host-record=mx.both.example,198.51.100.13,2001:db8:2::13 mx-host=both.example,mx.both.example,10 \
      host-record=smarthost.isp.example,198.51.100.20 host-record=in.isp.example,198.51.100.21 \
      mx-host=isp.example,in.isp.example,10 mx-host=smarthost.isp.example,in.isp.example,10 \
      host-record=out.sender.example,203.0.113.5 host-record=news.sender.example,203.0.113.6 \
      mx-host=sender.example,out.sender.example,10
    local pair
    for pair in partner:11 plain:12 grey:14 gone:15 void:16; do
      echo "host-record=mx.${pair%:*}.example,198.51.100.${pair#*:}"
      echo "mx-host=${pair%:*}.example,mx.${pair%:*}.example,10"
    done; } >$PKI/dns.conf
  dns
}

site_peers() {
  peer 203.0.113.5:25 198.51.100.12:25 198.51.100.13:25 '[2001:db8:2::13]:25' "198.51.100.14:25,grey=${GREY:-4}" \
    "198.51.100.11:25,name=mx.partner.example,tls=$PKI/partner.pem:$PKI/partner.key" \
    "198.51.100.20:25,name=smarthost.isp.example,tls=$PKI/smarthost.pem:$PKI/smarthost.key,auth=corp:letmein" \
    "198.51.100.20:587,name=smarthost.isp.example,tls=$PKI/smarthost.pem:$PKI/smarthost.key,auth=corp:letmein" \
    "198.51.100.21:25,rcpt=554 5.7.1 Relay access denied"
}

# --- the mail server --------------------------------------------------------------------------------------------

site_users() {
  local user id=3001
  for user in ada ben cleo; do
    echo "$user:x:$id:$id::/home/$user:/bin/sh" >>/etc/passwd; echo "$user:x:$id:" >>/etc/group
    echo "$user:*:19700:0:99999:7:::" >>/etc/shadow
    install -d -o $id -g $id /home/$user; id=$((id + 1))
  done
}

log_daemon() { rsyslogd; until_true 5 test -S /dev/log; }
site_log() {
  mkdir -p /etc/rsyslog.d /run/rsyslog
  rm -f /var/log/mail.* /etc/rsyslog.d/*
  printf '%s\n' 'module(load="imuxsock")' '$FileOwner root' '$FileGroup adm' '$FileCreateMode 0640' \
    '$WorkDirectory /var/spool/rsyslog' '$IncludeConfig /etc/rsyslog.d/*.conf' \
    'mail.* -/var/log/mail.log' '*.*;mail.none -/var/log/syslog' >/etc/rsyslog.conf
  echo "\$AddUnixListenSocket $JAIL/dev/log" >/etc/rsyslog.d/postfix.conf
  mkdir -p $JAIL/dev; : >$LOG; chown root:adm $LOG; chmod 640 $LOG
  log_daemon
}

site_main_cf() {
  cat >/etc/postfix/main.cf <<-END
	# mail.corp.example
	compatibility_level = 3.6
	smtpd_banner = \$myhostname ESMTP \$mail_name (Debian/GNU)
	biff = no
	append_dot_mydomain = no

	smtpd_tls_cert_file = /etc/postfix/ssl/mail.pem
	smtpd_tls_key_file = /etc/postfix/ssl/mail.key
	smtpd_tls_security_level = may
	smtp_tls_CApath = /etc/ssl/certs
	smtp_tls_security_level = may

	smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
	smtpd_sasl_local_domain = corp.example
	myhostname = mail.corp.example
	myorigin = /etc/mailname
	mydestination = \$myhostname, corp.example, localhost.corp.example, localhost
	relayhost =
	mynetworks = 127.0.0.0/8 [::1]/128 192.0.2.128/25
	alias_maps = $TABLES:/etc/aliases
	alias_database = $TABLES:/etc/aliases
	mailbox_size_limit = 0
	recipient_delimiter = +
	inet_interfaces = all
	inet_protocols = all
	END
  # From 3.9 on the directory of the SASL configuration is no longer found by itself.
  case $(postconf -dh mail_version) in 3.[0-8].*) ;; *) postconf cyrus_sasl_config_path=/etc/postfix/sasl ;; esac
}

site_master_cf() {
  cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
  cat >>/etc/postfix/master.cf <<-'END'
	submission inet n       -       y       -       -       smtpd
	  -o syslog_name=postfix/submission
	  -o smtpd_tls_security_level=encrypt
	  -o smtpd_sasl_auth_enable=yes
	  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
	smtps     inet  n       -       y       -       -       smtpd
	  -o syslog_name=postfix/smtps
	  -o smtpd_tls_wrappermode=yes
	  -o smtpd_sasl_auth_enable=yes
	  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
	END
  # Debian's jail: all but what delivers as a user, runs commands or opens files for others.
  postconf -F '*/*/chroot=y'
  postconf -M | awk '$8 ~ /^(qmgr|proxymap|local|virtual|pipe|spawn|postlogd)$/ { print $1 "/" $2 "/chroot=n" }' | xargs postconf -F
}

site_sasl() {
  mkdir -p /etc/postfix/sasl
  printf 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n' >/etc/postfix/sasl/smtpd.conf
  local user
  for user in ada ben cleo; do printf 'open sesame' | saslpasswd2 -p -c -u corp.example $user; done
  chgrp postfix /etc/sasldb2; chmod 640 /etc/sasldb2
}

# What Debian's init script or unit does before it starts Postfix: it fills the jail.
fill_jail() {
  mkdir -p $JAIL/etc
  if [ -x /usr/lib/postfix/configure-instance.sh ]; then /usr/lib/postfix/configure-instance.sh - 2>&1; fi
  cp -p /etc/sasldb2 $JAIL/etc/ 2>/dev/null
}
postfix_start() { fill_jail; postfix start 2>&1 | grep -v '^postfix.*starting'; until_true 3 test -S $JAIL/public/pickup; }
postfix_stop() { postfix stop 2>&1 | grep -v '^postfix.*stopping'; }
postfix_restart() { postfix_stop; postfix_start; }
postfix_reload() { postfix reload 2>&1 | grep -v refreshing; sleep 0.4; }
# By hand, as many administrators do: the jail stays as it is.
postfix_restart_bare() { postfix_stop; postfix start 2>&1; sleep 0.4; }

site_postfix() {
  site_main_cf; site_master_cf
  printf 'postmaster: root\nroot: ada\nabuse: root\nsales: ben, cleo\n' >/etc/aliases; newaliases
  site_sasl
  postfix_start
}

site_before() { site_pki; site_net; site_names; site_dns; site_peers; site_users; site_log; }
site_up() { site_before; site_postfix; }

# --- mail -------------------------------------------------------------------------------------------------------

as_user() { local user=$1; shift; setpriv --reuid="$user" --regid="$user" --clear-groups env HOME="/home/$user" "$@"; }
# mail_out [TO] [FROM]: ada writes to somebody, by sendmail(1)
mail_out() { printf 'Subject: note\nTo: %s\n\nhello\n' "${1:-eva@partner.example}" | as_user "${2:-ada}" sendmail -i "${1:-eva@partner.example}"; }
# mail_in [client options]: somebody on the internet writes to ada
mail_in() { world timeout 60 python3 "$LAB/peers/client.py" "$@" 2>&1 | grep -E "^(reply: retcode|client:)" | tail -n 12; }
mail_office() { mail_in -b 192.0.2.150 -h desk.corp.example -f ben@corp.example "$@"; }
mail_login() { mail_in -s 192.0.2.10:587 -S -u "ada@corp.example:open sesame" -f ada@corp.example -t eva@partner.example "$@"; }
# noise [LINES]: the log of the days before
noise() { { python3 "$LAB/peers/noise.py" "${1:-2000}"; cat $LOG; } >/tmp/noise; cat /tmp/noise >$LOG; rm /tmp/noise; }
. "$LAB/backends.sh"
